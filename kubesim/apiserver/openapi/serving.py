"""`OpenAPI`: answers requests for `/openapi/v2` and `/openapi/v3`.

A document is written when it is first asked for, which takes some 20 ms, and kept compressed, which all of them
together are in 1 MiB. Its hash is that of what it is made from, so that the index, which names all hashes, needs
none of them. Sources: k8s.io/kube-openapi pkg/{handler,handler3}, k8s.io/kube-aggregator
pkg/controllers/openapiv3.
"""

from __future__ import annotations

import gzip
import hashlib
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Final, Protocol
from urllib.parse import quote

from kubesim.apimachinery.rest import JSON, Request, Response
from kubesim.apimachinery.schema.published import FACTS, Published
from kubesim.apimachinery.schema.tables import definitions_file, minor_of, source_stamp
from kubesim.apimachinery.scheme import Scheme
from kubesim.apiserver.negotiation import accept_clauses
from kubesim.apiserver.openapi.documents import Documents, document_keys, swagger, swagger_head
from kubesim.apiserver.openapi.protobuf import encode_document
from kubesim.apiserver.requestinfo import first
from kubesim.util.jsontypes import JSONObject, encode
from kubesim.version import VERSION

V2_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_OLD_V2_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
_V2_TYPES: Final = {JSON: JSON, _OLD_V2_PROTOBUF: V2_PROTOBUF, V2_PROTOBUF: V2_PROTOBUF}
_V3_TYPES: Final = {JSON: JSON}
_SWAGGER, _SWAGGER_PROTOBUF = "v2", "v2 in protobuf"
_LEVEL: Final = 6
_YEAR: Final = timedelta(days=365)


class Writer(Protocol):
    """Writes the documents of a source, as they are now."""

    def v3(self, key: str) -> bytes:
        """The document of version 3 of a key, in JSON."""
        ...

    def v2_paths(self) -> Iterable[tuple[str, JSONObject]]:
        """Its paths in the document of version 2."""
        ...

    def v2_definitions(self) -> Iterable[tuple[str, JSONObject]]:
        """The definitions that those refer to."""
        ...


class Source(Protocol):
    """Where documents come from. The built-in kinds are one; CustomResourceDefinitions will be another, whose
    hashes change with them.
    """

    def hashes(self) -> Mapping[str, str]:
        """By key, a word that changes whenever the document of version 3 does; for `apps/v1`, the key is
        `apis/apps/v1`. Asked for at each request.
        """
        ...

    def writer(self) -> Writer:
        """What writes the documents; made when one is wanted, and not kept."""
        ...


class BuiltinKinds:
    """The documents of the kinds of a scheme, which never change."""

    def __init__(self, scheme: Scheme, *, title_version: str) -> None:
        self._scheme = scheme
        self._title_version = title_version

    def hashes(self) -> Mapping[str, str]:
        return self._hashes

    @cached_property
    def _hashes(self) -> Mapping[str, str]:
        sources = sorted(Path(__file__).parent.glob("*.py"))
        made_from = f"{VERSION} {self._title_version} {source_stamp(FACTS, *sources)}"
        return {key: _hash(f"{made_from} {key}".encode()) for key in document_keys(self._scheme)}

    def writer(self) -> Documents:
        version = self._scheme.version
        published = Published(definitions_file(version), minor_of(version))
        return Documents(self._scheme, published, self._title_version)


class OpenAPI:
    """The documents of some sources; where two have a key, the first one's is served. `title_version` is what
    they call the version of Kubernetes, `now` the time that answers expire after. Safe to be called from several
    threads.
    """

    def __init__(self, sources: Sequence[Source], *, title_version: str, now: Callable[[], datetime]) -> None:
        self._sources = sources
        self._title_version = title_version
        self._now = now
        self._written: dict[str, tuple[str, bytes]] = {}
        self._lock = Lock()

    def handle(self, request: Request) -> Response | None:
        """The answer to a GET or HEAD of a path below /openapi/; None for a path that is none of ours."""
        path = request.path
        if path == "/openapi/v2":
            return self._v2(request)
        if path == "/openapi/v3":
            return self._index(request)
        if path.startswith("/openapi/v3/"):
            return self._v3(request, path.removeprefix("/openapi/v3/"))
        return None

    def _hashes(self) -> Mapping[str, str]:
        return ChainMap(*(dict(source.hashes()) for source in self._sources))

    def _index(self, request: Request) -> Response:
        paths = {
            key: {"serverRelativeURL": _url(key, found)} for key, found in sorted(self._hashes().items())
        }
        body = encode({"paths": paths})
        return _answer(request, body, {"content-type": JSON, "etag": f'"{_hash(body)}"'})

    def _v2(self, request: Request) -> Response:
        media_type = _accepted(request, _V2_TYPES)
        if not media_type:
            return Response(406, None, {"vary": "Accept"})
        name = _SWAGGER if media_type == JSON else _SWAGGER_PROTOBUF
        found = _hash(encode(sorted(self._hashes().items())))
        return self._document(request, name, found, media_type, {})

    def _v3(self, request: Request, key: str) -> Response:
        found = self._hashes().get(key)
        if found is None:
            return Response(404, None)
        media_type = _accepted(request, _V3_TYPES)
        if not media_type:
            return Response(406, None, {"vary": "Accept"})
        headers = {}
        if asked := first(request.query, "hash"):
            if asked != found:
                where = {"location": _url(key, found), "content-type": media_type, "vary": "Accept"}
                return Response(301, None, where)
            expires = format_datetime(self._now() + _YEAR, usegmt=True)
            headers = {"cache-control": "public, immutable", "expires": expires}
        return self._document(request, key, found, media_type, headers)

    def _document(
        self, request: Request, name: str, found: str, media_type: str, headers: dict[str, str]
    ) -> Response:
        headers = {**headers, "content-type": media_type, "etag": f'"{found}"', "vary": "Accept"}
        if _matches(request, headers["etag"]):
            return Response(304, None, headers)
        compressed = self._compressed(name, found)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers |= {"content-encoding": "gzip", "vary": "Accept, Accept-Encoding"}
            return Response(200, compressed, headers)
        return Response(200, gzip.decompress(compressed), headers)

    def _compressed(self, name: str, found: str) -> bytes:
        with self._lock:  # whoever comes second waits for the first one's work
            kept, compressed = self._written.get(name, ("", b""))
            if kept != found:
                compressed = gzip.compress(self._write(name), _LEVEL, mtime=0)
                self._written[name] = found, compressed
            return compressed

    def _write(self, name: str) -> bytes:
        if name not in (_SWAGGER, _SWAGGER_PROTOBUF):
            source = next(s for s in self._sources if name in s.hashes())
            return source.writer().v3(name)
        writers = [source.writer() for source in self._sources]
        paths = _first_of_each(pair for writer in writers for pair in writer.v2_paths())
        definitions = _first_of_each(pair for writer in writers for pair in writer.v2_definitions())
        write = swagger if name == _SWAGGER else encode_document
        return write(swagger_head(self._title_version), paths, definitions)


def _first_of_each(pairs: Iterable[tuple[str, JSONObject]]) -> Iterator[tuple[str, JSONObject]]:
    """The pairs without those whose name was there before."""
    seen = set()
    for name, value in pairs:
        if name not in seen:
            seen.add(name)
            yield name, value


def _hash(text: bytes) -> str:
    return hashlib.sha512(text).hexdigest().upper()


def _url(key: str, found: str) -> str:
    return f"/openapi/v3/{quote(key)}?hash={found}"


def _accepted(request: Request, served: Mapping[str, str]) -> str:
    """The content type of the answer: the first clause of Accept that something served fits, as goautoneg
    orders them.
    """
    for clause in accept_clauses(request.headers.get("accept") or "*/*"):
        wanted = clause.partition(";")[0].strip()
        for media_type, returned in served.items():
            if wanted in (media_type, "*/*", "application/*"):
                return returned
    return ""


def _matches(request: Request, etag: str) -> bool:
    """Whether If-None-Match names the tag, or anything."""
    asked = (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(","))
    return any(tag in (etag, "*") for tag in asked)


def _answer(request: Request, body: bytes, headers: dict[str, str]) -> Response:
    return (
        Response(304, None, headers) if _matches(request, headers["etag"]) else Response(200, body, headers)
    )
