"""JSON as Go reads it, and what Go says of other text."""

from __future__ import annotations

import pytest

from kubesim.util.gojson import GoJSONError, load_stream, loads

WRONG = [
    (b"", "unexpected end of JSON input"),
    (b"   ", "unexpected end of JSON input"),
    (b'{"a":', "unexpected end of JSON input"),
    (b"x", "invalid character 'x' looking for beginning of value"),
    (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
    (b"{a: 1}", "invalid character 'a' looking for beginning of object key string"),
    (b'{"a" 1}', "invalid character '1' after object key"),
    (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
    (b"[1 2]", "invalid character '2' after array element"),
    (b"[01]", "invalid character '1' after array element"),
    (b"[-a]", "invalid character 'a' in numeric literal"),
    (b"[1.a]", "invalid character 'a' after decimal point in numeric literal"),
    (b"[1ea]", "invalid character 'a' in exponent of numeric literal"),
    (b"[tru]", "invalid character ']' in literal true (expecting 'e')"),
    (b'["\\x"]', "invalid character 'x' in string escape code"),
    (b'["\\u00g0"]', "invalid character 'g' in \\u hexadecimal character escape"),
    (b'["a\nb"]', "invalid character '\\n' in string literal"),
    (b"{'a':1}", "invalid character '\\'' looking for beginning of object key string"),
    (b"{} x", "invalid character 'x' after top-level value"),
    (b"[NaN]", "invalid character 'N' looking for beginning of value"),
    (b"\xff", "invalid character 'ÿ' looking for beginning of value"),
]


@pytest.mark.parametrize(("data", "message"), WRONG, ids=[repr(d) for d, _ in WRONG])
def test_mistakes_are_worded_as_in_encoding_json(data: bytes, message: str) -> None:
    with pytest.raises(GoJSONError) as caught:
        loads(data)
    assert str(caught.value) == message


def test_numbers_are_int64_or_float() -> None:
    assert loads(b"[1, 9223372036854775807, 1.5]") == [1, 2**63 - 1, 1.5]
    found = loads(b"[9223372036854775808, 1e30, 1.0]")
    assert [type(v) for v in found] == [float, float, int]


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert loads(b'"a\xffb"') == "a\ufffdb"


def test_values_follow_one_another() -> None:
    data = b' {"a":1}\n[2] "x"'
    assert [value for value, _, _ in load_stream(data)] == [{"a": 1}, [2], "x"]
    assert [data[s:e] for _, s, e in load_stream(data)] == [b'{"a":1}', b"[2]", b'"x"']


def test_a_stream_gives_what_stands_before_the_mistake() -> None:
    found = load_stream(b'{"a":1} x')
    assert next(found)[0] == {"a": 1}
    with pytest.raises(GoJSONError) as caught:
        next(found)
    assert caught.value.offset == 9


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(GoJSONError) as caught:
        list(load_stream(b"[" * 100_000))
    assert str(caught.value) == "exceeded max depth"
