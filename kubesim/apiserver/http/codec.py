"""Bodies on the wire: JSON as Go's encoder writes it, indented for people, YAML for whom that is easier."""

from __future__ import annotations

import zlib
from typing import Any, Final

import orjson

from kubesim.apimachinery.rest import PROTOBUF, YAML, JSONText, Response
from kubesim.util.jsontypes import JSONValue

# Who is taken for a person: apiserver pkg/endpoints/handlers/responsewriters, isPrettyPrint.
_PEOPLE: Final = ("curl", "Wget", "Mozilla/5.0")
_COMPACT: Final = orjson.OPT_APPEND_NEWLINE
_PRETTY: Final = orjson.OPT_INDENT_2
# encoding/json escapes what HTML would take for markup, and what JavaScript takes for line ends.
_ESCAPES: Final = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
GZIP_FROM: Final = 128 * 1024
"""Smaller bodies are not worth it: defaultGzipThresholdBytes."""
_GZIP_LEVEL: Final = 1


def wants_pretty(query: dict[str, list[str]], agent: str) -> bool:
    """Whether JSON should be indented: the parameter `pretty` says so, else who asks."""
    asked = query.get("pretty") if query else None
    if asked:
        return asked[0].lower() not in ("false", "0")
    return agent.startswith(_PEOPLE)


def json_bytes(value: JSONValue, *, pretty: bool = False) -> bytes:
    """JSON as kube-apiserver writes it: one line with its end, or indented without."""
    return _escaped(orjson.dumps(value, option=_PRETTY if pretty else _COMPACT))


def _escaped(text: bytes) -> bytes:
    for character, escape in _ESCAPES:
        if character in text:
            text = text.replace(character, escape)
    return text


def body_bytes(response: Response, *, pretty: bool) -> bytes:
    """The body of a response, in the media type that its headers name."""
    body = response.body
    if body is None:
        return b""
    if isinstance(body, JSONText):
        return _escaped(body) + b"\n"
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode("utf-8", "replace")
    media_type = response.headers.get("content-type")
    if media_type == PROTOBUF:
        from kubesim.apimachinery.protobuf.encode import encode_object

        return encode_object(body)
    if media_type == YAML:
        from kubesim.util.yamlfmt import dump

        return dump(body).encode()
    return json_bytes(body, pretty=pretty)


def frame(event_type: str, obj: dict[str, Any], media_type: str) -> bytes:
    """One event of a watch on the wire: in JSON, unless it is to be protobuf."""
    if media_type == PROTOBUF:
        from kubesim.apimachinery.protobuf.encode import encode_event

        return encode_event(event_type, obj)
    return json_bytes({"type": event_type, "object": obj})


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip: negotiateContentEncoding, which looks for the word alone."""
    return any(part.partition(";")[0].strip() == "gzip" for part in accept_encoding.split(","))


def gzipped(data: bytes) -> bytes:
    """The same bytes in gzip's format; the interpreter is free for others meanwhile."""
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()
