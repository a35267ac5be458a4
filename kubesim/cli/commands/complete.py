"""`__complete`: what could follow on a command line; the scripts of `completion` ask it.

Its answer is cobra's: a candidate a line, with a tab and what it is; last a colon and what the shell is to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, FlagError, FlagSet, HelpWanted
from kubesim.cli.globals import GLOBAL_FLAGS

DIRECTIVES = {
    1: "ShellCompDirectiveError",
    2: "ShellCompDirectiveNoSpace",
    4: "ShellCompDirectiveNoFileComp",
    8: "ShellCompDirectiveFilterFileExt",
    16: "ShellCompDirectiveFilterDirs",
}
DEFAULT, NO_FILES = 0, 4


@dataclass(slots=True)
class _Place:
    """Where the line stands: the command it names (none: the program itself), and the words after it."""

    path: list[str] = field(default_factory=list)
    command: Command | None = None
    words: list[str] = field(default_factory=list)

    @property
    def flags(self) -> list[Flag]:
        own = self.command.flags if self.command is not None else ()
        return [*own, *GLOBAL_FLAGS]


def run(context: Context) -> int:
    """Print the candidates for the last word of the line."""
    if not context.args:
        raise CLIError("requires at least 1 arg(s), only received 0")
    *before, word = context.args
    values, directive = _complete(context, before, word)
    for value in values:
        context.out(value)
    context.out(f":{directive}")
    names = [name for bit, name in DIRECTIVES.items() if directive & bit] or ["ShellCompDirectiveDefault"]
    context.err(f"Completion ended with directive: {', '.join(names)}")
    return 0


def _complete(context: Context, before: list[str], word: str) -> tuple[list[str], int]:
    if before[:1] == ["help"]:
        before = before[1:]
    place = _find(before)
    if place is None:
        return [], DEFAULT
    waiting = None if "--" in place.words else _waiting(place)
    if waiting is not None:
        place.words = place.words[:-1]
        return _value(context, place, waiting, word)
    if word.startswith("-") and "--" not in place.words:
        name, equals, value = word.partition("=")
        if not equals:
            return _flag_names(place, word)
        flag = _flag(place.flags, name)
        return _value(context, place, flag, value) if flag is not None else ([], DEFAULT)
    return _arguments(context, place, word)


def _find(words: Sequence[str]) -> _Place | None:
    """The command that words name; None where there is none of that name."""
    from kubesim.cli.main import load

    place = _Place(words=list(words))
    position = _argument(place)
    if position is None:
        return place
    command = load(place.words[position])
    if command is None:
        return None
    _descend(place, position, command)
    while command.subcommands:
        position = _argument(place)
        found = command.find(place.words[position]) if position is not None else None
        if found is None or position is None:
            break
        command = found
        _descend(place, position, command)
    return place


def _descend(place: _Place, position: int, command: Command) -> None:
    del place.words[position]
    place.path.append(command.name)
    place.command = command


def _argument(place: _Place) -> int | None:
    """Where the first word stands that is neither a flag nor a flag's value."""
    position = 0
    while position < len(place.words):
        word = place.words[position]
        if word == "--":
            return None
        if not word.startswith("-") or word == "-":
            return position
        position += 2 if _takes_value(place.flags, word) else 1
    return None


def _flag(flags: Sequence[Flag], word: str) -> Flag | None:
    """The flag that `--name` or `-n` is."""
    if word.startswith("--"):
        return next((f for f in flags if f.name == word[2:]), None)
    return next((f for f in flags if f.short and f"-{f.short}" == word), None)


def _takes_value(flags: Sequence[Flag], word: str) -> Flag | None:
    """The flag whose value is the next word."""
    flag = _flag(flags, word)
    return flag if flag is not None and not flag.without_argument else None


def _waiting(place: _Place) -> Flag | None:
    """The flag at the end of the line that has no value yet."""
    position = 0
    flag = None
    while position < len(place.words):
        flag = _takes_value(place.flags, place.words[position])
        position += 2 if flag is not None else 1
    return flag if position > len(place.words) else None


def _flag_names(place: _Place, word: str) -> tuple[list[str], int]:
    """Flags that begin so: those of all commands first, as cobra has them."""
    own = place.command.flags if place.command is not None else ()
    given = {f.name for w in place.words if (f := _flag(place.flags, w.partition("=")[0])) is not None}
    found = []
    for flags in (GLOBAL_FLAGS, own):
        for flag in sorted(flags, key=lambda f: f.name):
            if flag.hidden or (flag.name in given and flag.kind not in ("list", "slice")):
                continue
            names = [f"--{flag.name}", *([f"-{flag.short}"] if flag.short else [])]
            usage = flag.usage.split("\n")[0]
            found += [f"{name}\t{usage}" for name in names if name.startswith(word)]
    return found, NO_FILES


def _arguments(context: Context, place: _Place, word: str) -> tuple[list[str], int]:
    if place.command is None:
        return _commands(word), NO_FILES
    try:
        flags, args, _ = FlagSet(place.flags).parse(place.words)
    except (FlagError, HelpWanted):
        return [], DEFAULT
    found = [
        f"{c.name}\t{c.short}"
        for c in sorted(place.command.subcommands, key=lambda c: c.name)
        if not args and not c.hidden and c.name.startswith(word)
    ]
    path = " ".join(place.path)
    if place.command.passthrough:
        inner, args = _inner(place, args, word, found)
        path = f"{path} {inner}" if inner else path
    from kubesim.cli.completing import ARGUMENTS, Line

    completer = ARGUMENTS.get(path)
    if completer is None:
        return found, NO_FILES if place.command.subcommands or found else DEFAULT
    session = context.session.another(flags, command="get")
    try:
        candidates = completer(Line(args, flags, session), word)
    finally:
        session.close()
    return found + candidates.values, candidates.directive


def _inner(place: _Place, args: list[str], word: str, found: list[str]) -> tuple[str, list[str]]:
    """The subcommand of a command that is an application of its own, and the arguments after it.

    Where it is not yet written, the names that fit are added to `found`.
    """
    import importlib

    from kubesim.cli.main import MODULES

    if args:
        return args[0], args[1:]
    module = importlib.import_module(f"kubesim.cli.commands.{MODULES[place.path[0]]}")
    application = getattr(module, "app", None)
    if application is not None:
        from typer.main import get_command

        commands = getattr(get_command(application), "commands", {})
        found += [
            f"{name}\t{(command.help or '').split(chr(10))[0]}"
            for name, command in sorted(commands.items())
            if name.startswith(word) and not command.hidden
        ]
    return "", []


def _commands(word: str) -> list[str]:
    """The commands that begin so. Nothing is imported for them."""
    from kubesim.cli.main import GROUPS

    rows = [(name, short) for _, group in GROUPS for name, _, short in group]
    rows.append(("help", "Help about any command"))
    return [f"{name}\t{short}" for name, short in sorted(rows) if name.startswith(word)]


def _value(context: Context, place: _Place, flag: Flag, word: str) -> tuple[list[str], int]:
    """The values of a flag that begin so."""
    if flag.kind == "bool":
        return [], DEFAULT
    try:
        flags, args, _ = FlagSet(place.flags).parse(place.words)
    except (FlagError, HelpWanted):
        return [], DEFAULT
    from kubesim.cli.completing import Line, flag_completer

    session = context.session.another(flags, command="get")
    try:
        found = flag_completer(" ".join(place.path), flag.name)(Line(args, flags, session), word)
    finally:
        session.close()
    return found.values, found.directive


COMMAND = Command(
    name="__complete",
    use="__complete WORDS",
    short="Print what could follow on a command line",
    run=run,
    hidden=True,
    passthrough=True,
)
