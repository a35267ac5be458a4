"""Connections to the ports of a Pod from outside the cluster, as containerd makes them: inside the Pod, to `localhost`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery.meta import uid_of
from kubesim.runtime.application import Conversation, Listener, Peer
from kubesim.util.jsontypes import JSONObject, dig

if TYPE_CHECKING:
    from kubesim.runtime.container import ContainerRuntime

_LOCALHOST: Final = ("127.0.0.1", "::1")
_FIRST_CLIENT_PORT, _LAST_CLIENT_PORT = 32_768, 60_999
STATUSES: Final = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


class ForwardError(Exception):
    """A connection did not come about. `str()` is what the client reads on the error stream."""


class PortConnection:
    """One connection to what listens: bytes in, bytes out. Any thread may call, one at a time."""

    def __init__(self, runtime: ContainerRuntime, talk: Conversation) -> None:
        self._runtime = runtime
        self._talk = talk

    @property
    def closed(self) -> bool:
        """Whether the other side has closed it."""
        return self._talk.closed

    def greet(self) -> bytes:
        """What comes before anything was sent."""
        return self._talk.greeting

    def receive(self, data: bytes) -> bytes:
        """What comes back once these bytes have been sent too."""
        return self._ask(lambda: self._talk.receive(data))

    def end(self) -> bytes:
        """What still comes back once nothing more will be sent."""
        return b"" if self._talk.closed else self._ask(self._talk.end)

    def _ask(self, question: Callable[[], bytes]) -> bytes:
        with self._runtime.lock:
            try:
                return question()
            finally:
                self._runtime.flush()


class Forwarding:
    """The ports of one Pod."""

    def __init__(self, runtime: ContainerRuntime, pod: JSONObject) -> None:
        self._runtime = runtime
        self._pod = pod
        self._client_port = _FIRST_CLIENT_PORT

    def connect(self, port: int) -> PortConnection:
        """Connect to a port. Raises ForwardError."""
        with self._runtime.lock:
            listener = find_listener(self._runtime, self._pod, port, _LOCALHOST)
            if listener is None:
                raise ForwardError(self._refused(port))
            address = next(a for a in _LOCALHOST if listener.accepts(a))
            peer = Peer(address, self._client_port, address, port)
            self._client_port += 1
            if self._client_port > _LAST_CLIENT_PORT:
                self._client_port = _FIRST_CLIENT_PORT
            return PortConnection(self._runtime, listener.application.open(peer))

    def _refused(self, port: int) -> str:
        """As in containerd's internal/cri/server, sandbox_portforward_linux.go."""
        sandbox = hashlib.sha256(uid_of(self._pod).encode()).hexdigest()
        namespace = f"/var/run/netns/cni-{sandbox[:8]}-{sandbox[8:12]}-{sandbox[12:16]}-{sandbox[16:20]}-{sandbox[20:32]}"
        return (
            f"error forwarding port {port} to pod {sandbox}, uid : failed to execute portforward in network namespace "
            f'"{namespace}": failed to connect to localhost:{port} inside namespace "{sandbox}", '
            f"IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused "
            f"IPv6 dial tcp6 [::1]:{port}: connect: connection refused "
        )


def running_containers(pod: JSONObject) -> list[str]:
    """The ids of a Pod's containers that run."""
    return [
        (status.get("containerID") or "").rpartition("//")[2]
        for key in STATUSES
        for status in dig(pod, "status", key, default=[])
        if dig(status, "state", "running") is not None
    ]


def find_listener(
    runtime: ContainerRuntime, pod: JSONObject, port: int, addresses: tuple[str, ...]
) -> Listener | None:
    """What accepts a TCP connection to a port of a Pod at one of these addresses: its containers share them."""
    for container_id in running_containers(pod):
        for listener in runtime.listeners(container_id):
            fits = listener.protocol == "TCP" and listener.port == port
            if fits and any(listener.accepts(address) for address in addresses):
                return listener
    return None
