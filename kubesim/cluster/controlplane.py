"""A cluster that is being served: its controllers run in the background, listeners answer requests.

The controllers give way: while requests come in they wait a little, and under a load that does not end they get a small
part of the time, so that a client that writes a thousand objects is not slowed down by what becomes of the first.
"""

from __future__ import annotations

import logging
import ssl
import threading
from typing import TYPE_CHECKING, Final

from kubesim.util.clock import SystemClock

if TYPE_CHECKING:
    import socket

    from kubesim.apiserver.http.app import Authenticator
    from kubesim.apiserver.http.serving import HTTPServer
    from kubesim.cluster.build import Cluster
    from kubesim.cluster.edge import Edge
    from kubesim.dns.server import DNSServer

LOOPBACK: Final = "127.0.0.1"
QUIET_SECONDS: Final = 0.003
"""So long without a request, and the controllers begin."""
PATIENCE_SECONDS: Final = 0.25
"""So long they wait for that at most."""
SLICE_SECONDS: Final = 0.02
"""So long they work before they look whether requests come in: under a steady load they have about a tenth of the time."""
COMPACTION_SECONDS: Final = 60.0
LONGEST_WAIT: Final = 1.0
_NAP: Final = 0.002

logger = logging.getLogger("kubesim.controlplane")


class ControlPlane:
    """Runs one cluster until `stop`. `settle` and the cluster's own methods may be called by any thread meanwhile.

    `patience` is how many seconds a client may take to send a request.
    """

    def __init__(self, cluster: Cluster, *, patience: float | None = None) -> None:
        self._patience = patience
        self.cluster = cluster
        self._time = SystemClock()
        self._last_request = 0.0
        self._compaction_due = self._time.monotonic() + COMPACTION_SECONDS
        self._under_way = 0
        self._settling = 0
        self._counting = (
            threading.Lock()
        )  # several threads settle, and a count that drifts would never be right again
        self._paused = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._http: HTTPServer | None = None
        self._dns: DNSServer | None = None
        self.edge: Edge | None = None
        """The ports of Services on this computer, once they are served."""
        self._starting = threading.Lock()
        self.urls: list[str] = []

    def start(self) -> None:
        """Begin to run the controllers."""
        self._thread = threading.Thread(target=self._run, name="kubesim-controllers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End listeners, then controllers. The cluster stays open: who opened it closes it."""
        if self._http is not None:
            self._http.stop()
            self._http = None
        if self._dns is not None:
            self._dns.stop()
            self._dns = None
        if self.edge is not None:
            self.edge.stop()
            self.edge = None
        self._stop.set()
        self.cluster.storage.wake()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    # Listeners.

    def serve(
        self,
        host: str = LOOPBACK,
        port: int = 0,
        *,
        authenticator: Authenticator | None = None,
        context: ssl.SSLContext | None = None,
        tls: bool = True,
    ) -> str:
        """Answer requests at an address; its URL. Raises OSError.

        Over TLS with a certificate of the cluster's own authority, unless told otherwise.
        """
        if tls and context is None:
            context = self.cluster.authority.server_context([host])
        chosen = self._server(authenticator).listen(host, port, context)
        shown = f"[{host}]" if ":" in host else host
        url = f"{'https' if context else 'http'}://{shown}:{chosen}"
        self.urls.append(url)
        return url

    def serve_dns(self, host: str = LOOPBACK, port: int = 0) -> int:
        """Answer questions about names, over UDP and TCP; the port, once for all. Raises OSError."""
        from kubesim.dns.server import DNSServer

        with self._starting:
            if self._dns is None:
                server = DNSServer(self.cluster.dns, host, port)
                server.start()
                self._dns = server
            return self._dns.port

    def serve_edge(self, host: str = LOOPBACK) -> Edge:
        """Open node ports and the ports of load balancers on this computer, and follow the Services from now on."""
        from kubesim.cluster.edge import Edge

        with self._starting:
            if self.edge is None:
                edge = Edge(self.cluster, host)
                edge.start()
                self.edge = edge
            return self.edge

    @property
    def dns_address(self) -> str:
        """Where questions about names are answered, `127.0.0.1:10053`; empty where they are not."""
        return f"{self._dns.host}:{self._dns.port}" if self._dns is not None else ""

    def adopt(self, connection: socket.socket) -> None:
        """Answer requests on a connection that is there already; over a Unix socket its other side is the owner."""
        self._server(None).adopt(connection)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        found = self._http.connections if self._http is not None else 0
        return found + (self.edge.connections if self.edge is not None else 0)

    def _server(self, authenticator: Authenticator | None) -> HTTPServer:
        with self._starting:
            return self._http or self._start_server(authenticator)

    def _start_server(self, authenticator: Authenticator | None) -> HTTPServer:
        from kubesim.apiserver.http.app import Application
        from kubesim.apiserver.http.serving import HTTPServer

        cluster = self.cluster
        app = Application(
            cluster.server,
            cluster.storage,
            authenticator=authenticator or cluster.server.authenticator,
            control=self,
            clock=self._time,
        )
        options = {} if self._patience is None else {"patience": self._patience}
        server = HTTPServer(app, **options)
        app.metrics.watch_queues(lambda: cluster.manager.depths())  # noqa: PLW0108  the manager is made late
        server.on_stop.append(app.close)
        server.start()
        server.call(app.hub.start())
        self._http = server
        return server

    # What the application asks.

    def touch(self) -> None:
        """A request has come."""
        self._last_request = self._time.monotonic()

    def begin(self) -> None:
        """A request is being answered elsewhere than on the event loop."""
        self._under_way += 1

    def end(self) -> None:
        self._under_way -= 1
        self.touch()

    def is_busy(self) -> bool:
        """Whether controllers are at work: a write may have to wait for theirs."""
        return self._settling > 0

    def settle(self) -> None:
        """Let the controllers catch up, unless that is done by hand."""
        if not self._paused and not self.cluster.is_settled():
            self._settle()

    # Controllers.

    def pause(self, *, paused: bool = True) -> None:
        """Leave the controllers alone until they are let go on: `KUBESIM_RECONCILE=manual`."""
        self._paused = paused

    def _settle(self, budget: float | None = None) -> bool:
        """Run the controllers, for no longer than the budget; whether they have come to rest."""
        with self._counting:
            self._settling += 1
        try:
            return self.cluster.settle(budget=budget).done
        finally:
            with self._counting:
                self._settling -= 1

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                self._turn()
                failures = 0
            except Exception:
                # A mistake in one controller must not end the others for good.
                failures += 1
                logger.exception("the controllers failed")
                self._stop.wait(min(0.1 * 2**failures, 30.0))

    def _turn(self) -> None:
        cluster = self.cluster
        if self._paused:
            self._stop.wait(_NAP * 10)
            return
        self._compact()
        revision = cluster.storage.revision()
        if cluster.is_settled():
            longest = min(LONGEST_WAIT, cluster.time_to_next_timer())
            cluster.storage.wait(revision, longest, interrupted=self._stop.is_set)
            return
        self._give_way()
        while not self._stop.is_set() and not self._paused and not self._settle(SLICE_SECONDS):
            if self._is_asked():
                return  # the next turn gives way again

    def _compact(self) -> None:
        """Once a minute, drop the past that nobody needs."""
        now = self._time.monotonic()
        if now >= self._compaction_due:
            self._compaction_due = now + COMPACTION_SECONDS
            self.cluster.compact()

    def _give_way(self) -> None:
        """Wait until no request has come for a moment."""
        until = self._time.monotonic() + PATIENCE_SECONDS
        while self._is_asked() and self._time.monotonic() < until and not self._stop.is_set():
            self._time.sleep(_NAP)

    def _is_asked(self) -> bool:
        """Whether requests are coming in."""
        return self._under_way > 0 or self._time.monotonic() - self._last_request < QUIET_SECONDS
