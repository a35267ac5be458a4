"""A command in a container of a server elsewhere: the client's side of exec and attach over a WebSocket.

Source: k8s.io/client-go tools/remotecommand/{websocket,v5,v4,errorstream}.go.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import ADMIN, Request, UserInfo
from kubesim.util.jsontypes import JSONObject, decode, dig, encode

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

    from kubesim.client.http import HTTPTransport

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
_CLOSE: Final = 255
"""Of the fifth version: which stream has ended comes behind it."""


@dataclass(slots=True)
class Ends:
    """The streams of the caller. `stdin` waits for input and gives nothing at its end; None has none."""

    stdout: Callable[[bytes], object]
    stderr: Callable[[bytes], object]
    stdin: Callable[[], bytes] | None = None
    tty: bool = False


class RemoteCommand:
    """A command that runs; made by `open_command`. `resize` may be called from a signal handler."""

    def __init__(self, connection: ClientConnection, ends: Ends) -> None:
        self._connection = connection
        self._ends = ends
        self._says_ends = connection.subprotocol == PROTOCOLS[0]

    def run(self) -> int:
        """Carry the streams until the command has ended; its exit code. Raises StatusError where it was none."""
        if self._ends.stdin is not None:
            threading.Thread(target=self._send_input, args=(self._ends.stdin,), daemon=True).start()
        try:
            return self._receive()
        finally:
            self._connection.close()

    def resize(self, columns: int, lines: int) -> None:
        """The terminal has another size."""
        self._send(RESIZE, encode({"Width": columns, "Height": lines}))

    def close(self) -> None:
        """End the command: whoever gave it its input has gone."""
        self._connection.close()

    def _receive(self) -> int:
        status: JSONObject | None = None
        for message in self._connection:
            data = message.encode() if isinstance(message, str) else message
            match data[0] if data else None:
                case 1:
                    self._ends.stdout(data[1:])
                case 2:
                    self._ends.stderr(data[1:])
                case 3:
                    status = decode(data[1:])
        return exit_code(status) if status is not None else 0

    def _send_input(self, read: Callable[[], bytes]) -> None:
        while data := read():
            if not self._send(STDIN, data):
                return
        if self._says_ends:
            self._send(_CLOSE, bytes([STDIN]))

    def _send(self, channel: int, data: bytes) -> bool:
        from websockets.exceptions import ConnectionClosed

        try:
            self._connection.send(bytes([channel]) + data)
        except (ConnectionClosed, OSError):
            return False
        return True


def exit_code(status: JSONObject) -> int:
    """How a command ended. Raises StatusError for one that could not be run."""
    if status.get("status") == "Success":
        return 0
    if status.get("reason") == "NonZeroExitCode":
        for cause in dig(status, "details", "causes", default=[]):
            if cause.get("reason") == "ExitCode":
                return int(cause["message"])
    raise StatusError(status)


def open_command(
    transport: HTTPTransport,
    path: str,
    query: Mapping[str, list[str]],
    ends: Ends,
    *,
    user_agent: str,
    user: UserInfo = ADMIN,
) -> RemoteCommand:
    """Begin a command; `query` are the fields of PodExecOptions or PodAttachOptions. Raises StatusError."""
    streams = {
        "stdin": ["true"] if ends.stdin is not None else [],
        "stdout": ["true"],
        "stderr": [] if ends.tty else ["true"],
        "tty": ["true"] if ends.tty else [],
    }
    wanted = {name: values for name, values in {**query, **streams}.items() if values}
    request = Request("GET", path, wanted, {"user-agent": user_agent}, user=user)
    return RemoteCommand(transport.connect(request, PROTOCOLS), ends)
