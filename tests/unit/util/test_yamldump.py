"""Writing YAML as kubectl prints it: every expectation here was checked against kubectl 1.32."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.util.yamldump import dump, sorted_keys
from kubesim.util.yamlload import load

SCALARS = [
    ("plain", "plain"),
    ("", '""'),
    ("1", '"1"'),
    ("1.5", '"1.5"'),
    ("0x1F", '"0x1F"'),
    ("1e3", '"1e3"'),
    ("True", '"True"'),
    ("yes", '"yes"'),
    ("n", '"n"'),
    ("null", '"null"'),
    ("~", '"~"'),
    ("<<", "<<"),
    ("=", "="),
    ("2024-01-01", '"2024-01-01"'),
    ("2024-02-30", "2024-02-30"),
    ("2026-11-23T02:45:31Z", '"2026-11-23T02:45:31Z"'),
    ("12:30", '"12:30"'),
    ("12:60", "12:60"),
    ("1_000", '"1_000"'),
    (" lead", "' lead'"),
    ("trail ", "'trail '"),
    ("a: b", "'a: b'"),
    ("a:b", "a:b"),
    ("a:", "'a:'"),
    ("a #b", "'a #b'"),
    ("a#b", "a#b"),
    ("- a", "'- a'"),
    ("-a", "-a"),
    ("?", "'?'"),
    ("---", "'---'"),
    ("it's", "it's"),
    ("'q", "'''q'"),
    ("[x]", "'[x]'"),
    ("@x", "'@x'"),
    ("a\tb", '"a\\tb"'),
    ("é ü", "é ü"),
    ("😀", '"\\U0001F600"'),
    ("\u00a0", "\u00a0"),
    ("\x00\x1b", '"\\0\\e"'),
    ("\ufeffa", '"\\uFEFF\\x61"'),
    ("a\nb", "|-\n  a\n  b"),
    ("a\n", "|\n  a"),
    ("a\n\n", "|+\n  a\n"),
    ("\na", "|2-\n\n  a"),
    (" a\nb", "|2-\n   a\n  b"),
    ("a \nb", '"a \\nb"'),
    ("a\nb ", '"a\\nb "'),
    ("a\tb\n", '"a\\tb\\n"'),
    (None, "null"),
    (True, "true"),
    (0, "0"),
    (-5, "-5"),
    (1.5, "1.5"),
    (1e6, "1000000"),
    (1234567.5, "1.2345675e+06"),
    (1e20, "1e+20"),
    (1e-7, "1e-07"),
    ([], "[]"),
    ({}, "{}"),
]


@pytest.mark.parametrize(("value", "text"), SCALARS, ids=[repr(v) for v, _ in SCALARS])
def test_values_are_written_as_kubectl_writes_them(value: object, text: str) -> None:
    assert dump({"k": value}) == f"k: {text}\n"


def test_lists_stand_below_their_key_without_indentation() -> None:
    value = {"b": [{"y": 1, "x": [[1, 2], {"z": []}]}, "s"], "a": {"c": {}}}
    assert dump(value) == ('a:\n  c: {}\nb:\n- x:\n  - - 1\n    - 2\n  - z: []\n  "y": 1\n- s\n')


def test_long_strings_are_folded_at_single_spaces_beyond_the_80th_column() -> None:
    words = "word " * 30
    assert dump({"k": words.strip()}) == (
        "k: word word word word word word word word word word word word word word word word\n"
        "  word word word word word word word word word word word word word word\n"
    )
    assert dump({"k": "x" * 90 + "  y"}) == f"k: {'x' * 90}  y\n"
    assert dump({"k": "#" + "x" * 90 + " y"}) == f"k: '#{'x' * 90}\n  y'\n"


def test_long_keys_and_keys_of_several_lines_are_written_out() -> None:
    long = "x" * 129
    assert dump({long: {"a": 1}}) == f"? {long}\n: a: 1\n"
    assert dump({"a\nb": [1]}) == "? |-\n  a\n  b\n: - 1\n"


def test_numbers_in_keys_count_as_numbers() -> None:
    assert sorted_keys(dict.fromkeys(["a10", "a9", "a1"])) == ["a1", "a9", "a10"]
    assert sorted_keys(dict.fromkeys(["kind", "apiVersion", "metadata"])) == [
        "apiVersion",
        "kind",
        "metadata",
    ]


TEXT = st.text(
    alphabet=st.sampled_from(list("ab1 02-:#\n'\"\\,[]{}&*!|>%@`?.=<~yYnN_/+é\u00a0\t\x00")), max_size=9
) | st.text(max_size=6)
KEYS = TEXT.filter(lambda key: key != "<<")  # kubectl writes it plain too, and reads a merge
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=250)
@given(VALUES)
def test_what_is_written_reads_as_the_same_value(value: Any) -> None:
    assert load(dump(value).encode("utf-8", "surrogatepass")) == value
