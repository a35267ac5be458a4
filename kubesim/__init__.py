"""A whole Kubernetes cluster in one Python process.

`from kubesim import Cluster` gives a cluster to a Python program or a test:

    from kubesim import Cluster

    with Cluster(nodes=2) as cluster:
        cluster.kubectl("run web --image=nginx --port=80 --expose", check=True)
        cluster.wait("pod/web", "condition=Ready")
        assert "Welcome" in cluster.exec("web", "curl -s localhost").stdout
        assert cluster.get("endpoints", "web")["subsets"][0]["ports"][0]["port"] == 80
"""

from __future__ import annotations

from kubesim import version

TYPE_CHECKING = False  # `typing` costs a warm command more than all else that it imports
if TYPE_CHECKING:
    from kubesim.apimachinery.errors import StatusError as StatusError
    from kubesim.embedded.cluster import Cluster as Cluster
    from kubesim.embedded.commandline import CommandError as CommandError

__version__ = version.VERSION

__all__ = ["Cluster", "CommandError", "StatusError", "__version__"]

_PLACES = {
    "Cluster": "kubesim.embedded.cluster",
    "CommandError": "kubesim.embedded.commandline",
    "StatusError": "kubesim.apimachinery.errors",
}
"""Loaded when asked for: every command imports this package first, and needs none of them."""


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
