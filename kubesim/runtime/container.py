"""Simulated containers: pull, start, advance, exec, logs, stop. This is the kubelet's way into the room.

A container's processes run in simulated time. `start` runs the main process until it waits, serves or ends; `advance`
takes it on to the present, whenever somebody looks. All that a container is lies in the state store under
`runtime/<id>/` (`container`, `files`, `log/…`), volumes under `volumes/<source>`; a later process goes on from there.
Writing to logs and applications' state is gathered and kept by `flush`, which every entrance here but `listeners` calls.

A module for each idea below this one: the course of processes (`running`), commands (`exec`), attaching (`attach`), what is
loaded and what is stored (`stored`, `loaded`, `volumes`), making the machine (`construction`).

Threads share one runtime. Each entrance holds its `lock`; a command gives it up while it waits for input, for time to pass
or for a reader of its output. Whoever talks to a listener's application holds it too. It is taken before any of the store's.
"""

from __future__ import annotations

import posixpath
from datetime import datetime

from kubesim.runtime.application import Listener
from kubesim.runtime.attach import AttachContainers
from kubesim.runtime.construction import NetworkFactory
from kubesim.runtime.execution import exec_problem, execute
from kubesim.runtime.filesystem import FILE, Node
from kubesim.runtime.images import DEFAULT_PATH, PROGRAM, Catalogue, ImagePullError
from kubesim.runtime.journal import LogLine
from kubesim.runtime.launch import command_line, make_directories
from kubesim.runtime.loaded import LoadedContainer
from kubesim.runtime.machine import Machine, ProcessEntry
from kubesim.runtime.running import ended
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
from kubesim.runtime.stored import LOADED, locked

__all__ = [
    "LOADED", "ContainerPort", "ContainerRuntime", "ContainerSpec", "ContainerState", "ExecError", "ImagePullError",
    "Listener", "Mount", "NotRunning", "PulledImage", "StartError", "Streams", "execute",
]  # fmt: skip


class ContainerRuntime(AttachContainers):
    """The containers of the cluster's nodes.

    `network` gives each container its view of the network; without it containers are isolated. `wait` lets real time
    pass where an exec'ed command sleeps (`time.sleep` for people at a terminal); without it time is skipped.
    """

    def join(self, network: NetworkFactory) -> None:
        """Containers that are loaded from now on are in this network."""
        self._construction.network = network

    def pull(self, image: str, catalogue: Catalogue | None = None) -> PulledImage:
        """Have an image on the node, of a catalogue other than the built-in one where it is given. Raises
        ImagePullError.
        """
        found = (catalogue or self.catalogue).image(image)
        seconds = 0.4 + found.size / 90e6  # about 700 Mbit/s with unpacking
        return PulledImage(str(found.reference), found.image_id, found.size, round(seconds, 3), found.user)

    # A container's life

    @locked
    def start(self, spec: ContainerSpec, catalogue: Catalogue | None = None) -> ContainerState:
        """Create and start a container, from an image of a catalogue as `pull` has it; its main process runs until it
        waits or ends. Raises StartError.
        """
        image = (catalogue or self.catalogue).image(spec.image)
        argv = command_line(spec, image)
        now = self._clock.now()
        container = self._build(spec, image, {}, now.timestamp())
        container.argv = argv
        container.state = ContainerState(running=True, started_at=now)
        if image.runs is not None:
            _put_program(container, argv[0])
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

    @locked
    def advance(self, container_id: str) -> ContainerState:
        """Take a container's processes on to the present. Raises NotRunning for an unknown container."""
        container = self._get(container_id)
        self._advance(container, self._now())
        if container.dirty or container.journal.dirty:
            self._keep(container)
        self._flush_talk()
        return container.state

    @locked
    def status(self, container_id: str) -> ContainerState:
        """How it fared when it was last looked at. Raises NotRunning for an unknown container."""
        return self._get(container_id).state

    @locked
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
        return ended(container.state, code, at)

    @locked
    def remove_volume(self, source: str) -> None:
        """Forget a volume's files."""
        self._volumes.remove(source)

    @locked
    def write_volume(self, source: str, files: dict[str, bytes], *, mode: int = 0o644) -> None:
        """Replace the content of a volume that the kubelet writes (an updated ConfigMap)."""
        self._volumes.write(source, files, mode)

    # What listens

    @locked
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

    @locked
    def pod_of(self, container_id: str) -> str:
        """The Pod of a container that is loaded, as `namespace/name`; empty for others."""
        container = self._alive.get(container_id)
        return f"{container.spec.pod_namespace}/{container.spec.pod_name}" if container is not None else ""

    @locked
    def containers_of(self, pod_uid: str) -> list[str]:
        """The ids of a Pod's containers that are loaded: those that have only just been started are among them."""
        found = self._of_pods.get(pod_uid)
        return [i for i, c in list(found.items()) if self._alive.get(i) is c] if found else []

    @locked
    def machine(self, container_id: str) -> Machine:
        """The machine that a running container is, for the network and for tracing. Raises NotRunning."""
        return self._running(container_id).machine

    # Logs

    @locked
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

    @locked
    def log_lines(self, container_id: str, *, since: datetime | None = None) -> list[LogLine]:
        """The log's lines up to now; to follow a log, ask again and leave out those that were there."""
        container = self._get(container_id)
        self._advance(container, self._now())
        start = since.timestamp() if since is not None else None
        return list(container.journal.lines(until=self._now(), since=start))

    @locked
    def unfinished(self, container_id: str) -> str:
        """What the log's last line has so far, without a newline: a prompt."""
        return "".join(str(text) for _, _, text in self._get(container_id).journal.unfinished)

    # Starting

    def _check_executable(self, container: LoadedContainer, argv: list[str]) -> None:
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

    def _serve_declared_ports(self, container: LoadedContainer) -> None:
        ports = [[p.protocol, p.port] for p in container.spec.ports]
        entry = container.machine.processes[1]
        entry.service = {"application": "unknown", "ports": ports}
        entry.exit_on = [15, 2]
        container.frames = []
        container.until = None

    def _settle(self, container: LoadedContainer) -> None:
        """After a start: what is already due, then keep."""
        self._advance(container, self._now())
        self._keep(container)


def _put_program(container: LoadedContainer, name: str) -> None:
    """An image that is described by what it does runs so under any command that names no program: how its program is
    called, and where it stands, need not be told.
    """
    machine = container.machine
    if name.rpartition("/")[2] and machine.program(name.rpartition("/")[2]) is None:
        path = name if "/" in name else f"/usr/local/bin/{name}"
        path = posixpath.normpath(posixpath.join(machine.workdir, path))
        if machine.which(name, machine.env.get("PATH", DEFAULT_PATH), machine.workdir) is None:
            make_directories(machine.fs, posixpath.dirname(path))
            container.root.put(path, Node(FILE, 0o755, b"\x7fELF", program=PROGRAM))


def _runs_as_echo(container: LoadedContainer) -> bool:
    """An image that nobody knows runs as an echo, unless its command is one that is known."""
    machine = container.machine
    name = container.argv[0]
    return not machine.image.known and machine.which(name, machine.env.get("PATH", DEFAULT_PATH)) is None
