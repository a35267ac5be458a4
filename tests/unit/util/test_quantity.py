"""Quantities: what is read, what is written again, and the laws of their arithmetic."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.util.quantity import (
    BINARY_SI,
    DECIMAL_EXPONENT,
    DECIMAL_SI,
    FORMAT_WRONG,
    SUFFIX_WRONG,
    Quantity,
    canonical,
)

CANONICAL = [
    ("0", "0"),
    ("00", "0"),
    ("0Mi", "0"),
    (".", "0"),
    ("1", "1"),
    ("1000m", "1"),
    ("1500m", "1500m"),
    ("0.5", "500m"),
    ("1.500", "1.500"),
    ("100000", "100k"),
    ("1500", "1500"),
    ("1024", "1024"),
    ("1024Mi", "1Gi"),
    ("1.5Gi", "1536Mi"),
    ("0.5Ki", "512"),
    ("1Ki", "1Ki"),
    ("8Ki", "8Ki"),
    ("1048576Ki", "1Gi"),
    ("1.1Ki", "1126400m"),
    ("0.0001Ki", "102400u"),
    ("+1Mi", "+1Mi"),
    ("-1Gi", "-1Gi"),
    ("1e3", "1e3"),
    ("1e4", "10e3"),
    ("12E6", "12E6"),
    ("1E", "1E"),
    ("0.1n", "1n"),
    ("-0.1n", "-1n"),
    ("1e-2000000000", "1e-9"),
    ("1e2000000000", "100e1999999998"),
    ("10Ei", "9223372036854775807"),
]


@pytest.mark.parametrize(("text", "wanted"), CANONICAL, ids=[t for t, _ in CANONICAL])
def test_a_quantity_is_written_as_go_writes_it(text: str, wanted: str) -> None:
    assert canonical(text) == wanted


@pytest.mark.parametrize("text", ["", "foo", "1x", "1 ", " 1", "1.2.3", "1e+1x", "٣"])
def test_what_is_no_quantity_says_the_expression(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared below
        canonical(text)
    assert str(caught.value) == FORMAT_WRONG


@pytest.mark.parametrize("text", ["1e", "1Kii", "--1", "1e+", "1mm", "1K", "1e99999999999999999999"])
def test_an_unknown_suffix_says_so(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared below
        canonical(text)
    assert str(caught.value) == SUFFIX_WRONG


@pytest.mark.parametrize(
    ("text", "value", "milli"),
    [
        ("1", 1, 1000),
        ("1m", 1, 1),
        ("1500m", 2, 1500),
        ("-1500m", -2, -1500),
        ("1Ki", 1024, 1024000),
        ("1n", 1, 1),
        ("-1n", -1, -1),
        ("0", 0, 0),
    ],
)
def test_whole_numbers_are_rounded_away_from_zero(text: str, value: int, milli: int) -> None:
    quantity = Quantity.parse(text)
    assert (quantity.value(), quantity.milli_value()) == (value, milli)


@pytest.mark.parametrize(
    ("a", "b"), [("1Gi", "1024Mi"), ("1", "1000m"), ("1e3", "1k"), ("0", "0Mi"), ("0.5", "500m")]
)
def test_equal_amounts_are_equal_however_written(a: str, b: str) -> None:
    assert Quantity.parse(a) == Quantity.parse(b)
    assert hash(Quantity.parse(a)) == hash(Quantity.parse(b))


def test_huge_exponents_are_compared_without_being_written_out() -> None:
    assert Quantity.parse("1e2000000000") > Quantity.parse("1e1999999999")
    assert Quantity.parse("-1e2000000000") < Quantity.parse("1n")


def test_the_sum_keeps_the_form_of_the_first_amount_that_is_not_zero() -> None:
    assert str(Quantity.parse("1Gi") + Quantity.parse("1Gi")) == "2Gi"
    assert str(Quantity.parse("0") + Quantity.parse("1Gi")) == "1Gi"
    assert str(Quantity.parse("1") + Quantity.parse("500m")) == "1500m"
    assert str(Quantity.parse("1Gi") - Quantity.parse("512Mi")) == "512Mi"
    assert str(Quantity.parse("100m") * 3) == "300m"


@pytest.mark.parametrize(("value", "wanted"), [(1, "1"), (0.5, "500m"), (" 1Gi ", "1Gi")])
def test_json_numbers_and_padded_texts_are_taken(value: object, wanted: str) -> None:
    assert str(Quantity.from_json(value)) == wanted


@pytest.mark.parametrize("value", [True, None, [], {}])
def test_other_json_is_no_quantity(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is FORMAT_WRONG, tested above
        Quantity.from_json(value)


AMOUNTS = st.builds(
    Quantity,
    st.integers(-(10**12), 10**12),
    st.integers(-9, 6),
    st.sampled_from([DECIMAL_SI, DECIMAL_EXPONENT]),
)
BINARY = st.builds(Quantity, st.integers(-(2**50), 2**50), st.just(0), st.just(BINARY_SI))


@settings(max_examples=150)
@given(AMOUNTS | BINARY)
def test_what_is_written_reads_as_the_same_amount(quantity: Quantity) -> None:
    assert Quantity.parse(str(quantity)) == quantity


@settings(max_examples=150)
@given(AMOUNTS)
def test_what_is_written_is_canonical(quantity: Quantity) -> None:
    # Not so of a binary amount: 5000 is written without a suffix, and read again it is 5k.
    assert canonical(str(quantity)) == str(quantity)


@settings(max_examples=100)
@given(AMOUNTS, AMOUNTS)
def test_order_and_sums_agree_with_exact_decimals(a: Quantity, b: Quantity) -> None:
    x, y = (Decimal(q.mantissa).scaleb(q.scale) for q in (a, b))
    total = a + b
    assert (a < b, a == b) == (x < y, x == y)
    assert Decimal(total.mantissa).scaleb(total.scale) == x + y
    assert a + b - b == a
