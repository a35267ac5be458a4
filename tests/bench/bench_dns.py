"""Cluster DNS on loopback: answers a second over UDP and TCP.

The questions come from another process, which keeps IN_FLIGHT of them under way, for as many names as there are Services.
Beside ours stands a server of asyncio that sends back what it gets: what sockets and loop can do at all.
"""

from __future__ import annotations

import json
import socket
import statistics
import struct
import tempfile
import time

from dnslib import DNSRecord

from tests.bench.bench_server import running
from tests.bench.measure import Measurement

SERVICES, QUESTIONS, IN_FLIGHT, TURNS = 500, 20_000, 32, 3
ANSWERS_A_SECOND = 5000


def measure() -> list[Measurement]:
    packets = [
        bytes(DNSRecord.question(f"svc-{n}.default.svc.cluster.local").pack()) for n in range(SERVICES)
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        running("tests.bench.served_names", folder, str(SERVICES)) as process,
    ):
        assert process.stdout
        ports = json.loads(process.stdout.readline())
        start = time.perf_counter()
        over_udp(ports["dns"], packets, SERVICES)
        first = SERVICES / (time.perf_counter() - start)
        rates, limits = [], []
        for _ in range(TURNS):
            rates.append(over_udp(ports["dns"], packets, QUESTIONS))
            limits.append(over_udp(ports["echo"], packets, QUESTIONS))
        stream = over_tcp(ports["dns"], packets, QUESTIONS)
    return [
        Measurement(
            "UDP",
            statistics.median(rates),
            "answers/s",
            "asyncio's echo",
            statistics.median(limits),
            target=ANSWERS_A_SECOND,
            at_least=True,
        ),
        Measurement("UDP, each name for the first time", first, "answers/s"),
        Measurement("TCP, one connection", stream, "answers/s", target=ANSWERS_A_SECOND, at_least=True),
    ]


def over_udp(port: int, packets: list[bytes], count: int) -> float:
    """Answers a second."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(10)
        start = time.perf_counter()
        for n in range(count + IN_FLIGHT):
            if n >= IN_FLIGHT:
                answer = client.recv(4096)
                if len(answer) < len(packets[0]):
                    raise RuntimeError(f"an answer of {len(answer)} bytes")
            if n < count:
                client.send(packets[n % len(packets)])
        return count / (time.perf_counter() - start)


def over_tcp(port: int, packets: list[bytes], count: int) -> float:
    framed = [struct.pack("!H", len(packet)) + packet for packet in packets]
    with socket.create_connection(("127.0.0.1", port), 10) as client, client.makefile("rb") as answers:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = time.perf_counter()
        for at in range(0, count, IN_FLIGHT):
            client.sendall(b"".join(framed[n % len(framed)] for n in range(at, at + IN_FLIGHT)))
            for _ in range(IN_FLIGHT):
                (length,) = struct.unpack("!H", answers.read(2))
                answers.read(length)
        return count / (time.perf_counter() - start)
