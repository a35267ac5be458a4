"""What many programs share: running with usage errors told, files and standard input, sizes for people."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from kubesim.runtime.commands.options import UsageError
from kubesim.runtime.machine import Program
from kubesim.runtime.process import Process


def program(function: Callable[[Process], int]) -> Program:
    """A program whose usage errors and file errors are told as `name: text`."""

    @functools.wraps(function)
    def run(process: Process) -> int:
        try:
            return function(process)
        except UsageError as wrong:
            return process.fail(wrong.text, wrong.code)
        except OSError as error:
            lead = f"{error.filename}: " if error.filename else ""
            return process.fail(f"{lead}{error.strerror}")

    return run


def inputs(process: Process, names: list[str], *, quiet: bool = False) -> Iterator[tuple[str, bytes | None]]:
    """The name and content of each file, `-` and no name at all being standard input; None for what cannot be read."""
    for name in names or ["-"]:
        try:
            yield name, process.read_file(name)
        except OSError as error:
            if not quiet:
                process.error(f"{process.name}: {cannot_open(process, name, error)}")
            yield name, None


def cannot_open(process: Process, name: str, error: OSError) -> str:
    """How the program says that it cannot read a file."""
    gnu = process.machine.flavour == "gnu"
    if error.errno == 21:  # EISDIR: reading, not opening, is what fails
        if process.name in ("head", "tail"):
            return f"error reading '{name}': {error.strerror}" if gnu else f"read error: {error.strerror}"
        return (
            f"{name}: {error.strerror}" if gnu or process.name == "grep" else f"read error: {error.strerror}"
        )
    if process.name in ("head", "tail") and gnu:
        return f"cannot open '{name}' for reading: {error.strerror}"
    if process.name == "sort" and gnu:
        return f"cannot read: {name}: {error.strerror}"
    if process.name in ("sed",) and gnu:
        return f"can't read {name}: {error.strerror}"
    if gnu or process.name in ("grep", "sed", "awk", "cmp", "diff"):
        return f"{name}: {error.strerror}"
    return f"can't open '{name}': {error.strerror}"


def lines_of(data: bytes) -> list[str]:
    """The lines of a text, without their newlines."""
    text = data.decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines


def human(size: float, *, base: int = 1024, suffix: str = "") -> str:
    """A size as `-h` shows it: 4.0K, 12M."""
    units = ["", "K", "M", "G", "T"]
    index = 0
    while size >= base and index < len(units) - 1:
        size /= base
        index += 1
    if index == 0:
        return f"{int(size)}{suffix}"
    return f"{size:.1f}{units[index]}" if size < 10 else f"{size:.0f}{units[index]}"
