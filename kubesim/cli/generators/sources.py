"""Literals, files, directories and env files as keys and values of a ConfigMap or Secret.

Order, rules and texts as in pkg/util/util.go and pkg/cmd/util/env_file.go of kubectl.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kubesim.apimachinery.names import is_env_var_name
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag
from kubesim.util.gotext import quote

STDIN = "/dev/stdin"
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
FROM_FILE_FLAG = Flag(
    "from-file",
    "A file, as its name or under the key of key=file; or a directory, for each file in it. May be repeated.",
    kind="slice",
)
SOURCE_FLAGS: tuple[Flag, ...] = (
    FROM_FILE_FLAG,
    Flag("from-literal", "A key with its value, key=value. May be repeated.", kind="list"),
    Flag("from-env-file", "A file with lines of key=value. May be repeated.", kind="slice"),
)
Pairs = Iterator[tuple[str, bytes]]


def check_sources(context: Context) -> None:
    """Raises CLIError where env files come together with other sources."""
    flags = context.flags
    if flags.texts("from-env-file") and (flags.texts("from-file") or flags.texts("from-literal")):
        raise CLIError("from-env-file cannot be combined with from-file or from-literal")


def from_literals(context: Context) -> Pairs:
    """The pairs of `--from-literal`. Raises CLIError."""
    for source in context.flags.texts("from-literal"):
        key, equals, value = source.partition("=")
        if not key or not equals:
            raise CLIError(f"invalid literal source {source}, expected key=value")
        yield key, value.encode("utf-8", "surrogateescape")


def from_files(context: Context, sources: list[str]) -> Pairs:
    """The pairs of `--from-file`; of a directory, those of its regular files. Raises CLIError."""
    for source in sources:
        key, name = _file_source(source)
        path = context.session.path(name)
        if not _is_directory(path, name):
            yield key, read_file(context, name)
            continue
        if "=" in source:
            raise CLIError("cannot give a key name for a directory path")
        for file in _regular_files(path, name):
            yield file, read_file(context, os.path.normpath(f"{name}/{file}"))


def _file_source(source: str) -> tuple[str, str]:
    """Key and file of `file` or `key=file`."""
    key, equals, name = source.partition("=")
    if not equals:
        return _base(source), source
    if "=" in name:
        raise CLIError("key names or file paths cannot contain '='")
    if not key:
        raise CLIError(f"key name for file path {name} missing")
    if not name:
        raise CLIError(f"file path for key name {key} missing")
    return key, name


def _base(name: str) -> str:
    """path.Base."""
    return (name.rstrip("/").rsplit("/", 1)[-1] or "/") if name else "."


def _is_directory(path: Path, name: str) -> bool:
    if name == STDIN:
        return False
    try:
        if name:
            path.stat()
            return path.is_dir()
    except OSError as error:
        raise CLIError(f"error reading {name}: {_reason(error)}") from None
    raise CLIError(f"error reading {name}: no such file or directory")


def _regular_files(path: Path, name: str) -> list[str]:
    """The files of a directory; links and directories are left out."""
    try:
        with os.scandir(path) as entries:
            return sorted(e.name for e in entries if e.is_file(follow_symlinks=False))
    except OSError as error:
        raise CLIError(f"error listing files in {name}: open {name}: {_reason(error)}") from None


def read_file(context: Context, name: str) -> bytes:
    """A file's contents; `/dev/stdin` is what is piped into the command. Raises CLIError with Go's text."""
    try:
        return context.streams.read_stdin() if name == STDIN else context.session.path(name).read_bytes()
    except OSError as error:
        action = "read" if isinstance(error, IsADirectoryError) else "open"
        raise CLIError(f"{action} {name}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    """A system error as Go words it."""
    return (error.strerror or str(error)).lower()


def from_env_files(context: Context, what: str) -> Pairs:
    """The pairs of `--from-env-file`; `what` is `config` or `secret`. Raises CLIError."""
    for name in context.flags.texts("from-env-file"):
        if _is_directory(context.session.path(name), name):
            raise CLIError(f"env {what} file cannot be a directory")
        lines = read_file(context, name).split(b"\n")
        if not lines[-1]:
            lines.pop()
        for number, line in enumerate(lines, 1):
            pair = _env_line(context, name, number, line.removesuffix(b"\r"))
            if pair:
                yield pair


def _env_line(context: Context, name: str, number: int, line: bytes) -> tuple[str, bytes] | None:
    """The pair of a line; None for an empty one and a comment. Without `=`, the environment has the value."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        numbers = " ".join(map(str, line))
        raise CLIError(f"env file {name} contains invalid utf8 bytes at line {number}: [{numbers}]") from None
    if number == 1:
        text = text.removeprefix("\ufeff")
    text = text.lstrip(_SPACE)
    if not text or text.startswith("#"):
        return None
    key, equals, value = text.partition("=")
    errors = is_env_var_name(key)
    if errors:
        raise CLIError(f"{quote(key)} is not a valid key name: {';'.join(errors)}")
    return key, (value if equals else context.streams.env.get(key, "")).encode()
