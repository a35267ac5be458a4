"""Connections from this computer into the simulated network, for the edge's thread.

Everything that touches what listens holds the runtime's lock. What is logged meanwhile is kept a moment later, once for all
that has come until then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from kubesim.network.views import view_of_node, view_of_outside
from kubesim.runtime.network_view import NetworkError, Refused, TimedOut, Unreachable

if TYPE_CHECKING:
    from kubesim.network.fabric import Fabric
    from kubesim.network.places import Origin
    from kubesim.runtime.application import Application, Peer, TransportProtocol

T = TypeVar("T")
LOOK_SECONDS: Final = 1.0
"""How old what is known of containers may be: another process may have changed them."""


class Gone(NetworkError):
    """Who answered is not there any more."""


class Dialler:
    """Opens connections from the outside of a cluster. `now` is a monotonic clock."""

    def __init__(self, fabric: Fabric, now: Callable[[], float]) -> None:
        self._fabric = fabric
        self._outside = view_of_outside(fabric).origin
        self._now = now
        self._looked = 0.0

    def connect(
        self,
        address: str,
        port: int,
        protocol: TransportProtocol,
        source_port: int,
        origin: Literal["outside", "node"] = "outside",
    ) -> Line:
        """Raises Refused, TimedOut, Unreachable."""
        fabric = self._fabric
        with fabric.runtime.lock:
            now = self._now()
            if now - self._looked > LOOK_SECONDS:
                self._looked = now
                fabric.runtime.look_anew()
            sender = self._node() if origin == "node" else self._outside
            trip = fabric.send(sender, address, port, protocol, source_port=source_port)
            if trip.listener is not None and trip.peer is not None:
                return Line(self, trip.listener.application, trip.peer, protocol, fabric.world.generation)
        failure = {"refused": Refused, "unreachable": Unreachable}.get(trip.outcome, TimedOut)
        raise failure(f"{address}:{port}")

    def _node(self) -> Origin:
        """A node that is ready. Raises Unreachable."""
        self._fabric.world.refresh()
        name = next((n.name for n in self._fabric.world.nodes if n.ready), "")
        view = view_of_node(self._fabric, name)
        if view is None:
            raise Unreachable("no node is ready", host=True)
        return view.origin

    def ask(self, line: Line, question: Callable[[], T]) -> T:
        """Ask whoever is at the other end of a line. Raises Gone."""
        fabric = self._fabric
        with fabric.runtime.lock:
            fabric.world.refresh()
            if line.generation != fabric.world.generation:
                self._check(line)
                line.generation = fabric.world.generation
            return question()

    def _check(self, line: Line) -> None:
        """A Pod that has gone, or has ended, answers no more."""
        address, port = line.peer.local_address, line.peer.local_port
        if not self._fabric.world.in_pod_networks(address):
            return
        pod = self._fabric.world.pod_at(address)
        found = self._fabric.listeners_of_pod(pod) if pod is not None else ()
        if not any(f.port == port and f.protocol == line.protocol for f in found):
            raise Gone(f"{address}:{port}")

    def flush(self) -> None:
        """Keep what was logged and changed."""
        runtime = self._fabric.runtime
        with runtime.lock:
            runtime.flush()


class Line:
    """One connection, from the outside to whoever answers."""

    __slots__ = ("_dialler", "application", "generation", "peer", "protocol")

    def __init__(
        self,
        dialler: Dialler,
        application: Application,
        peer: Peer,
        protocol: TransportProtocol,
        generation: int,
    ) -> None:
        self._dialler = dialler
        self.application = application
        self.peer = peer
        self.protocol = protocol
        self.generation = generation

    def ask(self, question: Callable[[], T]) -> T:
        """Do something that touches whoever answers. Raises Gone."""
        return self._dialler.ask(self, question)
