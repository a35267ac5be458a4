"""CertificateSigningRequests: the request itself is read here, as far as the page shows it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address

from kubesim.apimachinery.labels import format_labels
from kubesim.apimachinery.meta import annotations_of, labels_of, metadata_of, name_of
from kubesim.cli.describe.page import Page, long_time
from kubesim.cli.errors import CLIError
from kubesim.util.durations import human_duration
from kubesim.util.jsontypes import JSONObject, dig

# Attribute types of names, and the request's list of extensions: RFC 5280 and 2986, in DER.
NAMES = {
    "550403": "Common Name",
    "550405": "Serial Number",
    "55040a": "Organization",
    "55040b": "Organizational Unit",
    "550406": "Country",
    "550407": "Locality",
    "550408": "Province",
    "550409": "StreetAddress",
    "550411": "PostalCode",
}
LISTED = tuple(NAMES.values())[2:]
EXTENSION_REQUEST = "2a864886f70d01090e"
SUBJECT_ALTERNATIVE_NAME = "551d11"
ALTERNATIVES = {0x82: "DNS Names", 0x81: "Email Addresses", 0x86: "URIs", 0x87: "IP Addresses"}


@dataclass(slots=True)
class CertificateRequest:
    """What a request says: values by their titles on the page."""

    subject: dict[str, list[str]] = field(default_factory=dict)
    alternatives: dict[str, list[str]] = field(default_factory=dict)


def signing_request(page: Page, obj: JSONObject) -> None:
    """As describeCertificateSigningRequest. Raises CLIError where the request cannot be read."""
    spec: JSONObject = obj.get("spec") or {}
    try:
        request = parse_request(base64.b64decode(spec.get("request") or ""))
    except ValueError as error:
        raise CLIError(f"Error parsing CSR: {error}") from None
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Labels:", format_labels(labels_of(obj)))
    page.line(0, "Annotations:", format_labels(annotations_of(obj)))
    page.line(0, "CreationTimestamp:", long_time(metadata_of(obj).get("creationTimestamp")))
    page.line(0, "Requesting User:", spec.get("username", ""))
    if spec.get("signerName"):
        page.line(0, "Signer:", spec["signerName"])
    if spec.get("expirationSeconds") is not None:
        page.line(0, "Requested Duration:", human_duration(timedelta(seconds=spec["expirationSeconds"])))
    page.line(0, "Status:", _status(obj))
    page.write(0, "Subject:\n")
    for title in ("Common Name", "Serial Number"):
        page.write(0, f"\t{title}:\t{(request.subject.get(title) or [''])[-1]}\n")
    for title in LISTED:
        _list(page, title, request.subject.get(title) or [])
    if request.alternatives:
        page.write(0, "Subject Alternative Names:\n")
        for title in ALTERNATIVES.values():
            _list(page, title, request.alternatives.get(title) or [])
    page.events(obj)


def _list(page: Page, title: str, values: Sequence[str]) -> None:
    if values:
        text = "\n\t\t".join(values)
        page.write(0, f"\t{title}:\t{text}\n")


def _status(obj: JSONObject) -> str:
    """As extractCSRStatus."""
    types = {c.get("type") for c in dig(obj, "status", "conditions", default=[])}
    text = "Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"
    text += ",Failed" if "Failed" in types else ""
    return f"{text},Issued" if dig(obj, "status", "certificate") else text


def parse_request(pem: bytes) -> CertificateRequest:
    """Read a PEM block of a PKCS #10 request. Raises ValueError."""
    begin, end = b"-----BEGIN CERTIFICATE REQUEST-----", b"-----END CERTIFICATE REQUEST-----"
    start = pem.find(begin)
    stop = pem.find(end, start)
    if start < 0 or stop < 0:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    try:
        data = base64.b64decode(b"".join(pem[start + len(begin) : stop].split()), validate=True)
        return _request(data)
    except (binascii.Error, IndexError, StopIteration):
        raise ValueError("PEM block type must be CERTIFICATE REQUEST") from None


def _request(data: bytes) -> CertificateRequest:
    found = CertificateRequest()
    _, whole = next(_elements(data))
    _, information = next(_elements(whole))
    _version, (_, subject), _key, *attributes = _elements(information)
    for _, relative in _elements(subject):
        for _, pair in _elements(relative):
            (_, kind), (_, value) = _elements(pair)
            title = NAMES.get(kind.hex())
            if title:
                found.subject.setdefault(title, []).append(value.decode(errors="replace"))
    for _, content in attributes:
        for _, attribute in _elements(content):
            (_, kind), (_, values) = _elements(attribute)
            if kind.hex() == EXTENSION_REQUEST:
                for _, extensions in _elements(values):
                    _alternatives(extensions, found)
    return found


def _alternatives(extensions: bytes, found: CertificateRequest) -> None:
    for _, extension in _elements(extensions):
        (_, kind), *_critical, (_, value) = _elements(extension)
        if kind.hex() != SUBJECT_ALTERNATIVE_NAME:
            continue
        _, names = next(_elements(value))
        for tag, name in _elements(names):
            title = ALTERNATIVES.get(tag)
            if title:
                text = str(ip_address(name)) if tag == 0x87 else name.decode(errors="replace")
                found.alternatives.setdefault(title, []).append(text)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of DER one after the other: tag and content. Raises IndexError at an early end."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            raise IndexError("truncated")
        yield tag, data[at : at + length]
        at += length
