"""Objects in protobuf become what Go writes of them as JSON; what is no object is refused in Go's words."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.protobuf.decode import EnvelopeError, MessageError, decode_object

POD = GroupVersionKind("", "v1", "Pod")
RECORDED = json.loads(Path(__file__).with_name("kubectl_1_32.json").read_text(encoding="utf-8"))
"""What kubectl 1.32 posts for a command line, and the JSON that it prints for the same with --dry-run=client."""


def without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_null(v) for k, v in value.items() if v is not None}
    return [without_null(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["command"][:40])
def test_what_kubectl_posts_is_what_it_prints(recorded):
    assert decode_object(base64.b64decode(recorded["body"]), POD) == without_null(recorded["object"])


# By hand: a length in front of bytes, and bytes under a number.


def data(number: int, held: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(held)) + held


def number(at: int, value: int) -> bytes:
    return varint(at << 3) + varint(value)


def varint(value: int) -> bytes:
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])


def body(kind: str, raw: bytes, api_version: str = "v1") -> bytes:
    return b"k8s\0" + data(1, data(1, api_version.encode()) + data(2, kind.encode())) + data(2, raw)


def read(kind: str, raw: bytes, api_version: str = "v1") -> dict[str, Any]:
    found = decode_object(body(kind, raw, api_version), POD)
    assert (found.pop("kind"), found.pop("apiVersion")) == (kind, api_version)
    return found


def container(raw: bytes) -> bytes:
    """A Pod with one container."""
    return data(2, data(2, raw))


PLAIN = {
    "a zero that JSON leaves out": ("Pod", data(1, data(1, b"") + number(7, 0)), {"metadata": {}}),
    "a zero that a pointer points to": ("Pod", data(2, number(5, 0)), {"spec": {"activeDeadlineSeconds": 0}}),
    "a zero without omitempty": ("Endpoints", data(2, data(3, data(1, b"") + number(2, 0))),
        {"subsets": [{"ports": [{"port": 0}]}]}),
    "a number below zero": ("Pod", data(2, number(25, (1 << 64) - 5)), {"spec": {"priority": -5}}),
    "a number of 32 bits in four bytes": ("Pod", data(2, number(25, (1 << 32) - 5)), {"spec": {"priority": -5}}),
    "the zero time": ("Pod", data(1, data(8, b"")), {"metadata": {}}),
    "the beginning of time": ("Pod", data(1, data(8, number(1, 0) + number(2, 0))),
        {"metadata": {"creationTimestamp": "1970-01-01T00:00:00Z"}}),
    "a time without its nanoseconds": ("Pod", data(1, data(8, number(1, 1767225600) + number(2, 999999999))),
        {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}),
    "Go's zero time": ("Pod", data(1, data(8, number(1, (1 << 64) - 62135596800))), {"metadata": {}}),
    "an empty map value": ("ConfigMap", data(2, data(1, b"k")), {"data": {"k": ""}}),
    "an empty quantity in a map": ("ResourceQuota", data(2, data(1, data(1, b"cpu"))), {"spec": {"hard": {"cpu": "0"}}}),
    "a quantity that is not canonical": ("ResourceQuota", data(2, data(1, data(1, b"cpu") + data(2, data(1, b"1000m")))),
        {"spec": {"hard": {"cpu": "1"}}}),
    "bytes": ("Secret", data(2, data(1, b"k") + data(2, b"\xff\0")), {"data": {"k": "/wA="}}),
    "a struct inlined": ("Pod", data(2, data(1, data(1, b"v") + data(2, data(2, data(1, b""))))),
        {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}),
    "an ephemeral container, inlined too": ("Pod", data(2, data(34, data(1, data(1, b"d")) + data(2, b"c"))),
        {"spec": {"ephemeralContainers": [{"name": "d", "targetContainerName": "c"}]}}),
    "a number or a text": ("Service", data(2, data(1, number(3, 80) + data(4, number(1, 1) + data(3, b"http")))),
        {"spec": {"ports": [{"port": 80, "targetPort": "http"}]}}),
    "a number or a text, unset": ("Service", data(2, data(1, number(3, 80) + data(4, b""))),
        {"spec": {"ports": [{"port": 80, "targetPort": 0}]}}),
    "managed fields": ("Pod", data(1, data(17, data(7, data(1, b'{"f:spec":{}}')))),
        {"metadata": {"managedFields": [{"fieldsV1": {"f:spec": {}}}]}}),
    "managed fields that are none": ("Pod", data(1, data(17, data(7, b""))), {"metadata": {"managedFields": [{}]}}),
    "a struct in two parts": ("Pod", data(1, data(1, b"a")) + data(1, data(3, b"b")),
        {"metadata": {"name": "a", "namespace": "b"}}),
    "a text given twice": ("Pod", data(1, data(1, b"a") + data(1, b"b")), {"metadata": {"name": "b"}}),
    "a text taken back": ("Pod", data(1, data(1, b"a") + data(1, b"")), {"metadata": {}}),
    "numbers in one": ("Pod", data(2, data(14, data(4, varint(1) + varint(300)))),
        {"spec": {"securityContext": {"supplementalGroups": [1, 300]}}}),
    "numbers one by one": ("Pod", data(2, data(14, number(4, 1) + number(4, 300))),
        {"spec": {"securityContext": {"supplementalGroups": [1, 300]}}}),
    "fields of tomorrow": ("Pod", number(900, 5) + data(901, b"xyz") + varint(902 << 3 | 1) + b"12345678"
        + varint(903 << 3 | 5) + b"1234" + data(1, data(1, b"a")), {"metadata": {"name": "a"}}),
    "a group of tomorrow": ("Pod", varint(900 << 3 | 3) + data(1, b"x") + varint(901 << 3 | 3) + varint(901 << 3 | 4)
        + varint(900 << 3 | 4) + data(1, data(1, b"a")), {"metadata": {"name": "a"}}),
    "bytes that are no text": ("Pod", data(1, data(1, b"a\xff")), {"metadata": {"name": "a\N{REPLACEMENT CHARACTER}"}}),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "raw", "expected"), PLAIN.values(), ids=PLAIN)
def test_read_as_json_has_it(kind, raw, expected):
    assert read(kind, raw) == expected


def schema_of(raw: bytes) -> Any:
    """What a CustomResourceDefinition has as its schema."""
    found = read(
        "CustomResourceDefinition", data(2, data(7, data(4, data(1, raw)))), "apiextensions.k8s.io/v1"
    )
    return found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


STRING_TYPE = data(5, b"string")
SCHEMAS = {
    "a default": (data(8, data(1, b'{"a":[1,2.5]}')), {"default": {"a": [1, 2.5]}}),
    "a real number": (b"\x49\0\0\0\0\0\0\xf8\x3f", {"maximum": 1.5}),
    "a whole number": (b"\x49\0\0\0\0\0\0\x24\x40", {"maximum": 10}),
    "names as JSON has them": (data(2, b"s") + data(3, b"r") + number(38, 1),
        {"$schema": "s", "$ref": "r", "x-kubernetes-preserve-unknown-fields": True}),
    "items": (data(24, data(1, STRING_TYPE)), {"items": {"type": "string"}}),
    "items, several": (data(24, data(2, STRING_TYPE) + data(2, b"")), {"items": [{"type": "string"}, {}]}),
    "no additional properties": (data(30, number(1, 0)), {"additionalProperties": False}),
    "additional properties": (data(30, number(1, 1) + data(2, STRING_TYPE)),
        {"additionalProperties": {"type": "string"}}),
    "dependencies": (data(32, data(1, b"a") + data(2, data(2, b"b"))), {"dependencies": {"a": ["b"]}}),
    "properties": (data(29, data(1, b"p") + data(2, STRING_TYPE)), {"properties": {"p": {"type": "string"}}}),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "expected"), SCHEMAS.values(), ids=SCHEMAS)
def test_schema_of_a_definition(raw, expected):
    assert schema_of(raw) == expected


def test_extra_of_a_review_is_lists_of_texts():
    extra = data(5, data(1, b"k") + data(2, data(1, b"a") + data(1, b"b")))
    found = read("SubjectAccessReview", data(2, extra), "authorization.k8s.io/v1")
    assert found == {"spec": {"extra": {"k": ["a", "b"]}}}


def test_time_to_the_microsecond():
    raw = data(2, data(3, number(1, 1767225600) + number(2, 123456789)))
    found = read("Lease", raw, "coordination.k8s.io/v1")
    assert found == {"spec": {"acquireTime": "2026-01-01T00:00:00.123456Z"}}


def test_objects_within_an_object():
    inner = body("ConfigMap", data(1, data(1, b"x")))
    found = read("List", data(2, data(1, b'{"kind":"Foo"}')) + data(2, data(1, inner)))
    assert found["items"] == [
        {"kind": "Foo"},
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x"}},
    ]


def test_options_have_the_group_of_their_request():
    assert read("DeleteOptions", number(1, 0), "apps/v1") == {"gracePeriodSeconds": 0}


DEFAULTED = {
    "nothing said": (b"", "v1", "Pod"),
    "the kind said": (data(2, b"Service"), "v1", "Service"),
    "the version said": (data(1, b"v1"), "v1", "Pod"),
    "a version that is none": (data(1, b"a/b/c") + data(2, b"Pod"), "v1", "Pod"),
}


@pytest.mark.parametrize(("meta", "api_version", "kind"), DEFAULTED.values(), ids=DEFAULTED)
def test_what_the_envelope_does_not_say_is_as_the_path_has_it(meta, api_version, kind):
    found = decode_object(b"k8s\0" + data(1, meta) + data(2, b""), POD)
    assert (found["apiVersion"], found["kind"]) == (api_version, kind)


PREFIX = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
ENVELOPES = {
    "nothing": (b"", "empty data"),
    "JSON": (b'{"kind":"Pod"}', PREFIX),
    "less than the magic": (b"k8s", PREFIX),
    "nothing behind the magic": (b"k8s\0", "empty body"),
    "no length": (b"k8s\0\x0a", "unexpected EOF"),
    "too long": (b"k8s\0\x0a\x05ab", "unexpected EOF"),
    "absurdly long": (b"k8s\0\x12" + b"\xff" * 8 + b"\x7f", "unexpected EOF"),
    "a length below zero": (b"k8s\0\x12" + b"\xff" * 9 + b"\x01", "proto: negative length found during unmarshaling"),
    "a number that does not end": (b"k8s\0\x12" + b"\xff" * 11, "proto: integer overflow"),
    "a number that is cut off": (b"k8s\0\xff", "unexpected EOF"),
    "another wire type": (b"k8s\0\x10\x01", "proto: wrong wireType = 0 for field Raw"),
    "the number nought": (b"k8s\0\x00\x01", "proto: Unknown: illegal tag 0 (wire type 0)"),
    "the end of no group": (b"k8s\0\x0c", "proto: Unknown: wiretype end group for non-group"),
    "no such wire type": (b"k8s\0\xf7\x01", "proto: illegal wireType 7"),
    "a group that does not end": (b"k8s\0\xf3\x01", "unexpected EOF"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "text"), ENVELOPES.values(), ids=ENVELOPES)
def test_no_envelope(sent, text):
    with pytest.raises(EnvelopeError) as raised:
        decode_object(sent, POD)
    assert str(raised.value) == text


MESSAGES = {
    "cut off": ("Pod", b"\x0a\x05\x0a", "unexpected EOF"),
    "cut off within": ("Pod", data(1, b"\x0a\x05a"), "unexpected EOF"),
    "over the edge of what is around it": ("Pod", data(1, b"\x0a\x80") + b"\x01", "unexpected EOF"),
    "a field with its Go name": ("Pod", data(1, number(5, 1)), "proto: wrong wireType = 0 for field UID"),
    "a field by its capital": ("Pod", data(1, number(1, 1)), "proto: wrong wireType = 0 for field Name"),
    "no quantity": ("ResourceQuota", data(2, data(1, data(1, b"cpu") + data(2, data(1, b"many")))),
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
    "no JSON": ("Pod", data(1, data(17, data(7, data(1, b"{x")))),
        "invalid character 'x' looking for beginning of object key string"),
    "neither a number nor a text": ("Service", data(2, data(1, data(4, number(1, 7)))), "impossible IntOrString.Type"),
    "no such year": ("Pod", data(1, data(8, number(1, 1 << 62))), "Time.MarshalJSON: year outside of range [0,9999]"),
    "no such kind": ("Nosuch", b"",
        'no kind "Nosuch" is registered for version "v1" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "raw", "text"), MESSAGES.values(), ids=MESSAGES)
def test_no_object(kind, raw, text):
    with pytest.raises(MessageError) as raised:
        decode_object(body(kind, raw), POD)
    assert raised.value.gvk == GroupVersionKind("", "v1", kind)
    assert str(raised.value) == text


def test_nesting_has_an_end():
    raw = STRING_TYPE
    for _ in range(1000):
        raw = data(28, raw)
    with pytest.raises(MessageError, match="proto: exceeded max recursion depth"):
        schema_of(raw)


def test_envelopes_within_envelopes_have_an_end():
    inner = b"{}"
    for _ in range(1000):
        inner = body("List", data(2, data(1, inner)))
    with pytest.raises(MessageError, match="proto: exceeded max recursion depth"):
        decode_object(inner, POD)


BODIES = [base64.b64decode(r["body"]) for r in RECORDED]


@given(st.sampled_from(BODIES), st.data())
def test_a_damaged_body_is_refused_or_read(sent, drawn):
    damaged = bytearray(sent)
    for _ in range(drawn.draw(st.integers(1, 4))):
        damaged[drawn.draw(st.integers(4, len(damaged) - 1))] = drawn.draw(st.integers(0, 255))
    cut = drawn.draw(st.integers(0, len(damaged)))
    for one in (bytes(damaged), bytes(damaged[:cut])):
        try:
            found = decode_object(one, POD)
        except (EnvelopeError, MessageError):
            continue
        json.dumps(found, allow_nan=False)


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_read(raw):
    with contextlib.suppress(MessageError):
        json.dumps(decode_object(body("Pod", raw), POD), allow_nan=False)
