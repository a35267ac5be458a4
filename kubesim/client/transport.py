"""The seam between a client and an API server: in process, or over HTTP."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from kubesim.apimachinery.rest import Handler, Request, Response


class Transport(Protocol):
    """Carries a request to an API server and brings the response back. Failures come back as a Status
    response.
    """

    def send(self, request: Request) -> Response: ...

    def batch(self) -> AbstractContextManager[object]:
        """Writes inside the block may be committed together; over HTTP each is committed by itself."""
        ...


class InProcessTransport:
    """Hands requests to an API server in the same process, without encoding them."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle

    def send(self, request: Request) -> Response:
        return self._handle(request)

    def batch(self) -> AbstractContextManager[object]:
        return self._handle.batch()
