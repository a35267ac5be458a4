"""What the words of `cp` name, and how its paths are read: always as a Unix path in a container (pkg/cmd/cp/filespec.go)."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from kubesim.cli.errors import CLIError

_CANONICAL = "filespec must match the canonical format: [[namespace/]pod:]file/path"


@dataclass(frozen=True, slots=True)
class FileSpec:
    """`path`, `POD:path` or `NAMESPACE/POD:path`. Without a Pod it is a path of this computer."""

    path: str
    pod: str = ""
    namespace: str = ""


def parse_spec(word: str) -> FileSpec:
    """Raises CLIError."""
    place, colon, path = word.partition(":")
    if not colon:
        return FileSpec(without_end(word))
    names = place.split("/")
    if not place or len(names) > 2:
        raise CLIError(_CANONICAL)
    path = without_end(path).replace("\\", "/")
    return FileSpec(path, names[-1], names[0] if len(names) == 2 else "")


def without_end(path: str) -> str:
    """Without the slash at its end."""
    return path[:-1] if path.endswith("/") and path != "/" else path


def clean(path: str) -> str:
    """As Go's path.Clean: `.` for nothing, one slash at the beginning."""
    found = posixpath.normpath(path)
    return found[1:] if found.startswith("//") else found


def joined(base: str, name: str) -> str:
    """As Go's path.Join: `name` is below `base` even where it begins with a slash."""
    return clean("/".join(part for part in (base, name) if part)) if base or name else ""


def folder_of(path: str) -> str:
    """As Go's path.Dir: `.` where there is no slash."""
    return clean(path[: path.rfind("/") + 1])


def without_shortcuts(path: str) -> str:
    """A clean path without the `../` that it begins with, nor the slash after them."""
    while path.startswith("../"):
        path = path[3:]
    if path in (".", ".."):
        return ""
    return path.removeprefix("/")


def is_below(base: str, target: str) -> bool:
    """Whether a path is that of a directory or of something in it. Both are clean; no directory is looked at."""
    if target == base:
        return True
    if base == ".":
        rest = target
    elif target.startswith(start := base if base == "/" else f"{base}/"):
        rest = target[len(start) :]
    else:
        return False
    return rest == without_shortcuts(rest)
