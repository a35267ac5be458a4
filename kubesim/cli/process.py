"""The streams of this very process: the one place that touches `sys` and `os.environ`."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TextIO

from kubesim.cli.streams import Streams


def process_streams() -> Streams:
    """The process's own streams, directory and environment. Output is buffered and flushed at the command's
    end.
    """
    program = Path(sys.argv[0]).name
    return Streams(
        stdin=sys.stdin.buffer if sys.stdin else io.BytesIO(),
        stdout=_unbroken(sys.stdout),
        stderr=_unbroken(sys.stderr),
        cwd=Path.cwd(),
        env=os.environ,
        program="kubectl" if program == "kubectl" else "kubesim",
        stdin_is_terminal=bool(sys.stdin and sys.stdin.isatty()),
        stdout_is_terminal=bool(sys.stdout and sys.stdout.isatty()),
        stderr_is_terminal=bool(sys.stderr and sys.stderr.isatty()),
        columns=shutil.get_terminal_size().columns,
    )


def _unbroken(stream: TextIO | None) -> TextIO:
    """A stream that writes UTF-8 whatever the locale says, with line feeds alone."""
    if isinstance(stream, io.TextIOWrapper):
        if isinstance(stream.buffer, io.RawIOBase):
            # PYTHONUNBUFFERED: text written to a raw file is lost where the system takes only a part of it.
            whole = io.BufferedWriter(stream.buffer)
            # Errors are written at once, so that they stand before what a command prints at its end.
            at_once = stream is sys.stderr
            return io.TextIOWrapper(
                whole, encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=at_once
            )
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        return stream
    return io.StringIO()


def exit_when_interrupted_unseen(code: int) -> None:
    """End the process with a code where Ctrl-C comes while Python runs something whose exceptions it drops."""

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is KeyboardInterrupt:
            let_go()
            os._exit(code)
        sys.__unraisablehook__(unraisable)

    sys.unraisablehook = hook


def let_go() -> None:
    """Leave nothing to write that Python could complain about at its end; from here on Ctrl-C kills."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nothing:
                os.dup2(nothing.fileno(), stream.fileno())
