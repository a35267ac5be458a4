"""Requests that become conversations: commands, attachments, forwarded ports, and logs that are followed.

The answer of `APIServer` says what is to be talked to; here a client is met in the protocol that it asks for: SPDY or a
WebSocket after an upgrade, plain chunks for a log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from kubesim.apimachinery.errors import bad_request, status_error
from kubesim.apimachinery.rest import Request, Response
from kubesim.apiserver.http.bridge import Bridge
from kubesim.apiserver.http.commands import SPDYCarrier, WebSocketCarrier, run_command
from kubesim.apiserver.http.forwarding import forward_channels, forward_spdy, tunnel
from kubesim.apiserver.http.upgrade import Upgraded
from kubesim.apiserver.streaming import channels
from kubesim.apiserver.streaming.channels import ChannelProtocol
from kubesim.apiserver.streaming.websocket import accept_key
from kubesim.kubelet.following import FollowedLog
from kubesim.kubelet.portforward import Forwarding
from kubesim.kubelet.remotecommand import AttachCommand, ExecCommand

SPDY_COMMANDS: Final = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
SPDY_FORWARDING: Final = ("portforward.k8s.io",)
_TOKEN: Final = "base64url.bearer.authorization.k8s.io."  # noqa: S105 - how browsers send theirs, among the protocols

MAX_CONVERSATIONS: Final = 512
"""At once: each command and each followed log has a thread."""

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Conversations:
    """All that go on. `close` ends them."""

    def __init__(self) -> None:
        self._bridges: set[Bridge[Any]] = set()

    def close(self) -> None:
        for bridge in self._bridges:
            bridge.leave()

    def check(self) -> None:
        """Raises StatusError where there are too many already."""
        if len(self._bridges) >= MAX_CONVERSATIONS:
            text = "too many requests, please try again later"
            raise status_error(429, "TooManyRequests", text, retry_after_seconds=1)

    async def upgrade(self, request: Request, response: Response, take_over: Callable[[], Upgraded]) -> None:
        """Lead a conversation over an upgraded connection. Raises StatusError as long as it has not been taken over."""
        kind = request.headers.get("upgrade", "").lower()
        if "upgrade" not in request.headers.get("connection", "").lower() or kind not in (
            "websocket",
            "spdy/3.1",
        ):
            raise bad_request("Upgrade request required")
        subject = response.connection
        if isinstance(subject, Forwarding):
            if kind == "websocket":
                await self._forward_by_websocket(subject, request, take_over)
            else:
                raw = await _switch_to_spdy(request, SPDY_FORWARDING, take_over)
                await forward_spdy(raw[0].read, raw[0].write, subject)
        elif isinstance(subject, ExecCommand | AttachCommand):
            await self._command(subject, kind, request, take_over)
        else:
            raise TypeError(f"no conversation with {subject!r}")

    async def _command(
        self,
        command: ExecCommand | AttachCommand,
        kind: str,
        request: Request,
        take_over: Callable[[], Upgraded],
    ) -> None:
        carrier: SPDYCarrier | WebSocketCarrier
        if kind == "websocket":
            raw, protocol = await _switch_to_websocket(request, channels.COMMANDS, take_over)
            carrier = WebSocketCarrier(raw, protocol, command.options)
        else:
            raw, name = await _switch_to_spdy(request, SPDY_COMMANDS, take_over)
            carrier = SPDYCarrier(raw, _version(name), command.options)
        if not await carrier.begin():
            return
        bridge: Bridge[Any] = Bridge(tty=command.options.tty)
        self._bridges.add(bridge)
        try:
            await run_command(command, carrier, bridge)
        finally:
            self._bridges.discard(bridge)

    async def _forward_by_websocket(
        self, subject: Forwarding, request: Request, take_over: Callable[[], Upgraded]
    ) -> None:
        if channels.TUNNEL in _offered(request):
            raw = take_over()
            await raw.switch(_websocket_headers(request, channels.TUNNEL))
            await tunnel(raw, subject)
            return
        ports = read_ports(request)
        raw, protocol = await _switch_to_websocket(request, channels.FORWARDING, take_over)
        await forward_channels(raw, protocol, subject, ports)

    async def follow(self, log: object, start: dict[str, Any], *, receive: Receive, send: Send) -> None:
        """Send a log as it grows, until it ends or its reader has gone."""
        if not isinstance(log, FollowedLog):
            raise TypeError(f"no log: {log!r}")
        await send(start)
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        bridge: Bridge[None] = Bridge()
        self._bridges.add(bridge)

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            bridge.leave()

        watching = asyncio.create_task(watch())
        try:
            bridge.start(lambda: log.run(bridge), "kubesim-log")
            async for _, data in bridge.outputs():
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            bridge.leave()
            watching.cancel()
            self._bridges.discard(bridge)


def read_ports(request: Request) -> list[int]:
    """The ports in a URL, for those who do not ask for each by a stream of its own. Raises StatusError."""
    words = [word for value in request.query.get("ports", ()) for word in value.split(",")]
    if not words:
        raise bad_request('query parameter "port" is required')
    ports = []
    for word in words:
        if not word.isdigit() or not 1 <= int(word) <= 65_535:
            raise bad_request(f'unable to parse "{word}" as a port')
        ports.append(int(word))
    return ports


def _version(name: str) -> int:
    return int(name[1]) if name.startswith("v") else 1


def _offered(request: Request) -> list[str]:
    text = request.headers.get("sec-websocket-protocol", "")
    return [name for name in map(str.strip, text.split(",")) if name and not name.startswith(_TOKEN)]


def _websocket_headers(request: Request, protocol: str) -> dict[str, str]:
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept_key(request.headers["sec-websocket-key"]),
    }
    return headers | ({"Sec-WebSocket-Protocol": protocol} if protocol else {})


async def _switch_to_websocket(
    request: Request, known: tuple[ChannelProtocol, ...], take_over: Callable[[], Upgraded]
) -> tuple[Upgraded, ChannelProtocol]:
    """Raises StatusError."""
    headers = request.headers
    if request.method != "GET" or "sec-websocket-key" not in headers:
        raise bad_request("Upgrade request required")
    if headers.get("sec-websocket-version") != "13":
        raise bad_request("missing or bad WebSocket Version")
    protocol = channels.choose(_offered(request), known)
    if protocol is None:
        raise bad_request("bad WebSocket protocol")
    raw = take_over()
    await raw.switch(_websocket_headers(request, protocol.name))
    return raw, protocol


async def _switch_to_spdy(
    request: Request, known: tuple[str, ...], take_over: Callable[[], Upgraded]
) -> tuple[Upgraded, str]:
    """The first of the client's protocols that is known: apimachinery pkg/util/httpstream, Handshake. Raises StatusError."""
    text = request.headers.get("x-stream-protocol-version", "")
    wanted = [name for name in map(str.strip, text.split(",")) if name]
    chosen = next((name for name in wanted if name in known), None if wanted else known[-1])
    if chosen is None:
        text = (
            f"unable to upgrade: unable to negotiate protocol: client supports [{' '.join(wanted)}], "
            f"server accepts [{' '.join(known)}]"
        )
        raise status_error(403, "Forbidden", text, details=False)
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    if wanted:
        headers["X-Stream-Protocol-Version"] = chosen
    raw = take_over()
    await raw.switch(headers)
    return raw, chosen
