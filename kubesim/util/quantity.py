"""Amounts with units (`100m`, `1.5Gi`, `2e3`) as k8s.io/apimachinery/pkg/api/resource has them.

A quantity is a whole number times a power of ten, so that all arithmetic is exact. It remembers in which of
three forms it was written, and is written in that form again.
"""

from __future__ import annotations

import re
from functools import total_ordering
from typing import Any, Final, Literal

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

DECIMAL_SI: Final[Format] = "DecimalSI"
BINARY_SI: Final[Format] = "BinarySI"
DECIMAL_EXPONENT: Final[Format] = "DecimalExponent"

FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX_WRONG = "unable to parse quantity's suffix"
NUMERIC_WRONG = "unable to parse numeric part of quantity"

_SHAPE = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_BINARY_SUFFIX = {0: "", **{exponent: suffix for suffix, exponent in _BINARY.items()}}
_NANO = -9
_MAX_INT64 = (1 << 63) - 1
_INT64_DIGITS = 18  # the decimal digits that an int64 always holds
_READABLE_DIGITS = 4000  # Python refuses to read whole numbers much longer
_COMPARABLE_DIGITS = 400  # beyond this, powers of ten are compared by their size alone


@total_ordering
class Quantity:
    """An amount: `mantissa * 10**scale`, and the form in which it is written."""

    __slots__ = ("_text", "format", "mantissa", "scale")

    def __init__(self, mantissa: int, scale: int = 0, format: Format = DECIMAL_SI, text: str = "") -> None:  # noqa: A002 - Go's name
        self.mantissa = mantissa
        self.scale = scale
        self.format: Format = format
        self._text = text

    @classmethod
    def parse(cls, text: str) -> Quantity:
        """Read a quantity. Raises ValueError with Go's text."""
        if text.isdigit() and text.isascii() and text[0] != "0" and len(text) <= _INT64_DIGITS:
            return cls(int(text), 0, DECIMAL_SI, "" if text.endswith("000") else text)
        found = _SHAPE.fullmatch(text) if text else None
        if found is None:
            raise ValueError(FORMAT_WRONG)
        sign, whole, fraction, suffix = found.groups()
        if not whole.strip("0") and fraction is None and not suffix:
            return cls(0, 0, DECIMAL_SI, text if text == "0" else "")
        return _build(text, -1 if sign == "-" else 1, whole.lstrip("0") or "0", fraction or "", suffix)

    @classmethod
    def from_json(cls, value: Any) -> Quantity:
        """A quantity as it stands in an object: a string, or a number. Raises ValueError."""
        if isinstance(value, str):
            return cls.parse(value.strip())
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(FORMAT_WRONG)  # noqa: TRY004 - the text is what matters
        return cls.parse(str(value))

    @classmethod
    def of_milli(cls, value: int, format: Format = DECIMAL_SI) -> Quantity:  # noqa: A002 - Go's name
        """`value` thousandths: resource.NewMilliQuantity."""
        return cls(value, -3, format)

    def value(self) -> int:
        """The amount, rounded away from zero to a whole number."""
        return self._scaled(0)

    def milli_value(self) -> int:
        """Thousandths, rounded away from zero."""
        return self._scaled(-3)

    def _scaled(self, scale: int) -> int:
        shift = self.scale - scale
        if shift >= 0:
            if self.mantissa and shift > _COMPARABLE_DIGITS:
                return _MAX_INT64 if self.mantissa > 0 else -_MAX_INT64
            return int(self.mantissa * 10**shift)
        return _rounded_up(self.mantissa, -shift)

    def as_approximate_float(self) -> float:
        """The nearest float, infinite where there is none."""
        try:
            return float(f"{self.mantissa}e{self.scale}")
        except OverflowError:
            return float("inf") if self.mantissa > 0 else float("-inf")

    def is_zero(self) -> bool:
        return self.mantissa == 0

    def sign(self) -> int:
        """-1, 0 or 1."""
        return (self.mantissa > 0) - (self.mantissa < 0)

    def canonical(self) -> str:
        """The text that Go writes: the one that was read where that was canonical already."""
        if not self._text:
            self._text = self._canonicalize()
        return self._text

    def _canonicalize(self) -> str:
        # As Quantity.CanonicalizeBytes: small or fractional binary amounts are written as decimal ones.
        if self.mantissa == 0:
            return "0"
        if self.format == BINARY_SI and not Quantity(-1024) < self < Quantity(1024):
            whole = self.value()
            if self.scale >= 0 or Quantity(whole) == self:
                times = 0
                while whole % 1024 == 0:
                    whole //= 1024
                    times += 1
                return f"{whole}{_BINARY_SUFFIX.get(10 * times, '')}"
        mantissa, exponent = self.mantissa, self.scale
        while mantissa % 10 == 0:
            mantissa //= 10
            exponent += 1
        places = exponent % 3
        mantissa *= 10**places
        exponent -= places
        if self.format == DECIMAL_EXPONENT:
            return f"{mantissa}e{exponent}" if exponent else str(mantissa)
        return f"{mantissa}{_DECIMAL_SUFFIX.get(exponent, '')}"

    def __str__(self) -> str:
        return self.canonical()

    def __repr__(self) -> str:
        return f"Quantity({self.canonical()!r})"

    def compare(self, other: Quantity) -> int:
        """-1, 0 or 1."""
        mine, theirs = self.mantissa, other.mantissa
        if self.scale == other.scale:
            return (mine > theirs) - (mine < theirs)
        if mine == 0 or theirs == 0 or (mine < 0) != (theirs < 0):
            return (mine > theirs) - (mine < theirs)
        sizes = self.scale - other.scale + len(str(abs(mine))) - len(str(abs(theirs)))
        if abs(sizes) > 1:  # so that 1e2000000000 needs no number of that many digits
            return 1 if (sizes > 0) == (mine > 0) else -1
        shift = self.scale - other.scale
        if shift > 0:
            mine *= 10**shift
        else:
            theirs *= 10**-shift
        return (mine > theirs) - (mine < theirs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.compare(other) == 0

    def __lt__(self, other: Quantity) -> bool:
        return self.compare(other) < 0

    def __hash__(self) -> int:
        mantissa, exponent = self.mantissa, self.scale
        if mantissa == 0:
            return 0
        while mantissa % 10 == 0:
            mantissa //= 10
            exponent += 1
        return hash((mantissa, exponent))

    def __bool__(self) -> bool:
        return self.mantissa != 0

    def __add__(self, other: Quantity) -> Quantity:
        # As Quantity.Add: zero takes the form of what is added to it.
        form = other.format if self.mantissa == 0 else self.format
        if self.mantissa == 0 or other.mantissa == 0:
            rest = other if self.mantissa == 0 else self
            return Quantity(rest.mantissa, rest.scale, form)
        scale = min(self.scale, other.scale)
        if max(self.scale, other.scale) - scale > 10 * _COMPARABLE_DIGITS:
            raise OverflowError("quantities are too far apart to be added")
        total = self.mantissa * 10 ** (self.scale - scale) + other.mantissa * 10 ** (other.scale - scale)
        return Quantity(total, scale, form)

    def __neg__(self) -> Quantity:
        return Quantity(-self.mantissa, self.scale, self.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return self + (-other)

    def __mul__(self, factor: int) -> Quantity:
        return Quantity(self.mantissa * factor, self.scale, self.format)


ZERO = Quantity(0, 0, DECIMAL_SI, "0")


def canonical(text: str) -> str:
    """The text of a quantity as Go writes it again. Raises ValueError with Go's text."""
    return Quantity.parse(text).canonical()


def _build(text: str, sign: int, whole: str, fraction: str, suffix: str) -> Quantity:
    # As ParseQuantity: the fast way keeps a text that is canonical already, the slow way rounds and caps.
    base, exponent, form = _interpret(suffix)
    places = len(fraction)
    digits = whole + fraction
    if len(digits) > _READABLE_DIGITS:
        raise ValueError(NUMERIC_WRONG)
    value = int(digits)
    if base == 10:
        scale = exponent - places
        if len(digits) <= _INT64_DIGITS and scale >= _NANO:
            keep = scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0"
            return Quantity(sign * value, scale, form, text if keep else "")
        return Quantity(sign * _to_nano(value, scale), max(scale, _NANO), form)
    amount = value << exponent
    if not places and len(whole) + exponent * 3 // 10 < 15:
        return Quantity(sign * amount, 0, form, text if value & 7 else "")
    whole_amount = _to_nano(amount, -places)
    scale = max(-places, _NANO)
    limit = _MAX_INT64 * 10**-scale
    if whole_amount > limit:
        whole_amount, scale = _MAX_INT64, 0
    if 0 < whole_amount < 10**-scale:
        form = DECIMAL_SI  # below one, so that nothing is rounded
    return Quantity(sign * whole_amount, scale, form)


def _interpret(suffix: str) -> tuple[int, int, Format]:
    """Base, exponent and form that a suffix stands for."""
    if suffix in _DECIMAL:
        return 10, _DECIMAL[suffix], DECIMAL_SI
    if suffix in _BINARY:
        return 2, _BINARY[suffix], BINARY_SI
    if len(suffix) > 1 and suffix[0] in "eE":
        try:
            exponent = int(suffix[1:])
        except ValueError:
            raise ValueError(SUFFIX_WRONG) from None
        if abs(exponent) > _MAX_INT64:
            raise ValueError(SUFFIX_WRONG)
        return 10, (exponent + (1 << 31)) % (1 << 32) - (1 << 31), DECIMAL_EXPONENT  # Go keeps 32 bits of it
    raise ValueError(SUFFIX_WRONG)


def _to_nano(value: int, scale: int) -> int:
    """The mantissa at the scale of 1e-9 for what is finer than that, rounded up; else unchanged."""
    return value if scale >= _NANO else _rounded_up(value, _NANO - scale)


def _rounded_up(value: int, places: int) -> int:
    """`value / 10**places`, rounded away from zero."""
    if places > len(str(abs(value))):
        return (value > 0) - (value < 0)
    divisor: int = 10**places
    size = -(-abs(value) // divisor)
    return size if value > 0 else -size
