"""What a kubelet asks of a container runtime: pull images, start containers, say what their processes do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from kubesim.util.jsontypes import JSONObject


@dataclass(frozen=True, slots=True)
class PulledImage:
    """An image on a node: its full name, its digest reference, its size, and how many seconds the pull
    took.
    """

    image: str
    image_id: str
    size: int
    seconds: float


class ImagePullError(Exception):
    """The image cannot be had; the text is what the container runtime says."""


class ContainerStartError(Exception):
    """The container cannot start; the text is what the OCI runtime says."""


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """What a container's first process will do if it is left alone.

    It ends `ends_after` seconds after its start with `exit_code`; None means that it runs for ever. A
    SIGTERM ends it after `stops_after` seconds with `stop_code`; None means that it does not listen and has
    to be killed. `message` is what it leaves in its termination message.
    """

    ends_after: float | None = None
    exit_code: int = 0
    stops_after: float | None = 0.0
    stop_code: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """All that a container is started with."""

    container_id: str
    pod: JSONObject
    container: JSONObject
    image: PulledImage
    node: str
    pod_ips: Sequence[str]
    environment: Mapping[str, str]
    started_at: datetime
    restart_count: int = 0


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How a probe ended; `output` is what an Event quotes. `holds_until` is when it may turn out
    otherwise by itself.
    """

    success: bool
    output: str = ""
    holds_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """A container that is probed: the Pod as it is, its addresses, the container's id and name."""

    pod: JSONObject
    container: JSONObject
    container_id: str
    pod_ip: str
    extra: Mapping[str, str] = field(default_factory=dict)


class ContainerRuntime(Protocol):
    """The runtime of all simulated nodes."""

    def pull(self, image: str) -> PulledImage:
        """Raises ImagePullError with the runtime's text."""
        ...

    def start(self, spec: ContainerSpec) -> ProcessPlan:
        """Start a container. Raises ContainerStartError."""
        ...

    def stop(self, container_id: str) -> None:
        """The container has ended: nothing of it listens any more."""
        ...

    def remove(self, container_id: str) -> None:
        """Forget a container and its files."""
        ...

    def probe(self, target: ProbeTarget, probe: JSONObject) -> ProbeResult:
        """Carry out the handler of a probe (httpGet, tcpSocket, exec, grpc) now."""
        ...
