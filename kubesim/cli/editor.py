"""The user's editor, on a temporary file."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kubesim.cli.errors import CLIError
from kubesim.cli.streams import Streams

VARIABLES = ("KUBE_EDITOR", "EDITOR")


def editor_command(streams: Streams) -> tuple[list[str], bool]:
    """The words of the editor's command, and whether a shell must read them: KUBE_EDITOR, EDITOR, or vi."""
    text = next((streams.env[v] for v in VARIABLES if streams.env.get(v)), "vi")
    if " " not in text:
        return [text], False
    if not any(c in text for c in "\"'\\"):
        return text.split(" "), False
    return [streams.env.get("SHELL") or "/bin/bash", "-c", text], True


def edit_file(streams: Streams, text: str, *, prefix: str, suffix: str) -> tuple[str, Path]:
    """Let the user edit a text; what came out, and the file it is in, which is the caller's to delete.

    Raises CLIError if the editor cannot be started or fails; the file is left then, too.
    """
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=streams.env.get("TMPDIR") or None)
    path = Path(name)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    words, in_shell = editor_command(streams)
    command = [*words[:-1], f"{words[-1]} {name}"] if in_shell else [*words, name]
    _launch(streams, command, shown=words[-1] if in_shell else " ".join(words))
    return path.read_text(encoding="utf-8", errors="surrogateescape"), path


def _launch(streams: Streams, command: Sequence[str], *, shown: str) -> None:
    streams.stdout.flush()
    streams.stderr.flush()
    try:
        code = subprocess.run(command, cwd=streams.cwd, env=dict(streams.env), check=False).returncode  # noqa: S603  the user's own editor
    except FileNotFoundError:
        raise CLIError(f"unable to launch the editor {_quoted(shown)}") from None
    except OSError as error:
        raise CLIError(f"unable to launch the editor {_quoted(shown)}: {error.strerror}") from None
    if code:
        raise CLIError(f"there was a problem with the editor {_quoted(shown)}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
