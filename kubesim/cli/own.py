"""kubesim's own words are typer applications; this runs one on a command's streams.

kubectl's words read their flags as kubectl does (`flags`), and must not pay for the import of typer.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

import typer
from typer.exceptions import TyperException

from kubesim.cli.errors import CLIError

if TYPE_CHECKING:
    from kubesim.cli.command import Context


def application(name: str, text: str, *, is_group: bool = True) -> typer.Typer:
    """An application whose help is plain text."""
    return typer.Typer(
        name=name,
        help=text,
        no_args_is_help=is_group,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def run_application(application: typer.Typer, context: Context) -> int:
    """Run an application on the words that follow its name; the exit code. Raises CLIError."""
    bare = not context.args and application.info.no_args_is_help is True
    out = context.streams.stderr if bare else context.streams.stdout
    try:
        with _redirected(out, context.streams.stderr):
            code = application(
                args=context.args or (["--help"] if bare else []),
                prog_name=context.path,
                standalone_mode=False,
                obj=context,
            )
    except typer.Abort:
        return 130
    except typer.Exit as end:
        return end.exit_code
    except TyperException as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        raise CLIError(f"{message}\nSee '{context.path} --help' for usage.") from None
    if bare:
        return 1  # a group's name alone is a mistake, as for kubectl's groups
    return code if isinstance(code, int) else 0


class _ThreadStream(io.TextIOBase):
    """Stands for `sys.stdout` or `sys.stderr` while applications run, and is another stream in each of their threads."""

    def __init__(self, otherwise: TextIO) -> None:
        self._local = threading.local()
        self._otherwise = otherwise

    @property
    def stream(self) -> TextIO:
        found: TextIO = getattr(self._local, "stream", self._otherwise)
        return found

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        self._local.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a class attribute of the base
        return self.stream.encoding


class _Redirection:
    """Typer writes help to the process's streams; commands of several callers may run in the process at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)
        self._streams: tuple[_ThreadStream, _ThreadStream] | None = None

    def enter(self, out: TextIO, err: TextIO) -> None:
        with self._lock:
            if self._streams is None:
                self._before = sys.stdout, sys.stderr
                self._streams = _ThreadStream(sys.stdout), _ThreadStream(sys.stderr)
                sys.stdout, sys.stderr = self._streams
            self._users += 1
            self._streams[0].stream, self._streams[1].stream = out, err

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.stdout, sys.stderr = self._before
                self._streams = None


_REDIRECTION: Final = _Redirection()


@contextmanager
def _redirected(out: TextIO, err: TextIO) -> Iterator[None]:
    _REDIRECTION.enter(out, err)
    try:
        yield
    finally:
        _REDIRECTION.leave()
