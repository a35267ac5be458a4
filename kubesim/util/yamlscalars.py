"""What a plain YAML scalar means to kubectl: the rules of go-yaml v2, YAML 1.1 but for a few.

The loader asks what a scalar is, the emitter whether a string may stand without quotes.
"""

from __future__ import annotations

import re
from typing import Final

from kubesim.util.jsontypes import JSONValue

STR: Final = "!!str"
BOOL: Final = "!!bool"
INT: Final = "!!int"
FLOAT: Final = "!!float"
NULL: Final = "!!null"
TIMESTAMP: Final = "!!timestamp"

WORDS: dict[str, tuple[str, JSONValue]] = {
    "": (NULL, None),
    "~": (NULL, None),
    **dict.fromkeys(("null", "Null", "NULL"), (NULL, None)),
    **{
        word: (BOOL, value)
        for words, value in (("y yes true on", True), ("n no false off", False))
        for lower in words.split()
        for word in (lower, lower.capitalize(), lower.upper())
    },
    **{word: (FLOAT, float("nan")) for word in (".nan", ".NaN", ".NAN")},
    **{sign + word: (FLOAT, float("inf")) for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **{"-" + word: (FLOAT, float("-inf")) for word in (".inf", ".Inf", ".INF")},
}

_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_POINT_FLOAT = re.compile(r"\.[0-9]+([eE][-+]?[0-9]+)?")
_INT = re.compile(r"([-+]?)(?:(0[xX])([0-9a-fA-F]+)|(0[oO]|0)([0-7]+)|(0[bB])([01]+)|([1-9][0-9]*|0))")
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[Tt]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})"
    r"| ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?)?"
)
_BASE60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_MAX_UINT64 = (1 << 64) - 1
_MIN_INT64 = -(1 << 63)


def resolve(text: str) -> tuple[str, JSONValue]:
    """The short tag and the value of a plain scalar without a tag. A timestamp's value is its text."""
    first = text[:1]
    if first not in "+-.0123456789yYnNtTfFoO~":  # the empty text is in it
        return STR, text
    if text in WORDS:
        return WORDS[text]
    if first == ".":
        if _POINT_FLOAT.fullmatch(text) and (value := _float(text)) is not None:
            return FLOAT, value
    elif first in "+-0123456789":
        return _number(text)
    return STR, text


def _number(text: str) -> tuple[str, JSONValue]:
    if len(text) > 7 and text[4] == "-" and is_timestamp(text):
        return TIMESTAMP, text
    plain = text.replace("_", "") if "_" in text else text
    found = _INT.fullmatch(plain)
    if found:
        whole = _integer(found)
        if _MIN_INT64 <= whole <= _MAX_UINT64:
            return INT, whole
    if _FLOAT.fullmatch(plain) and (value := _float(plain)) is not None:
        return FLOAT, value
    return STR, text


def _integer(found: re.Match[str]) -> int:
    sign, _, hexadecimal, _, octal, _, binary, decimal = found.groups()
    if hexadecimal:
        value = int(hexadecimal, 16)
    elif octal:
        value = int(octal, 8)
    elif binary:
        value = int(binary, 2)
    else:
        # Beyond 400 digits the number is no 64-bit one, whatever it is.
        value = int(decimal) if len(decimal) < 400 else 1 << 65
    if sign == "+" and value > (1 << 63) - 1:
        return 1 << 65  # strconv.ParseUint takes no sign
    return -value if sign == "-" else value


def _float(text: str) -> float | None:
    value = float(text)
    return None if value in (float("inf"), float("-inf")) else value


def is_timestamp(text: str) -> bool:
    """Whether Go's time.Parse takes the text in one of go-yaml's four layouts."""
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return False
    year, month, day, *times = found.groups()
    hour, minute, second = (int(a or b or 0) for a, b in zip(times[:3], times[3:], strict=True))
    if not (1 <= int(month) <= 12 and hour < 24 and minute < 60 and second < 60):
        return False
    leap = int(year) % 4 == 0 and (int(year) % 100 != 0 or int(year) % 400 == 0)
    days = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[int(month) - 1]
    return 1 <= int(day) <= days


def is_base60(text: str) -> bool:
    """Whether YAML 1.1 would read the text as a number in base 60 (`12:30`), for which go-yaml quotes it."""
    return ":" in text and _BASE60.fullmatch(text) is not None


def is_plain(text: str) -> bool:
    """Whether the text, unquoted, is read as a string again."""
    return resolve(text)[0] == STR and not is_base60(text)
