"""Whether a certificate and a private key belong together: Go's tls.X509KeyPair, with its texts."""

from __future__ import annotations

import re
import ssl
import tempfile
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubesim.cli.errors import CLIError

_BLOCK = re.compile(
    rb"^-----BEGIN ([^\n]*?)-----[ \t\r]*\n(.*?)^-----END \1-----[ \t\r]*$", re.DOTALL | re.MULTILINE
)
_HEADERS = re.compile(rb"(?:[^\n:]+:[^\n]*\n)+")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of PEM."""

    label: str
    data: bytes


def check_key_pair(certificate: bytes, key: bytes) -> None:
    """Raises CLIError where the files, in PEM, are no certificate and the key to it."""
    first = _certificate(list(_blocks(certificate)))
    private = _private_key(list(_blocks(key)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")  # Go looks at no key's length here
    try:
        context.load_verify_locations(cadata=first.data)
    except ssl.SSLError:
        raise CLIError("x509: malformed certificate") from None
    with tempfile.TemporaryDirectory() as directory:
        files = Path(directory, "cert"), Path(directory, "key")
        files[0].write_text(ssl.DER_cert_to_PEM_cert(first.data))
        files[1].write_bytes(key[key.index(f"-----BEGIN {private.label}-----".encode()) :])
        files[1].chmod(0o600)
        try:
            context.load_cert_chain(*files, password="")
        except ssl.SSLError as error:
            raise CLIError(_REASONS.get(error.reason or "", "tls: failed to parse private key")) from None


_REASONS = {
    "KEY_VALUES_MISMATCH": "tls: private key does not match public key",
    "KEY_TYPE_MISMATCH": "tls: private key type does not match public key type",
    "NO_CERTIFICATE_ASSIGNED": "tls: private key type does not match public key type",
}


def _certificate(blocks: list[Block]) -> Block:
    """The first certificate."""
    found = next((b for b in blocks if b.label == "CERTIFICATE"), None)
    if found:
        return found
    labels = [b.label for b in blocks]
    if not labels:
        raise CLIError("tls: failed to find any PEM data in certificate input")
    if len(labels) == 1 and labels[0].endswith("PRIVATE KEY"):
        raise CLIError(
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
            "PEM inputs may have been switched"
        )
    raise CLIError(
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the '
        f"following types: [{' '.join(labels)}]"
    )


def _private_key(blocks: list[Block]) -> Block:
    """The first private key."""
    found = next((b for b in blocks if b.label == "PRIVATE KEY" or b.label.endswith(" PRIVATE KEY")), None)
    if found:
        return found
    labels = [b.label for b in blocks]
    if not labels:
        raise CLIError("tls: failed to find any PEM data in key input")
    if labels == ["CERTIFICATE"]:
        raise CLIError("tls: found a certificate rather than a key in the PEM for the private key")
    raise CLIError(
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM '
        f"blocks of the following types: [{' '.join(labels)}]"
    )


def _blocks(text: bytes) -> Iterator[Block]:
    """The blocks of a text; those that cannot be read are passed over, as pem.Decode does."""
    for label, body in _BLOCK.findall(text):
        headers = _HEADERS.match(body)
        encoded = body[headers.end() :] if headers else body
        try:
            data = b64decode(b"".join(encoded.split()), validate=True)
        except Base64Error:
            continue
        yield Block(label.decode("utf-8", "replace"), data)
