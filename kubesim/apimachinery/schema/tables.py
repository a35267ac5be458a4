"""Where compiled tables come from: the cache on disk, or the definitions themselves.

A cached table is a marshal file, named after everything that its content depends on: the Kubernetes version,
the package of definitions, this format, the facts beside the compiler, and the Python that wrote it. It is
written to a temporary name and renamed, readable for its owner alone, and one that cannot be read is simply
made again.
"""

from __future__ import annotations

import marshal
import os
import re
import sys
from pathlib import Path
from typing import Any

FORMAT = 1
_MAGIC = b"kubesim schema\n"
_PACKAGE = "kubernetes_validate"
_VERSION = re.compile(r"v1\.(\d+)\.\d+-local")


def package_directory() -> Path:
    """Where the package of definitions is installed; it is never imported. Raises ValueError where it is
    not.
    """
    for entry in sys.path:  # what find_spec does for a plain package, without importing importlib.util
        directory = Path(entry, _PACKAGE)
        if (directory / "version.py").is_file():
            return directory
    import importlib.util

    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ValueError(
            "the package kubernetes-validate, which has the Kubernetes schemas, is not installed"
        )
    return Path(next(iter(found.submodule_search_locations)))


def available_versions() -> list[str]:
    """The Kubernetes versions there are definitions for, oldest first: `1.25`, … `1.37`."""
    names = (_VERSION.fullmatch(p.name) for p in (package_directory() / "kubernetes-json-schema").iterdir())
    return [f"1.{minor}" for minor in sorted(int(m[1]) for m in names if m)]


def minor_of(version: str) -> int:
    """32 for `1.32`, `v1.32`, `1.32.4`. Raises ValueError."""
    found = re.fullmatch(r"v?1\.(\d+)(?:\.\d+)?", version)
    if not found:
        raise _unknown(version)
    return int(found[1])


def definitions_file(version: str) -> Path:
    """The published definitions of a version. Raises ValueError for a version that is not there."""
    folder = package_directory() / "kubernetes-json-schema" / f"v1.{minor_of(version)}.0-local"
    if not folder.is_dir():
        raise _unknown(version)
    return folder / "_definitions.json"


def load_tables(version: str, cache_dir: Path | None, *, cold: bool) -> dict[str, Any]:
    """One of the two tables of a version, by way of the cache. Raises ValueError for a version that is not
    there.
    """
    minor = minor_of(version)
    name = f"schema-1.{minor}-{FORMAT}-{sys.implementation.cache_tag}-{_stamp()}"
    path = cache_dir / f"{name}.{'cold' if cold else 'hot'}" if cache_dir else None
    table = _read(path) if path else None
    if table is not None:
        return table
    from kubesim.apimachinery.schema.definitions import compile_definitions

    hot, texts = compile_definitions(definitions_file(version), minor)
    if cache_dir:
        _write(cache_dir / f"{name}.hot", hot)
        _write(cache_dir / f"{name}.cold", texts)
    return texts if cold else hot


def _unknown(version: str) -> ValueError:
    there = ", ".join(available_versions())
    return ValueError(f'no schema for Kubernetes version "{version}"; there are {there}')


def _stamp() -> str:
    here = Path(__file__).parent
    return source_stamp(*(here / name for name in ("definitions.py", "published.py", "go_facts.json")))


def source_stamp(*sources: Path) -> str:
    """A word that changes whenever another package of definitions is installed, or one of the files that make
    something of them has changed.
    """
    stamps = (path.stat() for path in (package_directory() / "version.py", *sources))
    return "-".join(f"{s.st_size:x}.{s.st_mtime_ns & 0xFFFFFFFFFF:x}" for s in stamps)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                return None  # marshal must not be fed by others
            if file.read(len(_MAGIC)) != _MAGIC:
                return None
            size = int.from_bytes(file.read(8), "little")
            body = file.read()
        if len(body) != size:
            return None
        table = marshal.loads(body)  # noqa: S302 - our own file, checked above
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return table if isinstance(table, dict) else None


def _write(path: Path, table: dict[str, Any]) -> None:
    """Put a table into the cache; a directory that cannot be written to is no reason to fail."""
    import tempfile

    body = marshal.dumps(table)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".schema-")  # mkstemp makes it 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + len(body).to_bytes(8, "little") + body)
            os.replace(temporary, path)  # noqa: PTH105 - atomic
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError:
        return
