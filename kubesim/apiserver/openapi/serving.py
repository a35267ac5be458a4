"""`OpenAPI`: answers requests for `/openapi/v2` and `/openapi/v3`.

A document is written when it is first asked for, which takes some 20 ms, and kept compressed, which all of them
together are in 1 MiB. Its hash is that of what it is made from, so that the index, which names all hashes, needs
none of them. Sources: k8s.io/kube-openapi pkg/{handler,handler3}, k8s.io/kube-aggregator
pkg/controllers/openapiv3.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import quote

from kubesim.apimachinery.rest import JSON, Request, Response
from kubesim.apimachinery.schema.published import FACTS, Published
from kubesim.apimachinery.schema.tables import definitions_file, minor_of, source_stamp
from kubesim.apimachinery.scheme import Scheme
from kubesim.apiserver.negotiation import accept_clauses
from kubesim.apiserver.openapi.documents import Documents, document_keys
from kubesim.apiserver.openapi.protobuf import encode_document
from kubesim.apiserver.requestinfo import first
from kubesim.util.jsontypes import encode
from kubesim.version import VERSION

V2_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_OLD_V2_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
_V2_TYPES: Final = {JSON: JSON, _OLD_V2_PROTOBUF: V2_PROTOBUF, V2_PROTOBUF: V2_PROTOBUF}
_V3_TYPES: Final = {JSON: JSON}
_LEVEL: Final = 6
_YEAR: Final = timedelta(days=365)


class OpenAPI:
    """The documents of one scheme. `title_version` is what they call the version of Kubernetes, `now` the time
    that answers expire after. Safe to be called from several threads.
    """

    def __init__(self, scheme: Scheme, *, title_version: str, now: Callable[[], datetime]) -> None:
        self._scheme = scheme
        self._title_version = title_version
        self._now = now
        self._written: dict[str, bytes] = {}
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

    @cached_property
    def hashes(self) -> Mapping[str, str]:
        """The hash of each document of version 3 by its key; "" is that of version 2.

        CustomResourceDefinitions will add keys here, and their documents in `_write`.
        """
        here = Path(__file__).parent
        sources = sorted(p for p in here.glob("*.py"))
        made_from = f"{VERSION} {self._title_version} {source_stamp(FACTS, *sources)}"
        return {key: _hash(f"{made_from} {key}".encode()) for key in ("", *document_keys(self._scheme))}

    def _index(self, request: Request) -> Response:
        paths = {key: {"serverRelativeURL": _url(key, found)} for key, found in self.hashes.items() if key}
        body = encode({"paths": paths})
        return _answer(request, body, {"content-type": JSON, "etag": f'"{_hash(body)}"'})

    def _v2(self, request: Request) -> Response:
        media_type = _accepted(request, _V2_TYPES)
        if not media_type:
            return Response(406, None, {"vary": "Accept"})
        name = "v2" if media_type == JSON else "v2.pb"
        return self._document(request, name, self.hashes[""], media_type, {})

    def _v3(self, request: Request, key: str) -> Response:
        found = self.hashes.get(key) if key else None
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
        compressed = self._compressed(name)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers |= {"content-encoding": "gzip", "vary": "Accept, Accept-Encoding"}
            return Response(200, compressed, headers)
        return Response(200, gzip.decompress(compressed), headers)

    def _compressed(self, name: str) -> bytes:
        with self._lock:  # whoever comes second waits for the first one's work
            if name not in self._written:
                self._written[name] = gzip.compress(self._write(name), _LEVEL, mtime=0)
            return self._written[name]

    def _write(self, name: str) -> bytes:
        version = self._scheme.version
        published = Published(definitions_file(version), minor_of(version))
        documents = Documents(self._scheme, published, self._title_version)
        if name == "v2":
            return documents.v2()
        if name == "v2.pb":
            return encode_document(documents.v2_head(), documents.v2_paths(), documents.v2_definitions())
        return documents.v3(name)


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
