"""The files of one kustomization: at or below its directory, and, for resources, at URLs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from kubesim.cli.kustomize.errors import BuildError, DownloadFailed, MalformedYAML
from kubesim.cli.kustomize.resources import NullWord, Resource
from kubesim.util.jsontypes import JSONObject
from kubesim.util.yamlfmt import YAMLSyntaxError
from kubesim.util.yamlload import load

# kustomize reads YAML 1.2 in this: words that go-yaml v2 takes for booleans are strings.
_WORDS: Final[Mapping[str, Any]] = MappingProxyType(
    {w: w for word in ("y", "n", "yes", "no", "on", "off") for w in (word, word.capitalize(), word.upper())}
    | {w: NullWord("null") for w in ("null", "Null", "NULL", "~")}
)
_SEPARATOR = re.compile(rb"\n---.*\n")
_GIT_URL = re.compile(
    r"^(git::|git@|ssh://|git://|gh:)|(github|gitlab|bitbucket)\.|\.git(?:[/?]|$)|^https?://.*//",
    re.IGNORECASE,
)
_SECONDS = 30
_NO_METADATA = "missing Resource metadata"


class Loader:
    """Reads files for the kustomization in one directory. `referrer` is the one that led there."""

    def __init__(self, root: Path, referrer: Loader | None = None, *, restricted: bool = True) -> None:
        self.root = root
        self._referrer = referrer
        self._restricted = restricted

    def descend(self, path: str) -> Loader:
        """A loader for another kustomization. Raises BuildError: not a directory, or one that leads in a circle."""
        if not path:
            raise BuildError("new root cannot be empty")
        if _GIT_URL.search(path):
            raise BuildError(f"'{path}' is a git repository: clone it and name its directory")
        if path.startswith("/"):
            raise BuildError(f"new root '{path}' cannot be absolute")
        root = confirmed(self.root / path, str(_cleaned(self.root / path)))
        visited: Loader | None = self
        while visited is not None:
            if visited.root.is_relative_to(root):
                raise BuildError(
                    f"cycle detected: candidate root '{root}' contains visited root '{visited.root}'"
                )
            visited = visited._referrer  # noqa: SLF001  of the same class
        return Loader(root, self, restricted=self._restricted)

    def load(self, path: str) -> bytes:
        """The content of a file. Raises BuildError."""
        if path.startswith(("http://", "https://")):
            return _download(path)
        target = Path(path) if path.startswith("/") else self.root / path
        shown = str(_cleaned(target))
        try:
            found = Path(shown).resolve(strict=True)
        except OSError as error:
            missing = error.filename or shown
            raise BuildError(
                f"evalsymlink failure on '{shown}' : lstat {missing}: {_reason(error)}"
            ) from None
        if found.is_dir():
            raise BuildError(f"'{shown}' must resolve to a file")
        if self._restricted and not found.is_relative_to(self.root):
            raise BuildError(f"security; file '{shown}' is not in or below '{self.root}'")
        try:
            return found.read_bytes()
        except OSError as error:
            raise BuildError(f"open {found}: {_reason(error)}") from None

    def resources(self, path: str) -> list[Resource]:
        """The objects in a file."""
        data = self.load(path)
        try:
            return parse_resources(data)
        except MalformedYAML as error:
            raise MalformedYAML(f"{error} in File: {path}") from None


def confirmed(path: Path, shown: str) -> Path:
    """A directory without links in its path. Raises BuildError: ConfirmDir."""
    try:
        found = path.resolve(strict=True)
    except OSError as error:
        raise BuildError(
            "must build at directory: not a valid directory: "
            f"evalsymlink failure on '{shown}' : lstat {error.filename or shown}: {_reason(error)}"
        ) from None
    if not found.is_dir():
        raise BuildError(f"must build at directory: '{shown}': file is not directory")
    return found


def _cleaned(path: Path) -> Path:
    """A path without `.` and `..`, as text alone says it: filepath.Clean."""
    import os.path

    return Path(os.path.normpath(path))


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _download(url: str) -> bytes:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310  http or https, as checked
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        raise DownloadFailed(f"HTTP Error: status code {error.code} ({error.reason})") from None
    except (urllib.error.URLError, OSError) as error:
        raise DownloadFailed(f'Get "{url}": {getattr(error, "reason", error)}') from None


def parse_resources(data: bytes) -> list[Resource]:
    """The objects of a YAML text, lists taken apart. Raises BuildError: SliceFromBytes."""
    return [Resource(obj) for obj in _inlined(list(_checked(parse_documents(data))))]


def parse_documents(data: bytes) -> list[Any]:
    """The documents that are not empty. Raises MalformedYAML with go-yaml's text."""
    found: list[Any] = []
    text = data.replace(b"\r\n", b"\n")
    start = 0
    for separator in _SEPARATOR.finditer(text):
        rest = separator.group()[4:].strip()
        if rest and not rest.startswith(b"#"):
            shown = separator.group().strip().decode(errors="replace")
            raise BuildError(f"invalid document separator: {shown}")
        found.append(text[start : separator.start()] + b"\n")
        start = separator.end()
    found.append(text[start:])
    values = [_parsed(part) for part in found]
    if len(values) == 1 and isinstance(values[0], dict) and values[0].get("kind") in ("List", "ResourceList"):
        items = values[0].get("items")
        if isinstance(items, list):
            values = items
    return [v for v in values if v not in (None, {})]


def _parsed(data: bytes) -> Any:
    try:
        return load(data, words=_WORDS)
    except YAMLSyntaxError as error:
        text = str(error).removeprefix("error converting YAML to JSON: ")
        raise MalformedYAML(f"MalformedYAMLError: {text}") from None


def _checked(values: list[Any]) -> list[JSONObject]:
    """Objects with a kind and a name: dropBadNodes."""
    for value in values:
        if not isinstance(value, dict):
            raise BuildError(_NO_METADATA)
        metadata = value.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        name = value.get("kind")
        if not name and not value.get("apiVersion") and not metadata:
            raise BuildError(_NO_METADATA)
        if not name:
            raise BuildError(f"missing kind in object {_meta_text(value, metadata)}")
        if not str(name).endswith("List") and not metadata.get("name"):
            raise BuildError(f"missing metadata.name in object {_meta_text(value, metadata)}")
    return values


def _meta_text(value: JSONObject, metadata: JSONObject) -> str:
    """A ResourceMeta as %v prints it."""
    from kubesim.util.gotext import sprint

    head = f"{value.get('apiVersion') or ''} {value.get('kind') or ''}"
    names = f"{metadata.get('name') or ''} {metadata.get('namespace') or ''}"
    maps = " ".join(sprint(metadata.get(key) or {}) for key in ("labels", "annotations"))
    return f"{{{{{head}}} {{{{{names}}} {maps}}}}}"


def _inlined(values: list[JSONObject]) -> list[JSONObject]:
    """A FooList is replaced by its items, at the end: inlineAnyEmbeddedLists."""
    found: list[JSONObject] = []
    waiting = list(values)
    while waiting:
        value = waiting.pop(0)
        if not str(value.get("kind")).endswith("List") or "items" not in value:
            found.append(value)
            continue
        items = value["items"]
        if items is None:
            continue
        if not isinstance(items, list):
            raise BuildError(f"expected array in {value['kind']}/items, but found {type(items).__name__}")
        waiting += _checked([item for item in items if item])
    return found
