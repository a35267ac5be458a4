"""Whatever object there is, it is the same after it has been through protobuf."""

from __future__ import annotations

import base64
from datetime import UTC
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.protobuf import table as shapes
from kubesim.apimachinery.protobuf.decode import decode_object
from kubesim.apimachinery.protobuf.encode import encode_event, encode_object
from kubesim.apimachinery.protobuf.table import Field, Message, table
from kubesim.apimachinery.protobuf.unions import JOINED
from kubesim.util.clock import format_micro_time, format_time
from kubesim.util.durations import format_nanoseconds

ANY = GroupVersionKind("", "v1", "Nothing")
DEPTH = 7

texts = st.text(st.characters(codec="utf-8"), max_size=8)
times = st.datetimes(timezones=st.just(UTC)).filter(lambda t: t.year > 1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
int32s = st.integers(-(2**31), 2**31 - 1)
int64s = st.integers(-(2**63), 2**63 - 1)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    shapes.STRING: texts,
    shapes.INT32: int32s,
    shapes.INT64: int64s,
    shapes.BOOL: st.booleans(),
    shapes.BASE64: st.binary(max_size=6).map(lambda b: base64.b64encode(b).decode()),
    shapes.DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    shapes.TIME: times.map(lambda t: format_time(t).zfill(20)),
    shapes.MICRO_TIME: times.map(lambda t: format_micro_time(t).zfill(27)),
    shapes.DURATION: int64s.map(format_nanoseconds),
    shapes.QUANTITY: st.sampled_from(["0", "1", "100m", "2Gi", "1500Mi", "1e3", "-5"]),
    shapes.INT_OR_STRING: int32s | texts,
    shapes.RAW: json_values.filter(lambda v: v is not None),
    shapes.STRINGS: st.lists(texts, max_size=2),
}


def fields_of(message: Message) -> list[Field]:
    """The fields as JSON has them, those of inlined structs among them."""
    found = []
    for field in message.by_number.values():
        if field.kind == shapes.INLINE:
            found += fields_of(table().message(field.message))
        else:
            found.append(field)
    return found


def value_of(drawn: st.DataObject, field: Field, depth: int) -> Any:
    if field.kind != shapes.MESSAGE:
        return drawn.draw(VALUES[field.kind])
    return message_of(drawn, field.message, depth + 1)


def message_of(drawn: st.DataObject, name: str, depth: int) -> Any:
    """A message of the table as JSON, few of its fields being there."""
    message = table().message(name)
    if name in JOINED:
        schema = {"type": "string"}
        other = {"OrArray": [schema, {}], "OrBool": False, "OrStringArray": ["a"]}
        return drawn.draw(st.sampled_from([schema, other[name.partition("Props")[2]]]))
    made: dict[str, Any] = {}
    fields = fields_of(message) if depth < DEPTH else []
    chosen = drawn.draw(st.sets(st.sampled_from(range(len(fields))), max_size=4)) if fields else ()
    for field in (fields[at] for at in chosen):
        if field.shape == shapes.LIST:
            made[field.name] = [value_of(drawn, field, depth) for _ in range(drawn.draw(st.integers(1, 2)))]
        elif field.shape == shapes.MAP:
            made[field.name] = {
                k: value_of(drawn, field, depth) for k in drawn.draw(st.sets(texts, min_size=1, max_size=2))
            }
        else:
            value = value_of(drawn, field, depth)
            if value or field.shape != shapes.DROP:
                made[field.name] = value
    return made


@settings(
    max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None
)
@given(st.data())
def test_there_and_back(drawn):
    api_version, kind = drawn.draw(st.sampled_from(table().kinds()))
    name = table().message_of(api_version, kind)
    assert name is not None
    obj = message_of(drawn, name, 0) | {"apiVersion": api_version, "kind": kind}
    assert decode_object(encode_object(obj), ANY) == obj


@pytest.mark.parametrize(("api_version", "kind"), table().kinds(), ids=lambda k: k)
def test_every_message_of_a_kind_compiles(api_version, kind):
    seen: set[str] = set()
    waiting = [table().message_of(api_version, kind)]
    while waiting:
        name = waiting.pop()
        if name and name not in seen:
            seen.add(name)
            fields = table().message(name).by_number.values()
            assert all(f.kind in VALUES or f.message for f in fields)
            waiting += [f.message for f in fields]


def test_event_of_a_watch_has_its_length_in_front():
    obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}}
    frame = encode_event("ADDED", obj)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert frame[4:].startswith(b"\x0a\x05ADDED\x12")
    assert decode_object(frame[frame.index(b"k8s\0") :], ANY) == obj


def test_what_is_not_built_in_has_no_protobuf():
    with pytest.raises(KeyError):
        encode_object({"apiVersion": "example.com/v1", "kind": "Foo"})
