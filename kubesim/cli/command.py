"""What a command is: its words, flags and help as data, and a function that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kubesim.cli.errors import UsageError
from kubesim.cli.flags import Flag, Values
from kubesim.cli.streams import Streams

if TYPE_CHECKING:
    from kubesim.cli.printers import Printer
    from kubesim.cli.session import Session


@dataclass(slots=True)
class Context:
    """One call of a command. `path` is how it was reached, for instance `kubectl create service clusterip`.

    `dash` says how many of `args` stood before `--`; -1 where there was none. `printer` is what `printer_for`
    made for it: kept, because printers remember what they printed before.
    """

    path: str
    args: list[str]
    flags: Values
    streams: Streams
    session: Session
    dash: int = -1
    printer: Printer | None = field(default=None, repr=False)

    def out(self, text: str = "") -> None:
        """Write a line to standard output."""
        self.streams.stdout.write(text + "\n")

    def err(self, text: str) -> None:
        """Write a line to standard error."""
        self.streams.complain(text + "\n")

    def usage_error(self, message: str) -> UsageError:
        """The error for a command used wrongly: `UsageErrorf`."""
        return UsageError(f"{message}\nSee '{self.path} -h' for help and examples")


Run = Callable[[Context], int | None]


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a group of them. `use` is the usage line after the path of its parent; texts are help's.

    `run` returns the exit code, None meaning 0. With `passthrough` it gets all words after its name as they stand.
    """

    name: str
    use: str = ""
    short: str = ""
    long: str = ""
    examples: str = ""
    flags: Sequence[Flag] = ()
    run: Run | None = None
    subcommands: Sequence[Command] = field(default=())
    aliases: Sequence[str] = ()
    hidden: bool = False
    passthrough: bool = False

    def find(self, word: str) -> Command | None:
        """The subcommand of that name or alias."""
        return next((c for c in self.subcommands if word == c.name or word in c.aliases), None)
