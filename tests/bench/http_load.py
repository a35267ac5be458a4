"""`python -m tests.bench.http_load`: a load on an HTTP server, from a process of its own.

Reads a JSON object from standard input: `host`, `port`, `ca`, `cert`, `key` (files, empty for plain HTTP), `connections`,
`count`, `method`, `path` and `body` (with `%d` for the number of the request), `token`. Keeps as many requests under way
as there are connections. Prints `seconds`, `rate` and the sorted `statuses`.
"""

from __future__ import annotations

import collections
import json
import socket
import ssl
import subprocess
import sys
import time
from typing import Any


def load(**settings: Any) -> dict[str, Any]:
    """Run a load in another process; what it found."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.http_load"],
        input=json.dumps(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _connect(settings: dict[str, Any]) -> socket.socket:
    plain = socket.create_connection((settings["host"], settings["port"]))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not settings.get("ca"):
        return plain
    context = ssl.create_default_context(cafile=settings["ca"])
    if settings.get("cert"):
        context.load_cert_chain(settings["cert"], settings["key"])
    return context.wrap_socket(plain, server_hostname=settings["host"])


def _request(settings: dict[str, Any], number: int) -> bytes:
    def numbered(text: str) -> str:
        return text.replace("%d", str(number))

    body = numbered(settings.get("body") or "").encode()
    head = f"{settings.get('method', 'GET')} {numbered(settings['path'])} HTTP/1.1\r\nHost: {settings['host']}\r\n"
    head += "User-Agent: bench/1\r\nAccept: application/json\r\n"
    if settings.get("token"):
        head += f"Authorization: Bearer {settings['token']}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _response(connection: socket.socket) -> int:
    """Read one response; its status."""
    data = connection.recv(65536)
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _more(connection)
    head = data[:end].lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0])
    left = end + 4 + length - len(data)
    while left > 0:
        left -= len(_more(connection))
    return int(head[9:12])


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(262144)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def main() -> None:
    settings = json.load(sys.stdin)
    connections = [_connect(settings) for _ in range(settings["connections"])]
    first = settings.get("first", 0)
    requests = [_request(settings, first + i) for i in range(settings["count"])]
    statuses: collections.Counter[int] = collections.Counter()
    start = time.perf_counter()
    for at in range(0, len(requests), len(connections)):
        some = requests[at : at + len(connections)]
        used = connections[: len(some)]
        for connection, request in zip(used, some, strict=True):
            connection.sendall(request)
        for connection in used:
            statuses[_response(connection)] += 1
    seconds = time.perf_counter() - start
    print(
        json.dumps(
            {"seconds": seconds, "rate": len(requests) / seconds, "statuses": sorted(statuses.items())}
        )
    )


if __name__ == "__main__":
    main()
