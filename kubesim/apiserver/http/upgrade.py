"""A connection that has stopped being HTTP: its bytes, with both directions held back where the other side is slow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

HIGH_WATER: Final = 64 * 1024


class Upgraded:
    """The bytes of one connection, for one reader and one writer on the event loop."""

    def __init__(self, transport: asyncio.Transport, flow: FlowControl, received: bytes) -> None:
        self._transport = transport
        self._flow = flow
        self._received = bytearray(received)
        self._news = asyncio.Event()
        self._ended = False
        if received:
            self._news.set()

    # What the protocol tells

    def feed(self, data: bytes) -> None:
        """Bytes have come."""
        self._received += data
        self._news.set()
        if len(self._received) > HIGH_WATER:
            self._flow.pause_reading()

    def end(self) -> None:
        """No more bytes come."""
        self._ended = True
        self._news.set()

    # What is done with it

    async def read(self) -> bytes:
        """What has come since; empty once the other side has gone."""
        while not self._received and not self._ended:
            self._news.clear()
            await self._news.wait()
        data = bytes(self._received)
        self._received.clear()
        self._flow.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes; returns when there is room for more. After the end this does nothing."""
        if data and not self._transport.is_closing():
            self._transport.write(data)
        await self._flow.drain()

    async def switch(self, headers: Mapping[str, str]) -> None:
        """Tell the client that another protocol begins here."""
        lines = ["HTTP/1.1 101 Switching Protocols", *(f"{name}: {value}" for name, value in headers.items())]
        await self.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")

    def close(self) -> None:
        """End the connection once everything has been sent."""
        self._transport.close()
