"""An HTTP server in a thread of its own: one event loop, any number of listeners."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from asyncio import sslproto
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any, Final, TypeVar

import uvicorn
from uvicorn.server import ServerState

from kubesim.apiserver.http.protocol import PATIENCE_SECONDS, APIProtocol
from kubesim.util.accepting import Acceptor

T = TypeVar("T")

KEEP_ALIVE_SECONDS: Final = 180
"""How long a connection may be idle between two requests: http.Server.IdleTimeout upstream is 90 s, clients count on it."""
HANDSHAKE_SECONDS: Final = 10.0
SHUTDOWN_SECONDS: Final = 5.0
FAREWELL_SECONDS: Final = 0.1
"""So long a handshake of TLS that has begun may take when the server ends."""
BACKLOG: Final = 1024
# asyncio gives each TLS connection 256 KiB to read into; a thousand idle watches would need a quarter of a gigabyte.
_TLS_BUFFER: Final = 16 * 1024

logger = logging.getLogger("kubesim.http")
# What uvicorn has to say is either a client's business or comes from the application, which says it itself.
logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


class HTTPServer:
    """Serves an ASGI application. Made stopped; `start` and `stop` once each, from any thread but its own.

    `patience` is how many seconds a client may take to send a request. `on_stop` coroutines run on the loop before
    connections are closed: watches end themselves there.
    """

    def __init__(self, app: Any, *, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        sslproto.SSLProtocol.max_size = _TLS_BUFFER
        self.loop: asyncio.AbstractEventLoop
        self._config = uvicorn.Config(
            app,
            http=APIProtocol,
            ws="websockets-sansio",
            ws_max_size=16 * 1024 * 1024,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        self._state = ServerState()
        self._thread: threading.Thread | None = None
        self._acceptor: Acceptor
        self._stopping: asyncio.Event
        self.on_stop: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def start(self) -> None:
        """Begin to run; listeners come later."""
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="kubesim-http", daemon=True)
        self._thread.start()
        started.wait()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop, from another thread; its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def listen(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        """Accept connections on an address; the port, which the system chooses for 0. Raises OSError."""
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = infos[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.settimeout(0)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        chosen = int(listener.getsockname()[1])
        self.call(self._serve(listener, context))
        return chosen

    def adopt(self, connection: socket.socket) -> None:
        """Answer on a connection that somebody else has accepted; it is this server's from now on."""
        connection.settimeout(0)
        self.call(self.loop.connect_accepted_socket(self._protocol, connection))

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._state.connections)

    def stop(self) -> None:
        """End listeners and connections, and wait until they are gone."""
        if self._thread is None:
            return
        self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(SHUTDOWN_SECONDS * 2)
        self._thread = None

    # On the loop's own thread.

    def _run(self, started: threading.Event) -> None:
        with asyncio.Runner() as runner:
            self.loop = runner.get_loop()
            self.loop.set_exception_handler(_quiet)
            runner.run(self._main(started))

    async def _main(self, started: threading.Event) -> None:
        self._stopping = asyncio.Event()
        self._acceptor = Acceptor(self.loop)
        self._config.load()
        started.set()
        while not self._stopping.is_set():
            # Only the second changes in it: uvicorn's own server does the same.
            self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1.0)
        await self._end()

    async def _serve(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        options: dict[str, Any] = {}
        if context is not None:
            options = {
                "ssl": context,
                "ssl_handshake_timeout": HANDSHAKE_SECONDS,
                "ssl_shutdown_timeout": 2.0,
            }
        self._acceptor.listen(listener, self._protocol, **options)

    def _protocol(self) -> asyncio.Protocol:
        made = APIProtocol(config=self._config, server_state=self._state, app_state={}, _loop=self.loop)
        made.patience = self._patience
        return made

    async def _end(self) -> None:
        await self._acceptor.close(FAREWELL_SECONDS)
        for end in self.on_stop:
            await end()
        for connection in list(self._state.connections):
            connection.shutdown()
        deadline = self.loop.time() + SHUTDOWN_SECONDS
        while self._state.tasks and self.loop.time() < deadline:
            await asyncio.wait(list(self._state.tasks), timeout=deadline - self.loop.time())
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def _quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What goes wrong with one connection is that client's business; anything else is ours."""
    del loop
    error = context.get("exception")
    level = logging.DEBUG if isinstance(error, OSError | ssl.SSLError | TimeoutError) else logging.ERROR
    logger.log(level, "%s", context.get("message"), exc_info=error)
