"""What runs the containers of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kubesim.client.lister import get_or_none
from kubesim.client.resources import CONFIG_MAPS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kubesim.cluster.build import Parts
    from kubesim.runtime.container import ContainerRuntime

IMAGES_FILE: Final = "images.yaml"
"""In a home: images for all its clusters."""
_NAMESPACE, _NAME = "kube-system", "kubesim-images"


def make_runtime(parts: Parts, images: Path | None = None) -> ContainerRuntime:
    """Simulated containers whose state lies in the cluster's store. Images may be added to the built-in ones: in a file,
    and in a ConfigMap of the cluster.
    """
    from kubesim.runtime.container import ContainerRuntime

    client = parts.client("kubelet")

    def more() -> Sequence[tuple[str, str]]:
        found = []
        if images is not None and images.exists():
            found.append((str(images), images.read_text("utf-8", "replace")))
        added = get_or_none(client, CONFIG_MAPS, _NAME, _NAMESPACE)
        texts = (added or {}).get("data") or {}
        found += [(f"ConfigMap {_NAMESPACE}/{_NAME}, {key}", texts[key]) for key in sorted(texts)]
        return found

    return ContainerRuntime(state=parts.state, clock=parts.clock, more_images=more)
