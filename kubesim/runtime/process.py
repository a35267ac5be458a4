"""A simulated process: what a program is handed (arguments, environment, streams, time) and how it ends or waits.

A program is a function from a `Process` to its exit code. It never sleeps by itself: `process.sleep` lets simulated time
pass. In a container's main process that may suspend it (`Suspended`): the exception collects, on its way out, where
each enclosing program stood, so that a later moment, even a later Python process, continues there (`process.resume`).
Everything is bounded by a `Budget`; what exceeds it ends with `Stopped`, which says so.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from kubesim.runtime.filesystem import failure

if TYPE_CHECKING:
    from kubesim.runtime.machine import Machine

MEMORY = 4 * 1024 * 1024
PIPE_CAPACITY = 8 * 1024 * 1024
SLEEPS_IN_ONE_GO = 64  # then a process that has much to catch up with is looked at anew
CAPTURE_CAPACITY = 16 * 1024 * 1024


class Suspended(Exception):
    """The process waits: until a moment, or (None) for as long as nobody ends it."""

    def __init__(self, until: float | None, pid: int | None = None, *, for_input: bool = False) -> None:
        super().__init__()
        self.until = until
        self.pid = pid
        """The process whose end is waited for, where there is no `until`."""
        self.for_input = for_input
        """Whether it reads a standard input to which nobody is attached."""
        self.frames: list[Any] = []
        self.endless = False
        """Whether it can be seen that the waiting process never ends by itself."""


class Stopped(Exception):
    """The simulation ended the program: it ran over a bound."""

    def __init__(self, text: str, code: int = 137) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Interrupted(Exception):
    """Ctrl-C reached the program."""


class BrokenPipe(Exception):
    """The reader has gone: SIGPIPE."""


class Replaced(Exception):
    """The process becomes another program: exec(2)."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self.process = process


class Budget:
    """How much one execution may do: steps (commands, loop turns) and bytes of output.

    The numbers keep an endless loop within some seconds of one core.
    """

    def __init__(self, *, steps: int = 400_000, output: int = 32 * 1024 * 1024) -> None:
        self._limit = steps
        self.steps = steps
        self.output = output
        self.depth = 0

    def step(self, cost: int = 1) -> None:
        self.steps -= cost
        if self.steps < 0:
            raise Stopped(f"stopped after {self._limit} steps: a simulated process may not run for ever")

    def wrote(self, size: int) -> None:
        self.output -= size
        if self.output < 0:
            raise Stopped("stopped: the output of a simulated process is bounded to 32 MiB")

    def holds(self, size: int) -> None:
        """A program has a text of so many bytes in its memory."""
        if size > MEMORY:
            raise Stopped("stopped: a text in a simulated process is bounded to 4 MiB")


class Timeline:
    """The time as a process lives it, in seconds since 1970.

    `wait` really lets time pass (an interactive session). Without it a sleep just moves this timeline on; with
    `suspendable` it may not pass the clock: then the process is suspended.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        at: float | None = None,
        wait: Callable[[float], None] | None = None,
        suspendable: bool = False,
    ) -> None:
        self._clock = clock
        self._at = at
        self._skipped = 0.0
        self._sleeps = 0
        self.wait = wait
        self.suspendable = suspendable

    def now(self) -> float:
        return self._clock() + self._skipped if self._at is None else self._at

    def pass_by(self, seconds: float) -> None:
        """Let time pass without waiting (a connection that timed out)."""
        if self._at is None:
            self._skipped += seconds
        else:
            self._at += seconds

    def sleep(self, seconds: float) -> None:
        if self.wait is not None:
            self.wait(seconds)
            return
        if self.suspendable and self._at is not None:
            self._sleeps += 1
            if self._at + seconds > self._clock() or self._sleeps >= SLEEPS_IN_ONE_GO:
                raise Suspended(self._at + seconds)
        self.pass_by(seconds)

    @property
    def ahead(self) -> bool:
        """Whether a process that can be suspended has run past the clock."""
        return self.suspendable and self._at is not None and self._at > self._clock()

    def join(self, other: Timeline) -> None:
        """Take over the time of a detached part that has ended."""
        if self._at is not None and other is not self:
            self._at = max(self._at, other.now())

    def detached(self) -> Timeline:
        """The time of a part that cannot be suspended (one side of a pipe): it runs ahead instead."""
        return Timeline(self._clock, at=self.now()) if self.suspendable else self


class Reader(Protocol):
    """Standard input."""

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; all that is left without a size; empty at the end."""
        ...

    def readline(self) -> bytes: ...


class Writer(Protocol):
    """Standard output or error."""

    def write(self, data: bytes) -> None: ...


class BytesReader:
    """Input that is all there."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = data
        self._at = 0
        self._has_enough = False

    @property
    def wants_more(self) -> bool:
        """Whether who reads has come to the end, and would have gone on."""
        return self._at >= len(self._data) and not self._has_enough

    def leave(self) -> None:
        """Who reads has taken everything at once, but would have stopped before the end."""
        self._has_enough = True

    def read(self, size: int = -1) -> bytes:
        end = len(self._data) if size < 0 else self._at + size
        found = self._data[self._at : end]
        self._at += len(found)
        return found

    def readline(self) -> bytes:
        end = self._data.find(b"\n", self._at)
        return self.read(len(self._data) - self._at if end < 0 else end + 1 - self._at)


class EndlessReader:
    """/dev/zero and /dev/urandom: more than anybody may read."""

    def __init__(self, produce: Callable[[int], bytes]) -> None:
        self._produce = produce

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            raise Stopped("stopped: this file has no end")
        return self._produce(min(size, PIPE_CAPACITY))

    def readline(self) -> bytes:
        line, newline, _ = self._produce(65536).partition(b"\n")
        if not newline:
            raise Stopped("stopped: this file has no end")
        return line + newline


class CallReader:
    """Input that comes from outside, as it comes."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._buffer = b""
        self._ended = False

    def _more(self) -> bool:
        if self._ended:
            return False
        data = self._read()
        self._ended = not data
        self._buffer += data
        return bool(data)

    def read(self, size: int = -1) -> bytes:
        while (size < 0 or not self._buffer) and self._more():
            pass
        end = len(self._buffer) if size < 0 else size
        found, self._buffer = self._buffer[:end], self._buffer[end:]
        return found

    def readline(self) -> bytes:
        while b"\n" not in self._buffer and self._more():
            pass
        end = self._buffer.find(b"\n") + 1 or len(self._buffer)
        found, self._buffer = self._buffer[:end], self._buffer[end:]
        return found


class TerminalReader(CallReader):
    """Input from a terminal: an end of it is Ctrl-D, and more may follow."""

    def _more(self) -> bool:
        data = self._read()
        self._buffer += data
        return bool(data)


class Buffer:
    """Output that is kept: a pipe (`broken` at its capacity, as a reader that had enough) or a capture."""

    def __init__(self, capacity: int = CAPTURE_CAPACITY, *, pipe: bool = False) -> None:
        self.data = bytearray()
        self.full = False
        self._capacity = capacity
        self._pipe = pipe

    def write(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > self._capacity:
            self.full = True
            if self._pipe:
                raise BrokenPipe
            raise Stopped("stopped: the output of a simulated process is bounded to 16 MiB")


class CallWriter:
    """Output that goes outside at once."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def write(self, data: bytes) -> None:
        self._write(data)


class Null:
    """/dev/null, both ways."""

    def write(self, data: bytes) -> None:
        pass

    def read(self, size: int = -1) -> bytes:
        del size
        return b""

    def readline(self) -> bytes:
        return b""


class Full:
    """/dev/full."""

    def write(self, data: bytes) -> None:
        if data:
            raise failure(errno.ENOSPC)


class FileWriter:
    """A file opened for writing; each write is there at once."""

    def __init__(self, process: Process, path: str) -> None:
        self._fs = process.machine.fs
        self._path = path

    def write(self, data: bytes) -> None:
        if data:
            self._fs.write(self._path, data, append=True)


class Process:
    """One running program."""

    __slots__ = (
        "argv", "budget", "cwd", "env", "err", "files", "interactive", "interrupted", "machine", "out", "parent", "pid",
        "resume", "stdin", "timeline",
    )  # fmt: skip

    def __init__(
        self,
        machine: Machine,
        argv: list[str],
        *,
        env: dict[str, str],
        cwd: str,
        stdin: Reader,
        out: Writer,
        err: Writer,
        timeline: Timeline,
        budget: Budget,
        pid: int,
        parent: Process | None = None,
        interactive: bool = False,
        interrupted: Callable[[], bool] | None = None,
    ) -> None:
        self.machine = machine
        self.argv = argv
        self.env = env
        self.cwd = cwd
        self.stdin = stdin
        self.out = out
        self.err = err
        self.timeline = timeline
        self.budget = budget
        self.pid = pid
        self.parent = parent
        self.interactive = interactive
        self.interrupted = interrupted
        self.resume: list[Any] | None = None
        self.files: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """The program's name, as it calls itself in its messages."""
        return posixpath.basename(self.argv[0])

    @property
    def args(self) -> list[str]:
        return self.argv[1:]

    # Output

    def write(self, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        self.budget.wrote(len(data))
        self.out.write(data)

    def write_bytes(self, data: bytes) -> None:
        self.budget.wrote(len(data))
        self.out.write(data)

    def print(self, text: str = "") -> None:
        self.write(text + "\n")

    def error(self, text: str) -> None:
        """Write a line to standard error."""
        data = (text + "\n").encode("utf-8", "surrogateescape")
        self.budget.wrote(len(data))
        self.err.write(data)

    def fail(self, text: str, code: int = 1) -> int:
        """Say `name: text` on standard error; the exit code."""
        self.error(f"{self.name}: {text}")
        return code

    @property
    def writes_to_terminal(self) -> bool:
        """Whether standard output is a terminal: a session's, and neither a pipe nor a file."""
        return self.interactive and not isinstance(self.out, (Buffer, FileWriter, Null))

    # Input

    def read_text(self) -> str:
        return self.stdin.read().decode("utf-8", "surrogateescape")

    def leave_input(self) -> None:
        """What is left of standard input is not wanted, though it has been read."""
        if isinstance(self.stdin, BytesReader):
            self.stdin.leave()

    # Files

    def path(self, name: str) -> str:
        """A name as an absolute path."""
        if name.startswith("/"):
            return name
        return f"{self.cwd.rstrip('/')}/{name}"

    def read_file(self, name: str) -> bytes:
        """A file's content, or all of standard input for `-`. Raises OSError."""
        return self.open_reader(name).read()

    def open_reader(self, name: str) -> Reader:
        """Open a file for reading. Raises OSError."""
        if name == "-":
            return self.stdin
        special = self.machine.open_special(self, self.path(name), reading=True)
        if special is not None:
            reader: Reader = special
            return reader
        return BytesReader(self.machine.fs.read(self.path(name)))

    def open_writer(self, name: str, *, append: bool = False) -> Writer:
        """Open a file for writing; it is there, and empty unless `append`, at once. Raises OSError."""
        path = self.path(name)
        special = self.machine.open_special(self, path, reading=False)
        if special is not None:
            writer: Writer = special
            return writer
        self.machine.fs.write(path, b"", append=append)
        return FileWriter(self, path)

    # Time and other processes

    def sleep(self, seconds: float) -> None:
        """Let time pass; may raise Suspended or Interrupted."""
        if self.interrupted is not None and self.interrupted():
            raise Interrupted
        self.budget.step(20)
        self.timeline.sleep(seconds)

    def child(self, argv: list[str], **changes: Any) -> Process:
        """A process that inherits what is not changed: env, cwd, stdin, out, err, timeline."""
        made = Process(
            self.machine,
            argv,
            env=changes.pop("env", None) or dict(self.env),
            cwd=changes.pop("cwd", self.cwd),
            stdin=changes.pop("stdin", self.stdin),
            out=changes.pop("out", self.out),
            err=changes.pop("err", self.err),
            timeline=changes.pop("timeline", self.timeline),
            budget=self.budget,
            pid=self.machine.next_pid(),
            parent=self,
            interactive=self.interactive,
            interrupted=self.interrupted,
        )
        made.files = self.files
        return made

    def run(self, argv: list[str], **changes: Any) -> int:
        """Run another program to its end and give its exit code. Raises OSError where it cannot be started."""
        return self.machine.run(self.child(argv, **changes))

    def capture(self, argv: list[str], data: bytes = b"") -> tuple[int, bytes]:
        """Run another program on some input; its exit code and what it wrote to standard output."""
        buffer = Buffer()
        code = self.run(argv, stdin=BytesReader(data), out=buffer, timeline=self.timeline.detached())
        return code, bytes(buffer.data)

    def become(self, argv: list[str], **changes: Any) -> int:
        """exec(2): be another program from now on. Never returns."""
        made = self.child(argv, **changes)
        made.pid = self.pid
        made.parent = self.parent
        raise Replaced(made)
