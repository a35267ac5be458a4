"""JSON as Go reads it: encoding/json's texts for what is wrong, and its numbers as Kubernetes keeps them.

Good input goes through the standard library's scanner in C; Go's is followed only to say what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from kubesim.util.jsontypes import JSONValue

_MAX_DEPTH = 10000
_SPACE = b" \t\r\n"
_MIN_INT64, _MAX_INT64 = -(1 << 63), (1 << 63) - 1


class GoJSONError(ValueError):
    """Text that is not JSON: encoding/json's text, and how many bytes were read (None at an early end)."""

    def __init__(self, text: str, offset: int | None = None) -> None:
        super().__init__(text)
        self.offset = offset


def _whole(text: str) -> int | float:
    value = int(text) if len(text) < 400 else float(text)
    return value if _MIN_INT64 <= value <= _MAX_INT64 else float(text)


def _real(text: str) -> int | float:
    # encoding/json writes a whole float without a point, so that the next reader finds an integer.
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < _MAX_INT64 else value


def _constant(text: str) -> Any:
    raise ValueError(text)


_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_real, parse_constant=_constant)


def loads(data: bytes) -> JSONValue:
    """One value, and nothing but space around it. Raises GoJSONError, worded as json.Unmarshal."""
    text = data.decode("utf-8", "replace")
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise GoJSONError("exceeded max depth", None) from None
    except ValueError:
        raise _unmarshal_error(data) from None
    if text[end:].strip(" \t\r\n"):
        raise _unmarshal_error(data)
    return value


def _unmarshal_error(data: bytes) -> GoJSONError:
    """What json.Unmarshal says, which has its own words for an early end."""
    _, error = scan(data, whole=True)
    if error is None or error.offset is None:
        return GoJSONError("unexpected end of JSON input")
    return error


def load_stream(data: bytes) -> Iterator[tuple[JSONValue, int, int]]:
    """Values one after another, each with where it begins and ends in `data`, as json.Decoder reads them.

    Raises GoJSONError where it comes to something else.
    """
    text = data.decode("utf-8", "replace")
    at = place = 0  # in the text, and in the bytes
    while True:
        start = at
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        place += at - start  # space is one byte each
        if at == len(text):
            return
        value, end = _next_value(text, at, data, place)
        size = end - at if data.isascii() else len(text[at:end].encode("utf-8", "surrogatepass"))
        yield value, place, place + size
        at, place = end, place + size


def _next_value(text: str, at: int, data: bytes, place: int) -> tuple[JSONValue, int]:
    """The value that begins here, and where it ends in the text."""
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError:
        raise GoJSONError("exceeded max depth", place + 1) from None
    except ValueError:
        raise scan(data, place)[1] or GoJSONError("unexpected EOF") from None


def scan(data: bytes, start: int = 0, *, whole: bool = False) -> tuple[int, GoJSONError | None]:
    """Where the value at `start` ends; or what Go says is wrong with it.

    With `whole`, anything but space after it is wrong too.
    """
    scanner = _Scanner(data, start)
    try:
        end = scanner.value()
        if whole:
            scanner.at = end
            scanner.skip_space()
            if scanner.at < len(data):
                raise scanner.wrong("after top-level value")
    except GoJSONError as error:
        return len(data), error
    return end, None


_NAMES = {0x27: "'\\''", 0x22: "'\"'"}  # quoteChar's two special cases
_ESCAPED = b'bfnrt\\/"'


class _Scanner:
    """encoding/json's state machine, written as a loop over an explicit stack."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def skip_space(self) -> None:
        data, at = self.data, self.at
        while at < len(data) and data[at] in _SPACE:
            at += 1
        self.at = at

    def peek(self) -> int:
        """The next byte that is no space, which must be there."""
        self.skip_space()
        return self.byte()

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise GoJSONError("unexpected EOF")
        return self.data[self.at]

    def wrong(self, context: str) -> GoJSONError:
        code = self.data[self.at]
        if code in _NAMES:
            name = _NAMES[code]
        else:
            # Go looks at one byte alone, and prints it as a Latin-1 character.
            character = chr(code)
            name = repr(character) if character.isprintable() else "'" + _escape(code) + "'"
            name = "'\\\\'" if character == "\\" else name
        return GoJSONError(f"invalid character {name} {context}", self.at + 1)

    def value(self) -> int:
        """Scan one value and return where it ends."""
        closers: list[int] = []
        while True:
            opened = self._begin(closers)
            if opened:
                continue
            while closers and self._after(closers):
                pass
            if not closers:
                return self.at
            # _after left a comma behind, and in an object the next key and colon.

    def _begin(self, closers: list[int]) -> bool:
        """Scan up to the end of a scalar, or into a list or object that is not empty."""
        code = self.peek()
        if code == 0x7B:
            self._push(closers, 0x7D)
            if self.peek() == 0x7D:
                self._pop(closers)
                return False
            self._key("looking for beginning of object key string")
            return True
        if code == 0x5B:
            self._push(closers, 0x5D)
            if self.peek() == 0x5D:
                self._pop(closers)
                return False
            return True
        if code == 0x22:
            self._string()
        elif code == 0x2D or 0x30 <= code <= 0x39:
            self._number()
        else:
            self._word(code)
        return False

    def _push(self, closers: list[int], closer: int) -> None:
        if len(closers) >= _MAX_DEPTH:
            raise GoJSONError("exceeded max depth", self.at + 1)
        closers.append(closer)
        self.at += 1

    def _pop(self, closers: list[int]) -> None:
        closers.pop()
        self.at += 1

    def _after(self, closers: list[int]) -> bool:
        """What follows a value inside a list or object; true where that ends the list or object too."""
        code = self.peek()
        if code == closers[-1]:
            self._pop(closers)
            return True
        if code != 0x2C:
            context = "after array element" if closers[-1] == 0x5D else "after object key:value pair"
            raise self.wrong(context)
        self.at += 1
        if closers[-1] == 0x7D:
            self.peek()
            self._key("looking for beginning of object key string")
        return False

    def _key(self, context: str) -> None:
        if self.byte() != 0x22:
            raise self.wrong(context)
        self._string()
        if self.peek() != 0x3A:
            raise self.wrong("after object key")
        self.at += 1

    def _string(self) -> None:
        self.at += 1
        while True:
            code = self.byte()
            if code == 0x22:
                self.at += 1
                return
            if code < 0x20:
                raise self.wrong("in string literal")
            self.at += 1
            if code != 0x5C:
                continue
            code = self.byte()
            if code == 0x75:
                self.at += 1
                for _ in range(4):
                    if self.byte() not in b"0123456789abcdefABCDEF":
                        raise self.wrong("in \\u hexadecimal character escape")
                    self.at += 1
            elif code in _ESCAPED:
                self.at += 1
            else:
                raise self.wrong("in string escape code")

    def _number(self) -> None:
        if self.byte() == 0x2D:
            self.at += 1
            if not 0x30 <= self.byte() <= 0x39:
                raise self.wrong("in numeric literal")
        if self.byte() == 0x30:
            self.at += 1
        else:
            self._digits()
        if self._is_next(b"."):
            self.at += 1
            if not 0x30 <= self.byte() <= 0x39:
                raise self.wrong("after decimal point in numeric literal")
            self._digits()
        if self._is_next(b"eE"):
            self.at += 1
            if self.byte() in b"+-":
                self.at += 1
            if not 0x30 <= self.byte() <= 0x39:
                raise self.wrong("in exponent of numeric literal")
            self._digits()

    def _is_next(self, any_of: bytes) -> bool:
        return self.at < len(self.data) and self.data[self.at] in any_of

    def _digits(self) -> None:
        while self._is_next(b"0123456789"):
            self.at += 1

    def _word(self, code: int) -> None:
        word = {0x74: b"true", 0x66: b"false", 0x6E: b"null"}.get(code)
        if word is None:
            raise self.wrong("looking for beginning of value")
        for i in range(1, len(word)):
            self.at += 1
            if self.byte() != word[i]:
                raise self.wrong(f"in literal {word.decode()} (expecting {chr(word[i])!r})")
        self.at += 1


def _escape(code: int) -> str:
    """A byte as strconv.Quote writes it, without the quotes."""
    short = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}
    return short.get(code) or (f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}")
