"""The ASGI application: a request becomes a value for `APIServer`, its answer becomes bytes.

Most answers take well under a millisecond and are made on the event loop itself; what may take long, or might have
to wait for somebody who is writing, is made in a thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from urllib.parse import parse_qs

from kubesim.apimachinery import errors
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import ADMIN, ANONYMOUS, Request, Response, UserInfo
from kubesim.apiserver.http.codec import GZIP_FROM, accepts_gzip, body_bytes, gzipped, wants_pretty
from kubesim.apiserver.http.hub import Hub
from kubesim.apiserver.http.metrics import Metrics
from kubesim.apiserver.negotiation import MAX_BODY, too_large
from kubesim.apiserver.output import EventStream
from kubesim.apiserver.server import APIServer
from kubesim.storage.interface import Storage
from kubesim.util.clock import Clock
from kubesim.util.ids import SystemIdentities

if TYPE_CHECKING:
    from kubesim.apiserver.http.connect import Conversations

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

WRITES: Final = ("POST", "PUT", "PATCH", "DELETE")
OPENAPI: Final = "/openapi/"
"""Documents below it are written when they are first asked for."""
LARGE: Final = 1024 * 1024
"""An answer that was larger the last time is made in a thread."""
_REMEMBERED: Final = 256
CONNECTED: Final = ("/log", "/exec", "/attach", "/portforward", "/proxy")
"""What is in the path of a request that reaches containers, which may be busy: it is made in a thread."""
_THREADS: Final = 16
_JSON: Final = "application/json"

logger = logging.getLogger("kubesim.http")


class Authenticator(Protocol):
    """Finds out who asks."""

    def authenticate(self, headers: dict[str, str], certificate: bytes | None) -> UserInfo | None:
        """Who it is; None for nobody in particular. Raises StatusError 401 for credentials that are wrong."""
        ...


class Control(Protocol):
    """What the application asks of the process that it runs in."""

    def is_busy(self) -> bool:
        """Whether somebody else may be in the middle of a long write."""
        ...

    def settle(self) -> None:
        """Let the controllers catch up; called in a thread."""
        ...

    def touch(self) -> None:
        """A request has come."""
        ...

    def begin(self) -> None:
        """A request is being answered in a thread, until `end`; both called on the event loop."""
        ...

    def end(self) -> None: ...


class Application:
    """The API of one cluster over ASGI."""

    def __init__(
        self,
        server: APIServer,
        storage: Storage,
        *,
        authenticator: Authenticator,
        control: Control,
        clock: Clock,
    ) -> None:
        self._server = server
        self._authenticator = authenticator
        self._control = control
        self._clock = clock
        self._identities = SystemIdentities()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="kubesim-request")
        self._large: dict[str, None] = {}
        self._conversations: Conversations | None = None
        self.hub = Hub(storage)
        self.metrics = Metrics(server, storage, self.hub)
        # Those of the priority and fairness objects that every request of an administrator falls under.
        self._flow = (
            (b"x-kubernetes-pf-flowschema-uid", self._identities.uid().encode()),
            (b"x-kubernetes-pf-prioritylevel-uid", self._identities.uid().encode()),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._control.touch()
        began = self._clock.monotonic()
        headers = _headers(scope)
        query_string = scope["query_string"]
        query = parse_qs(query_string.decode("latin-1"), keep_blank_values=True) if query_string else {}
        state = scope["state"]
        request = Request(scope["method"], scope["raw_path"].decode("latin-1"), query, headers)
        request.encoded = not wants_pretty(query, headers.get("user-agent", ""))
        try:
            request.user = self._user(headers, state)
            request.body = await _body(receive, headers)
            if request.path == "/metrics" and request.method == "GET":
                response = self._metrics(request)
            else:
                response = await self._answer(request, state)
            if response.connection is not None:
                self._connected.check()
            if response.status == 101:
                await self._upgrade(request, response, state)
                self.metrics.observe(request, response.status, self._clock.monotonic() - began)
                return
        except StatusError as error:
            response = Response(error.code, error.status, {"content-type": _JSON})
        except _Gone:
            return
        except Exception as error:
            logger.exception("%s %s failed", request.method, request.path)
            failure = errors.internal_error(f"{type(error).__name__}: {error}")
            response = Response(failure.code, failure.status, {"content-type": _JSON})
        if isinstance(response.events, EventStream):
            await self._watch(request, response, response.events, scope, receive, send)
        elif response.connection is not None:
            await self._follow(request, response, receive, send)
        else:
            await self._respond(request, response, send)
        self.metrics.observe(request, response.status, self._clock.monotonic() - began)

    def _user(self, headers: dict[str, str], state: dict[str, Any]) -> UserInfo:
        if state.get("local"):
            return ADMIN
        return self._authenticator.authenticate(headers, state.get("certificate")) or ANONYMOUS

    async def _answer(self, request: Request, state: dict[str, Any]) -> Response:
        writes = request.method in WRITES
        takes_long = request.path in self._large or request.path.startswith(OPENAPI)
        takes_long = takes_long or any(word in request.path for word in CONNECTED)
        if takes_long or (writes and self._control.is_busy()):
            self._control.begin()
            try:
                response = await self._in_thread(self._server, request)
            finally:
                self._control.end()
        else:
            response = self._server(request)
        if writes and 200 <= response.status < 400 and self._settles(request, state):
            await self._in_thread(self._control.settle)
        return response

    def _settles(self, request: Request, state: dict[str, Any]) -> bool:
        """Whether the sender counts on finding endpoints as its write makes them: people with kubectl do."""
        return bool(state.get("local")) or request.headers.get("user-agent", "").startswith("kubectl")

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _metrics(self, request: Request) -> Response:
        self._server.authorize(request)
        text, content_type = self.metrics.render()
        return Response(200, text, {"content-type": content_type})

    async def _respond(self, request: Request, response: Response, send: Send) -> None:
        body = body_bytes(response, pretty=not request.encoded)
        self._note_size(request.path, len(body))
        headers = self._response_headers(request, response)
        if (
            len(body) >= GZIP_FROM
            and "content-encoding" not in response.headers
            and accepts_gzip(request.headers.get("accept-encoding", ""))
        ):
            body = await self._in_thread(gzipped, body)
            headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        if response.status not in (204, 304):
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if response.status in (204, 304) else body})

    def _note_size(self, path: str, size: int) -> None:
        if size > LARGE:
            self._large[path] = None
            if len(self._large) > _REMEMBERED:
                del self._large[next(iter(self._large))]
        elif path in self._large:
            del self._large[path]

    def _response_headers(self, request: Request, response: Response) -> list[tuple[bytes, bytes]]:
        audit = request.headers.get("audit-id") or self._identities.uid()
        made = [(b"audit-id", audit.encode("latin-1"))]
        if "cache-control" not in response.headers:
            made.append((b"cache-control", b"no-cache, private"))
        made += [(n.encode("latin-1"), v.encode("utf-8")) for n, v in response.headers.items()]
        made += [(b"warning", _warning(text)) for text in response.warnings]
        made += self._flow
        return made

    async def _watch(
        self,
        request: Request,
        response: Response,
        stream: EventStream,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        headers = self._response_headers(request, response)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        with self.metrics.long_running():
            await self.hub.serve(stream, receive=receive, send=send, abort=scope["state"]["connection"].abort)

    # Conversations.

    @property
    def _connected(self) -> Conversations:
        if self._conversations is None:
            from kubesim.apiserver.http.connect import Conversations  # who serves none pays for none

            self._conversations = Conversations()
        return self._conversations

    async def _upgrade(self, request: Request, response: Response, state: dict[str, Any]) -> None:
        """Raises StatusError where the client does not ask for what there is."""
        with self.metrics.long_running():
            await self._connected.upgrade(request, response, state["connection"].upgrade)

    async def _follow(self, request: Request, response: Response, receive: Receive, send: Send) -> None:
        headers = self._response_headers(request, response)
        start = {"type": "http.response.start", "status": response.status, "headers": headers}
        with self.metrics.long_running():
            await self._connected.follow(response.connection, start, receive=receive, send=send)

    async def close(self) -> None:
        """End watches, conversations and threads."""
        if self._conversations is not None:
            self._conversations.close()
        await self.hub.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Gone(Exception):
    """The client has gone before it had asked."""


def _headers(scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def _body(receive: Receive, headers: dict[str, str]) -> bytes | None:
    """All of the body; None where there is none. Raises StatusError 413 for one that is too large."""
    length = headers.get("content-length")
    if length is None and "transfer-encoding" not in headers:
        return None
    if length is not None and length.isdigit() and int(length) > MAX_BODY:
        raise too_large()
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        size += len(message["body"])
        if size > MAX_BODY:
            raise too_large()
        parts.append(message["body"])
        if not message.get("more_body"):
            return b"".join(parts) or None


def _warning(text: str) -> bytes:
    """`299 - "text"`: apimachinery pkg/util/net, NewWarningHeader."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'.encode()
