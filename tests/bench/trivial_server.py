"""`python -m tests.bench.trivial_server CERT KEY`: Starlette on uvicorn with a handler that does nothing, over TLS.

What is left of a request's cost here is the limit for any server on this stack. Prints its port, ends with its input.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

# As long as a Service, so that both send the same number of bytes.
_ANSWER = {
    "kind": "Service",
    "apiVersion": "v1",
    "metadata": {"name": "web", "annotations": {"note": "x" * 1400}},
}


async def answer(request: Request) -> JSONResponse:
    if request.method == "POST":
        await request.body()
    return JSONResponse(_ANSWER, status_code=201 if request.method == "POST" else 200)


async def main() -> None:
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    config = uvicorn.Config(
        app,
        ssl_certfile=sys.argv[1],
        ssl_keyfile=sys.argv[2],
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    # The protocol's number matters: without it asyncio leaves Nagle's algorithm on, and answers wait for 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    print(listener.getsockname()[1], flush=True)
    serving = asyncio.create_task(server.serve([listener]))
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main())
