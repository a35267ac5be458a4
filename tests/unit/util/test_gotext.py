"""Values in Go's notations."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.util.gotext import float_json, float_text, go_syntax, quote, sprint, string_slice, to_json


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", '"plain"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a\tb\n", '"a\\tb\\n"'),
        ("\x00\x7f", '"\\x00\\x7f"'),
        ("é漢😀", '"é漢😀"'),
        ("\u00a0\u2028", '"\\u00a0\\u2028"'),
        ("\U000e0001", '"\\U000e0001"'),
    ],
)
def test_strings_are_quoted_as_by_the_verb_q(text: str, quoted: str) -> None:
    assert quote(text) == quoted


@pytest.mark.parametrize(
    ("value", "text", "as_json"),
    [
        (0.0, "0", "0"),
        (-0.0, "-0", "-0"),
        (1.5, "1.5", "1.5"),
        (100000.0, "100000", "100000"),
        (1e6, "1e+06", "1000000"),
        (1234567.5, "1.2345675e+06", "1234567.5"),
        (1e20, "1e+20", "100000000000000000000"),
        (1e21, "1e+21", "1e+21"),
        (0.0001, "0.0001", "0.0001"),
        (1e-5, "1e-05", "0.00001"),
        (1e-7, "1e-07", "1e-7"),
        (5e-324, "5e-324", "5e-324"),
    ],
)
def test_floats_are_written_shortest(value: float, text: str, as_json: str) -> None:
    assert (float_text(value), float_json(value)) == (text, as_json)


VALUE = {"b": [1, "x", None], "a": {"t": True, "f": 1.5}, "e": {}}


def test_values_are_printed_with_their_keys_sorted() -> None:
    assert sprint(VALUE) == "map[a:map[f:1.5 t:true] b:[1 x <nil>] e:map[]]"
    assert go_syntax({"a": [1, None]}) == 'map[string]interface {}{"a":[]interface {}{1, interface {}(nil)}}'
    assert string_slice(["a", 'b"']) == '[]string{"a", "b\\""}'


def test_json_escapes_what_html_would_read() -> None:
    assert to_json({"b": "<&>", "a": "\u2028é"}) == '{"a":"\\u2028é","b":"\\u003c\\u0026\\u003e"}'
    assert to_json("<", escape_html=False) == '"<"'
    assert to_json({"b": 1, "a": 2}, sort_keys=False) == '{"b":1,"a":2}'


def test_indented_json_keeps_empty_containers_on_one_line() -> None:
    assert to_json({"a": [], "b": {"c": [1]}}, indent="  ") == (
        '{\n  "a": [],\n  "b": {\n    "c": [\n      1\n    ]\n  }\n}'
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e15, 1e15) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100)
@given(JSON, st.sampled_from(["", "    "]))
def test_json_reads_as_the_value_that_was_written(value: object, indent: str) -> None:
    assert json.loads(to_json(value, indent=indent)) == value
