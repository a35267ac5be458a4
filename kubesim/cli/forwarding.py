"""Ports of this computer that lead to ports of a Pod.

Texts as in k8s.io/client-go tools/portforward/portforward.go.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kubesim.cli.errors import CLIError
from kubesim.cli.tunnel import TunnelError
from kubesim.util.gotext import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kubesim.cli.command import Context
    from kubesim.cli.tunnel import Tunnel, TunnelStream

LOCALHOST: Final = "localhost"
MOST_AT_ONCE: Final = 250
"""Connections in one tunnel; others wait to be accepted. kubesim's own server takes a few more than these."""
PIECE: Final = 65536
LOOK_SECONDS: Final = 0.2
"""How often to look whether the command is to end."""
_BACKLOG: Final = 1024


@dataclass(slots=True)
class ForwardedPort:
    """A pair. `local` is 0 until a port has been chosen."""

    local: int
    remote: int


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen. Of those that are `optional` one is enough."""

    address: str
    optional: bool = False

    @property
    def protocol(self) -> str:
        return "tcp6" if ":" in self.address else "tcp4"

    def with_port(self, port: int) -> str:
        return f"[{self.address}]:{port}" if ":" in self.address else f"{self.address}:{port}"


def parse_ports(words: Sequence[str]) -> list[ForwardedPort]:
    """`5000`, `8888:5000`, `:5000`. Raises CLIError."""
    found = []
    for word in words:
        local, colon, remote = word.partition(":")
        if ":" in remote:
            raise CLIError(f"invalid port format '{word}'")
        pair = ForwardedPort(
            _port(local or "0" if colon else local, "local"), _port(remote if colon else local, "remote")
        )
        if not pair.remote:
            raise CLIError("remote port must be > 0")
        found.append(pair)
    return found


def _port(text: str, which: str) -> int:
    problem = ""
    if not (text.isascii() and text.isdigit()):
        problem = "invalid syntax"
    elif int(text) > 65_535:
        problem = "value out of range"
    if problem:
        raise CLIError(
            f"error parsing {which} port '{text}': strconv.ParseUint: parsing {quote(text)}: {problem}"
        )
    return int(text)


def parse_addresses(words: Sequence[str]) -> list[ListenAddress]:
    """IP addresses and `localhost`, in the order of their texts. Raises CLIError."""
    if not words:
        raise CLIError("you must specify at least 1 address")
    found: dict[str, ListenAddress] = {}
    for word in words:
        if word == LOCALHOST:
            for address in ("127.0.0.1", "::1"):
                found.setdefault(address, ListenAddress(address, optional=True))
            continue
        try:
            ipaddress.ip_address(word)
        except ValueError:
            raise CLIError(f"{word} is not a valid IP") from None
        found[word] = ListenAddress(word)
    return sorted(found.values(), key=lambda a: a.address)


class PortForwarder:
    """Listens, and carries each connection through the tunnel."""

    def __init__(
        self,
        context: Context,
        tunnel: Tunnel,
        addresses: Sequence[ListenAddress],
        ports: Sequence[ForwardedPort],
    ) -> None:
        self._context = context
        self._tunnel = tunnel
        self._addresses = addresses
        self._ports = ports
        self._listeners: list[socket.socket] = []
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._saying = threading.Lock()

    def run(self) -> None:
        """Goes on until Ctrl-C. Raises KeyboardInterrupt; CLIError where no port can be had and when the tunnel is lost."""
        try:
            listens = [self._listen(port) for port in self._ports]
            if not any(listens):
                shown = " ".join(f"{{{p.local} {p.remote}}}" for p in self._ports)
                raise CLIError(f"unable to listen on any of the requested ports: [{shown}]")
            self._wait()
            raise CLIError("lost connection to pod")
        finally:
            self._close()

    def _wait(self) -> None:
        # Not without a limit: a signal that another thread is given does not end a wait of this one.
        while not self._tunnel.ended.wait(LOOK_SECONDS):
            self._context.streams.check()

    def _close(self) -> None:
        for listener in self._listeners:
            with suppress(OSError):  # whoever waits there for a connection is woken by this alone
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._tunnel.close()

    # Listening

    def _listen(self, port: ForwardedPort) -> bool:
        """Listen on a port at all addresses; whether that is enough."""
        errors, failed, found = [], False, []
        for address in self._addresses:
            try:
                listener = _listener(address, port.local)
            except OSError as error:
                errors.append(f"unable to create listener: Error {_reason(address, port.local, error)}")
                failed = failed or not address.optional
                continue
            self._listeners.append(listener)
            port.local = listener.getsockname()[1]
            self._say(f"Forwarding from {address.with_port(port.local)} -> {port.remote}")
            found.append(address)
            threading.Thread(target=self._accept, args=(listener, address, port), daemon=True).start()
        any_optional = any(a.optional for a in self._addresses)
        if failed or (any_optional and not any(a.optional for a in found)):
            self._complain(
                f"Unable to listen on port {port.local}: Listeners failed to create with the following errors: "
                f"[{' '.join(errors)}]"
            )
            return False
        return True

    def _accept(self, listener: socket.socket, address: ListenAddress, port: ForwardedPort) -> None:
        while not self._tunnel.ended.is_set():
            self._free.acquire()
            try:
                connection, _ = listener.accept()
            except OSError:  # it has been closed; or no descriptors are left, until a connection ends
                self._free.release()
                if listener.fileno() < 0 or self._tunnel.ended.wait(LOOK_SECONDS):
                    return
                continue
            threading.Thread(target=self._handle, args=(connection, address, port), daemon=True).start()

    # One connection

    def _handle(self, connection: socket.socket, address: ListenAddress, port: ForwardedPort) -> None:
        try:
            with connection:
                self._say(f"Handling connection for {port.local}")
                try:
                    data, error = self._tunnel.open(port.remote)
                except TunnelError:
                    return
                _Carrier(self, connection, data, address.protocol).run()
                said = b"".join(iter(error.read, b""))
                self._tunnel.forget(data, error)
            if said:
                text = said.decode("utf-8", "replace")
                self.log(424, f"an error occurred forwarding {port.local} -> {port.remote}: {text}")
                self._tunnel.close()  # as kubectl has it: a Pod where nothing listens may be no more
        finally:
            self._free.release()

    def log(self, line: int, text: str) -> None:
        """As klog writes what apimachinery's HandleError is told."""
        with self._saying, suppress(OSError):
            place = f"portforward.go:{line}"
            self._context.session.klog("E", place, f'"Unhandled Error" err={quote(text)}')
            self._context.streams.stderr.flush()

    def _say(self, text: str) -> None:
        with self._saying, suppress(OSError):  # nobody reads it: what is forwarded matters
            self._context.out(text)
            self._context.streams.stdout.flush()

    def _complain(self, text: str) -> None:
        with self._saying, suppress(OSError):
            self._context.err(text)
            self._context.streams.stderr.flush()


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Ctrl-C ends the block, and that is all; so it does where a script's shell has it ignored, for what follows `&`."""
    if threading.current_thread() is not threading.main_thread():  # others have no signals
        with suppress(KeyboardInterrupt):
            yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, before)


class _Carrier:
    """Bytes both ways, until the other side has ended its half, or this side is no more."""

    def __init__(
        self, forwarder: PortForwarder, connection: socket.socket, stream: TunnelStream, protocol: str
    ) -> None:
        self._forwarder = forwarder
        self._connection = connection
        self._stream = stream
        self._way = f"{protocol} {_shown(connection.getsockname())}->{_shown(connection.getpeername())}"
        self._done = False

    def run(self) -> None:
        threading.Thread(target=self._copy_up, daemon=True).start()
        try:
            for data in self._received():
                self._connection.sendall(data)
        except OSError as error:
            what = f"readfrom {self._way}: write {self._way}: write: {_text(error)}"
            self._forwarder.log(391, f"error copying from remote stream to local connection: {what}")
        finally:
            self._done = True
            self._stream.reset()
            with suppress(OSError):  # wakes the other thread
                self._connection.shutdown(socket.SHUT_RDWR)

    def _received(self) -> Iterator[bytes]:
        return iter(self._stream.read, b"")

    def _copy_up(self) -> None:
        try:
            while data := self._connection.recv(PIECE):
                self._stream.write(data)
            self._stream.finish()
        except TunnelError:
            return
        except OSError as error:
            if not self._done:
                what = f"read {self._way}: read: {_text(error)}"
                self._forwarder.log(404, f"error copying from local connection to remote stream: {what}")
            self._stream.reset()


def _listener(address: ListenAddress, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.address else socket.AF_INET
    return socket.create_server((address.address, port), family=family, backlog=_BACKLOG)


def _reason(address: ListenAddress, port: int, error: OSError) -> str:
    """Go's text for a listener that did not come about."""
    call = "socket" if error.errno == errno.EAFNOSUPPORT else "bind"
    return f"listen {address.protocol} {address.with_port(port)}: {call}: {_text(error)}"


def _text(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _shown(name: tuple[str, int]) -> str:
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
