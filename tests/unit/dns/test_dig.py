"""The real dig against the server. It is in Debian's package bind9-dnsutils."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from support.names import SERIAL, dns_of, named_cluster

from kubesim.dns.server import DNSServer

DIG = shutil.which("dig")
pytestmark = pytest.mark.skipif(DIG is None, reason="no dig is installed (Debian: bind9-dnsutils)")
SVC = "default.svc.cluster.local"
SOA = f"ns.dns.cluster.local. hostmaster.cluster.local. {SERIAL} 7200 1800 86400 30"


@pytest.fixture(scope="module")
def server() -> Iterator[DNSServer]:
    cluster = named_cluster()
    made = DNSServer(dns_of(cluster, revision=cluster.storage.revision))
    made.start()
    yield made
    made.stop()


def dig(server: DNSServer, *words: str) -> str:
    command = [str(DIG), "-r", "@127.0.0.1", "-p", str(server.port), "+tries=1", "+time=10", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


SHORT = {
    "A": (f"web.{SVC}", ["10.96.1.1"]),
    "AAAA": (f"AAAA dual.{SVC}", ["fd00:10:96::3"]),
    "headless": (f"headless.{SVC}", ["10.244.0.20", "10.244.0.21"]),
    "SRV": (f"SRV _http._tcp.web.{SVC}", [f"0 100 80 web.{SVC}."]),
    "PTR": ("-x 10.96.1.1", [f"web.{SVC}."]),
    "PTR, IPv6": ("-x fd00:10:96::6", [f"six.{SVC}."]),
    "CNAME and A": (f"outside.{SVC}", ["192.0.2.53", "www.example.com."]),
    "TXT": ("TXT dns-version.cluster.local", ['"1.1.0"']),
    "search": (f"+search +domain={SVC} web", ["10.96.1.1"]),
    "search, another namespace": ("+search +ndots=5 +domain=svc.cluster.local web.team-a", ["10.96.2.1"]),
    "without EDNS": (f"+noedns web.{SVC}", ["10.96.1.1"]),
    "a larger buffer": (f"+bufsize=4096 web.{SVC}", ["10.96.1.1"]),
    "nothing": (f"absent.{SVC}", []),
}


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize(("words", "expected"), SHORT.values(), ids=list(SHORT))
def test_what_dig_finds(server: DNSServer, words: str, expected: list[str], transport: str) -> None:
    assert sorted(dig(server, "+short", transport, *words.split()).splitlines()) == expected


@pytest.mark.parametrize(
    ("words", "status", "flags"),
    [
        (f"web.{SVC}", "NOERROR", "qr aa rd"),
        (f"AAAA web.{SVC}", "NOERROR", "qr aa rd"),
        (f"absent.{SVC}", "NXDOMAIN", "qr aa rd"),
        ("kubernetes.io", "NXDOMAIN", "qr rd ra"),
        (f"-c CH TXT web.{SVC}", "REFUSED", "qr rd"),
        (f"+edns=1 +noednsnegotiation web.{SVC}", "BADVERS", "qr rd"),
        (f"+opcode=UPDATE web.{SVC}", "NOTIMP", "qr rd"),
    ],
    ids=["found", "another type", "no such name", "outside", "class CH", "EDNS 1", "update"],
)
def test_status_and_flags(server: DNSServer, words: str, status: str, flags: str) -> None:
    text = dig(server, *words.split())
    assert f"status: {status}," in text
    assert f";; flags: {flags};" in text
    assert "malformed" not in text.lower()


def test_the_authority_of_a_denial(server: DNSServer) -> None:
    text = dig(server, "+noall", "+authority", "+ttlid", f"absent.{SVC}")
    assert text.split() == ["cluster.local.", "30", "IN", "SOA", *SOA.split()]


def test_many_questions_over_one_connection(server: DNSServer) -> None:
    text = dig(server, "+tcp", "+keepopen", "+short", f"web.{SVC}", f"plain.{SVC}", f"six.{SVC}", "AAAA")
    assert text.split() == ["10.96.1.1", "10.96.1.2", "fd00:10:96::6"]
