"""A UDP port of this computer that leads into the simulated network. Datagrams of one client go to one server, as long as
there are any: as the kernel's connection tracking has it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from kubesim.network.edge.dialling import Gone, Line
from kubesim.runtime.network_view import NetworkError

if TYPE_CHECKING:
    from kubesim.network.edge.server import EdgeServer, Opening

FLOW_SECONDS: Final = 30.0
"""net.netfilter.nf_conntrack_udp_timeout"""
MAX_FLOWS: Final = 4096

logger = logging.getLogger("kubesim.edge")


@dataclass(slots=True)
class _Flow:
    line: Line
    last: float


class Datagrams(asyncio.DatagramProtocol):
    """See the module."""

    transport: asyncio.DatagramTransport

    def __init__(self, edge: EdgeServer, opening: Opening) -> None:
        self._edge = edge
        self._opening = opening
        self._flows: dict[Any, _Flow] = {}
        """By the client's address, the one that has been silent longest first."""
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        try:
            answer = self._answer(data, addr)
        except NetworkError:
            self._flows.pop(addr, None)
            return
        except Exception:
            logger.exception("a datagram to port %s failed", self._opening.port)
            return
        self._edge.dirty()
        if answer is not None and not self._full:
            self.transport.sendto(answer, addr)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False

    def _answer(self, data: bytes, client: Any) -> bytes | None:
        flow = self._flow(client)
        try:
            return _ask(flow.line, data)
        except Gone:
            self._flows.pop(client, None)
            return _ask(self._flow(client).line, data)

    def _flow(self, client: Any) -> _Flow:
        now = self._edge.loop.time()
        found = self._flows.pop(client, None)
        if found is None or now - found.last > FLOW_SECONDS:
            found = _Flow(self._edge.dial(self._opening, client[1]), now)
        found.last = now
        self._flows[client] = found
        if len(self._flows) > MAX_FLOWS:
            del self._flows[next(iter(self._flows))]
        return found


def _ask(line: Line, data: bytes) -> bytes | None:
    return line.ask(lambda: line.application.datagram(data, line.peer))
