"""The help pages, laid out as kubectl lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kubesim.cli.command import Command
from kubesim.cli.flags import Flag
from kubesim.cli.globals import GLOBAL_FLAGS
from kubesim.util.durations import format_duration

Groups = Sequence[tuple[str, Sequence[tuple[str, str, str]]]]


def render_root(program: str, groups: Groups) -> str:
    """The page of the program itself."""
    width = max(len(word) for _, rows in groups for word, _, _ in rows) + 3
    lines = [f"{program} runs a simulated Kubernetes cluster and speaks kubectl's language.", ""]
    for title, rows in groups:
        lines.append(f"{title}:")
        lines += [f"  {word:<{width}}{short}" for word, _, short in rows]
        lines.append("")
    lines += ["Usage:", f"  {program} [flags] [options]", ""]
    lines.append(f'Use "{program} <command> --help" for more information about a given command.')
    lines.append(
        f'Use "{program} options" for a list of global command-line options (applies to all commands).'
    )
    return "\n".join(lines) + "\n"


def render_command(path: str, command: Command) -> str:
    """The page of one command."""
    program = path.split(" ", 1)[0]
    parts = [command.long.strip() or command.short]
    if command.aliases:
        parts.append("Aliases:\n" + ", ".join((command.name, *command.aliases)))
    if command.examples:
        examples = command.examples.strip("\n").replace("kubesim ", f"{program} ")
        parts.append("Examples:\n" + "\n".join(f"  {line}" for line in examples.split("\n")))
    shown = [c for c in command.subcommands if not c.hidden]
    if shown:
        width = max(len(c.name) for c in shown) + 3
        rows = "\n".join(f"  {c.name:<{width}}{c.short}" for c in sorted(shown, key=lambda c: c.name))
        parts.append("Available Commands:\n" + rows)
    flags = [f for f in command.flags if not f.hidden]
    if flags:
        parts.append("Options:\n" + render_flags(flags))
    parts.append(f"Usage:\n  {usage_line(path, command)}")
    tail = f'Use "{program} options" for a list of global command-line options (applies to all commands).'
    if shown:
        tail = f'Use "{path} <command> --help" for more information about a given command.\n{tail}'
    return "\n\n".join([*parts, tail]) + "\n"


def render_flags(flags: Sequence[Flag]) -> str:
    """Each flag with its default and what it does."""
    return "\n\n".join(_flag(f) for f in sorted(flags, key=lambda f: f.name))


def render_global_flags() -> str:
    """The page of `options`."""
    return "The following options can be passed to any command:\n\n" + render_flags(GLOBAL_FLAGS) + "\n"


def usage_line(path: str, command: Command) -> str:
    """How the command is written: `kubesim get TYPE [options]`."""
    parent = path.rsplit(" ", 1)[0]
    return f"{parent} {command.use or command.name} [options]"


def _flag(flag: Flag) -> str:
    short = f"-{flag.short}, " if flag.short else ""
    return f"    {short}--{flag.name}={shown_default(flag)}:\n\t{flag.usage}"


def shown_default(flag: Flag) -> str:
    """A flag's default as help prints it: `'none'`, `false`, `[]`."""
    if flag.shown is not None:
        return flag.shown
    zero = flag.zero
    if isinstance(zero, bool):
        return "true" if zero else "false"
    if isinstance(zero, timedelta):
        return format_duration(zero)
    if isinstance(zero, tuple):
        return f"[{','.join(zero)}]"
    return str(zero) if isinstance(zero, int) else f"'{zero}'"
