"""Commands in containers, and attachments to their main processes, for a client at the other end of a connection.

Texts and Status objects as in pkg/kubelet/cri/streaming/remotecommand, with what the API server makes of them on their way
to a client that speaks version 5: k8s.io/apiserver pkg/util/proxy, streamtranslator.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from kubesim.apimachinery.errors import StatusError, bad_request, internal_error
from kubesim.runtime.attachment import Detached
from kubesim.runtime.journal import STDERR
from kubesim.runtime.process import BrokenPipe
from kubesim.runtime.spec import ExecError, Streams
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kubesim.kubelet.attachment import PodAttachment
    from kubesim.runtime.journal import LogLine

SUCCESS: Final[JSONObject] = {"metadata": {}, "status": "Success"}
LOOK: Final = 0.25
"""Seconds between two looks at what a process wrote that runs without the one who is attached."""
OUT, ERR = 1, 2


class Gone(Exception):
    """The client has gone."""


class CommandIO(Protocol):
    """The other end, as the thread sees it that runs a command. `read`, `write` and `sleep` wait, and raise Gone once the
    client has gone.
    """

    def read(self, is_over: Callable[[], bool] | None = None) -> bytes:
        """Input as it comes, empty at its end, or once `is_over`, which is asked now and then. Raises KeyboardInterrupt for
        Ctrl-C at a terminal.
        """
        ...

    def write(self, stream: int, data: bytes) -> None:
        """Send output to the client: `OUT` or `ERR`. Raises KeyboardInterrupt for Ctrl-C at a terminal."""
        ...

    def is_ready(self) -> bool:
        """Whether output would be taken without waiting."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass. Raises KeyboardInterrupt for Ctrl-C at a terminal."""
        ...

    def interrupted(self) -> bool:
        """Whether Ctrl-C was typed since the last time somebody asked."""
        ...


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """PodExecOptions and PodAttachOptions."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False
    container: str = ""
    command: tuple[str, ...] = ()


class RemoteCommand(Protocol):
    """What is talked to over a connection for `exec` or `attach`: its streams, and what runs on them."""

    @property
    def options(self) -> CommandOptions: ...

    def run(self, io: CommandIO, *, version: int) -> JSONObject:
        """Run to the end, in a thread of its own; the Status that tells how it ended. `version` is the protocol's."""
        ...


def read_options(query: Mapping[str, list[str]]) -> CommandOptions:
    """The options in a URL: pkg/kubelet/cri/streaming/remotecommand, NewOptions. Raises StatusError."""

    def flag(name: str) -> bool:
        return (query.get(name) or [""])[-1].lower() in ("true", "1")

    tty, stderr = flag("tty"), flag("stderr")
    options = CommandOptions(
        stdin=flag("stdin"),
        stdout=flag("stdout"),
        stderr=stderr and not tty,  # a terminal has one stream of output
        tty=tty,
        container=(query.get("container") or [""])[-1],
        command=tuple(query.get("command") or ()),
    )
    if not (options.stdin or options.stdout or options.stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return options


@dataclass(slots=True)
class ExecCommand:
    """A command in a container. `start(streams, wait)` runs it and gives its exit code; raises ExecError, StatusError.
    `is_over()` says whether its container has ended.
    """

    options: CommandOptions
    start: Callable[[Streams, Callable[[float], None] | None], int]
    is_over: Callable[[], bool]
    real_time: bool = True
    """Whether time passes by itself: under a clock that stands still a command's sleep is over at once."""

    def run(self, io: CommandIO, *, version: int) -> JSONObject:
        command = self.options.command
        try:
            code = self.start(self._streams(io), self._waiter(io) if self.real_time else None)
            return exit_status(code, command, version=version)
        except BrokenPipe:
            return exit_status(141, command, version=version)
        except KeyboardInterrupt:  # while it wrote its last words
            return exit_status(130, command, version=version)
        except ExecError as error:
            return not_executed(error, version=version).status
        except StatusError as error:
            return error.status

    def _streams(self, io: CommandIO) -> Streams:
        wanted = self.options

        def writer(stream: int, *, wants: bool) -> Callable[[bytes], None]:
            def send(data: bytes) -> None:
                if wants:
                    try:
                        io.write(stream, data)
                    except Gone:
                        raise BrokenPipe from None

            return send

        def read() -> bytes:
            try:
                return io.read(self.is_over)
            except Gone:
                return b""

        return Streams(
            stdout=writer(OUT, wants=wanted.stdout),
            stderr=writer(ERR, wants=wanted.stderr),
            stdin=read if wanted.stdin else None,
            tty=wanted.tty,
            interrupted=io.interrupted if wanted.tty else None,
            is_ready=io.is_ready,
        )

    def _waiter(self, io: CommandIO) -> Callable[[float], None]:
        def wait(seconds: float) -> None:
            try:
                io.sleep(seconds)
            except Gone:
                raise KeyboardInterrupt from None

        return wait


def not_executed(error: ExecError, *, version: int = 5) -> StatusError:
    """A program that cannot be started, as containerd 1.7 says it to the kubelet and the API server to its client.

    containerd 2 leaves out `: unknown` at the end. There is no exit code: 126 and 127 were Docker's, and are a shell's.
    """
    name = hashlib.sha256(f"{id(error)} {error}".encode()).hexdigest()
    text = f'failed to exec in container: failed to start exec "{name}": {error}'
    failure = internal_error(f"error executing command in container: {text}")
    # The API server translates for clients of version 5, and wraps what it reads once more.
    return internal_error(failure.message) if version >= 5 else failure


def exit_status(code: int, command: Sequence[str], *, version: int) -> JSONObject:
    """How a command ended."""
    if code == 0:
        return dict(SUCCESS)
    how = f"error executing command [{' '.join(command)}], exit code {code}"
    if version >= 5:
        how = f"command terminated with exit code {code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {how}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


@dataclass(slots=True)
class AttachCommand:
    """An attachment to a main process: its output is followed, and where it waits for input this side gives it some.

    `meet()` finds the process; raises StatusError.
    """

    options: CommandOptions
    meet: Callable[[], PodAttachment]
    real_time: bool = True

    def run(self, io: CommandIO, *, version: int) -> JSONObject:
        del version
        try:
            _Attached(self, io).run()
        except Gone:
            pass
        except StatusError as error:
            return error.status
        return dict(SUCCESS)


class _Attached:
    """The time between attaching and letting go."""

    def __init__(self, command: AttachCommand, io: CommandIO) -> None:
        options, attachment = command.options, command.meet()
        self._attachment = attachment
        self._io = io
        self._real_time = command.real_time
        self._seen = len(attachment.output()[0])
        self._streams = Streams(
            stdout=self._writer(OUT, wanted=options.stdout),
            stderr=self._writer(ERR, wanted=options.stderr),
            stdin=self._read if options.stdin else None,
            tty=options.tty,
            interrupted=io.interrupted if options.tty else None,
            is_ready=io.is_ready,
        )

    def run(self) -> None:
        """Raises Gone."""
        while True:
            try:
                if not self._turn():
                    return
            except KeyboardInterrupt:  # Ctrl-C while it does not read: the process's own business
                self._attachment.interrupt()

    def _turn(self) -> bool:
        """One look; whether the attachment goes on."""
        attachment = self._attachment
        ended = attachment.has_ended()
        lines, unfinished = attachment.output()
        self._show(lines[min(self._seen, len(lines)) :])
        self._seen = len(lines)
        if ended:
            return False
        if self._streams.stdin is None or not attachment.awaits_input():
            self._io.sleep(LOOK)
            return True
        if unfinished:
            self._streams.stdout(unfinished.encode("utf-8", "replace"))
        try:
            attachment.feed(self._streams, wait=self._wait if self._real_time else None)
        except KeyboardInterrupt:  # how the runtime says that this side has gone; Ctrl-C it keeps to itself
            raise Gone from None
        self._seen = len(attachment.output()[0])
        # Input that has ended while the process's has not: the runtime takes the output away too.
        return not attachment.awaits_input() and not attachment.has_ended()

    def _show(self, lines: Iterable[LogLine]) -> None:
        for line in lines:
            write = self._streams.stderr if line.stream == STDERR else self._streams.stdout
            write(f"{line.text}{'' if line.partial else chr(10)}".encode("utf-8", "replace"))

    def _writer(self, stream: int, *, wanted: bool) -> Callable[[bytes], None]:
        def send(data: bytes) -> None:
            if wanted:
                try:
                    self._io.write(stream, data)
                except Gone:  # the process writes on, into its log
                    return

        return send

    def _read(self) -> bytes:
        try:
            return self._io.read(self._attachment.has_ended)
        except Gone:
            raise Detached from None

    def _wait(self, seconds: float) -> None:
        try:
            self._io.sleep(seconds)
        except Gone:
            raise Detached from None
