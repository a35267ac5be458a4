"""Descriptions of images as a program has them at hand: files, texts, dicts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kubesim.util.yamlfmt import dump

Description = str | os.PathLike[str] | Mapping[str, Any]
Images = Description | Sequence[Description]


def documents_of(images: Images) -> list[tuple[str, str]]:
    """The texts, each with the name of its source. Raises ValueError for a file that cannot be read."""
    if isinstance(images, (str, os.PathLike, Mapping)):
        images = [images]
    return [_document(at, image) for at, image in enumerate(images)]


def _document(at: int, image: Description) -> tuple[str, str]:
    if isinstance(image, Mapping):
        return f"images[{at}]", dump(dict(image))
    if isinstance(image, str) and ("\n" in image or image.lstrip().startswith("{")):
        return f"images[{at}]", image
    try:
        return os.fspath(image), Path(image).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {os.fspath(image)}: {error}") from None
