"""Reading YAML and JSON files: every expectation here was checked against kubectl 1.32."""

from __future__ import annotations

import pytest

from kubesim.util.yamlload import YAMLSyntaxError, load, load_documents

SCALARS = [
    ("yes", True),
    ("no", False),
    ("on", True),
    ("Off", False),
    ("y", True),
    ("n", False),
    ("yEs", "yEs"),
    ("0o14", 12),
    ("014", 12),
    ("08", 8),
    ("0x1F", 31),
    ("-0x1F", -31),
    ("0b11", 3),
    ("-0b11", -3),
    ("1_000", 1000),
    ("1__0", 10),
    ("0x", "0x"),
    ("0b2", "0b2"),
    ("1e3", 1000),
    ("1.0", 1),
    ("1.", 1),
    (".5", 0.5),
    ("+.5", 0.5),
    ("._5", "._5"),
    ("1e400", "1e400"),
    ("1.5e10", 15000000000),
    ("1e21", 1e21),
    ("-0.0", 0),
    ("9223372036854775807", 2**63 - 1),
    ("18446744073709551615", 1.8446744073709552e19),
    ("123456789012345678901234567890", 1.2345678901234568e29),
    ("2024-01-01", "2024-01-01"),
    ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
    ("12:30", "12:30"),
    ("=", "="),
    ("~", None),
    ("null", None),
    ("nUll", "nUll"),
    ("", None),
    ('"yes"', "yes"),
    ("! 12", "12"),
    ("!!str 12", "12"),
    ("!!float 1", 1),
    ("!!binary aGk=", "hi"),
    ("!foo 1", "1"),
    ("!!timestamp 2001-01-01", "2001-01-01"),
    ("http://x", "http://x"),
    ("x#c", "x#c"),
    ("x # c", "x"),
    ('"\\u00e9\\x41\\U0001F600"', "éA😀"),
]


@pytest.mark.parametrize(("text", "wanted"), SCALARS, ids=[repr(t) for t, _ in SCALARS])
def test_scalars_mean_what_they_mean_to_kubectl(text: str, wanted: object) -> None:
    found = load(f"a: {text}\n".encode())["a"]
    assert found == wanted
    assert type(found) is type(wanted)


def test_keys_become_strings() -> None:
    text = b"1: a\ntrue: b\n1.5: c\n0x10: d\n1e6: e\n3.14159265358979: f\ny: g\n"
    assert load(text) == {"1": "a", "true": "g", "1.5": "c", "16": "d", "1e+06": "e", "3.1415927": "f"}


def test_merge_keys_are_merged_in_the_order_in_which_they_stand() -> None:
    assert load(b"a: &x {p: 1, q: 1}\nb:\n  q: 0\n  <<: *x\n  p: 2\n")["b"] == {"q": 1, "p": 2}
    assert load(b"b:\n  <<: [{a: 1}, {a: 2, b: 3}]\n") == {"b": {"a": 1, "b": 3}}


def test_an_anchor_can_be_given_anew() -> None:
    assert load(b"a: &a 1\nb: &a 2\nc: *a\n") == {"a": 1, "b": 2, "c": 2}


def test_aliases_are_copies() -> None:
    found = load(b"a: &a [1]\nb: *a\n")
    found["a"].append(2)
    assert found["b"] == [1]


WRONG = [
    ("a: b: c", "yaml: mapping values are not allowed in this context"),
    ("x: 1\na:\n\tb: 1", "yaml: line 3: found character that cannot start any token"),
    ("x: 1\na: [1, 2", "yaml: line 2: did not find expected ',' or ']'"),
    ("m:\n  name: x\n spec:\n  ports: [\n", "yaml: line 2: did not find expected key"),
    ("- a\nb", "yaml: line 3: could not find expected ':'"),
    ('x: 1\na: "abc\n', "yaml: line 3: found unexpected end of stream"),
    ('a: "\\q"', "yaml: found unknown escape character"),
    ("a: @x", "yaml: found character that cannot start any token"),
    ("a: *x", "yaml: unknown anchor 'x' referenced"),
    ("a: &x [*x]", "yaml: anchor 'x' value contains itself"),
    ("a: !!int x", "yaml: cannot decode !!str `x` as a !!int"),
    ("a: !!binary a", "yaml: !!binary value contains invalid base64 data"),
    ("a: {{b: 1}: 2}", 'yaml: invalid map key: map[interface {}]interface {}{"b":1}'),
    ("a:\n  <<: 3", "yaml: map merge requires map or sequence of maps as the value"),
    ("a: &a [1]\nb:\n  <<: *a", "yaml: map merge requires map or sequence of maps as the value"),
    ("~: a", 'unsupported map key of type: %!s(<nil>), key: <nil>, value: "a"'),
    ("a: .inf", "json: unsupported value: +Inf"),
    ("a: .nan", "json: unsupported value: NaN"),
    ("\x01", "yaml: control characters are not allowed"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[repr(t) for t, _ in WRONG])
def test_mistakes_are_worded_as_by_kubectl(text: str, message: str) -> None:
    with pytest.raises(YAMLSyntaxError) as caught:
        load(text.encode())
    assert str(caught.value) == f"error converting YAML to JSON: {message}"


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(YAMLSyntaxError) as caught:
        load(b"a: \xff")
    assert str(caught.value) == "error converting YAML to JSON: yaml: invalid leading UTF-8 octet"


def test_an_alias_bomb_is_not_expanded() -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"{c}: &{c} [{','.join([f'*{p}'] * 10)}]" for p, c in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(YAMLSyntaxError) as caught:
        load("\n".join(lines).encode())
    assert str(caught.value) == "error converting YAML to JSON: yaml: document contains excessive aliasing"


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(YAMLSyntaxError, match="exceeded max depth"):
        load(b"[" * 10_000)


def test_a_key_given_twice_counts_the_last_time() -> None:
    document = next(load_documents(b"a:\n- x: 1\n  x: 2\n"))
    assert document.value == {"a": [{"x": 2}]}
    assert document.duplicates == ('line 3: key "x" already set in map',)


def test_strict_reading_refuses_a_key_given_twice() -> None:
    with pytest.raises(YAMLSyntaxError) as caught:
        load(b"x: 1\nx: 2\nx: 3\n", strict=True)
    assert str(caught.value) == (
        "error converting YAML to JSON: yaml: unmarshal errors:\n"
        '  line 2: key "x" already set in map\n  line 3: key "x" already set in map'
    )


def test_documents_are_split_at_lines_of_dashes() -> None:
    data = b"---\na: 1\n---\n\n---\n# only a comment\n--- # said\nb: 2\r\nc: |\r\n  x\r\n"
    found = list(load_documents(data))
    assert [d.value for d in found] == [{"a": 1}, {"b": 2, "c": "x\n"}]
    assert [d.line for d in found] == [2, 8]


def test_what_follows_the_dashes_must_be_a_comment() -> None:
    with pytest.raises(YAMLSyntaxError) as caught:
        list(load_documents(b"a: 1\n---foo\nb: 2\n"))
    assert str(caught.value) == "invalid Yaml document separator: foo"


def test_documents_before_a_bad_one_are_given() -> None:
    found = load_documents(b"a: 1\n---\nb: [\n---\nc: 3\n")
    assert next(found).value == {"a": 1}
    with pytest.raises(YAMLSyntaxError):
        next(found)


def test_json_documents_follow_one_another() -> None:
    found = list(load_documents(b' \n{"a":1}\n{"b":2}null{"c":3}'))
    assert [d.value for d in found] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert [d.line for d in found] == [2, 3, 3]
    assert all(d.is_json for d in found)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a":1,}', "json: offset 8: invalid character '}' looking for beginning of object key string"),
        (b'{"a":1} x', "json: offset 9: invalid character 'x' looking for beginning of value"),
        (b'{"a":', "unexpected EOF"),
    ],
)
def test_mistakes_in_json_name_their_place(data: bytes, message: str) -> None:
    with pytest.raises(YAMLSyntaxError) as caught:
        list(load_documents(data))
    assert str(caught.value) == message


@pytest.mark.parametrize("data", [b"", b"\n", b"# nothing\n", b"---\n---\n", b"null\n", b"~"])
def test_a_file_without_documents_gives_none(data: bytes) -> None:
    assert list(load_documents(data)) == []


@pytest.mark.parametrize(("data", "value"), [(b"hello", "hello"), (b"[1, 2]", [1, 2]), (b"- a", ["a"])])
def test_documents_need_not_be_objects(data: bytes, value: object) -> None:
    assert [d.value for d in load_documents(data)] == [value]
