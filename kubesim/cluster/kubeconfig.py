"""The kubeconfig with which other programs reach a served cluster: kubectl, client libraries, browsers of clusters.

It belongs to the cluster (`HOME/sims/NAME/kubeconfig`) and comes and goes with it; `HOME/kubeconfig` is another one,
that of the command `kubesim config`.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any, Final

from kubesim.cluster.home import DEFAULT_SIM, Home, replace_file
from kubesim.cluster.pki import ADMIN, Authority
from kubesim.util.jsontypes import JSONObject

_CONTENT: Final = {"clusters": "cluster", "users": "user", "contexts": "context"}


def context_name(sim: str) -> str:
    """The context of a cluster in its kubeconfig; also the name of its entry there."""
    return "kubesim" if sim == DEFAULT_SIM else f"kubesim-{sim}"


def write_kubeconfig(home: Home, sim: str, server_url: str, authority: Authority) -> Path:
    """Write the kubeconfig of a cluster that is served at a URL; where it is. Raises HomeError.

    What else a user has put into the file stays: the namespace of the context, other entries, the choice of another
    context.
    """
    from kubesim.util.yamlfmt import dump

    path = home.sim_kubeconfig(sim)
    name = context_name(sim)
    user = f"{name}-admin"
    certificate, key = authority.client_certificate(*ADMIN)
    config = _read(path)
    _put(
        config,
        "clusters",
        name,
        {"certificate-authority-data": _base64(authority.ca_pem), "server": server_url},
    )
    _put(
        config,
        "users",
        user,
        {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)},
    )
    context: JSONObject = {"cluster": name, "user": user}
    namespace = _entries(config, "contexts").get(name, {}).get("namespace")
    if isinstance(namespace, str) and namespace:
        context["namespace"] = namespace
    _put(config, "contexts", name, context)
    if config.get("current-context") not in _entries(config, "contexts"):
        config["current-context"] = name
    replace_file(path, dump(config))
    return path


def _read(path: Path) -> JSONObject:
    """What is in the file; without one, or where it cannot be understood, an empty configuration."""
    from kubesim.util.yamlfmt import YAMLSyntaxError, load_documents

    value: Any = None
    try:
        document = next(iter(load_documents(path.read_bytes())), None)
        value = document.value if document else None
    except (OSError, YAMLSyntaxError):
        pass
    empty: JSONObject = {"apiVersion": "v1", "kind": "Config", "preferences": {}}
    return empty | value if isinstance(value, dict) else empty


def _entries(config: JSONObject, section: str) -> dict[str, JSONObject]:
    found: dict[str, JSONObject] = {}
    held = config.get(section)
    for entry in held if isinstance(held, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            content = entry.get(_CONTENT[section])
            found[entry["name"]] = content if isinstance(content, dict) else {}
    return found


def _put(config: JSONObject, section: str, name: str, content: JSONObject) -> None:
    found = _entries(config, section) | {name: content}
    config[section] = [{_CONTENT[section]: found[n], "name": n} for n in sorted(found)]


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
