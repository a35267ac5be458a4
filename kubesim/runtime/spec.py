"""The values that the kubelet and the container runtime exchange: what to start, how it fares, what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubesim.runtime.application import TransportProtocol


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A declared port; only an image that is not in the catalogue listens because of it."""

    port: int
    protocol: TransportProtocol = "TCP"
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A volume in a container.

    `source` names the volume on its node (such as `<pod uid>/<volume>`): mounts of one source share their files, and
    what is written stays until `remove_volume`. `files` gives the content of a volume that somebody else writes
    (ConfigMap, Secret, projected, downward API), by path below the volume's root.
    """

    path: str
    source: str
    type: str = "ext4"
    read_only: bool = False
    sub_path: str = ""
    files: Mapping[str, bytes] | None = None
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A container as the kubelet asks for it. `env` is complete (Service variables, env, envFrom) and in order."""

    id: str
    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    run_as_user: int | None = None
    run_as_group: int | None = None
    read_only_root: bool = False
    ports: tuple[ContainerPort, ...] = ()
    mounts: tuple[Mount, ...] = ()
    pod_name: str = ""
    pod_namespace: str = ""
    pod_uid: str = ""
    node_name: str = ""
    hostname: str = ""
    """The Pod's host name; its name where this is empty."""
    domain: str = ""
    """What follows the host name in the fully qualified one: `sub.ns.svc.cluster.local`."""
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    host_network: bool = False
    resolv_conf: str = ""
    hosts: str = ""
    """The text of /etc/hosts; made from host name and addresses where this is empty."""
    memory_limit: int = 0
    tty: bool = False
    stdin: bool = False
    """Whether its standard input can be attached to; without that, and without a terminal, it is at its end."""
    stdin_once: bool = False
    """Whether the end of the first attachment ends its standard input."""
    termination_message_path: str = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class PulledImage:
    """An image on the node. `image_id` is what status.containerStatuses[].imageID shows."""

    reference: str
    image_id: str
    size: int
    seconds: float
    """How long a real pull of this size would have taken; for the kubelet's Pulled event."""
    user: str = ""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """How a container fares. While it runs, `exit_code` and `finished_at` are None."""

    running: bool
    started_at: datetime
    finished_at: datetime | None = None
    exit_code: int | None = None
    reason: str = ""
    """Completed or Error, once it has ended."""
    message: str = ""
    """The termination message, if its process wrote one."""
    look_again: datetime | None = None
    """When `advance` is due; None: nothing happens by itself any more (it serves, or loops for ever)."""


class StartError(Exception):
    """A container could not be created or started. `str()` is containerd's text, which the kubelet shows."""

    def __init__(self, text: str, reason: str = "RunContainerError", exit_code: int = 128) -> None:
        super().__init__(text)
        self.reason = reason
        """The waiting reason: RunContainerError or CreateContainerError."""
        self.exit_code = exit_code
        """The exit code of the terminated state (its reason is StartError); 128, or 127 and 126 as runc has them."""


class ExecError(Exception):
    """A command could not be started in a container. `str()` is containerd's text."""


class NotRunning(ExecError):
    """There is no such container, or it does not run."""


@dataclass(slots=True)
class Streams:
    """The streams of a command. `stdin` gives what there is, and nothing at the end; without one it reads nothing."""

    stdout: Callable[[bytes], Any]
    stderr: Callable[[bytes], Any]
    stdin: Callable[[], bytes] | None = None
    tty: bool = False
    interrupted: Callable[[], bool] | None = None
    is_ready: Callable[[], bool] | None = None
    """Whether output would be taken without waiting."""

    @classmethod
    def captured(cls, data: bytes = b"") -> tuple[Streams, bytearray, bytearray]:
        """Streams that are kept; what was written to standard output and to standard error."""
        out, err = bytearray(), bytearray()
        rest = [data] if data else []
        return cls(out.extend, err.extend, lambda: rest.pop() if rest else b""), out, err
