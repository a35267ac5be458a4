"""The files, directories, URLs and standard input that a command line names, as documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubesim.cli.errors import CLIError
from kubesim.util.jsontypes import JSONObject
from kubesim.util.yamlfmt import YAMLSyntaxError, load_documents

if TYPE_CHECKING:
    from kubesim.cli.session import Session

EXTENSIONS = (".json", ".yaml", ".yml")
STDIN = "STDIN"
_STOP_VALIDATION = "if you choose to ignore these errors, turn validation off with --validate=false"

Documents = Callable[[], Iterator[Any]]


@dataclass(slots=True)
class Sources:
    """Where documents come from: a name for messages, and a function that reads them."""

    sources: list[tuple[str, Documents]] = field(default_factory=list)
    single_item_implied: bool = False


def find_sources(session: Session, filenames: Sequence[str], kustomize: str, *, recursive: bool) -> Sources:
    """Look for every file first, so that a missing one is reported before anything is done. Raises
    CLIError.
    """
    found = Sources()
    if kustomize:
        found.sources.append((kustomize, lambda: _kustomization(session, kustomize)))
        return found
    errors: list[str] = []
    for name in filenames:
        try:
            found.sources += _expand(session, name, recursive=recursive)
        except CLIError as error:
            errors.append(str(error))
    if len(errors) == 1:
        raise CLIError(errors[0])
    if errors:
        raise CLIError("[" + ", ".join(dict.fromkeys(errors)) + "]")
    one = len(found.sources) == 1 and len(filenames) == 1
    found.single_item_implied = (
        one and filenames[0] != "-" and not session.streams.path(filenames[0]).is_dir()
    )
    return found


def _expand(session: Session, name: str, *, recursive: bool) -> list[tuple[str, Documents]]:
    streams = session.streams
    if name == "-":
        return [(STDIN, lambda: _parsed(_read_stdin(session), STDIN))]
    if name.startswith(("http://", "https://")):
        return [(name, lambda: _parsed(_download(name), name))]
    path = streams.path(name)
    if not path.exists():
        matches = (
            sorted(streams.cwd.glob(name))
            if any(c in name for c in "*?[") and not Path(name).is_absolute()
            else []
        )
        if not matches:
            raise CLIError(f'the path "{name}" does not exist')
        return [
            s for m in matches for s in _expand(session, str(m.relative_to(streams.cwd)), recursive=recursive)
        ]
    if not path.is_dir():
        return [(name, lambda: _parsed(_read_file(path, name), name))]
    files = sorted(_walk(path, recursive=recursive))
    if not files:
        extensions = " ".join(EXTENSIONS)
        raise CLIError(f"error reading [{name}]: recognized file extensions are [{extensions}]")
    return [_directory_source(name, path, file) for file in files]


def _directory_source(name: str, folder: Path, file: Path) -> tuple[str, Documents]:
    shown = str(Path(name) / file.relative_to(folder))
    return shown, lambda: _parsed(_read_file(file, shown), shown)


def _walk(folder: Path, *, recursive: bool) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if recursive:
                yield from _walk(path, recursive=True)
        elif path.suffix in EXTENSIONS:
            yield path


def _read_file(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CLIError(f"open {name}: {(error.strerror or str(error)).lower()}") from None


def _read_stdin(session: Session) -> bytes:
    try:
        return session.streams.read_stdin()
    except ValueError as error:
        raise CLIError(str(error)) from None


def _download(url: str) -> bytes:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  the scheme was checked by the caller
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        status = f"{error.code} {error.reason}"
        raise CLIError(
            f'unable to read URL "{url}", server reported {status}, status code={error.code}'
        ) from None
    except (urllib.error.URLError, OSError) as error:
        raise CLIError(f'Get "{url}": {getattr(error, "reason", error)}') from None


def _kustomization(session: Session, folder: str) -> Iterator[Any]:
    from kubesim.cli.kustomize import build

    yield from build(session.streams.path(folder), folder)


def _parsed(data: bytes, source: str) -> Iterator[Any]:
    documents = load_documents(data)
    while True:
        try:
            document = next(documents, None)
        except YAMLSyntaxError as error:
            raise CLIError(f"error parsing {source}: {error}") from None
        if document is None:
            return
        if document.value is not None:
            yield document.value


def check_document(value: Any, source: str, *, validate: bool) -> JSONObject:
    """A document as an object with a kind. Raises CLIError with the texts of kubectl's validation and
    decoder.
    """
    if validate:
        problems = _problems(value)
        if problems:
            text = problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]"
            raise CLIError(f'error validating "{source}": error validating data: {text}; {_STOP_VALIDATION}')
    if not isinstance(value, dict):
        kind = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
        text = f"json: cannot unmarshal {kind} into Go value of type struct"
        raise CLIError(f'unable to decode "{source}": {text}')
    for name, word in (("kind", "Kind"), ("apiVersion", "apiVersion")):
        if not value.get(name):
            shown = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
            raise CLIError(f"unable to decode \"{source}\": Object '{word}' is missing in '{shown}'")
    problem = _metadata_problem(value)
    if problem:
        raise CLIError(f'unable to decode "{source}": {problem}')
    return value


def _problems(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return ["invalid object to validate"]
    found = []
    for name in ("apiVersion", "kind"):
        if name not in value:
            found.append(f"{name} not set")
        elif not isinstance(value[name], str):
            found.append(f"{name} isn't string type")
    return found


_TEXTS = ("name", "generateName", "namespace", "uid", "resourceVersion", "selfLink")
_MAPS = ("labels", "annotations")


def _metadata_problem(obj: JSONObject) -> str:
    """What a typed decoder of ObjectMeta would refuse, in its words; empty if nothing."""
    meta = obj.get("metadata")
    if meta is None:
        return ""
    if not isinstance(meta, dict):
        return (
            f"json: cannot unmarshal {_json_kind(meta)} into Go struct field .metadata of type v1.ObjectMeta"
        )
    for name in _TEXTS:
        if meta.get(name) is not None and not isinstance(meta[name], str):
            return _mismatch(meta[name], name, "string")
    for name in _MAPS:
        values = meta.get(name)
        if values is None:
            continue
        if not isinstance(values, dict):
            return _mismatch(values, name, "map[string]string")
        for value in values.values():
            if value is not None and not isinstance(value, str):
                return _mismatch(value, name, "string")
    return ""


def _mismatch(value: Any, name: str, wanted: str) -> str:
    return f"json: cannot unmarshal {_json_kind(value)} into Go struct field ObjectMeta.metadata.{name} of type {wanted}"


def _json_kind(value: Any) -> str:
    kinds: dict[type, str] = {bool: "bool", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "number")
