"""kubectl's command lines on a cluster of this program: the same commands, on streams in memory."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import FlagSet, Values
from kubesim.cli.globals import GLOBAL_FLAGS
from kubesim.cli.session import Session
from kubesim.cli.streams import Streams
from kubesim.cluster.home import Home

if TYPE_CHECKING:
    from kubesim.client.restmapper import RESTMapper
    from kubesim.cluster.build import Cluster

WARNINGS = logging.getLogger("kubesim.warnings")
"""Where the server's warnings go when a method, and not a command line, asked."""
WARNINGS.addHandler(logging.NullHandler())

NO_HOME = "this cluster is part of a Python program: it has no directory with other clusters and contexts"


class CommandError(Exception):
    """A command ended with an exit code other than 0; `result` is what it left."""

    def __init__(self, result: Result) -> None:
        said = result.stderr.strip() or result.stdout.strip()
        super().__init__(
            f"{' '.join(result.command)!r} ended with exit code {result.exit_code}" + f": {said}" * bool(said)
        )
        self.result = result


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left: its exit code and what it wrote."""

    command: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    def check(self) -> Result:
        """The result itself of a command that succeeded. Raises CommandError for any other."""
        if self.exit_code:
            raise CommandError(self)
        return self


class EmbeddedSession(Session):
    """A command's, or a method's, view of a cluster that stays open after it."""

    def __init__(
        self, flags: Values, streams: Streams, *, command: str, cluster: Cluster, home: Home | None
    ) -> None:
        super().__init__(flags, streams, command=command)
        # What the base class would look for when it is first asked.
        self.__dict__["cluster"] = cluster
        self.__dict__["schema"] = cluster.schema
        if home is not None:
            self.__dict__["home"] = home
        else:
            self.__dict__["_context_namespace"] = ""

    @cached_property
    def home(self) -> Home:
        raise CLIError(NO_HOME)

    def abandon(self) -> None:
        """The cluster goes on."""

    def close(self) -> None:
        if self._transport is not None:
            self._transport.finish()


class MethodSession(EmbeddedSession):
    """The session of a method that does what the command of that name does."""

    def __init__(
        self,
        cluster: Cluster,
        command: str,
        mapper: RESTMapper | None,
        *,
        namespace: str | None = None,
        stdin: bytes = b"",
    ) -> None:
        """A `namespace` is enforced as the one of `--namespace` is."""
        words = [] if namespace is None else [f"--namespace={namespace}"]
        flags, _, _ = FlagSet(GLOBAL_FLAGS).parse(words)
        super().__init__(flags, _streams(stdin, io.StringIO()), command=command, cluster=cluster, home=None)
        if mapper is not None:
            self.__dict__["mapper"] = mapper

    def context(self) -> Context:
        """What the functions of commands ask for."""
        return Context(f"kubectl {self.command}", [], self.flags, self.streams, self)

    def _warn(self, text: str) -> None:
        WARNINGS.warning(text)


def run_command(cluster: Cluster, words: Sequence[str], stdin: bytes, home: Home | None) -> Result:
    """Run one command line."""
    from kubesim.cli.main import run

    def make_session(flags: Values, streams: Streams, *, command: str = "") -> Session:
        return EmbeddedSession(flags, streams, command=command, cluster=cluster, home=home)

    out, err = _Captured(), _Captured()
    code = run(words, _streams(stdin, out, err), make_session)
    return Result(("kubectl", *words), code, out.text(), err.text())


class _Captured(io.TextIOWrapper):
    """A text stream with bytes below it, as commands write to both."""

    def __init__(self) -> None:
        self._kept = io.BytesIO()
        super().__init__(self._kept, encoding="utf-8", errors="backslashreplace", newline="\n")

    def text(self) -> str:
        self.flush()
        return self._kept.getvalue().decode("utf-8", "replace")


def _streams(stdin: bytes, out: TextIO, err: TextIO | None = None) -> Streams:
    return Streams(
        stdin=io.BytesIO(stdin), stdout=out, stderr=err or out, cwd=Path.cwd(), env={}, program="kubectl"
    )
