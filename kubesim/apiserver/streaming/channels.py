"""Several streams in one WebSocket: each message begins with the number of its channel.

Sources: k8s.io/apimachinery pkg/util/remotecommand/constants.go, k8s.io/apiserver pkg/endpoints/handlers/wsstream (whose
protocols without a version are the oldest), kubelet's pkg/cri/streaming/{remotecommand,portforward}/websocket.go.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255

TUNNEL: Final = "SPDY/3.1+portforward.k8s.io"
"""Port forwarding by SPDY inside a WebSocket, as kubectl does it since 1.31."""


class ChannelError(ValueError):
    """A message that belongs to no channel."""


@dataclass(frozen=True, slots=True)
class ChannelProtocol:
    """A subprotocol. Before version 4 a failure is told as text, from 4 on every end as a Status; from 5 on channels can
    be closed one by one.
    """

    name: str
    version: int
    base64: bool = False

    def encode(self, channel: int, data: bytes) -> bytes | str:
        """A message: text where the protocol is base64, else binary."""
        if self.base64:
            return f"{channel}{base64.b64encode(data).decode()}"
        return bytes((channel,)) + data

    def decode(self, message: bytes | str) -> tuple[int, bytes]:
        """A message's channel and data. A message without a byte is one of channel 0 without data. Raises ChannelError."""
        if isinstance(message, str):
            message = message.encode()
        if not message:
            return 0, b""
        if not self.base64:
            return message[0], message[1:]
        if not message[:1].isdigit():
            raise ChannelError(f"no channel {message[:1]!r}")
        try:
            return int(message[:1]), base64.b64decode(message[1:], validate=True)
        except binascii.Error as error:
            raise ChannelError(str(error)) from None

    @property
    def closes_channels(self) -> bool:
        return self.version >= 5


COMMANDS: Final = (
    ChannelProtocol("v5.channel.k8s.io", 5),
    ChannelProtocol("v5.base64.channel.k8s.io", 5, base64=True),
    ChannelProtocol("v4.channel.k8s.io", 4),
    ChannelProtocol("v4.base64.channel.k8s.io", 4, base64=True),
    ChannelProtocol("v3.channel.k8s.io", 3),
    ChannelProtocol("v3.base64.channel.k8s.io", 3, base64=True),
    ChannelProtocol("v2.channel.k8s.io", 2),
    ChannelProtocol("v2.base64.channel.k8s.io", 2, base64=True),
    ChannelProtocol("channel.k8s.io", 1),
    ChannelProtocol("base64.channel.k8s.io", 1, base64=True),
)
FORWARDING: Final = (
    ChannelProtocol("v4.channel.k8s.io", 4),
    ChannelProtocol("v4.base64.channel.k8s.io", 4, base64=True),
    ChannelProtocol("portforward.k8s.io", 1),
)
UNNAMED: Final = ChannelProtocol("", 1)
"""What is spoken with a client that names no protocol."""


def choose(offered: Iterable[str], known: Sequence[ChannelProtocol]) -> ChannelProtocol | None:
    """The first of a client's protocols that is known; None where none is."""
    names = list(offered)
    if not names:
        return UNNAMED
    by_name = {protocol.name: protocol for protocol in known}
    return next((by_name[name] for name in names if name in by_name), None)


def port_channels(index: int) -> tuple[int, int]:
    """The channels of the n-th forwarded port: its data, its error."""
    return index * 2, index * 2 + 1


def port_prefix(port: int) -> bytes:
    """What either channel of a forwarded port begins with."""
    return struct.pack("<H", port)
