"""The images that running containers were started from, where those are a user's: the catalogue may say something else by
now, or nothing, and what runs keeps what it has. Images of the built-in catalogue are looked up there.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from kubesim.runtime.images import Image, ImageFile, Reference
from kubesim.runtime.keeping import pack, unpack
from kubesim.runtime.shared import Shared
from kubesim.util.state import StateStore

_REMEMBERED = 32
_TUPLES = frozenset(("entrypoint", "cmd", "ports", "packages", "directories"))


class KeptImages:
    """The images in a state store. Whoever calls has it to himself."""

    def __init__(self, state: StateStore) -> None:
        self._shared = Shared(state, "runtime/image")
        self._known: dict[str, Image] = {}

    def keep(self, image: Image) -> str:
        """Keep an image for one container more; the name to ask for it by, empty for a built-in one."""
        if not image.own:
            return ""
        name = next((n for n, known in self._known.items() if known is image), "")
        if not name or not self._shared.keep_again(name):
            name = self._shared.keep(pack(_dump(image)))
        self._remember(name, image)
        return name

    def load(self, name: str) -> Image | None:
        """The image of that name; None where it is gone, with the container that had it."""
        if name not in self._known:
            text = self._shared.load(name)
            if text is None:
                return None
            self._remember(name, _load(unpack(text)))
        return self._known[name]

    def release(self, name: str) -> None:
        """One container less has it."""
        self._shared.release(name)

    def _remember(self, name: str, image: Image) -> None:
        self._known[name] = image
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]


def _dump(image: Image) -> dict[str, Any]:
    return {f.name: getattr(image, f.name) for f in fields(image)} | {
        "reference": asdict(image.reference),
        "files": {path: asdict(file) for path, file in image.files.items()},
    }


def _load(kept: dict[str, Any]) -> Image:
    found: dict[str, Any] = {k: tuple(v) if k in _TUPLES else v for k, v in kept.items()}
    found["reference"] = Reference(**kept["reference"])
    found["files"] = {path: ImageFile(**file) for path, file in kept["files"].items()}
    return Image(**found)
