"""Values that Go types read and write themselves: times, base64, quantities; with Go's texts for what is
wrong with them.
"""

from __future__ import annotations

import binascii
import re
from typing import Any

# Written as they are stored; everything else is read by `gotime`, to which this is the short cut.
_PLAIN = r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
PLAIN_TIME = re.compile(f"{_PLAIN}Z", re.ASCII)
_PLAIN_MICRO_TIME = re.compile(rf"{_PLAIN}\.\d{{6}}Z", re.ASCII)

_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def quantity_text(value: Any) -> str:
    """A quantity of JSON in its canonical form. Raises ValueError with Go's text."""
    from kubesim.util.quantity import FORMAT_WRONG, canonical

    if type(value) is str:
        return canonical(value.strip())
    if type(value) is int:
        return canonical(str(value))
    if type(value) is float:
        from kubesim.util.gotext import float_json

        return canonical(float_json(value))
    raise ValueError(FORMAT_WRONG)


def time_text(text: str, *, micro: bool) -> str | None:
    """A time as Go writes it again, None for the zero time. Raises ValueError with Go's text."""
    if (_PLAIN_MICRO_TIME if micro else PLAIN_TIME).fullmatch(text):
        return text
    from kubesim.apimachinery.schema.gotime import rewritten

    return rewritten(text, micro=micro)


def base64_text(text: str) -> str:
    """Base64 as Go writes it again. Raises ValueError with Go's text."""
    try:
        body = text.encode("ascii")
        return binascii.b2a_base64(binascii.a2b_base64(body, strict_mode=True), newline=False).decode("ascii")
    except (ValueError, UnicodeEncodeError):
        body = text.encode("utf-8", "surrogatepass")
    wrong = _illegal_base64(body)
    if wrong is not None:
        raise ValueError(f"illegal base64 data at input byte {wrong}")
    return binascii.b2a_base64(binascii.a2b_base64(body), newline=False).decode("ascii")


def _illegal_base64(body: bytes) -> int | None:
    """Where encoding/base64's StdEncoding gives up, or None. Line ends are skipped, as there."""
    at, size = 0, len(body)
    while True:
        filled = 0
        while filled < 4:
            if at == size:
                return None if filled == 0 else at - filled
            char = body[at]
            at += 1
            if char in _ALPHABET:
                filled += 1
            elif char not in b"\r\n":
                return _illegal_padding(body, at, filled)


def _illegal_padding(body: bytes, at: int, filled: int) -> int | None:
    """`at` is behind a character that is not of the alphabet; `filled` characters of four came before it."""
    size = len(body)
    if body[at - 1] != ord("=") or filled < 2:
        return at - 1
    if filled == 2:
        at = _behind_newlines(body, at)
        if at == size:
            return size
        if body[at] != ord("="):
            return at - 1
        at += 1
    at = _behind_newlines(body, at)
    return at if at < size else None


def _behind_newlines(body: bytes, at: int) -> int:
    while at < len(body) and body[at] in b"\r\n":
        at += 1
    return at
