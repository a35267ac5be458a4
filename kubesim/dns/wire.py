"""DNS as bytes: a question comes in, an answer goes out.

What is refused, and how, is what CoreDNS does (github.com/miekg/dns, acceptfunc.go and server.go; CoreDNS
core/dnsserver/server.go): no packet that is an answer or has no whole header gets one; several questions are malformed.
Questions are read here, because a server must not follow pointers in circles nor mind bytes that are no text; answers are
packed by dnslib.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Any, Final

from dnslib import AAAA, CLASS, CNAME, NS, PTR, QTYPE, RCODE, RD, RR, SOA, SRV, TXT, A, DNSBuffer, DNSLabel

from kubesim.dns.clusterdns import ClusterDNS
from kubesim.dns.names import labels_of_name
from kubesim.util.dnsmessage import DNSMessage, Record

MAX_QUERY: Final = 4096
"""Longer packets are malformed: no question needs as much."""
MAX_MESSAGE: Final = 65535
SMALLEST: Final = 512
"""What every client takes over UDP."""
_HEADER: Final = Struct("!HHHHHH")
_QUESTION: Final = Struct("!HH")
_RECORD: Final = Struct("!HHIH")
_OPTION: Final = Struct("!HH")
_MAX_NAME: Final = 255
_MAX_LABEL: Final = 63
_POINTER: Final = 0xC0
_REMEMBERED: Final = 4096

_QR, _AA, _TC, _RD, _RA, _CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
_OPCODES: Final = 0x7800
_NOTIFY: Final = 4
_OPT: Final = 41
_IN: Final = 1
_BADVERS: Final = 1
"""The upper eight bits of 16, which is what the OPT record carries of a response code."""
_DO: Final = 0x8000
_KEPT_OPTIONS: Final = frozenset({3, 9, 10, 11, 12})
"""NSID, EXPIRE, COOKIE, TCP-KEEPALIVE and PADDING come back as they were sent; other options are dropped."""


class Malformed(Exception):
    """A packet that is no question, as RFC 1035 has them."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question, as it came."""

    flags: int
    name: str
    """In the form of zone files, with the case in which it was asked."""
    qtype: str
    qclass: int
    question: bytes
    """The question section."""
    edns: bytes | None
    """The OPT record that the answer has; None for a client that sent none."""
    size: int
    """How large an answer over UDP may be."""
    version: int
    """Of EDNS; there is none but 0."""


def read_query(packet: bytes) -> Query:
    """Read a packet that has a header, with one question. Raises Malformed."""
    _, flags, _, *counts = _HEADER.unpack_from(packet)
    if len(packet) > MAX_QUERY:
        raise Malformed("too long")
    labels, at = _read_name(packet, _HEADER.size)
    if at + _QUESTION.size > len(packet):
        raise Malformed("no question")
    qtype, qclass = _QUESTION.unpack_from(packet, at)
    end = at + _QUESTION.size
    edns, size, version, at = None, SMALLEST, 0, end
    for _ in range(sum(counts)):
        at = _skip_name(packet, at)
        if at + _RECORD.size > len(packet):
            raise Malformed("a record is cut off")
        kind, longest, ttl, length = _RECORD.unpack_from(packet, at)
        start, at = at + _RECORD.size, at + _RECORD.size + length
        if at > len(packet):
            raise Malformed("a record is cut off")
        if kind == _OPT and edns is None:
            options = _kept_options(packet[start:at])
            version, size = ttl >> 16 & 0xFF, max(SMALLEST, longest)
            edns = b"\0" + _RECORD.pack(_OPT, longest, ttl & _DO, len(options)) + options
    name = ".".join(map(_label_text, labels)) + "."
    kind_name = str(QTYPE.get(qtype, f"TYPE{qtype}"))
    return Query(flags, name, kind_name, qclass, packet[_HEADER.size : end], edns, size, version)


def _read_name(packet: bytes, at: int) -> tuple[list[bytes], int]:
    """The labels of a name and where it ends. The first name of a packet has nothing that it could point to."""
    labels: list[bytes] = []
    start = at
    while True:
        length = packet[at] if at < len(packet) else _POINTER
        if length > _MAX_LABEL or at + length >= len(packet) or at + length - start >= _MAX_NAME:
            raise Malformed("a bad name")
        at += 1
        if not length:
            return labels, at
        labels.append(packet[at : at + length])
        at += length


def _skip_name(packet: bytes, at: int) -> int:
    """Where a name ends; what it points to is of no interest."""
    while at < len(packet):
        length = packet[at]
        if length >= _POINTER:
            return at + 2
        if length > _MAX_LABEL:
            break
        at += length + 1
        if not length:
            return at
    raise Malformed("a bad name")


def _kept_options(data: bytes) -> bytes:
    kept, at = b"", 0
    while at < len(data):
        if at + _OPTION.size > len(data):
            raise Malformed("an option is cut off")
        code, length = _OPTION.unpack_from(data, at)
        end = at + _OPTION.size + length
        if end > len(data):
            raise Malformed("an option is cut off")
        if code in _KEPT_OPTIONS:
            kept += data[at:end]
        at = end
    return kept


class Responder:
    """Answers packets. Not for several threads at once: what it has answered it remembers, while nothing changes."""

    def __init__(self, dns: ClusterDNS) -> None:
        self._dns = dns
        self._generation: int | None = None
        self._ready: dict[tuple[bytes, bool], bytes] = {}

    def respond(self, packet: bytes, *, stream: bool = False) -> bytes | None:
        """The answer to a packet, which may be of any length where it goes out on a `stream`; None for no answer."""
        generation = self._dns.generation()
        if generation is None or generation != self._generation or len(self._ready) > _REMEMBERED:
            self._generation = generation
            self._ready.clear()
        ready = self._ready.get((packet[2:], stream))
        if ready is not None:
            return packet[:2] + ready
        if len(packet) < _HEADER.size:
            return None
        refusal = _refusal(packet)
        if refusal is not None:
            return refusal or None
        try:
            query = read_query(packet)
        except Malformed:
            return _header_alone(packet, RCODE.FORMERR)
        limit = MAX_MESSAGE if stream else query.size
        message = self._message(query)
        mixed = self._dns.shuffled(message)
        found = pack(query, mixed, limit)
        if mixed is message and generation is not None:
            self._ready[packet[2:], stream] = found
        return packet[:2] + found

    def _message(self, query: Query) -> DNSMessage:
        if query.qclass != _IN:
            return DNSMessage("REFUSED", authoritative=False)
        if query.version:
            return DNSMessage("BADVERS", authoritative=False)
        return self._dns.answer(query.name, query.qtype)


def _refusal(packet: bytes) -> bytes | None:
    """What a header is answered with that no question is read after: empty for silence; None where one is read."""
    _, flags, questions, answers, authorities, additional = _HEADER.unpack_from(packet)
    if flags & _QR:
        return b""
    if (flags & _OPCODES) >> 11 not in (0, _NOTIFY):
        return _header_alone(packet, RCODE.NOTIMP, opcode=flags & _OPCODES)
    if questions != 1 or answers > 1 or authorities > 1 or additional > 2:
        return _header_alone(packet, RCODE.FORMERR)
    return None


def _header_alone(packet: bytes, rcode: int, *, opcode: int = 0) -> bytes:
    ident, flags, *_ = _HEADER.unpack_from(packet)
    return _HEADER.pack(ident, _QR | opcode | flags & (_RD | _CD) | rcode, 0, 0, 0, 0)


def pack(query: Query, message: DNSMessage, limit: int) -> bytes:
    """An answer, all but its first two bytes; with names compressed, and then cut, only where it is too long."""
    flags = _QR | query.flags & (_OPCODES | _RD | _CD)
    flags |= (_AA if message.authoritative else 0) | (_RA if message.recursion_available else 0)
    edns, question = query.edns or b"", query.question
    if message.rcode == "BADVERS":
        # The question is left out.
        edns = edns[:5] + bytes((_BADVERS, 0)) + edns[7:]
        return _HEADER.pack(0, flags, 0, 0, 0, 1)[2:] + edns
    flags |= getattr(RCODE, message.rcode)
    sections = (message.answers, message.authority, message.additional)
    body = b"".join([packed(record) for section in sections for record in section])
    counts = [len(section) for section in sections]
    if _HEADER.size + len(question) + len(body) + len(edns) > limit:
        body, counts = _compressed(query, sections, limit - len(edns))
        if counts != [len(section) for section in sections]:
            flags |= _TC
    counts[2] += 1 if edns else 0
    return b"".join((_HEADER.pack(0, flags, 1, *counts)[2:], question, body, edns))


def _compressed(
    query: Query, sections: tuple[tuple[Record, ...], ...], limit: int
) -> tuple[bytes, list[int]]:
    """As many records as there is room for, and how many of each section these are."""
    buffer = DNSBuffer(bytes(_HEADER.size))
    buffer.offset = _HEADER.size
    buffer.encode_name(_label(query.name))
    buffer.append(query.question[-_QUESTION.size :])
    start, end, counts = buffer.offset, buffer.offset, [0, 0, 0]
    for at, section in enumerate(sections):
        for record in section:
            _resource(record).pack(buffer)
            if buffer.offset > limit:
                return bytes(buffer.data[start:end]), counts
            end = buffer.offset
            counts[at] += 1
    return bytes(buffer.data[start:end]), counts


class _Plain(DNSBuffer):  # type: ignore[misc]
    """Packs names in full, so that a record is the same bytes in every message."""

    def encode_name(self, name: Any) -> None:
        self.encode_name_nocompress(name)


@lru_cache(maxsize=_REMEMBERED)
def packed(record: Record) -> bytes:
    """A record whose names are not compressed."""
    buffer = _Plain()
    _resource(record).pack(buffer)
    return bytes(buffer.data)


def _resource(record: Record) -> RR:
    kind = getattr(QTYPE, record.type)
    return RR(_label(record.name), kind, CLASS.IN, record.ttl, _data(record.type, record.data))


def _data(kind: str, text: str) -> RD:
    words = text.split()
    match kind:
        case "A":
            return A(text)
        case "AAAA":
            return AAAA(text)
        case "SRV":
            return SRV(*map(int, words[:3]), _label(words[3]))
        case "SOA":
            return SOA(_label(words[0]), _label(words[1]), [int(w) for w in words[2:]])
        case "TXT":
            return TXT(text.strip('"').encode())
    return {"CNAME": CNAME, "NS": NS, "PTR": PTR}[kind](_label(text))


def _label(name: str) -> DNSLabel:
    return DNSLabel([_label_bytes(label) for label in labels_of_name(name)])


def _label_text(label: bytes) -> str:
    if label.replace(b"-", b"").isalnum():
        return label.decode("ascii")
    return "".join(
        f"\\{chr(b)}" if chr(b) in '."();@$\\' else chr(b) if 33 <= b < 127 else f"\\{b:03d}" for b in label
    )


def _label_bytes(text: str) -> bytes:
    if "\\" not in text:
        return text.encode()
    found, at = bytearray(), 0
    while at < len(text):
        if text[at] != "\\":
            found.append(ord(text[at]))
            at += 1
        elif text[at + 1 : at + 4].isdigit():
            found.append(int(text[at + 1 : at + 4]))
            at += 4
        else:
            found.append(ord(text[at + 1]))
            at += 2
    return bytes(found)
