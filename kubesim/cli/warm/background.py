"""The server of a home: takes commands at its socket, runs each in a thread, leaves when nobody needs it.

Workers wait for callers at the socket itself, so that a command is not handed from one thread to another. The main thread
listens to callers whose commands run: Ctrl-C comes that way, and the end of the connection is the end of the caller.

There are two ways to leave. Whoever is replaced by another kubesim makes way at once, takes no more commands, and lives on
until those that run have ended: the store may be used by several processes. Whoever is told to stop ends them.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import socket
import sys
import threading
from contextlib import suppress
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kubesim import thin
from kubesim.cli.interruption import Interruption
from kubesim.cli.warm.request import API, RUN, STATUS, STOP, BadRequest, Request, receive
from kubesim.cluster.config import ConfigError
from kubesim.cluster.home import Home, HomeError
from kubesim.storage.interface import StorageError
from kubesim.util.clock import SystemClock, format_time
from kubesim.util.imports import one_at_a_time
from kubesim.version import VERSION

if TYPE_CHECKING:
    from kubesim.cluster.openclusters import OpenClusters
    from kubesim.cluster.rundirectory import RunDirectory
    from kubesim.cluster.served import Address

IDLE_SECONDS: Final = 600.0
"""A server that nobody started by name leaves after so long without a command."""
REQUEST_SECONDS: Final = 10.0
SPARE_WORKERS: Final = 4
FAREWELL_SECONDS: Final = 10.0
"""So long a command may take to end when the server is told to; then it ends with it: what is not committed is undone."""
LOOK_SECONDS: Final = 5.0
"""How often an idle server looks whether its home is still there."""
CODE_SECONDS: Final = 1.0
"""How old the knowledge may be that the program's files have not changed."""

logger = logging.getLogger("kubesim.background")


class Background:
    """One server. `run` returns when it has left."""

    def __init__(
        self,
        home: Home,
        directory: RunDirectory,
        listener: socket.socket,
        *,
        idle_seconds: float | None = IDLE_SECONDS,
        is_foreground: bool = False,
    ) -> None:
        from kubesim.cluster.openclusters import OpenClusters

        one_at_a_time()
        self.home = home
        self.directory = directory
        self.clusters: OpenClusters = OpenClusters(home)
        self.idle_seconds = idle_seconds
        self.is_foreground = is_foreground
        self._clock = SystemClock()
        self._since = format_time(self._clock.now().astimezone(UTC))
        self._lock = threading.Lock()
        self._running: dict[socket.socket, Interruption] = {}
        self._spare = 0
        self._leaving = False
        self._deadline = float("inf")
        self._farewells: list[socket.socket] = []
        self._last = self._clock.monotonic()
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)  # noqa: FBT003  its only argument
        self._identity = thin.identity()
        self._code = _Code()
        self._serving = threading.Lock()
        self._served: dict[str, Address] = {}
        self._listener = listener

    def run(self, first: socket.socket | None = None) -> None:
        """Serve until there is a reason to leave; `first` is a caller who is connected already."""
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        if not self._leaving:
            if first is not None:
                self._start(self._take_one, first)
            self._start(self._take_all)
            self._start(self._serve_again)
            self.write_state()
        try:
            while not self._has_left():
                for key, _ in self._selector.select(self._patience()):
                    self._hear(key.fileobj)
        finally:
            self.leave(at_once=True)
            self.clusters.stop()
            self.clusters.close()
            self.directory.release()

    def leave(self, *, at_once: bool = False) -> None:
        """Take no more commands; `at_once`: end those that run. Others make way for the next server."""
        with self._lock:
            first, self._leaving = not self._leaving, True
        if first:
            self.directory.hide()
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        if at_once:
            with self._lock:
                running = list(self._running.values())
                self._deadline = min(self._deadline, self._clock.monotonic() + FAREWELL_SECONDS)
            for interruption in running:
                interruption.hang_up()
        elif first:
            self.directory.release()
            self._start(self.clusters.stop)
        self._wake()

    def tell_to_leave(self) -> None:
        """Leave at once. For a signal's handler: it may have interrupted whoever holds a lock."""
        self._start(partial(self.leave, at_once=True))

    def state(self) -> dict[str, Any]:
        """Who this is and what it does, for `status`."""
        from kubesim.cluster.served import describe

        sims = [
            {
                "name": found.name,
                "commands": found.users,
                "kubeconfig": str(self.home.sim_kubeconfig(found.name)) if found.plane.urls else "",
                **describe(found),
            }
            for found in self.clusters.open_ones()
        ]
        return {
            "pid": os.getpid(),
            "version": VERSION,
            "identity": self._identity,
            "since": self._since,
            "foreground": self.is_foreground,
            "idleSeconds": self.idle_seconds,
            "home": str(self.home.path),
            "sims": sims,
        }

    def state_of(self, sim: str) -> dict[str, Any]:
        """What `status` says of one cluster."""
        return next((found for found in self.state()["sims"] if found["name"] == sim), {})

    def serve(self, sim: str, address: Address, *, again: bool = False) -> str:
        """Serve a cluster over HTTPS; the URL. Raises OSError, HomeError, and what opening it raises."""
        from kubesim.cluster import served

        lent = self.clusters.lend(sim)
        try:
            with self._serving:
                url = served.serve(self.home, lent, address, again=again)
                self._served[sim] = served.Address(
                    address.host, int(url.rpartition(":")[2]), address.reachable
                )
                if not self.is_foreground:
                    served.write(self.directory.path, self._served)
        finally:
            self.clusters.give_back(lent)
        self.write_state()
        return url

    def serve_again(self, sim: str) -> None:
        """A cluster has been made anew: serve it where the old one was."""
        if sim in self._served:
            self.serve(sim, self._served[sim], again=True)

    def stop_serving(self, sim: str) -> None:
        """A cluster has been deleted."""
        from kubesim.cluster import served

        with self._serving:
            if self._served.pop(sim, None) is not None:
                served.write(self.directory.path, self._served)
        self.write_state()

    def stay(self, idle_seconds: float | None) -> None:
        """Leave after so long without a command or a client, or, with None, when told to."""
        if not self.is_foreground:
            self.idle_seconds = idle_seconds
            self.write_state()
            self._wake()

    def write_state(self) -> None:
        """Keep `server.json` up to date, where that can be done."""
        with suppress(HomeError):
            self.directory.write_state(self.state())

    def forget_served(self) -> None:
        """The next process is to serve nothing."""
        from kubesim.cluster import served

        with self._serving, suppress(HomeError, OSError):
            served.write(self.directory.path, {})

    def _serve_again(self) -> None:
        """What the process before this one served."""
        from kubesim.cluster import served

        for sim, address in served.read(self.directory.path).items():
            try:
                if self.home.exists(sim):
                    self.serve(sim, address, again=True)
                    self.stay(None)
            except Exception:
                logger.exception("sim/%s cannot be served at %s:%s any more", sim, address.host, address.port)

    # The main thread.

    def _hear(self, who: Any) -> None:
        if who is self._wake_reader:
            with suppress(BlockingIOError):
                who.recv(4096)
            return
        interruption = self._running.get(who)
        try:
            said = who.recv(16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._forget(who)
        if interruption is not None:
            (interruption.interrupt if said else interruption.hang_up)()

    def _forget(self, connection: socket.socket) -> None:
        with suppress(KeyError, ValueError, OSError):
            self._selector.unregister(connection)

    def _patience(self) -> float:
        if self._leaving:
            return max(0.0, min(LOOK_SECONDS, self._deadline - self._clock.monotonic()))
        if self.idle_seconds is None:
            return LOOK_SECONDS
        return max(0.0, min(LOOK_SECONDS, self._last + self.idle_seconds - self._clock.monotonic()))

    def _has_left(self) -> bool:
        with self._lock:
            is_busy = bool(self._running)
            idle = self._clock.monotonic() - self._last
        if self._leaving:
            return not is_busy or self._clock.monotonic() >= self._deadline
        if not self.directory.is_mine:
            logger.info("the home is gone")
            self.leave(at_once=True)
            return not is_busy
        if is_busy or self.idle_seconds is None or idle < self.idle_seconds:
            return False
        if any(o.plane.connections for o in self.clusters.open_ones()):
            self._last = self._clock.monotonic()
            return False
        self.forget_served()
        self.leave()
        with self._lock:
            return not self._running

    def _wake(self) -> None:
        with suppress(OSError):
            self._wake_writer.send(b".")

    # Workers.

    def _start(self, what: Any, *arguments: Any) -> None:
        try:
            threading.Thread(target=what, args=arguments, daemon=True).start()
        except (
            RuntimeError
        ) as error:  # the system has none left: whoever waits is served by the next that is free
            logger.warning("%s", error)

    def _take_all(self) -> None:
        with self._lock:
            self._spare += 1
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._leaving:
                    return
                logger.warning("accept: %s", error)
                threading.Event().wait(0.1)  # no descriptors are left: some command will end
                continue
            with self._lock:
                self._spare -= 1
                is_last = not self._spare
            if is_last:
                self._start(self._take_all)
            self._take_one(connection)
            with self._lock:
                if self._spare >= SPARE_WORKERS:
                    return
                self._spare += 1

    def _take_one(self, connection: socket.socket) -> None:
        """One caller, from the request to the exit code."""
        with connection:
            try:
                connection.settimeout(REQUEST_SECONDS)
                request = receive(connection) if thin.is_own(connection) else None
                if request is not None:
                    with_request(request, partial(self._answer, connection))
            except (OSError, BadRequest) as error:
                logger.info("a caller went: %s", error)
            except Exception:
                logger.exception("a caller could not be answered")

    def _answer(self, connection: socket.socket, request: Request) -> None:
        if request.what == STOP:
            self._farewells.append(
                connection.dup()
            )  # whoever said so waits for its end: that of this process
            self.forget_served()
            self.leave(at_once=True)
        elif request.what == STATUS:
            connection.sendall(json.dumps(self.state()).encode())
        elif request.what not in (RUN, API):
            connection.sendall(b"R")
        elif request.identity != self._identity or self._code.has_changed():
            logger.info("replaced by %s", request.identity)
            self.leave()
            connection.sendall(b"R")
        elif request.what == API:
            self._connect(connection, request.words[0])
        else:
            self._run(connection, request)

    def _connect(self, connection: socket.socket, sim: str) -> None:
        """Let a caller speak HTTP with the API server of a cluster."""
        try:
            lent = self.clusters.lend(sim)
        except (HomeError, ConfigError, StorageError) as error:
            logger.info("no API for a caller: %s", error)
            connection.sendall(b"R")
            return
        try:
            connection.sendall(b"S")
            lent.plane.adopt(socket.socket(fileno=connection.detach()))
        finally:
            self.clusters.give_back(lent)

    def _run(self, connection: socket.socket, request: Request) -> None:
        interruption = Interruption()
        with self._lock:
            refused = self._leaving
            if not refused:
                self._running[connection] = interruption
                self._last = self._clock.monotonic()
        if refused:
            connection.sendall(b"R")
            return
        try:
            connection.settimeout(None)
            connection.sendall(b"S")  # whoever is gone by now is spared the command
            self._selector.register(connection, selectors.EVENT_READ)
            code = self._execute(request, interruption)
            self._forget(connection)
            with suppress(OSError):
                connection.sendall(b"E" + bytes([code & 0xFF]))
        finally:
            with self._lock:
                self._forget(connection)
                del self._running[connection]
                self._last = self._clock.monotonic()
                is_awaited = self._leaving and not self._running
            interruption.close()
            if is_awaited:
                self._wake()

    def _execute(self, request: Request, interruption: Interruption) -> int:
        from kubesim.cli.main import INTERRUPTED, run
        from kubesim.cli.warm.session import WarmSession

        streams = request.streams(interruption)
        try:
            return run(request.words, streams, partial(WarmSession, background=self))
        except KeyboardInterrupt:
            return INTERRUPTED
        except BaseException:
            logger.exception("a command failed")
            return 1
        finally:
            request.close()


def with_request(request: Request, answer: Any) -> None:
    """Answer a request, and let go of its descriptors whatever comes of it."""
    try:
        answer(request)
    finally:
        request.close()


class _Code:
    """Whether the program's files are still those that this process has loaded: in a checkout, where developers are at work.

    A program that was installed changes as a whole, which its callers' identity tells.
    """

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._looked = self._clock.monotonic()
        self._started = self._clock.now().timestamp()
        self._files: list[str] = []
        self._modules = 0
        self._is_installed = Path(thin.__file__).parents[1].name in ("site-packages", "dist-packages")

    def has_changed(self) -> bool:
        """Looks at most once a second."""
        now = self._clock.monotonic()
        if self._is_installed or now - self._looked < CODE_SECONDS:
            return False
        self._looked = now
        if len(sys.modules) != self._modules:
            self._modules = len(sys.modules)
            self._files = _loaded_files()
        try:
            return any(os.stat(name).st_mtime > self._started for name in self._files)  # noqa: PTH116  hundreds of them
        except OSError:
            return True


def _loaded_files() -> list[str]:
    modules = [m for n, m in list(sys.modules.items()) if n.startswith("kubesim")]
    return [name for m in modules if (name := getattr(m, "__file__", None))]
