"""The listeners of the edge, in a thread with an event loop of its own: the API server's is not delayed by them.

Connections are bounded: where there are too many, the one that has been idle longest makes room.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from kubesim.network.edge.datagrams import Datagrams
from kubesim.network.edge.dialling import Dialler, Line
from kubesim.network.edge.encryption import Certificates, Pair
from kubesim.network.edge.exposures import Exposure
from kubesim.network.edge.stream import Stream
from kubesim.util.accepting import Acceptor

T = TypeVar("T")
MAX_CONNECTIONS: Final = 2048
BACKLOG: Final = 1024
FLUSH_SECONDS: Final = 0.05
"""So long what servers have logged may wait until it is kept."""

logger = logging.getLogger("kubesim.edge")


@dataclass(slots=True, eq=False)
class Opening:
    """A port that is open on this computer."""

    exposure: Exposure
    host: str
    port: int
    close: Callable[[], object]
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A port that could not be opened, and why."""

    exposure: Exposure
    host: str
    why: str


class EdgeServer:
    """Made stopped; `start` and `stop` once each, from any thread but its own. `certificate` gives one for a name to
    applications that speak TLS and have none.
    """

    def __init__(
        self,
        dialler: Dialler,
        host: str,
        *,
        certificate: Callable[[str], Pair],
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.host = host
        self.certificates = Certificates(certificate)
        self._dialler = dialler
        self._limit = min(max_connections, _files() // 2)
        self._openings: dict[Exposure, Opening] = {}
        self._streams: dict[Stream, None] = {}
        """The connections, the one that has been idle longest first."""
        self._flushing = False
        self._keeper = ThreadPoolExecutor(1, "kubesim-edge-keeper")
        self._thread: threading.Thread | None = None
        self.loop: asyncio.AbstractEventLoop
        self._acceptor: Acceptor
        self._stopping: asyncio.Event

    def start(self) -> None:
        """Begin to run; ports are opened by `open`."""
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="kubesim-edge", daemon=True)
        self._thread.start()
        started.wait()

    def stop(self) -> None:
        """Close every port and every connection, and wait until they are gone."""
        if self._thread is None:
            return
        self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None
        self._keeper.shutdown()
        self._dialler.flush()

    def open(self, wanted: Sequence[Exposure]) -> list[Failure]:
        """Let exactly these be open. Connections that are there go on; what cannot be opened is told."""
        return self._call(self._open(wanted))

    @property
    def openings(self) -> list[Opening]:
        """What is open now."""
        return list(self._openings.values())

    @property
    def connections(self) -> int:
        """How many TCP connections there are."""
        return len(self._streams)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    # On the loop's own thread.

    def _run(self, started: threading.Event) -> None:
        with asyncio.Runner() as runner:
            self.loop = runner.get_loop()
            self.loop.set_exception_handler(_quiet)
            runner.run(self._main(started))

    async def _main(self, started: threading.Event) -> None:
        self._stopping = asyncio.Event()
        self._acceptor = Acceptor(self.loop)
        started.set()
        await self._stopping.wait()
        for opening in self._openings.values():
            opening.close()
        self._openings.clear()
        await self._acceptor.close()
        for stream in list(self._streams):
            stream.reset()
        await asyncio.sleep(0)

    async def _open(self, wanted: Iterable[Exposure]) -> list[Failure]:
        known = {exposure: exposure for exposure in wanted}
        for exposure in [e for e in self._openings if e not in known]:
            self._openings.pop(exposure).close()
        await asyncio.sleep(0)  # transports let go of their sockets in the next turn
        failures = []
        for exposure in known:
            opening = self._openings.get(exposure)
            if opening is not None:
                opening.exposure = exposure  # its targets may be others
                continue
            try:
                self._openings[exposure] = await self._listen(exposure)
            except OSError as error:
                why = os.strerror(error.errno).lower() if error.errno else str(error)
                failures.append(Failure(exposure, exposure.host or self.host, why))
        return failures

    async def _listen(self, exposure: Exposure) -> Opening:
        """Raises OSError. Ports of others than nodes may be other ones on this computer."""
        host = exposure.host or self.host
        kind = socket.SOCK_DGRAM if exposure.protocol == "UDP" else socket.SOCK_STREAM
        try:
            found = _bind(host, exposure.wanted, kind)
        except OSError:
            if exposure.kind == "NodePort":
                raise
            found = _bind(host, 0, kind)
        opening = Opening(exposure, host, int(found.getsockname()[1]), found.close)
        if kind == socket.SOCK_DGRAM:
            transport, _ = await self.loop.create_datagram_endpoint(
                lambda: Datagrams(self, opening), sock=found
            )
            opening.close = transport.close
        else:
            opening.close = self._acceptor.listen(found, lambda: Stream(self, opening))
        return opening

    # What connections ask

    def admit(self, stream: Stream) -> None:
        """A connection has come."""
        if self._stopping.is_set():
            stream.reset()
            return
        if len(self._streams) >= self._limit:
            oldest = next(iter(self._streams))
            del self._streams[oldest]
            oldest.reset()
        self._streams[stream] = None

    def touch(self, stream: Stream) -> None:
        """It is not idle."""
        if self._streams.pop(stream, self) is None:
            self._streams[stream] = None

    def leave(self, stream: Stream) -> None:
        self._streams.pop(stream, None)

    def dial(self, opening: Opening, source_port: int) -> Line:
        """Raises NetworkError."""
        exposure = opening.exposure
        if not exposure.targets:
            return self._dialler.connect("0.0.0.0", 0, exposure.protocol, source_port)  # noqa: S104  nobody is there
        opening.turn += 1
        target = exposure.targets[opening.turn % len(exposure.targets)]
        return self._dialler.connect(
            target, exposure.target_port, exposure.protocol, source_port, exposure.origin
        )

    def dirty(self) -> None:
        """A server may have logged something."""
        if not self._flushing:
            self._flushing = True
            self.loop.call_later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        def keep() -> None:
            self._flushing = False
            try:
                self._dialler.flush()
            except Exception:
                logger.exception("what servers have logged could not be kept")

        if not self._stopping.is_set():
            self._keeper.submit(keep)


def describe(failure: Failure) -> str:
    """What is wrong with a port, for people."""
    exposure = failure.exposure
    what = "node port" if exposure.kind == "NodePort" else "port"
    return (
        f"the {what} {exposure.wanted}/{exposure.protocol} cannot be opened at {failure.host} of this computer: "
        f"{failure.why}; it answers inside of the simulation alone"
    )


def _bind(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=kind)[0]
    found = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        found.bind(address)
        found.settimeout(0)
        if kind == socket.SOCK_STREAM:
            found.listen(BACKLOG)  # a port that somebody else has bound, too, fails here
    except OSError:
        found.close()
        raise
    return found


def ipv6_host(host: str) -> str:
    """The IPv6 address that goes with an IPv4 address of this computer; empty where there is none."""
    found = {"127.0.0.1": "::1", "localhost": "::1", "0.0.0.0": "::"}.get(host, "")  # noqa: S104
    if not found or not socket.has_ipv6:
        return ""
    try:
        _bind("::1", 0, socket.SOCK_STREAM).close()
    except OSError:
        return ""
    return found


def _files() -> int:
    """How many files this process may have open."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
    except ImportError:
        return 1024
    found = getrlimit(RLIMIT_NOFILE)[0]
    return 1 << 20 if found == RLIM_INFINITY else found


def _quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What goes wrong with one connection is that client's business; anything else is ours."""
    del loop
    error = context.get("exception")
    level = logging.DEBUG if isinstance(error, OSError) else logging.ERROR
    logger.log(level, "%s", context.get("message"), exc_info=error)
