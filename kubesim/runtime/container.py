"""Simulated containers: pull, start, advance, exec, logs, stop. This is the kubelet's way into the room.

A container's processes run in simulated time. `start` runs the main process until it waits, serves or ends; `advance`
takes it on to the present, whenever somebody looks. All that a container is lies in the state store under
`runtime/<id>/` (`container`, `files`, `log/…`), volumes under `volumes/<source>`; a later process goes on from there.
Writing to logs and applications' state is gathered and kept by `flush`, which every entrance here but `listeners` calls.

Threads share one runtime. Each entrance holds its `lock`; a command gives it up while it waits for input, for time to pass
or for a reader of its output. Whoever talks to a listener's application holds it too. It is taken before any of the store's.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from kubesim.runtime.application import Listener
from kubesim.runtime.attachment import AttachedInput, AttachedOutput, Attachment, AwaitedInput, Ended
from kubesim.runtime.environments import Environments
from kubesim.runtime.execution import exec_problem, execute, not_started
from kubesim.runtime.filesystem import (
    DIRECTORY,
    FILE,
    Files,
    FileSystem,
    MountPoint,
    Node,
    Overlay,
    image_tree,
)
from kubesim.runtime.images import DEFAULT_PATH, Catalogue, Image, ImagePullError
from kubesim.runtime.journal import STDERR, STDOUT, Journal, LogLine
from kubesim.runtime.keeping import dump_spec, dump_state, load_spec, load_state, merged, pack, unpack
from kubesim.runtime.launch import (
    command_line,
    environment,
    facts_of,
    give_user,
    hosts_file,
    make_directories,
    signal_number,
    volume_files,
)
from kubesim.runtime.machine import Builder, JournalWriter, Machine, ProcessEntry, mount_system
from kubesim.runtime.network_view import Isolated, NetworkView
from kubesim.runtime.process import (
    Budget,
    Interrupted,
    Null,
    Process,
    Stopped,
    Suspended,
    Timeline,
)
from kubesim.runtime.spec import (
    ContainerPort,
    ContainerSpec,
    ContainerState,
    ExecError,
    Mount,
    NotRunning,
    PulledImage,
    StartError,
    Streams,
)
from kubesim.util.clock import Clock
from kubesim.util.fairlock import FairLock
from kubesim.util.jsontypes import decode
from kubesim.util.state import StateStore

__all__ = [
    "ContainerPort", "ContainerRuntime", "ContainerSpec", "ContainerState", "ExecError", "ImagePullError", "Listener",
    "Mount", "NotRunning", "PulledImage", "StartError", "Streams", "execute",
]  # fmt: skip

NetworkFactory = Callable[[ContainerSpec], NetworkView]

P = ParamSpec("P")
R = TypeVar("R")

MAIN_STEPS = 100_000
KILLED = 137
# Of a loop that was not watched for long only the last turns, of 64 sleeps each, are played.
CATCH_UP_TURNS = 6
# A loaded container takes some 40 KiB: in a cluster of ten thousand, most are read again when they are looked at.
LOADED = 256
MESSAGE_LIMIT = 4096  # pkg/kubelet/kuberuntime: MaxContainerTerminationMessageLength


@dataclass(slots=True)
class _Volume:
    """A volume that is loaded: its files, what the store had of it when they were last the same, and at which look
    that was.
    """

    files: Files
    kept: bytes | None
    seen: int


class _Container:
    """A container that is loaded."""

    def __init__(self, spec: ContainerSpec, machine: Machine, journal: Journal, root: Overlay) -> None:
        self.spec = spec
        self.machine = machine
        self.journal = journal
        self.root = root
        self.state: ContainerState
        self.argv: list[str] = []
        self.frames: list[Any] | None = None
        self.until: float | None = None
        self.ending: int | None = None
        """The exit code with which it ends at `until`: its process has run ahead of the clock."""
        self.endless = False
        self.awaits_input = False
        self.input_closed = False
        self.unread = b""  # what an attachment sent and the process has not taken
        self.cwd = machine.workdir
        self.dirty = True
        self.is_kept = False
        self.commands = 0
        """How many commands run in it: it stays loaded as long as there are any."""
        self.attached = False
        """Whether somebody is attached to its main process and runs it on."""
        self.files: bytes | None = None  # the tree as it was read, or written
        self.kept = b""  # what the store had when it was last the same
        self.seen = 0
        """At which look (`look_anew`) that was."""
        self.times_kept = 0

    @property
    def in_use(self) -> bool:
        """Whether a command runs in it or somebody is attached to it."""
        return self.attached or self.commands > 0

    @property
    def unsaved(self) -> bool:
        """Whether it has done something that is not stored yet."""
        return self.dirty or self.journal.dirty


def _locked(
    method: Callable[Concatenate[ContainerRuntime, P], R],
) -> Callable[Concatenate[ContainerRuntime, P], R]:
    """An entrance of the runtime: one thread at a time."""

    @wraps(method)
    def enter(runtime: ContainerRuntime, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with runtime.lock:
            return method(runtime, *args, **kwargs)

    return enter


class ContainerRuntime:
    """The containers of the cluster's nodes.

    `network` gives each container its view of the network; without it containers are isolated. `wait` lets real time
    pass where an exec'ed command sleeps (`time.sleep` for people at a terminal); without it time is skipped.
    """

    def __init__(
        self,
        *,
        state: StateStore,
        clock: Clock,
        catalogue: Catalogue | None = None,
        network: NetworkFactory | None = None,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        self._store = state
        self._environments = Environments(state)
        self._clock = clock
        self._catalogue = catalogue
        self._network = network
        self._wait = wait
        # Those in memory, the one that was asked for last as the last; and those that somebody still talks to, who
        # must find the others at the same one.
        self._loaded: dict[str, _Container] = {}
        self._volumes: dict[str, _Volume] = {}
        self._most_volumes = 2 * LOADED  # with more, those that nobody uses are let go
        self._trees: dict[str, Files] = {}
        self._looks = 0
        self._talked: dict[str, None] = {}
        """The containers to whose applications somebody may have talked."""
        self._alive: WeakValueDictionary[str, _Container] = WeakValueDictionary()
        self._of_pods: dict[str, WeakValueDictionary[str, _Container]] = {}
        self.lock = FairLock()
        """Held by whoever touches a container or what it listens on."""
        self.applications: dict[str, Builder] = {}
        """Applications that know the cluster, by name; for containers that are loaded from now on."""
        self.on_exit: Callable[[str], None] = lambda container_id: None
        """Called with the container's id when it ended through something other than `advance` and `stop`."""

    @_locked
    def look_anew(self) -> None:
        """Containers and volumes may have been changed by another process since the last time: each is compared with
        what is stored when it is next asked for. Of those that were not asked for lately some are let go.

        Whoever holds this lock and is inside a transaction of the store needs no more than one look at its beginning.
        """
        self._looks += 1
        surplus = len(self._loaded) - LOADED
        if surplus > 0:
            for container in list(self._loaded.values())[:surplus]:
                if not container.in_use and not container.unsaved:
                    del self._loaded[container.spec.id]
        if len(self._volumes) > self._most_volumes:
            used = {m.source for c in self._alive.values() for m in c.spec.mounts}
            self._volumes = {s: v for s, v in self._volumes.items() if s in used or v.files.changed}
            self._most_volumes = max(2 * LOADED, 2 * len(self._volumes))

    @_locked
    def start_over(self) -> None:
        """What was done last has not been stored after all: what is in memory is not to be trusted, except where
        somebody is at it.
        """
        for container in list(self._alive.values()):
            if container.in_use:
                container.dirty = True
            else:
                self._drop(container)
        self._loaded = {i: c for i, c in self._loaded.items() if c.in_use}
        used = {m.source for c in self._loaded.values() for m in c.spec.mounts}
        self._volumes = {s: v for s, v in self._volumes.items() if s in used}

    def join(self, network: NetworkFactory) -> None:
        """Containers that are loaded from now on are in this network."""
        self._network = network

    # Images

    @property
    def catalogue(self) -> Catalogue:
        if self._catalogue is None:
            self._catalogue = Catalogue.load()
        return self._catalogue

    def pull(self, image: str) -> PulledImage:
        """Have an image on the node. Raises ImagePullError."""
        found = self.catalogue.image(image)
        seconds = 0.4 + found.size / 90e6  # about 700 Mbit/s with unpacking
        return PulledImage(str(found.reference), found.image_id, found.size, round(seconds, 3), found.user)

    # A container's life

    @_locked
    def start(self, spec: ContainerSpec) -> ContainerState:
        """Create and start a container; its main process runs until it waits or ends. Raises StartError."""
        image = self.catalogue.image(spec.image)
        argv = command_line(spec, image)
        now = self._clock.now()
        container = self._build(spec, image, {}, now.timestamp())
        container.argv = argv
        container.state = ContainerState(running=True, started_at=now)
        self._check_executable(container, argv)
        container.machine.processes[1] = ProcessEntry(1, argv, now.timestamp())
        self._loaded[spec.id] = container
        self._bring_to_life(container)
        if _runs_as_echo(container):
            self._serve_declared_ports(container)
        else:
            self._run_main(container, now.timestamp())
        self._settle(container)
        self._flush_talk()
        return container.state

    @_locked
    def advance(self, container_id: str) -> ContainerState:
        """Take a container's processes on to the present. Raises NotRunning for an unknown container."""
        container = self._get(container_id)
        self._advance(container, self._now())
        if container.dirty or container.journal.dirty:
            self._keep(container)
        self._flush_talk()
        return container.state

    @_locked
    def status(self, container_id: str) -> ContainerState:
        """How it fared when it was last looked at. Raises NotRunning for an unknown container."""
        return self._get(container_id).state

    @_locked
    def stop(self, container_id: str, grace: float = 30.0) -> ContainerState:
        """End a container as the kubelet does: its stop signal, and after the grace period SIGKILL.

        `finished_at` says when it has ended, or will have: up to `grace` seconds later. Until then it goes on, and
        what it listens on answers.
        """
        container = self._get(container_id)
        now = self._now()
        self._advance(container, now)
        if not container.state.running:
            return container.state
        code, at = self._terminate(container, now, grace)
        if not container.state.running or at <= now:
            self._finish(container, code, at)
            return container.state
        container.ending, container.until, container.awaits_input = code, at, False
        if (service := container.machine.processes[1].service) is not None:
            service["ending"] = True
        self._keep(container)
        return _ended(container.state, code, at)

    @_locked
    def remove(self, container_id: str) -> None:
        """Forget a container, its files and its log."""
        container = self._alive.pop(container_id, None)
        self._loaded.pop(container_id, None)
        journal = container.journal if container else Journal(self._store, f"runtime/{container_id}/log/")
        journal.remove()
        spec = self._store.get(f"runtime/{container_id}/spec")
        if spec is not None and (shared := unpack(spec).get("shared_env")):
            self._environments.release(shared)
        for part in ("container", "files", "spec"):
            self._store.set(f"runtime/{container_id}/{part}", None)

    @_locked
    def remove_volume(self, source: str) -> None:
        """Forget a volume's files."""
        self._volumes.pop(source, None)
        self._store.set(f"volumes/{source}", None)

    @_locked
    def write_volume(self, source: str, files: dict[str, bytes], *, mode: int = 0o644) -> None:
        """Replace the content of a volume that the kubelet writes (an updated ConfigMap)."""
        tree = volume_files(files, mode, self._now())
        kept = pack(tree.dump())
        existing = self._volumes.get(source)
        if existing is not None:
            existing.files.become(tree)
            tree = existing.files
        self._volumes[source] = _Volume(tree, kept, self._looks)
        self._store.set(f"volumes/{source}", kept)

    # What listens

    @_locked
    def listeners(self, container_id: str) -> list[Listener]:
        """What the container listens on now; empty when it does not run. The network's way to an application."""
        try:
            container = self._get(container_id)
        except NotRunning:
            return []
        if container.until is not None and container.until <= self._now():
            self.advance(container_id)
        self._talked[container_id] = None
        return container.machine.listeners() if container.state.running else []

    @_locked
    def pod_of(self, container_id: str) -> str:
        """The Pod of a container that is loaded, as `namespace/name`; empty for others."""
        container = self._alive.get(container_id)
        return f"{container.spec.pod_namespace}/{container.spec.pod_name}" if container is not None else ""

    @_locked
    def containers_of(self, pod_uid: str) -> list[str]:
        """The ids of a Pod's containers that are loaded: those that have only just been started are among them."""
        found = self._of_pods.get(pod_uid)
        return [i for i, c in list(found.items()) if self._alive.get(i) is c] if found else []

    # Attaching

    @_locked
    def awaits_input(self, container_id: str) -> bool:
        """Whether its main process waits for input, which an attachment can give. Raises NotRunning."""
        container = self._running(container_id)
        return container.awaits_input and not container.attached

    @_locked
    def attach(
        self, container_id: str, streams: Streams, *, wait: Callable[[float], None] | None = None
    ) -> None:
        """Run on a main process that waits for input, on these streams; returns when it has ended, waits for
        something else, or waits again with nobody to give it input.

        `wait` lets time pass where the process sleeps. Raises NotRunning, and KeyboardInterrupt where the attaching
        side, not being a terminal, was interrupted.
        """
        container = self._running(container_id)
        if not container.awaits_input or container.attached:
            return
        streams = self._unlocked(container, streams)
        wait = self._releasing(container, wait) if wait is not None else None
        attachment = Attachment(
            streams,
            once=container.spec.stdin_once,
            before_reading=lambda changed: self._before_reading(container, changed=changed),
        )
        process, stdin = self._attached(container, attachment, wait)
        container.attached = True
        try:
            code = self._run_attached(container, process)
        finally:
            container.attached = False
        container.input_closed = container.input_closed or attachment.closed
        container.unread = stdin.unread
        if self.has_ended(container_id):
            self._drop(container)
        elif code is None:
            self._keep(container)
        else:
            self._finish(container, code, self._now())
        self._flush_talk()
        if attachment.gone:
            raise KeyboardInterrupt

    @_locked
    def interrupt(self, container_id: str) -> None:
        """Ctrl-C at the container's terminal: a main process that handles it ends. Raises NotRunning."""
        container = self._running(container_id)
        handled = container.machine.processes[1].exit_on
        # A server that ends in order on SIGTERM does so on SIGINT; without a handler process 1 gets neither.
        container.machine.kill(1, 15 if 15 in handled else 2)
        self._after_execution(container)

    @_locked
    def has_ended(self, container_id: str) -> bool:
        """Whether a container has ended or is gone, whichever process saw to it."""
        text = self._store.get(f"runtime/{container_id}/container")
        loaded = self._alive.get(container_id)
        if text is None or (loaded is not None and not loaded.state.running):
            return True
        return not decode(text)["state"]["running"]

    def _before_reading(self, container: _Container, *, changed: bool) -> None:
        """Others see what has been done so far; what they did may be the end of it."""
        if self.has_ended(container.spec.id):
            raise Ended
        if changed:
            self._keep(container)

    def _attached(
        self, container: _Container, attachment: Attachment, wait: Callable[[float], None] | None
    ) -> tuple[Process, AttachedInput]:
        """The main process, where it waited, on the streams of an attachment."""
        machine, streams, tty = container.machine, attachment.streams, container.spec.tty
        timeline = Timeline(self._now, suspendable=True)
        timeline.wait = attachment.waiting(wait, timeline)
        out_log, err_log = self._streams(container, timeline)
        out = AttachedOutput(out_log, attachment, streams.stdout)
        err = out if tty else AttachedOutput(err_log, attachment, streams.stderr)
        stdin = AttachedInput(attachment, out.show if tty else None, container.unread)
        entry = machine.processes[1]
        process = machine.process(
            list(entry.argv),
            stdin=stdin,
            out=out,
            err=err,
            pid=1,
            timeline=timeline,
            interactive=tty,
            interrupted=streams.interrupted,
        )
        if entry.env:
            process.env = dict(entry.env)
        process.cwd = container.cwd
        process.resume = container.frames
        return process, stdin

    def _run_attached(self, container: _Container, process: Process) -> int | None:
        """The exit code; None where the process has not ended."""
        try:
            return container.machine.run(process)
        except Suspended as pause:
            self._suspend(container, pause)
        except Ended:
            pass
        except Stopped as stop:
            process.error(f"{process.name}: {stop.text}")
            return stop.code
        except (Interrupted, KeyboardInterrupt):
            return 130
        except RecursionError:
            process.error(f"{process.name}: stopped: nested too deeply")
            return 137
        except OSError as error:
            return not_started(process, error)
        return None

    # Commands and logs

    @_locked
    def exec(
        self,
        container_id: str,
        argv: Iterable[str],
        streams: Streams,
        *,
        wait: Callable[[float], None] | None = None,
        took: Callable[[float], None] | None = None,
    ) -> int:
        """Run a command in a running container; its exit code. `wait` lets time pass where the command sleeps,
        `took` is told how long it took.

        Raises ExecError, NotRunning.
        """
        container = self._running(container_id)
        wait = wait or self._wait
        container.commands += 1
        try:
            return execute(
                container.machine,
                list(argv),
                self._unlocked(container, streams),
                wait=self._releasing(container, wait) if wait is not None else None,
                took=took,
            )
        except Ended:
            return KILLED
        finally:
            container.commands -= 1
            self._after_execution(container)
            self._flush_talk()

    def _unlocked(self, container: _Container, streams: Streams) -> Streams:
        """The same streams; others may do something while these are waited for."""

        def writer(write: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
            waiting, is_ready = self._releasing(container, write, ends=False), streams.is_ready

            def send(data: bytes) -> None:
                # Nobody comes between two lines of a command that lists what others could change.
                if is_ready is not None and is_ready():
                    write(data)
                else:
                    waiting(data)

            return send

        return replace(
            streams,
            stdout=writer(streams.stdout),
            stderr=writer(streams.stderr),
            stdin=self._releasing(container, streams.stdin) if streams.stdin is not None else None,
        )

    def _releasing(self, container: _Container, call: Callable[P, R], *, ends: bool = True) -> Callable[P, R]:
        """A call that is made without the lock. Raises Ended where the container has ended or gone meanwhile, unless not
        `ends`.
        """

        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            if ends:
                self._flush_talk()  # while this one waits, others look at whom it has talked to
            self.lock.release()
            try:
                return call(*args, **kwargs)
            finally:
                self.lock.acquire()
                if ends and not self._is_there(container):
                    raise Ended

        return run

    def _is_there(self, container: _Container) -> bool:
        """Whether a container runs and nobody has forgotten it, or loaded it anew."""
        return container.state.running and self._alive.get(container.spec.id) is container

    @_locked
    def exec_capture(
        self, container_id: str, argv: Iterable[str], data: bytes = b""
    ) -> tuple[int, bytes, bytes]:
        """Run a command; exit code, standard output, standard error. For probes, hooks and scripts."""
        streams, out, err = Streams.captured(data)
        code = self.exec(container_id, argv, streams)
        return code, bytes(out), bytes(err)

    @_locked
    def logs(
        self,
        container_id: str,
        *,
        tail: int | None = None,
        since: datetime | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
    ) -> str:
        """The log as `kubectl logs` prints it. For a previous run, ask with that container's id."""
        lines = self.log_lines(container_id, since=since)
        if tail is not None and tail >= 0:
            lines = lines[len(lines) - min(tail, len(lines)) :]
        text = "".join(
            f"{line.time() + ' ' if timestamps else ''}{line.text}{'' if line.partial else chr(10)}"
            for line in lines
        )
        if limit_bytes is not None:
            text = text.encode()[:limit_bytes].decode("utf-8", "ignore")
        return text

    @_locked
    def log_lines(self, container_id: str, *, since: datetime | None = None) -> list[LogLine]:
        """The log's lines up to now; to follow a log, ask again and leave out those that were there."""
        container = self._get(container_id)
        self._advance(container, self._now())
        start = since.timestamp() if since is not None else None
        return list(container.journal.lines(until=self._now(), since=start))

    @_locked
    def unfinished(self, container_id: str) -> str:
        """What the log's last line has so far, without a newline: a prompt."""
        return "".join(str(text) for _, _, text in self._get(container_id).journal.unfinished)

    @_locked
    def machine(self, container_id: str) -> Machine:
        """The machine that a running container is, for the network and for tracing. Raises NotRunning."""
        return self._running(container_id).machine

    # Keeping

    @_locked
    def flush(self) -> None:
        """Keep what applications have logged and changed since the last time."""
        self._talked = {}
        for container in list(self._alive.values()):
            self._flush(container)

    def _flush(self, container: _Container) -> None:
        if container.in_use and container.unsaved:
            self._keep(container)
        elif container.unsaved:
            self._after_execution(container)

    def _flush_talk(self) -> None:
        """The same for those to whose applications somebody may have talked."""
        talked, self._talked = self._talked, {}
        for container_id in talked:
            if (container := self._alive.get(container_id)) is not None:
                self._flush(container)

    def _keep(self, container: _Container) -> None:
        prefix = f"runtime/{container.spec.id}/"
        machine = container.machine
        record = {
            "state": dump_state(container.state),
            "argv": container.argv,
            "frames": container.frames,
            "until": container.until,
            "ending": container.ending,
            "endless": container.endless,
            "awaits_input": container.awaits_input,
            "input_closed": container.input_closed,
            "unread": container.unread.decode("utf-8", "surrogateescape"),
            "processes": [entry.dump() for entry in machine.processes.values()],
            "pid": machine.last_pid,
            "waiting_for": machine.waiting_for,
            "applications": machine.application_state,
            "packages": machine.packages,
            "booted": machine.booted,
            "unfinished": container.journal.unfinished,
        }
        if not container.is_kept:
            self._keep_spec(container.spec)
            container.is_kept = True
        container.times_kept += 1
        container.kept, container.seen = pack(record | {"kept": container.times_kept}), self._looks
        self._store.set(prefix + "container", container.kept)
        self._keep_files(container)
        container.journal.flush()
        container.dirty = False

    def _keep_spec(self, spec: ContainerSpec) -> None:
        shared = self._environments.keep(spec.env)
        kept = dump_spec(replace(spec, env={}) if shared else spec)
        if shared:
            kept["shared_env"] = shared
        self._store.set(f"runtime/{spec.id}/spec", pack(kept))

    def _load_spec(self, stored: bytes) -> ContainerSpec:
        kept = unpack(stored)
        shared = kept.pop("shared_env", "")
        return load_spec(kept | {"env": self._environments.load(shared)} if shared else kept)

    def _keep_files(self, container: _Container) -> None:
        if container.root.changed:
            name = f"runtime/{container.spec.id}/files"
            container.files = self._keep_tree(name, container.root.dump(), container.files)
            container.root.changed = False
        for mount in container.spec.mounts:
            volume = self._volumes.get(mount.source)
            if volume is not None and volume.files.changed:
                volume.kept = self._keep_tree(f"volumes/{mount.source}", volume.files.dump(), volume.kept)
                volume.seen = self._looks
                volume.files.changed = False

    def _keep_tree(self, name: str, tree: dict[str, Any], base: bytes | None) -> bytes:
        """Write a tree, or its changes where another has written to it meanwhile; what it was written as."""
        ours, stored = pack(tree), self._store.get(name)
        if stored == base or base is None:
            self._store.set(name, ours)
        elif stored is not None:  # else it has been removed
            self._store.set(name, pack(merged(unpack(base), unpack(ours), unpack(stored))))
        return ours

    def _get(self, container_id: str) -> _Container:
        self._loaded.pop(container_id, None)
        container, record = self._alive.get(container_id), None
        if container is not None and container.seen != self._looks:
            container.seen = self._looks
            if not container.in_use and not container.unsaved:
                record = self._store.get(f"runtime/{container_id}/container")
                if record != container.kept:
                    container = None
                else:
                    self._look_at_volumes(container)
        if container is None:
            spec = self._store.get(f"runtime/{container_id}/spec")
            record = record or self._store.get(f"runtime/{container_id}/container")
            if spec is None or record is None:
                raise NotRunning(f'container "{container_id}" in namespace "k8s.io": not found')
            container = self._restore(self._load_spec(spec), unpack(record))
            container.kept, container.seen = record, self._looks
            self._bring_to_life(container)
        self._loaded[container_id] = container
        return container

    def _bring_to_life(self, container: _Container) -> None:
        spec = container.spec
        self._alive[spec.id] = container
        if len(self._of_pods) > 4 * LOADED:
            self._of_pods = {uid: those for uid, those in self._of_pods.items() if those}
        self._of_pods.setdefault(spec.pod_uid, WeakValueDictionary())[spec.id] = container

    def _drop(self, container: _Container) -> None:
        """Forget what is in memory of a container; what is stored is read the next time."""
        self._loaded.pop(container.spec.id, None)
        self._alive.pop(container.spec.id, None)

    def _look_at_volumes(self, container: _Container) -> None:
        for mount in container.spec.mounts:
            self._volume(mount)

    def _volume(self, mount: Mount) -> Files:
        """The files of a volume, as they are stored now."""
        volume = self._volumes.get(mount.source)
        if volume is not None and (volume.seen == self._looks or volume.files.changed):
            return volume.files
        kept = self._store.get(f"volumes/{mount.source}")
        if volume is not None and kept is not None:
            volume.seen = self._looks
            if kept != volume.kept:
                volume.files.become(Files.restore(unpack(kept)))
                volume.kept, volume.files.changed = kept, False
            return volume.files
        if kept is not None:
            tree = Files.restore(unpack(kept))
        else:
            tree = volume_files(dict(mount.files or {}), mount.mode, self._now())
            tree.nodes["/"].mode = 0o777 if mount.files is None else 0o755
            tree.changed = True
        self._volumes[mount.source] = _Volume(tree, kept, self._looks)
        return tree

    def _running(self, container_id: str) -> _Container:
        container = self._get(container_id)
        self._advance(container, self._now())
        if not container.state.running:
            raise NotRunning(f"container {container_id} is not running")
        return container

    def _restore(self, spec: ContainerSpec, record: dict[str, Any]) -> _Container:
        image = self.catalogue.image(spec.image)
        files = self._store.get(f"runtime/{spec.id}/files")
        container = self._build(spec, image, unpack(files) if files else {}, record["booted"])
        machine = container.machine
        container.state = load_state(record["state"])
        container.argv = record["argv"]
        container.frames = record["frames"]
        container.until = record["until"]
        container.ending = record["ending"]
        container.endless = record["endless"]
        container.awaits_input = record.get("awaits_input", False)
        container.input_closed = record.get("input_closed", False)
        container.unread = record.get("unread", "").encode("utf-8", "surrogateescape")
        machine.processes = {row["pid"]: ProcessEntry(**row) for row in record["processes"]}
        machine.last_pid = record["pid"]
        machine.waiting_for = record["waiting_for"]
        machine.application_state = record["applications"]
        machine.packages = record["packages"]
        container.journal.restore_unfinished(record["unfinished"])
        container.files = files
        container.times_kept = record.get("kept", 0)
        container.dirty, container.is_kept = False, True
        return container

    def _now(self) -> float:
        return self._clock.now().timestamp()

    # Making the machine

    def _build(self, spec: ContainerSpec, image: Image, files: dict[str, Any], booted: float) -> _Container:
        tree = self._trees.get(str(image.reference))
        if tree is None:
            tree = self._trees[str(image.reference)] = image_tree(image)
        root = Overlay(tree, Overlay.load(files), read_only=False)
        fs = FileSystem(root, now=self._now)
        journal = Journal(self._store, f"runtime/{spec.id}/log/")
        hostname = spec.hostname or spec.pod_name or spec.name
        machine = Machine(
            image=image,
            fs=fs,
            clock=self._now,
            hostname=hostname,
            env={},
            journal=journal,
            facts=facts_of(spec),
            host_network=spec.host_network,
        )
        machine.booted = booted
        machine.applications = self.applications
        container = _Container(spec, machine, journal, root)
        fresh = not files
        if fresh:
            self._system_files(container)
        mount_system(machine)
        for mount in spec.mounts:
            self._mount(container, mount)
        give_user(spec, image, machine)
        machine.env = environment(spec, image, machine)
        machine.workdir = container.cwd = spec.working_dir or image.workdir
        if fresh and fs.find(machine.workdir) is None:
            make_directories(fs, machine.workdir)
        root.read_only = spec.read_only_root
        fs.mounts["/"].read_only = spec.read_only_root
        if self._network is not None:
            machine.network = self._network(spec)
        else:
            machine.network = Isolated(machine.listeners, addresses=spec.pod_ips)
        machine.changed = lambda: self._application_changed(container)
        return container

    def _system_files(self, container: _Container) -> None:
        """/etc/hosts, /etc/resolv.conf and /etc/hostname, which the runtime lays over the image's."""
        spec, fs = container.spec, container.machine.fs
        hostname = container.machine.hostname
        hosts = spec.hosts or hosts_file(spec, hostname)
        for path, text in (
            ("/etc/hosts", hosts),
            ("/etc/resolv.conf", spec.resolv_conf),
            ("/etc/hostname", f"{hostname}\n"),
        ):
            node = Node(FILE, 0o644, text.encode(), mtime=self._now())
            if fs.find("/etc") is None:
                fs.root.put("/etc", Node(DIRECTORY, 0o755, mtime=self._now()))
            fs.root.put(path, node)

    def _mount(self, container: _Container, mount: Mount) -> None:
        tree = self._volume(mount)
        base = "/" + mount.sub_path.strip("/") if mount.sub_path else "/"
        if base != "/" and tree.get(base) is None:
            tree.add(base, Node(DIRECTORY, 0o755, mtime=self._now()))
        path = posixpath.normpath(mount.path)
        read_only = mount.read_only or mount.files is not None
        container.machine.fs.mount(MountPoint(path, tree, mount.type, mount.source, read_only, base))

    def _check_executable(self, container: _Container, argv: list[str]) -> None:
        """Refuse what runc refuses. Source of the texts: opencontainers/runc, libcontainer/init_linux.go."""
        machine = container.machine
        if not machine.image.known and machine.which(argv[0], machine.env.get("PATH", DEFAULT_PATH)) is None:
            return
        text = exec_problem(machine, argv[0])
        if text:
            raise StartError(
                "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create "
                f"failed: unable to start container process: error during container init: {text}: unknown"
            )

    def _serve_declared_ports(self, container: _Container) -> None:
        ports = [[p.protocol, p.port] for p in container.spec.ports]
        entry = container.machine.processes[1]
        entry.service = {"application": "unknown", "ports": ports}
        entry.exit_on = [15, 2]
        container.frames = []
        container.until = None

    # Running

    def _streams(self, container: _Container, timeline: Timeline) -> tuple[JournalWriter, JournalWriter]:
        machine = container.machine
        out = JournalWriter(machine, timeline, STDOUT)
        return out, out if container.spec.tty else JournalWriter(machine, timeline, STDERR)

    def _process(
        self, container: _Container, at: float, clock: Callable[[], float], entry: ProcessEntry
    ) -> Process:
        timeline = Timeline(clock, at=at, suspendable=True)
        out, err = self._streams(container, timeline) if entry.logs else (Null(), Null())
        is_main, spec = entry.pid == 1, container.spec
        waits = is_main and (spec.stdin or spec.tty) and not container.input_closed
        process = container.machine.process(
            list(entry.argv),
            stdin=AwaitedInput() if waits else None,
            interactive=is_main and spec.tty,
            out=out,
            err=err,
            pid=entry.pid,
            timeline=timeline,
            budget=Budget(steps=MAIN_STEPS),
        )
        if entry.env:
            process.env = dict(entry.env)
        process.cwd = entry.cwd if entry.pid != 1 else container.cwd
        return process

    def _run_main(
        self,
        container: _Container,
        at: float,
        *,
        resume: list[Any] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Run the main process from a moment on, until it waits beyond the clock or ends."""
        machine = container.machine
        entry = machine.processes[1]
        process = self._process(container, at, clock or self._now, entry)
        process.resume = resume
        container.frames, container.until, container.awaits_input = None, None, False
        try:
            code = machine.run(process)
        except Suspended as wait:
            self._suspend(container, wait)
            return
        except Stopped as stop:
            if stop.code == 137:  # it computes for ever: so it does, without costing anything
                container.frames, container.until, container.endless = [], None, True
                return
            process.error(f"{process.name}: {stop.text}")
            code = stop.code
        except OSError as error:
            code = not_started(process, error)
        end = process.timeline.now()
        if process.timeline.ahead:
            container.until, container.ending, container.endless = end, code, False
            return
        self._finish(container, code, end)

    def _suspend(self, container: _Container, wait: Suspended) -> None:
        """Keep where the main process stands."""
        container.machine.processes[1].argv = wait.frames[0]
        container.frames = wait.frames[1:]
        container.until = wait.until
        container.endless = wait.endless
        container.awaits_input = wait.for_input and wait.until is None
        container.machine.waiting_for = wait.pid if wait.until is None and wait.pid != 1 else None

    def _run_background(self, container: _Container, entry: ProcessEntry) -> None:
        machine = container.machine
        process = self._process(container, entry.until or self._now(), self._now, entry)
        process.resume = entry.frames
        try:
            machine.run(process)
        except Suspended as wait:
            entry.argv, entry.frames, entry.until = wait.frames[0], wait.frames[1:], wait.until
            return
        except (Stopped, OSError):
            pass  # nobody waits for it: a background job just ends
        machine.end(entry.pid, 0)

    def _advance(self, container: _Container, now: float) -> None:
        """Play what is due, in order of time."""
        if not container.state.running:
            return
        began: dict[int, tuple[float, int]] = {}
        while container.state.running:
            self._check_ended(container)
            due = self._due(container, now)
            if due is None or not container.state.running:
                break
            pid, at = due
            start, turns = began.get(pid, (at, 0))
            began[pid] = (start, turns + 1)
            if turns == 2 and at > start:
                at = self._jump(container, pid, at, (at - start) / turns, now)
            if pid == 1 and container.ending is not None:
                self._finish(container, container.ending, at)
            elif pid == 1:
                self._run_main(container, at, resume=container.frames)
            else:
                self._run_background(container, container.machine.processes[pid])
            container.dirty = True
        if container.state.running:
            container.state = replace(container.state, look_again=self._look_again(container, now))

    def _due(self, container: _Container, now: float) -> tuple[int, float] | None:
        """The process that wakes first, and when."""
        found: tuple[int, float] | None = None
        machine = container.machine
        if container.attached:
            return self._due_in_background(container, now)
        if machine.woken is not None and container.frames is not None:
            return 1, now
        if container.until is not None and container.until <= now:
            found = (1, container.until)
        other = self._due_in_background(container, now)
        return other if found is None or (other is not None and other[1] <= found[1]) else found

    def _due_in_background(self, container: _Container, now: float) -> tuple[int, float] | None:
        found: tuple[int, float] | None = None
        for entry in container.machine.processes.values():
            if entry.frames is None or entry.until is None or entry.until > now:
                continue
            if found is None or entry.until <= found[1]:
                found = (entry.pid, entry.until)
        return found

    def _jump(self, container: _Container, pid: int, at: float, period: float, now: float) -> float:
        """Skip turns of a loop that nobody watched for long."""
        behind = (now - at) / period
        if behind <= CATCH_UP_TURNS:
            return at
        at += int(behind - CATCH_UP_TURNS) * period
        if pid != 1:
            container.machine.processes[pid].until = at
        return at

    def _look_again(self, container: _Container, now: float) -> datetime | None:
        """When the kubelet should come back. A loop that may end is asked ever more rarely: 2 % of its age."""
        if container.until is None or container.endless:
            return None
        age = now - container.state.started_at.timestamp()
        return datetime.fromtimestamp(max(container.until, now + age * 0.02 if age > 600 else 0.0), UTC)

    def _check_ended(self, container: _Container) -> None:
        code = container.machine.ended
        if code is not None and container.state.running:
            container.machine.ended = None
            self._finish(container, code, self._now())

    def _settle(self, container: _Container) -> None:
        """After a start: what is already due, then keep."""
        self._advance(container, self._now())
        self._keep(container)

    def _after_execution(self, container: _Container) -> None:
        if self._alive.get(container.spec.id) is not container:
            return  # it has been removed while the command ran
        with self._store.atomic():
            record = self._store.get(f"runtime/{container.spec.id}/container")
            if container.is_kept and record != container.kept:
                self._overtaken(container, is_there=record is not None)
            else:
                self._keep_execution(container)

    def _overtaken(self, container: _Container, *, is_there: bool) -> None:
        """Another process has run the container on while a command ran in it: what that made of it is what it is. The
        command's files and lines are added, and its end, if the command brought it about; jobs that it left behind
        are not.
        """
        self._drop(container)
        if not is_there:
            return
        self._keep_files(container)
        container.journal.flush()
        theirs = self._get(container.spec.id)
        if container.machine.ended is not None and theirs.state.running:
            self._finish(theirs, container.machine.ended, self._now())
            self.on_exit(container.spec.id)
        else:
            self._keep(theirs)  # so that it is seen that something has changed

    def _keep_execution(self, container: _Container) -> None:
        if container.machine.ended is not None or container.machine.woken is not None:
            self._advance(container, self._now())
            if not container.state.running:
                self.on_exit(container.spec.id)
        self._keep(container)

    def _application_changed(self, container: _Container) -> None:
        container.dirty = True
        if container.machine.ended is not None:
            self._after_execution(container)

    def _terminate(self, container: _Container, now: float, grace: float) -> tuple[int, float]:
        """How the main process takes its stop signal: exit code and moment."""
        machine = container.machine
        entry = machine.processes[1]
        number = signal_number(machine.image.stop_signal)
        if entry.service is not None and number in entry.exit_on:
            delay = float(entry.service.get("delay_shutdown", 0))
            return (
                (int(entry.service.get("exit_code", 0)), now + delay)
                if delay <= grace
                else (KILLED, now + grace)
            )
        if (
            number in entry.exit_on
            and container.frames is not None
            and (container.until or now) <= now + grace
        ):
            machine.signals.append(number)
            end = now + grace
            self._run_main(container, container.until or now, resume=container.frames, clock=lambda: end)
            if not container.state.running:
                return container.state.exit_code or 0, (
                    container.state.finished_at or self._clock.now()
                ).timestamp()
        return KILLED, now + grace

    def _finish(self, container: _Container, code: int, at: float) -> None:
        container.journal.finish()
        container.frames, container.until, container.awaits_input = None, None, False
        container.machine.processes.clear()
        container.machine.listening_changed()
        message = self._termination_message(container)
        container.ending = None
        container.state = replace(_ended(container.state, code, at), running=False, message=message)
        self._keep(container)

    def _termination_message(self, container: _Container) -> str:
        node = container.machine.fs.find(container.spec.termination_message_path)
        return node.content().decode("utf-8", "replace")[:MESSAGE_LIMIT] if node and node.kind == FILE else ""


def _ended(state: ContainerState, code: int, at: float) -> ContainerState:
    """The state with how and when it ends."""
    return replace(
        state,
        exit_code=code & 255,
        finished_at=datetime.fromtimestamp(at, UTC),
        reason="Completed" if code == 0 else "Error",
        look_again=None,
    )


def _runs_as_echo(container: _Container) -> bool:
    """An image that nobody knows runs as an echo, unless its command is one that is known."""
    machine = container.machine
    name = container.argv[0]
    return not machine.image.known and machine.which(name, machine.env.get("PATH", DEFAULT_PATH)) is None
