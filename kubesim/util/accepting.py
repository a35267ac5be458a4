"""Listeners of an event loop whose connections are all known, from the moment in which they are accepted.

asyncio's own server loses those that are on their way when it is closed: their sockets stay open, and the clients wait.
All methods are for the loop's own thread.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final

_TURN: Final = 64
"""So many connections are taken before those that are there have their turn."""
_PAUSE_SECONDS: Final = 0.5
_FAREWELL_SECONDS: Final = 1.0

logger = logging.getLogger("kubesim.accepting")

Made = Callable[[], asyncio.BaseProtocol]


class Acceptor:
    """Takes the connections of any number of listeners until it is closed. After that none comes any more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._listeners: dict[int, socket.socket] = {}
        self._coming: set[asyncio.Task[Any]] = set()
        """Connections that have been accepted and have no protocol yet: in a handshake of TLS, for instance."""

    def listen(self, listener: socket.socket, made: Made, **options: Any) -> Callable[[], None]:
        """Accept on a socket that listens already and does not block; what ends that. `options` are those of
        `connect_accepted_socket`.
        """
        self._listeners[listener.fileno()] = listener
        self._loop.add_reader(listener, self._accept, listener, made, options)
        return partial(self._close, listener)

    async def close(self, farewell: float = _FAREWELL_SECONDS) -> None:
        """Close the listeners, and wait for what is on its way; what takes longer is cut off. Whoever has come is still
        there when it returns: protocols end their connections themselves.
        """
        for listener in list(self._listeners.values()):
            self._close(listener)
        await asyncio.sleep(0)  # what has been accepted begins to come
        if self._coming:
            await asyncio.wait(self._coming, timeout=farewell)
        late = list(self._coming)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _accept(self, listener: socket.socket, made: Made, options: dict[str, Any]) -> None:
        """Take the connections that wait."""
        for _ in range(_TURN):
            try:
                connection, _address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                logger.warning("port %s: accept: %s", listener.getsockname()[1], error)
                # No descriptors are left: somebody will go.
                self._loop.remove_reader(listener)
                self._loop.call_later(_PAUSE_SECONDS, self._go_on, listener, made, options)
                return
            connection.settimeout(0)
            if connection.family in (socket.AF_INET, socket.AF_INET6):
                # asyncio forgets it for listeners of protocol 0, and answers wait 40 ms for each other.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            coming = self._loop.connect_accepted_socket(made, connection, **options)
            task = self._loop.create_task(coming)
            self._coming.add(task)
            task.add_done_callback(self._came)

    def _came(self, task: asyncio.Task[Any]) -> None:
        self._coming.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.debug("a connection did not come about", exc_info=task.exception())

    def _go_on(self, listener: socket.socket, made: Made, options: dict[str, Any]) -> None:
        if listener.fileno() >= 0:
            self._loop.add_reader(listener, self._accept, listener, made, options)

    def _close(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            self._listeners.pop(listener.fileno(), None)
            self._loop.remove_reader(listener)
            listener.close()
