"""A simulated machine: file system, processes, users, network, time. A container is one, and so is a node.

The shell, the commands and the applications see nothing but this. What is lasting about it is in the record
of `runtime.loaded`.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubesim.runtime.application import Listener
from kubesim.runtime.filesystem import (
    DEVICE,
    DIRECTORY,
    FILE,
    LINK,
    Files,
    FileSystem,
    MountPoint,
    Node,
    failure,
)
from kubesim.runtime.images import Image
from kubesim.runtime.journal import STDERR, STDOUT, Journal
from kubesim.runtime.network_view import NetworkView
from kubesim.runtime.process import (
    BrokenPipe,
    Budget,
    BytesReader,
    EndlessReader,
    Full,
    Interrupted,
    Null,
    Process,
    Replaced,
    Suspended,
    Timeline,
)

Program = Callable[[Process], int]

AGAIN = "again"
"""The frame of a program that waited for input and, not being a shell, does not know where it stood: it has taken
nothing in yet, so it begins again."""

SIGNALS = {
    "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10,
    "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CONT": 18, "STOP": 19,
    "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28,
    "POLL": 29, "PWR": 30, "SYS": 31,
}  # fmt: skip


@dataclass(slots=True)
class ProcessEntry:
    """A process that lasts: it serves, sleeps, or is suspended."""

    pid: int
    argv: list[str]
    started: float
    ppid: int = 0
    service: dict[str, Any] | None = None
    """The application that it is, as `applications.build` reads it; None for a process that does not listen."""
    until: float | None = None
    """When it ends by itself."""
    frames: list[Any] | None = None
    """Where it is suspended, for a background job of the main process."""
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = "/"
    exit_on: list[int] = field(default_factory=list)
    """Signals that its program handles: a server ends in order, with code 0."""
    logs: bool = True
    """Whether its output is the container's log; a job of an exec session has lost its terminal."""

    def dump(self) -> dict[str, Any]:
        kept: dict[str, Any] = {
            "pid": self.pid,
            "argv": self.argv,
            "started": self.started,
            "ppid": self.ppid,
        }
        for key in ("service", "until", "frames", "env", "exit_on"):
            value = getattr(self, key)
            if value is not None and value != {} and value != []:
                kept[key] = value
        if self.frames == []:
            kept["frames"] = []
        return kept | {"cwd": self.cwd, "logs": self.logs}


@dataclass(frozen=True, slots=True)
class User:
    """An entry of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str = "/"
    shell: str = "/bin/sh"


Builder = Callable[["Machine", ProcessEntry, dict[str, Any]], list[Listener]]
"""Makes the listeners of a serving process."""


class Machine:
    """One container or node, as its processes see it."""

    def __init__(
        self,
        *,
        image: Image,
        fs: FileSystem,
        clock: Callable[[], float],
        hostname: str,
        env: Mapping[str, str],
        workdir: str = "/",
        journal: Journal | None = None,
        programs: Mapping[str, Program] | None = None,
        facts: Mapping[str, Any] | None = None,
        host_network: bool = False,
    ) -> None:
        self.image = image
        self.fs = fs
        self.clock = clock
        self.hostname = hostname
        self.env = dict(env)
        self.workdir = workdir
        self.journal = journal
        self.facts: dict[str, Any] = dict(facts or {})
        """What programs tell about the place: pod, namespace, node, ips, declared ports, limits."""
        self.host_network = host_network
        self.network: NetworkView
        self.applications: Mapping[str, Builder] = {}
        """Applications that come from outside of this room: they know the cluster."""
        self.processes: dict[int, ProcessEntry] = {}
        self.application_state: dict[str, Any] = {}
        self.packages: list[str] = list(image.packages)
        self.booted = clock()
        self.ended: int | None = None
        """The exit code with which something (kill, a server's /exit) ended process 1."""
        self.changed: Callable[[], None] = lambda: None
        """Called when what is kept of the machine has changed outside an execution (an application's state)."""
        self.waiting_for: int | None = None
        """The child that process 1 waits for."""
        self.woken: int | None = None
        """The exit code of that child, once it has ended and process 1 has not heard of it."""
        self.signals: list[int] = []
        """Signals on their way to process 1, for a shell that traps them."""
        self.last_pid = 1
        self._programs = dict(programs or {})
        self._listeners: list[Listener] | None = None

    # Programs

    def program(self, name: str) -> Program | None:
        """The simulated program of a name."""
        found = self._programs.get(name)
        if found is None:
            from kubesim.runtime.commands import table  # a container that runs nothing needs no commands

            found = table.find(name)
        return found

    def which(self, name: str, search_path: str, cwd: str = "/") -> str | None:
        """The absolute path of an executable, as execvp(3) finds it."""
        if "/" in name:
            path = name if name.startswith("/") else posixpath.join(cwd, name)
            return path if self.fs.may(path, 1) and not self.fs.is_directory(path) else None
        for directory in search_path.split(":"):
            path = f"{(directory or cwd).rstrip('/')}/{name}"
            node = self.fs.find(path)
            if node is not None and node.kind == FILE and self.fs.may(path, 1):
                return path
        return None

    def load(self, process: Process) -> Program:
        """Find what `process.argv[0]` runs; a script's interpreter is put before it. Raises OSError as execve(2)."""
        name = process.argv[0]
        path = self.which(name, process.env.get("PATH", self.image.search_path), process.cwd)
        if path is None:
            absolute = process.path(name)
            if "/" in name and self.fs.find(absolute) is not None:
                raise failure(errno.EACCES, name)
            raise failure(errno.ENOENT, name)
        node = self.fs.stat(path)
        if node.program:
            program = self.program(node.program)
            if program is not None:
                return program
        return self._script(process, path, node)

    def _script(self, process: Process, path: str, node: Node) -> Program:
        text = node.content()
        if not text.startswith(b"#!"):
            if text.startswith(b"\x7fELF") or b"\0" in text[:256]:
                raise failure(errno.ENOEXEC, path)
            interpreter = ["sh"]  # what a shell does with a text that has no #!
        else:
            interpreter = text[2:].partition(b"\n")[0].decode("utf-8", "replace").split(None, 1)
        if not interpreter:
            raise failure(errno.ENOEXEC, path)
        process.budget.step(10)
        process.argv = [*interpreter, path, *process.argv[1:]]
        found = self.which(interpreter[0], process.env.get("PATH", self.image.search_path))
        inner = self.fs.find(found) if found else None
        program = self.program(inner.program) if inner is not None and inner.program else None
        if program is None:
            raise failure(errno.ENOENT, path)
        return program

    def run(self, process: Process) -> int:
        """Run a program to its end. Raises OSError where it cannot be started, Suspended where it waits."""
        while True:
            process.budget.step()
            program = self.load(process)
            if process.resume == [AGAIN]:
                process.resume = None
            try:
                return program(process)
            except Replaced as replaced:
                process = replaced.process
            except BrokenPipe:
                return 141
            except Suspended as wait:
                if wait.for_input and not (wait.frames and isinstance(wait.frames[0], dict)):
                    wait.frames = [AGAIN]
                wait.frames.insert(0, process.argv)
                raise

    def process(
        self,
        argv: list[str],
        *,
        stdin: Any = None,
        out: Any = None,
        err: Any = None,
        wait: Callable[[float], None] | None = None,
        budget: Budget | None = None,
        interactive: bool = False,
        interrupted: Callable[[], bool] | None = None,
        pid: int | None = None,
        timeline: Timeline | None = None,
    ) -> Process:
        """A process at the top: what `exec` starts. Without streams it reads nothing and writes nowhere."""
        env = dict(self.env)
        return Process(
            self,
            argv,
            env=env,
            cwd=self.workdir,
            stdin=stdin or Null(),
            out=out or Null(),
            err=err or Null(),
            timeline=timeline or Timeline(self.clock, wait=wait),
            budget=budget or Budget(),
            pid=pid or self.next_pid(),
            interactive=interactive,
            interrupted=interrupted,
        )

    def next_pid(self) -> int:
        self.last_pid = self.last_pid + 1 if self.last_pid < 4_194_303 else 300  # pid_max of 64-bit kernels
        return self.last_pid

    def serve(self, process: Process, service: dict[str, Any], *, exit_on: Iterable[int] = (15,)) -> int:
        """Be a server from now on: the process stays and listens; its exit code once it was ended.

        Raises Suspended in a main process; elsewhere the caller waits until it is interrupted.
        """
        if process.resume is not None:
            return self.take_woken()
        entry = self.enter(process)
        entry.service = service
        entry.exit_on = list(exit_on)
        self.listening_changed()
        try:
            self.wait_for_ever(process)
        except (Interrupted, KeyboardInterrupt):
            self.processes.pop(process.pid, None)
            self.listening_changed()
            raise
        return 0

    def take_woken(self) -> int:
        """The exit code of the child that process 1 waited for."""
        code, self.woken = self.woken or 0, None
        return code

    def wait_for_ever(self, process: Process) -> None:
        """Wait until somebody ends the process; raises Suspended where simulated time does not pass."""
        if process.timeline.suspendable or process.timeline.wait is None:
            raise Suspended(None, process.pid)
        while process.pid in self.processes:
            process.sleep(0.2)

    def enter(self, process: Process) -> ProcessEntry:
        """Put a process into the table, so that it is seen and can be killed."""
        entry = self.processes.get(process.pid)
        if entry is None:
            parent = process.parent.pid if process.parent else 0
            entry = ProcessEntry(process.pid, list(process.argv), process.timeline.now(), parent)
            self.processes[process.pid] = entry
        entry.argv = list(process.argv)
        return entry

    def kill(self, pid: int, signal: int) -> bool:
        """Send a signal. False: there is no such process."""
        entry = self.processes.get(pid)
        if entry is None:
            return False
        if signal in (0, 17, 18, 19, 20, 28) and signal not in entry.exit_on:
            return True
        if pid == 1:
            # pid_namespaces(7): from inside, process 1 gets only the signals that it handles.
            if signal in entry.exit_on:
                self.ended = int(entry.service.get("exit_code", 0)) if entry.service else 128 + signal
            return True
        self.end(pid, 0 if signal in entry.exit_on and entry.service else 128 + signal)
        return True

    def end(self, pid: int, code: int) -> None:
        """A process has ended: it listens no more; if it is process 1, the container ends."""
        if pid == 1:
            self.ended = code
        else:
            self.processes.pop(pid, None)
            if pid == self.waiting_for:
                self.waiting_for, self.woken = None, code
        self.listening_changed()

    # What listens

    def listeners(self) -> list[Listener]:
        """What this machine's own processes listen on."""
        if self._listeners is None:
            self._listeners = []
            serving = [entry for entry in self.processes.values() if entry.service is not None]
            if serving:
                from kubesim.runtime.applications import build

                for entry in serving:
                    self._listeners += build.listeners(self, entry)
        return self._listeners

    def listening_changed(self) -> None:
        """What listens is worked out anew when it is asked for next."""
        self._listeners = None

    # Users

    def users(self) -> list[User]:
        node = self.fs.find("/etc/passwd")
        found = []
        for line in (node.content().decode("utf-8", "replace") if node else "").splitlines():
            part = line.split(":")
            if len(part) >= 4 and part[2].isdigit() and part[3].isdigit():
                home = part[5] if len(part) > 5 else "/"
                found.append(
                    User(part[0], int(part[2]), int(part[3]), home, part[6] if len(part) > 6 else "")
                )
        return found

    def groups(self) -> dict[int, str]:
        node = self.fs.find("/etc/group")
        lines = (node.content().decode("utf-8", "replace") if node else "").splitlines()
        return {int(p[2]): p[0] for p in (line.split(":") for line in lines) if len(p) > 2 and p[2].isdigit()}

    def user_name(self, uid: int) -> str | None:
        return next((user.name for user in self.users() if user.uid == uid), None)

    @property
    def flavour(self) -> str:
        """Whose command line tools these are: `busybox` or `gnu`."""
        return "busybox" if self.image.os in ("busybox", "alpine") else "gnu"

    # Special files

    def open_special(self, process: Process, path: str, *, reading: bool) -> Any:
        """The stream behind a device or a descriptor's file, or None for an ordinary file. Raises OSError."""
        place = self.fs.resolve(path)
        if not place.startswith(("/dev/", "/proc/")):
            return None
        if place in _STANDARD or place.startswith(("/dev/fd/", "/proc/self/fd/")):
            number = _STANDARD.get(place)
            text = place.rpartition("/")[2]
            return _descriptor(process, int(text) if number is None and text.isdigit() else number or 0, path)
        if place in ("/proc/1/fd/1", "/proc/1/fd/2") and not reading and self.journal is not None:
            return JournalWriter(self, process.timeline, STDOUT if place.endswith("1") else STDERR)
        if self.fs.find(place) is None:
            return None
        match place:
            case "/dev/null":
                return Null()
            case "/dev/zero":
                return EndlessReader(bytes) if reading else Null()
            case "/dev/full":
                return EndlessReader(bytes) if reading else Full()
            case "/dev/urandom" | "/dev/random":
                return EndlessReader(_noise(self.hostname)) if reading else Null()
            case "/dev/tty":
                return (process.stdin if reading else process.out) if process.interactive else _no_tty(path)
        return None


_STANDARD = {
    "/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2,
    "/proc/self/fd/0": 0, "/proc/self/fd/1": 1, "/proc/self/fd/2": 2,
}  # fmt: skip


def _no_tty(path: str) -> Any:
    raise failure(errno.ENXIO, path)


def _descriptor(process: Process, number: int, path: str) -> Any:
    if number in process.files:
        return process.files[number]
    if number > 2:
        raise failure(errno.ENOENT, path)
    return (process.stdin, process.out, process.err)[number]


def _noise(seed: str) -> Callable[[int], bytes]:
    """Bytes that look random and are the same in each run of a container of this name."""
    import hashlib

    state = [hashlib.sha256(seed.encode()).digest()]

    def produce(size: int) -> bytes:
        state[0] = hashlib.sha256(state[0]).digest()
        return hashlib.shake_128(state[0]).digest(size)

    return produce


class JournalWriter:
    """Standard output or error of a container's main process: its log."""

    def __init__(self, machine: Machine, timeline: Timeline, stream: int) -> None:
        self._machine = machine
        self._timeline = timeline
        self._stream = stream

    def write(self, data: bytes) -> None:
        if self._machine.journal is not None:
            self._machine.journal.write(self._timeline.now(), self._stream, data)


def system_tree(machine: Machine) -> tuple[Files, Files]:
    """/dev and /proc of a machine."""
    devices = Files()
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        devices.put(f"/{name}", Node(DEVICE, 0o666, mtime=machine.booted))
    for name, target in (("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        devices.put(f"/{name}", Node(LINK, 0o777, link=f"/proc/self/{target}", mtime=machine.booted))
    devices.put("/fd", Node(LINK, 0o777, link="/proc/self/fd", mtime=machine.booted))
    devices.add("/pts/0", Node(DEVICE, 0o620, mtime=machine.booted))
    devices.add("/shm", Node(DIRECTORY, 0o1777, mtime=machine.booted))
    devices.put("/termination-log", Node(FILE, 0o666, mtime=machine.booted))
    proc = Files()
    for path, source in _proc_files(machine).items():
        proc.add(path, Node(FILE, 0o444, mtime=machine.booted, source=source))
    for number in (0, 1, 2):
        proc.add(f"/self/fd/{number}", Node(DEVICE, 0o700, mtime=machine.booted))
        proc.add(f"/1/fd/{number}", Node(DEVICE, 0o700, mtime=machine.booted))
    return devices, proc


def mount_system(machine: Machine) -> None:
    """Mount /proc and /dev."""
    devices, proc = system_tree(machine)
    machine.fs.mount(MountPoint("/proc", proc, "proc", "proc"))
    machine.fs.mount(MountPoint("/dev", devices, "tmpfs", "tmpfs"))


def _proc_files(machine: Machine) -> dict[str, Callable[[], bytes]]:
    from kubesim.runtime import procfs

    return procfs.files(machine)


def read_all(reader: Any) -> BytesReader:
    """The whole of an input, so that it can be read at will."""
    return BytesReader(reader.read())
