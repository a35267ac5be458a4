"""Packets in, packets out: what is answered how, and that nothing breaks it."""

from __future__ import annotations

import struct

import pytest
from dnslib import CLASS, QTYPE, RCODE, DNSHeader, DNSQuestion, DNSRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.cluster import make_cluster
from support.names import dns_of, named_cluster
from support.objects import make_service, running_pod

from kubesim.cluster.build import Cluster
from kubesim.dns.wire import MAX_QUERY, Malformed, Responder, read_query

WEB = "web.default.svc.cluster.local"
RD, CD, AD, DO = 0x0100, 0x0010, 0x0020, 0x8000
COOKIE = (10, b"12345678")
SUBNET = (8, b"\0\1\x18\0\x7f\0\0")


def name(*labels: bytes) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def query(
    asked: str | bytes = WEB,
    qtype: int = 1,
    qclass: int = 1,
    *,
    flags: int = RD,
    counts: tuple[int, int, int, int] = (1, 0, 0, 0),
    extra: bytes = b"",
) -> bytes:
    encoded = asked if isinstance(asked, bytes) else name(*(label.encode() for label in asked.split(".")))
    return (
        struct.pack("!HHHHHH", 0x1234, flags, *counts) + encoded + struct.pack("!HH", qtype, qclass) + extra
    )


def opt(size: int = 1232, *options: tuple[int, bytes], version: int = 0, flags: int = 0) -> bytes:
    data = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in options)
    return b"\0" + struct.pack("!HHIH", 41, size, version << 16 | flags, len(data)) + data


def edns(asked: str = WEB, qtype: int = 1, **how: int) -> bytes:
    return query(asked, qtype, counts=(1, 0, 0, 1), extra=opt(how.pop("size", 1232), **how))


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return named_cluster()


@pytest.fixture(params=["afresh", "from memory"])
def responder(cluster: Cluster, request: pytest.FixtureRequest) -> Responder:
    revision = cluster.storage.revision if request.param == "from memory" else None
    return Responder(dns_of(cluster, revision=revision))


def answered(responder: Responder, packet: bytes, *, stream: bool = False) -> DNSRecord:
    first = responder.respond(packet, stream=stream)
    assert first is not None
    again = responder.respond(b"\xab\xcd" + packet[2:], stream=stream)
    assert again is not None
    assert again[:2] == b"\xab\xcd"
    assert len(again) == len(first)
    return DNSRecord.parse(first)


def test_an_answer(responder: Responder) -> None:
    packet = query("WeB.default.svc.cluster.LOCAL", flags=RD | CD | AD)
    found = responder.respond(packet)
    assert found is not None
    # Identifier, flags qr aa rd cd, one question as it came, one answer whose name is written out as it came.
    question = packet[12:]
    assert found[:2] == packet[:2]
    assert found[2:12] == struct.pack("!HHHHH", 0x8510, 1, 1, 0, 0)
    assert found[12:] == question + question[:-4] + struct.pack("!HHIH", 1, 1, 30, 4) + bytes([10, 96, 1, 1])


@pytest.mark.parametrize(
    ("asked", "qtype", "expected"),
    [
        (WEB, "A", "10.96.1.1"),
        ("six.default.svc.cluster.local", "AAAA", "fd00:10:96::6"),
        ("dns-version.cluster.local", "TXT", '"1.1.0"'),
        (f"_http._tcp.{WEB}", "SRV", f"0 100 80 {WEB}."),
        ("1.1.96.10.in-addr.arpa", "PTR", f"{WEB}."),
        ("outside.default.svc.cluster.local", "CNAME", "www.example.com."),
        (
            "cluster.local",
            "SOA",
            "ns.dns.cluster.local. hostmaster.cluster.local. 1767225600 7200 1800 86400 30",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
def test_every_type_of_record(responder: Responder, asked: str, qtype: str, expected: str) -> None:
    found = answered(responder, query(asked, getattr(QTYPE, qtype)))
    (record,) = found.rr
    assert (QTYPE[record.rtype], record.rdata.toZone()) == (qtype, expected)


REFUSED = {
    "several questions": (query(counts=(2, 0, 0, 0), extra=query()[12:]), "FORMERR"),
    "no question": (query(counts=(0, 0, 0, 0)), "FORMERR"),
    "a header alone": (query()[:12], "FORMERR"),
    "a name that does not end": (query()[:20], "FORMERR"),
    "no type": (query()[:-4], "FORMERR"),
    "two answers": (query(counts=(1, 2, 0, 0)), "FORMERR"),
    "three additional records": (query(counts=(1, 0, 0, 3), extra=opt() * 3), "FORMERR"),
    "a record that is not there": (query(counts=(1, 0, 0, 1)), "FORMERR"),
    "a record that is cut off": (query(counts=(1, 0, 0, 1), extra=opt(1232, COOKIE)[:-1]), "FORMERR"),
    "an option that is too long": (
        query(counts=(1, 0, 0, 1), extra=b"\0" + struct.pack("!HHIHHH", 41, 512, 0, 4, 10, 9)),
        "FORMERR",
    ),
    "a name that points to itself": (query(b"\xc0\x0c"), "FORMERR"),
    "a name that points into the header": (query(b"\xc0\x00"), "FORMERR"),
    "a name that points onwards": (query(b"\x03web\xc0\x40"), "FORMERR"),
    "a label of a kind that was never used": (query(b"\x40web\0"), "FORMERR"),
    "a label of 64 characters": (query(b"\x40" + b"a" * 64 + b"\0"), "FORMERR"),
    "a name of 300 characters": (query(name(*[b"a" * 59] * 5)), "FORMERR"),
    "a name of 256 bytes": (query(name(*[b"a" * 63] * 3, b"a" * 62)), "FORMERR"),
    "too many bytes": (
        query(counts=(1, 0, 0, 1), extra=opt(1232, (12, bytes(MAX_QUERY)))),
        "FORMERR",
    ),
    "an update": (query(flags=5 << 11), "NOTIMP"),
    "a status": (query(flags=2 << 11), "NOTIMP"),
    "class CH": (query("version.bind", 16, 3), "REFUSED"),
    "class ANY": (query(qclass=255), "REFUSED"),
    "class 0": (query(qclass=0), "REFUSED"),
    "a transfer": (query("cluster.local", 252), "REFUSED"),
    "a name of 255 bytes": (query(name(*[b"a" * 63] * 3, b"a" * 61)), "NXDOMAIN"),
    "the root": (query(b"\0"), "NXDOMAIN"),
    "bytes that are no text": (query(name(b"\0.\\ ", *(p.encode() for p in WEB.split(".")))), "NXDOMAIN"),
    "an unknown type": (query(qtype=65280), "NOERROR"),
    "an unknown type of nothing": (query("x.default.svc.cluster.local", 65280), "NXDOMAIN"),
    "type 0": (query(qtype=0), "NOERROR"),
    "bytes after the end": (query(extra=b"rubbish"), "NOERROR"),
    "EDNS 1": (edns(version=1), "16"),
}  # fmt: skip


@pytest.mark.parametrize(("packet", "rcode"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_plain_question(responder: Responder, packet: bytes, rcode: str) -> None:
    found = answered(responder, packet)
    extended = next((record.edns_rcode for record in found.ar if record.rtype == QTYPE.OPT), 0)
    code = extended << 4 | found.header.rcode
    assert str(RCODE.get(code, code)) == rcode
    assert found.header.id == 0x1234
    assert found.header.qr
    if rcode in ("FORMERR", "NOTIMP"):
        assert (found.header.q, found.header.a, found.header.auth, found.header.ar) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "packet", [b"", query()[:11], query(flags=0x8000)], ids=["nothing", "half a header", "an answer"]
)
def test_silence(responder: Responder, packet: bytes) -> None:
    assert responder.respond(packet) is None


def test_edns_comes_back(responder: Responder) -> None:
    packet = query(counts=(1, 0, 0, 1), extra=opt(1400, COOKIE, SUBNET, flags=DO))
    (found,) = answered(responder, packet).ar
    assert (found.edns_len, found.edns_ver, found.edns_do) == (1400, 0, 1)
    assert [(option.code, option.data) for option in found.rdata] == [COOKIE]


@pytest.fixture(scope="module")
def crowd() -> Responder:
    """A headless Service with sixty endpoints."""
    cluster = make_cluster(settle=True)
    make_service(cluster, "crowd", {"app": "crowd"}, clusterIP="None", ports=[{"name": "http", "port": 80}])
    for n in range(60):
        running_pod(cluster, f"p{n}", {"app": "crowd"}, ip=f"10.244.0.{n + 100}")
    cluster.settle()
    return Responder(dns_of(cluster))


@pytest.mark.parametrize(
    ("packet", "stream", "complete"),
    [
        (query("crowd.default.svc.cluster.local"), False, False),
        (edns("crowd.default.svc.cluster.local", size=100), False, False),
        (edns("crowd.default.svc.cluster.local", size=1232), False, True),
        (edns("crowd.default.svc.cluster.local", size=4096), False, True),
        (query("crowd.default.svc.cluster.local"), True, True),
        (edns("_http._tcp.crowd.default.svc.cluster.local", 33, size=4096), False, False),
        (query("_http._tcp.crowd.default.svc.cluster.local", 33), True, True),
    ],
    ids=["512", "512 at least", "compressed", "as it is", "TCP", "SRV", "SRV over TCP"],
)
def test_what_is_too_long_is_compressed_and_then_cut(
    crowd: Responder, packet: bytes, stream: bool, complete: bool
) -> None:
    answer = crowd.respond(packet, stream=stream)
    assert answer is not None
    found = DNSRecord.parse(answer)
    limit = 65535 if stream else max(512, found.ar[-1].edns_len if found.ar else 512)
    assert len(answer) <= limit
    assert bool(found.header.tc) is not complete
    assert (len(found.rr) == 60) is complete or found.rr[0].rtype == QTYPE.SRV
    assert len(found.rr) > 20


def test_a_remembered_answer_is_given_up_when_the_cluster_changes() -> None:
    cluster = make_cluster(settle=True)
    responder = Responder(dns_of(cluster, revision=cluster.storage.revision))
    for _ in range(2):
        assert DNSRecord.parse(responder.respond(query())).header.rcode == RCODE.NXDOMAIN
    make_service(cluster, "web", {"app": "web"})
    assert len(DNSRecord.parse(responder.respond(query())).rr) == 1


HOSTILE = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


@HOSTILE
@given(packet=st.binary(max_size=600))
def test_any_bytes(cluster: Cluster, packet: bytes) -> None:
    _checked(cluster, packet)


@HOSTILE
@given(
    flags=st.integers(0, 0x7FFF),
    counts=st.tuples(*[st.integers(0, 3)] * 4),
    rest=st.binary(max_size=300),
)
def test_any_bytes_after_a_header(
    cluster: Cluster, flags: int, counts: tuple[int, int, int, int], rest: bytes
) -> None:
    _checked(cluster, struct.pack("!HHHHHH", 1, flags, *counts) + rest)


@HOSTILE
@given(data=st.data(), packet=st.sampled_from([query(), edns(), query("_http._tcp." + WEB, 33)]))
def test_bits_that_flip(cluster: Cluster, data: st.DataObject, packet: bytes) -> None:
    broken = bytearray(packet)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(2, len(broken) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    _checked(cluster, bytes(broken[: data.draw(st.integers(0, len(broken)))]))


@HOSTILE
@given(
    labels=st.lists(st.binary(min_size=1, max_size=63), max_size=5),
    qtype=st.integers(0, 65535),
    below=st.booleans(),
)
def test_any_name(cluster: Cluster, labels: list[bytes], qtype: int, below: bool) -> None:
    whole = name(*labels, *((b"default", b"svc", b"cluster", b"local") if below else ()))
    packet = query(whole, qtype)
    answer = _checked(cluster, packet)
    assert answer is not None
    if answer[3] & 0xF != RCODE.FORMERR:
        assert answer[12 : 12 + len(whole) + 4] == whole + struct.pack("!HH", qtype, 1)


def _checked(cluster: Cluster, packet: bytes) -> bytes | None:
    answer = Responder(dns_of(cluster)).respond(packet)
    if answer is not None:
        assert answer[:2] == packet[:2]
        assert answer[2] & 0x80
        header = DNSHeader.parse(_buffer(answer))
        assert header.q in (0, 1)
        size = 512
        try:
            size = read_query(packet).size
        except Malformed:
            assert header.rcode in (RCODE.FORMERR, RCODE.NOTIMP)
        assert len(answer) <= size
    return answer


def _buffer(data: bytes):
    from dnslib import DNSBuffer

    return DNSBuffer(data)


def test_our_own_packets_are_what_dnslib_makes() -> None:
    """The tests' way to write questions agrees with the library's."""
    made = DNSRecord(DNSHeader(id=0x1234, rd=1), q=DNSQuestion(WEB, QTYPE.A, CLASS.IN)).pack()
    assert made == query()
