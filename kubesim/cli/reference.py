"""Writes docs/cli.md from the command table: every command with its usage, what it does, examples and flags.

`make docs` runs this; a test compares the file with what this would write.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer
import typer.main

from kubesim.cli.command import Command
from kubesim.cli.flags import Flag
from kubesim.cli.globals import GLOBAL_FLAGS
from kubesim.cli.help import shown_default, usage_line
from kubesim.cli.main import GROUPS, MODULES, load

PROGRAM = "kubesim"
INTRODUCTION = """\
# Commands

<!-- Written by `make docs` from the command table; do not edit. -->

kubesim takes kubectl's commands, flags and output formats, and adds a few commands of its own. Every page here is what
`kubesim COMMAND --help` says. [compatibility.md](compatibility.md) says what differs from kubectl.
"""
GLOBAL = """\
## Flags of every command

These go with any of kubectl's commands. Flags for a connection matter only with `--server`, `--kubeconfig` or `--context`;
without them the command works with the simulated cluster and with nothing else.
"""


def render() -> str:
    """The whole page."""
    parts = [INTRODUCTION, _contents()]
    for _, rows in GROUPS:
        for word, _, _ in rows:
            command = load(word)
            if command is not None:
                parts += _command(f"{PROGRAM} {word}", command, _application(word), level=2)
    parts += [GLOBAL, _flags(GLOBAL_FLAGS)]
    return "\n".join(parts)


def _contents() -> str:
    lines = []
    for title, rows in GROUPS:
        lines += [f"**{title}**", "", "| command | what it does |", "|---|---|"]
        lines += [f"| [{word}](#{PROGRAM}-{word}) | {_cell(short)} |" for word, _, short in rows]
        lines.append("")
    return "\n".join(lines)


def _application(word: str) -> typer.Typer | None:
    """The typer application that one of kubesim's own words is: `app` of its module."""
    found = getattr(importlib.import_module(f"kubesim.cli.commands.{MODULES[word]}"), "app", None)
    return found if isinstance(found, typer.Typer) else None


def _command(path: str, command: Command, application: typer.Typer | None, *, level: int) -> Iterator[str]:
    if application is not None:
        yield from _own(path, typer.main.get_command(application), level=level)
        return
    yield _heading(path, level)
    yield (command.long.strip() or f"{command.short}.") + "\n"
    yield _code(usage_line(path, command))
    if command.aliases:
        yield "Also: " + ", ".join(f"`{alias}`" for alias in command.aliases if alias != command.name) + "\n"
    if command.examples:
        yield _code(command.examples)
    shown = [flag for flag in command.flags if not flag.hidden]
    if shown:
        yield _flags(shown)
    for inner in sorted(command.subcommands, key=lambda c: c.name):
        if not inner.hidden:
            yield from _command(f"{path} {inner.name}", inner, None, level=min(level + 1, 4))


def _own(path: str, command: Any, *, level: int) -> Iterator[str]:
    """A command of a typer application. Its objects are typer's own and have no public type."""
    yield _heading(path, level)
    yield _paragraphs(command.help or "")
    inner: dict[str, Any] = getattr(command, "commands", {})
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    words = [path, "COMMAND"] if inner else [path, *map(_argument, arguments)]
    yield _code(" ".join([*words, "[options]"] if options else words))
    if options:
        rows = [(" / ".join(_names(p)), _value(p.default), p.help or "") for p in options]
        yield _table(sorted(rows))
    for name in sorted(inner):
        yield from _own(f"{path} {name}", inner[name], level=level + 1)


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name).strip("[].").upper()
    name += "..." if parameter.nargs == -1 else ""
    return name if parameter.required else f"[{name}]"


def _names(parameter: Any) -> list[str]:
    return [f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts)]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _flags(flags: Sequence[Flag]) -> str:
    rows = []
    for flag in sorted(flags, key=lambda f: f.name):
        names = [f"`-{flag.short}`"] if flag.short else []
        rows.append((", ".join([*names, f"`--{flag.name}`"]), shown_default(flag), flag.usage))
    return _table(rows)


def _table(rows: Sequence[tuple[str, str, str]]) -> str:
    lines = ["| flag | default | what it does |", "|---|---|---|"]
    lines += [
        f"| {name} | {f'`{default}`' if default else ''} | {_cell(text)} |" for name, default, text in rows
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text as it may stand in a table: a bar would end the cell, an angle bracket would begin a tag."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def _heading(path: str, level: int) -> str:
    return f"{'#' * level} {path}\n"


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n") if part.strip()) + "\n"


def _code(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))
    return f"```\n{lines}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(render())
