"""The documents as they come over a connection."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest
from support.served import Served, served

PATH = "/openapi/v3/apis/apps/v1"


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    with served() as found:
        yield found


def test_document_is_compressed_once(api: Served) -> None:
    plain = api.ask("GET", PATH)
    packed = api.ask("GET", PATH, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert plain.json["openapi"] == "3.0.0"


def test_head_and_known_documents_have_no_body(api: Served) -> None:
    head = api.ask("HEAD", PATH)
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 100_000
    known = api.ask("GET", PATH, headers={"if-none-match": head.headers["etag"]})
    assert (known.status, known.body) == (304, b"")


def test_caching_is_that_of_the_hash(api: Served) -> None:
    url = api.ask("GET", "/openapi/v3").json["paths"]["apis/apps/v1"]["serverRelativeURL"]
    assert api.ask("GET", url).headers["cache-control"] == "public, immutable"
    assert api.ask("GET", PATH).headers["cache-control"] == "no-cache, private"
    stale = api.ask("GET", f"{PATH}?hash=OLD")
    assert (stale.status, stale.headers["location"], stale.body) == (301, url, b"")


def test_version_2_is_the_same_in_both_forms_for_all_clients(api: Served) -> None:
    swagger = api.ask("GET", "/openapi/v2", headers={"accept": "application/json", "accept-encoding": "gzip"})
    assert json.loads(gzip.decompress(swagger.body))["swagger"] == "2.0"
    accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    protobuf = api.ask("GET", "/openapi/v2", headers={"accept": accept})
    assert protobuf.body.startswith(b"\x0a\x032.0")
    assert protobuf.headers["etag"] == swagger.headers["etag"]


def test_nothing_fits(api: Served) -> None:
    refused = api.ask("GET", PATH, headers={"accept": "text/html"})
    assert (refused.status, refused.body) == (406, b"")
