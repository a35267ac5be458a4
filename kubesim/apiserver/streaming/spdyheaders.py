"""SPDY/3.1's header blocks: names and values, compressed with a dictionary that both sides know.

Source: draft-mbelshe-httpbis-spdy-00, section 2.6.10. One compression context serves each direction of a connection
from its first block to its last, so a block that was not read makes all later ones unreadable.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Final

MAX_BLOCK: Final = 64 * 1024
"""How long a block may be, unpacked: streams of Kubernetes carry three short headers."""

_NAMES: Final = (  # noqa: SIM905 - fifty words are read more easily so
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
).split()
_VALUES: Final = (
    ("200 OK", "version"),
    ("HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"),
)
_TAIL: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 "
    "Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug "
    "Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch"
    "charset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


class HeaderError(ValueError):
    """A block that cannot be read."""


def _counted(words: tuple[str, ...] | list[str]) -> bytes:
    return b"".join(struct.pack(">I", len(word)) + word.encode() for word in words)


def dictionary() -> bytes:
    """The text that both compressors begin with."""
    words: list[str] = [*_NAMES, *_VALUES[0], *_VALUES[1]]
    return _counted(words) + _TAIL.encode()


class HeaderPacker:
    """The sending direction."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zdict=dictionary())

    def pack(self, headers: Mapping[str, str]) -> bytes:
        """A block; names are written in lower case, as the protocol wants them."""
        parts = [struct.pack(">I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower(), value):
                data = text.encode()
                parts += [struct.pack(">I", len(data)), data]
        return self._compressor.compress(b"".join(parts)) + self._compressor.flush(zlib.Z_SYNC_FLUSH)


class HeaderUnpacker:
    """The receiving direction."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(zdict=dictionary())

    def unpack(self, block: bytes) -> dict[str, str]:
        """Names in lower case with their values; several values of one name are joined by a comma.

        Raises HeaderError.
        """
        try:
            text = self._decompressor.decompress(block, MAX_BLOCK)
        except zlib.error as error:
            raise HeaderError(str(error)) from None
        if self._decompressor.unconsumed_tail:
            raise HeaderError("header block too large")
        at = 0

        def number() -> int:
            nonlocal at
            if len(text) < at + 4:
                raise HeaderError("header block too short")
            (value,) = struct.unpack_from(">I", text, at)
            at += 4
            return int(value)

        def string() -> str:
            nonlocal at
            size = number()
            if size > len(text) - at:
                raise HeaderError("header block too short")
            value = text[at : at + size]
            at += size
            return value.decode("utf-8", "replace")

        headers: dict[str, str] = {}
        for _ in range(number()):
            name, value = string(), string()
            if not name or name != name.lower() or name in headers:
                raise HeaderError("malformed header name")
            headers[name] = value.replace("\0", ", ")
        return headers
