"""The streams of this very process: the one place that touches `sys` and `os.environ`."""

from __future__ import annotations

import io
import os
import shutil
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
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        return stream
    return io.StringIO()
