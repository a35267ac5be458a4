"""Clients that keep connecting while a server stops: none may be left with a connection that nobody closes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from kubesim.util.clock import SystemClock

SECONDS = 20.0


class Storm:
    """Many threads that connect to a port as fast as they can, send something, and keep what they have."""

    def __init__(self, port: int, hello: bytes, threads: int = 8) -> None:
        self._port = port
        self._hello = hello
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                connection = socket.create_connection(("127.0.0.1", self._port), timeout=SECONDS)
            except OSError:
                continue
            with self._lock:
                self.connections.append(connection)
            with suppress(OSError):
                connection.sendall(self._hello)

    def through(self, stop: Callable[[], object], *, before: int = 200) -> list[socket.socket]:
        """Let it rage while `stop` is called; the connections that are left open."""
        clock = SystemClock()
        end = clock.monotonic() + SECONDS
        for thread in self._threads:
            thread.start()
        while len(self.connections) < before:
            assert clock.monotonic() < end, "nobody takes the connections"
            clock.sleep(0.001)
        stop()
        self._over.set()
        for thread in self._threads:
            thread.join(SECONDS)
        assert len(self.connections) >= before
        return self._left()

    def _left(self) -> list[socket.socket]:
        """Those that the other side has not closed, orderly or by force, however long one waits."""
        open_, clock = set(self.connections), SystemClock()
        end = clock.monotonic() + SECONDS
        for connection in open_:
            connection.settimeout(0)
        while open_ and clock.monotonic() < end:
            for connection in list(open_):
                try:
                    while connection.recv(65536):
                        continue
                except BlockingIOError:
                    continue
                except OSError:
                    pass
                open_.discard(connection)
            clock.sleep(0.01)
        return list(open_)

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
