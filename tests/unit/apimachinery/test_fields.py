"""Field selectors: parsing, escaping, matching, and Kubernetes' texts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.apimachinery.fields import (
    FieldRequirement,
    FieldSelector,
    FieldSelectorError,
    escape_value,
    parse_field_selector,
    selector_from_fields,
    unescape_value,
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", ""),
        ("a=b", "a=b"),
        ("a==b", "a=b"),
        ("a!=b", "a!=b"),
        ("b=1,a=2", "a=2,b=1"),
        ("a=b,,", "a=b"),
        ("a=", "a="),
        ("a=x\\,y", "a=x\\,y"),
        ("a=x\\=y\\\\", "a=x\\=y\\\\"),
    ],
)
def test_selectors_are_read_and_written(text: str, written: str) -> None:
    assert str(parse_field_selector(text)) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b,c", "invalid selector: 'a=b,c'; can't understand 'c'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=\\x", "invalid field selector: invalid escape sequence: \\x"),
        ("a=\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_mistakes_are_worded_as_by_kubernetes(text: str, message: str) -> None:
    with pytest.raises(FieldSelectorError) as caught:
        parse_field_selector(text)
    assert str(caught.value) == message


def test_a_field_that_is_not_there_is_empty() -> None:
    assert parse_field_selector("a=").matches({})
    assert parse_field_selector("a!=b").matches({})
    assert not parse_field_selector("a=b").matches({})
    assert parse_field_selector("a=b,c!=d").matches({"a": "b", "c": "x"})


def test_a_lookup_names_a_pair_that_every_match_has() -> None:
    assert parse_field_selector("a!=1,b=2").lookup() == ("b=2",)
    assert parse_field_selector("a!=1").lookup() is None
    assert parse_field_selector("a=").lookup() is None
    assert parse_field_selector("a=1").exact_match("a") == "1"


def test_labels_of_fields_are_converted() -> None:
    def convert(field: str, value: str) -> tuple[str, str]:
        if field == "gone":
            return "", ""
        return field.upper(), value

    assert str(parse_field_selector("a=1,gone=2").transform(convert)) == "A=1"
    assert selector_from_fields({"a": "1"}) == FieldSelector([FieldRequirement("a", "=", "1")])


@settings(max_examples=100)
@given(st.text())
def test_any_value_survives_escaping(value: str) -> None:
    assert unescape_value(escape_value(value)) == value
    assert parse_field_selector(f"a={escape_value(value)}").matches({"a": value})
