"""The files, directories, URLs and standard input that a command line names, as documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubesim.cli.errors import AggregateError, CLIError
from kubesim.util.yamlfmt import YAMLSyntaxError, load_documents

if TYPE_CHECKING:
    from kubesim.cli.session import Session

EXTENSIONS = (".json", ".yaml", ".yml")
STDIN = "STDIN"

Documents = Callable[[], Iterator[Any]]
Text = Callable[[], bytes]


@dataclass(slots=True)
class Sources:
    """Where documents come from: a name for messages, and a function that reads them."""

    sources: list[tuple[str, Documents]] = field(default_factory=list)
    single_item_implied: bool = False


def find_sources(session: Session, filenames: Sequence[str], kustomize: str, *, recursive: bool) -> Sources:
    """Look for every file first, so that a missing one is reported before anything is done. Raises CLIError.

    Source: cli-runtime, Builder.FilenameParam and Builder.Path.
    """
    found = Sources()
    if kustomize:
        found.sources.append((kustomize, lambda: _kustomization(session, kustomize)))
        return found
    found.sources += [_source(*text) for text in find_texts(session, filenames, recursive=recursive)]
    one = len(found.sources) == 1 and len(filenames) == 1
    found.single_item_implied = (
        one and filenames[0] != "-" and not session.streams.path(filenames[0]).is_dir()
    )
    return found


def find_texts(session: Session, filenames: Sequence[str], *, recursive: bool) -> list[tuple[str, Text]]:
    """The same as what stands in them, unread: a name for messages, and a function that reads. Raises CLIError."""
    found: list[tuple[str, Text]] = []
    errors: list[CLIError] = []
    for name in filenames:
        try:
            found += _expand(session, name, recursive=recursive)
            if not found and not errors:
                extensions = " ".join(EXTENSIONS)
                raise CLIError(f"error reading [{name}]: recognized file extensions are [{extensions}]")
        except CLIError as error:
            errors.append(error)
    if errors:
        raise AggregateError(errors)
    return found


def _source(name: str, read: Text) -> tuple[str, Documents]:
    return name, lambda: _parsed(read(), name)


def _expand(session: Session, name: str, *, recursive: bool) -> list[tuple[str, Text]]:
    streams = session.streams
    if name == "-":
        return [(STDIN, lambda: _read_stdin(session))]
    if name.startswith(("http://", "https://")):
        return [(name, lambda: _download(name))]
    path = streams.path(name)
    if not _exists(path, name):
        return [s for n in _matching(streams.cwd, name) for s in _expand(session, n, recursive=recursive)]
    if not path.is_dir():
        return [(name, lambda: _read_file(path, name))]
    try:
        files = sorted(_walk(path, recursive=recursive))
    except OSError as error:
        raise CLIError(
            f'error reading "{name}": open {name}: {(error.strerror or str(error)).lower()}'
        ) from None
    return [_directory_source(name, path, file) for file in files]


def _exists(path: Path, name: str) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "invalid argument"
        raise CLIError(f'the path "{name}" cannot be accessed: stat {name}: {why}') from None
    return True


def _matching(folder: Path, pattern: str) -> list[str]:
    """The files that a pattern names, sorted. Raises CLIError if there are none, or the pattern is none."""
    if "[" in pattern and "]" not in pattern.split("[", 1)[1]:
        raise CLIError(f'pattern "{pattern}" is not valid: syntax error in pattern')
    base = Path(Path(pattern).anchor) if Path(pattern).is_absolute() else folder
    tail = str(Path(pattern).relative_to(base)) if Path(pattern).is_absolute() else pattern
    found = sorted(base.glob(tail)) if any(c in pattern for c in "*?[") else []
    if not found:
        raise CLIError(f'the path "{pattern}" does not exist')
    return [str(f if Path(pattern).is_absolute() else f.relative_to(folder)) for f in found]


def _directory_source(name: str, folder: Path, file: Path) -> tuple[str, Text]:
    shown = str(Path(name) / file.relative_to(folder))
    return shown, lambda: _read_file(file, shown)


def _walk(folder: Path, *, recursive: bool) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if recursive:
                yield from _walk(path, recursive=True)
        elif path.suffix in EXTENSIONS:
            yield path


def _read_file(path: Path, name: str) -> bytes:
    try:
        return _as_utf8(path.read_bytes())
    except OSError as error:
        raise CLIError(f"open {name}: {(error.strerror or str(error)).lower()}") from None


def _as_utf8(data: bytes) -> bytes:
    """Text in UTF-8 or, where it begins with the mark of it, UTF-16; what is neither becomes U+FFFD.

    Source: cli-runtime, FileVisitor, which reads through unicode.BOMOverride of a UTF-8 decoder.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace").encode("utf-8", "replace")
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace").encode()
    return data


_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def _read_stdin(session: Session) -> bytes:
    try:
        return _as_utf8(session.streams.read_stdin())
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

    def warn(text: str) -> None:
        session.streams.complain(f"{text}\n")

    yield from build(
        session.streams.path(folder), folder, legacy_order=True, schema=lambda: session.schema, warn=warn
    )


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
