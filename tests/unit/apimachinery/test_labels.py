"""Label selectors: parsing, matching, and Kubernetes' texts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.apimachinery import labels
from kubesim.apimachinery.labels import (
    EVERYTHING,
    NOTHING,
    Requirement,
    Selector,
    SelectorError,
    format_label_selector,
    format_labels,
    parse_selector,
    requirement,
    selector_from_label_selector,
    selector_from_map,
)

QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)

READ = [
    ("", ""),
    ("a", "a"),
    ("!a", "!a"),
    ("a=b", "a=b"),
    ("a==b", "a==b"),
    ("a != b", "a!=b"),
    ("a=", "a="),
    ("a>5", "a>5"),
    ("a<5", "a<5"),
    ("a in (x)", "a in (x)"),
    ("a in (y,x)", "a in (x,y)"),
    ("a notin ()", "a notin ()"),
    ("x in (foo,,baz),y,z notin ()", "x in (,baz,foo),y,z notin ()"),
    ("in in (in,notin)", "in in (in,notin)"),
    ("b=1,a=2", "a=2,b=1"),
    ("example.com/a=b", "example.com/a=b"),
    (" a\t=\n b ", "a=b"),
    ("run in (my-pod,other),!foo", "!foo,run in (my-pod,other)"),
]


@pytest.mark.parametrize(("text", "written"), READ, ids=[repr(t) for t, _ in READ])
def test_selectors_are_read_and_written(text: str, written: str) -> None:
    assert str(parse_selector(text)) == written


WRONG = [
    ("run in my-pod", "unable to parse requirement: found 'my-pod' expected: '('"),
    ("run=a b", "found 'b', expected: ',' or 'end of string'"),
    ("a b c", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
    ("!x=a", "found '=', expected: ',' or 'end of string'"),
    ("a in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
    ("a in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"),
    ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
    ("a=b=c", "found '=', expected: ',' or 'end of string'"),
    ("=a", "found '=', expected: !, identifier, or 'end of string'"),
    ("a,", "found '', expected: identifier after ','"),
    ("a,,b", "found ',', expected: identifier after ','"),
    ("a=!", "unable to parse requirement: found '!', expected: identifier"),
    ("!", "unable to parse requirement: found '', expected: identifier"),
    (
        "a<b",
        (
            "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be "
            "an integer"
        ),
    ),
    ("a/b/c", 'unable to parse requirement: <nil>: Invalid value: "a/b/c": a qualified name must'),
    ("_=1", f'unable to parse requirement: <nil>: Invalid value: "_": {QUALIFIED}'),
    ("a=-", f'unable to parse requirement: values[0][a]: Invalid value: "-": {VALUE}'),
    (
        f"a={'x' * 64}",
        f'unable to parse requirement: values[0][a]: Invalid value: "{"x" * 64}": must be no more than',
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[repr(t)[:30] for t, _ in WRONG])
def test_mistakes_are_worded_as_by_kubernetes(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_selector(text)
    assert str(caught.value).startswith(message)


MATCHES = [
    ("a", {"a": ""}, True),
    ("a", {}, False),
    ("!a", {"a": ""}, False),
    ("!a", {"b": ""}, True),
    ("a=1", {"a": "1"}, True),
    ("a=1", {"a": "2"}, False),
    ("a=", {"a": ""}, True),
    ("a=", {}, False),
    ("a!=1", {}, True),
    ("a!=1", {"a": "1"}, False),
    ("a in (1,2)", {"a": "2"}, True),
    ("a in (1,2)", {}, False),
    ("a notin (1)", {"a": "2"}, True),
    ("a notin (1)", {}, True),
    ("a>5", {"a": "6"}, True),
    ("a>5", {"a": "5"}, False),
    ("a>5", {"a": "x"}, False),
    ("a<5", {"a": "-1"}, True),
    ("a<5", {}, False),
    ("a=1,b!=2", {"a": "1", "b": "3"}, True),
    ("a=1,b!=2", {"a": "1", "b": "2"}, False),
]


@pytest.mark.parametrize(("text", "found", "wanted"), MATCHES)
def test_selectors_match(text: str, found: dict[str, str], wanted: bool) -> None:
    assert parse_selector(text).matches(found) is wanted


def test_nothing_and_everything() -> None:
    assert EVERYTHING.matches({})
    assert EVERYTHING.empty()
    assert not NOTHING.matches({})
    assert not NOTHING.empty()
    assert NOTHING.add(Requirement("a", labels.EXISTS)) is NOTHING


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=1,b in (x,y)", [("a=1",), ("b=x", "b=y")]),
        ("a in (x,y),b=1", [("b=1",), ("a=x", "a=y")]),
        ("b in (x,y),!c", [("b=x", "b=y")]),
        ("a!=1", []),
        ("a", []),
        ("", []),
    ],
)
def test_a_lookup_names_pairs_of_which_every_match_has_one(text: str, pairs: list[tuple[str, ...]]) -> None:
    assert parse_selector(text).lookups() == pairs


def test_nothing_has_no_lookup() -> None:
    assert NOTHING.lookups() == []


def test_the_one_value_a_label_must_have() -> None:
    selector = parse_selector("a=1,b in (x,y),c in (z)")
    assert [selector.exact_match(k) for k in "abcd"] == ["1", None, "z", None]


def test_a_requirement_gives_all_its_reasons_at_once() -> None:
    with pytest.raises(SelectorError) as caught:
        requirement("a b", "in", [])
    assert str(caught.value) == (
        f'[key: Invalid value: "a b": {QUALIFIED}, '
        "values: Invalid value: []string{}: for 'in', 'notin' operators, values set can't be empty]"
    )


def test_selectors_of_objects() -> None:
    assert selector_from_label_selector(None) is NOTHING
    assert selector_from_label_selector({}) is EVERYTHING
    found = selector_from_label_selector(
        {
            "matchLabels": {"b": "2", "a": "1"},
            "matchExpressions": [
                {"key": "c", "operator": "In", "values": ["y", "x"]},
                {"key": "d", "operator": "DoesNotExist"},
            ],
        }
    )
    assert str(found) == "a=1,b=2,c in (x,y),!d"
    assert selector_from_map({"a": "1"}) == Selector([Requirement("a", "=", ("1",))])
    assert selector_from_map(None) is EVERYTHING


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(SelectorError) as caught:
        selector_from_label_selector({"matchExpressions": [{"key": "a", "operator": "Near"}]})
    assert str(caught.value) == '"Near" is not a valid label selector operator'


def test_labels_and_selectors_in_a_table_cell() -> None:
    assert format_labels({"b": "2", "a": "1"}) == "a=1,b=2"
    assert format_labels({}) == "<none>"
    assert format_label_selector({"matchLabels": {"a": "1"}}) == "a=1"
    assert format_label_selector({}) == "<none>"
    assert format_label_selector({"matchExpressions": [{"key": "a", "operator": "Near"}]}) == "<error>"


KEYS = st.sampled_from(["a", "b", "in", "notin", "example.com/x", "A.b_c"])
TEXTS = st.sampled_from(["", "1", "22", "x-y", "in", "notin", "z"])
REQUIREMENTS = st.one_of(
    st.builds(Requirement, KEYS, st.sampled_from(["exists", "!"])),
    st.builds(Requirement, KEYS, st.sampled_from(["=", "==", "!="]), TEXTS.map(lambda v: (v,))),
    st.builds(
        Requirement,
        KEYS,
        st.sampled_from(["in", "notin"]),
        st.sets(TEXTS, min_size=1).map(lambda v: tuple(sorted(v))),
    ),
    st.builds(
        Requirement,
        KEYS,
        st.sampled_from(["gt", "lt"]),
        st.integers(-99, 99).map(lambda v: (str(v).lstrip("-"),)),
    ),
)


@settings(max_examples=150)
@given(st.lists(REQUIREMENTS, max_size=4).map(Selector), st.dictionaries(KEYS, TEXTS))
def test_what_is_written_reads_as_the_same_selector(selector: Selector, found: dict[str, str]) -> None:
    again = parse_selector(str(selector))
    assert again == selector
    assert again.matches(found) == all(r.matches(found) for r in selector.requirements)
    if selector.matches(found):
        for pairs in selector.lookups():
            assert {f"{k}={v}" for k, v in found.items()} & set(pairs)
