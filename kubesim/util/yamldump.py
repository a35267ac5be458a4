"""YAML as kubectl prints it: go-yaml v2 below sigs.k8s.io/yaml, with sorted keys and lists not indented.

Own emitter, because PyYAML's is slow and quotes otherwise. Rules as in go-yaml's emitterc.go: analyze_scalar
chooses what is allowed, select_scalar_style takes the first that is.
"""

from __future__ import annotations

import re
from functools import cmp_to_key
from math import isfinite

from kubesim.util.gotext import float_json, float_text
from kubesim.util.jsontypes import JSONObject, JSONValue
from kubesim.util.yamlscalars import WORDS, is_plain

_SIMPLE = re.compile(r"[A-Za-z/_][-A-Za-z0-9/_.]*")
# What is not printable to go-yaml, and needs escapes. Characters beyond U+FFFF are among it.
_SPECIAL = re.compile(r"[^\n -~\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_BREAK = re.compile(r"[\n\u2028\u2029]")
_BREAK_INSIDE = re.compile(r"([\u2028\u2029])(?=[^\n\u2028\u2029])")
_SPACE_BREAK = re.compile(r" [\n\u2028\u2029]")
_BREAK_SPACE = re.compile(r"[\n\u2028\u2029] ")
_ESCAPED = re.compile(r"[^ !#-\[\]-~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_ANYTHING = re.compile(r"[\s\S]")
_ESCAPES = {
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    '"': '\\"',
    "\\": "\\\\",
    "\x85": "\\N",
    "\xa0": "\\_",
    "\u2028": "\\L",
    "\u2029": "\\P",
}
_INDICATORS = "#,[]{}&*!|>'\"%@`"
_LONGEST_SIMPLE_KEY = 128
_WIDTH = 80


def dump(value: JSONValue) -> str:
    """A JSON value as a YAML document, with a line break at its end."""
    out: list[str] = []
    _Emitter(out).node(value, -2, "")
    return "".join(out).lstrip("\n") + "\n"


class _Emitter:
    """Writes pieces of text to a list; each begins with what separates it from the one before."""

    def __init__(self, out: list[str]) -> None:
        self._out = out
        self._styles: dict[str, str] = {}

    def node(self, value: JSONValue, indent: int, separator: str, column: int = 0) -> None:
        """Write a value inside something so far indented, after `separator` where it stays on the line.

        `column` is where a scalar begins: long ones are folded.
        """
        if isinstance(value, dict):
            if value:
                self._mapping(value, indent + 2, "\n" + " " * (indent + 2))
            else:
                self._out.append(f"{separator}{{}}")
        elif isinstance(value, (list, tuple)):
            if value:
                inner = max(indent, 0)
                self._sequence(list(value), inner, "\n" + " " * inner)
            else:
                self._out.append(f"{separator}[]")
        elif isinstance(value, str):
            self._out.append(separator + self._string(value, max(indent, 0), column))
        else:
            self._out.append(separator + _word(value))

    def _mapping(self, value: JSONObject, indent: int, first: str) -> None:
        """`first` is what stands before the first key: a new line, or the space after a dash."""
        out = self._out
        line = "\n" + " " * indent
        lead = first
        for key in sorted_keys(value):
            if _BREAK.search(key) or (len(key) > _LONGEST_SIMPLE_KEY // 4 and _is_long(key)):
                out.append(f"{lead}? {self._string(key, indent, indent + 2)}{line}:")
                self._inline(value[key], indent)
            else:
                text = self._styles.get(key) or self._style(key)
                out.append(f"{lead}{text}:")
                self.node(value[key], indent, " ", indent + len(text) + 2)
            lead = line

    def _sequence(self, value: list[JSONValue], indent: int, first: str) -> None:
        line = "\n" + " " * indent
        lead = first
        for item in value:
            self._out.append(f"{lead}-")
            self._inline(item, indent)
            lead = line

    def _inline(self, value: JSONValue, indent: int) -> None:
        """A value behind a dash, or the colon of a long key: a mapping or list begins on the same line."""
        if isinstance(value, dict) and value:
            self._mapping(value, indent + 2, " ")
        elif isinstance(value, (list, tuple)) and value:
            self._sequence(list(value), indent + 2, " ")
        else:
            self.node(value, indent, " ", indent + 2)

    def _string(self, text: str, indent: int, column: int) -> str:
        found = self._styles.get(text)
        if found is None:
            if _BREAK.search(text):
                return _multiline(text, indent + 2, column)
            found = self._style(text)
        if column + len(found) > _WIDTH and " " in found:
            return _folded(text, found, indent + 2, column)
        return found

    def _style(self, text: str) -> str:
        found = self._styles[text] = _quoted(text)
        return found


def _word(value: JSONValue) -> str:
    """A scalar that is no string."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    # kubectl's YAML goes through JSON, where a float that is whole may come to look like an integer.
    text = float_json(value) if isfinite(value) else ""
    if text.removeprefix("-").isdigit() and -(1 << 63) <= int(text) < 1 << 64:
        return "0" if text == "-0" else text
    text = float_text(value)
    return {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}.get(text, text)


def _quoted(text: str) -> str:
    if _SIMPLE.fullmatch(text) and text not in WORDS:
        return text
    if not is_plain(text) or _SPECIAL.search(text):
        return _double_quoted(text)
    if _is_block_plain(text):
        return text
    return "'" + text.replace("'", "''") + "'"


def _folded(text: str, found: str, indent: int, column: int) -> str:
    """A one-line string, broken at spaces that stand beyond the 80th column: go-yaml's best_width.

    Breaks go where the text has one space; only double quotes can also break inside several.
    """
    double = found[0] == '"' and found != text
    last = len(found) - 2 if found != text else len(found) - 1
    pieces: list[str] = []
    start = 0
    at = found.find(" ", 1)
    while at >= 0:
        here = column + at - start
        if here > _WIDTH and found[at - 1] != " " and at + (found == text) > 1 and at < last:
            following = found[at + 1]
            if double or following != " ":
                pieces.append(found[start:at])
                start = at + 1
                column = indent
                if following == " ":
                    pieces.append(f"\n{' ' * indent}\\")
                    column += 1
                else:
                    pieces.append(f"\n{' ' * indent}")
        at = found.find(" ", at + 1)
    return "".join((*pieces, found[start:]))


def _multiline(text: str, indent: int, column: int) -> str:
    """A string with line breaks; `indent` is that of its lines."""
    if _SPECIAL.search(text) or _SPACE_BREAK.search(text):
        return _folded(text, _double_quoted(text), indent, column)
    if "\n" in text:
        if text[-1] in " \u2028\u2029":
            return _folded(text, _double_quoted(text), indent, column)
        return _literal(text, " " * indent)
    if _BREAK_SPACE.search(text) or not is_plain(text):
        return _folded(text, _double_quoted(text), indent, column)
    return "'" + _BREAK_INSIDE.sub(rf"\1{' ' * indent}", text.replace("'", "''")) + "'"


def _literal(text: str, space: str) -> str:
    """A literal block, without the line break at its end."""
    hints = "2" if text[0] in " \n\u2028\u2029" else ""
    if text[-1] != "\n":
        hints += "-"
    elif len(text) == 1 or text[-2] in "\n\u2028\u2029":
        hints += "+"
    lines = [space + line if line else "" for line in text.removesuffix("\n").split("\n")]
    body = "\n".join(lines)
    if "\u2028" in body or "\u2029" in body:
        body = _BREAK_INSIDE.sub(rf"\1{space}", body)
        body = re.sub(rf"^{space}(?=[\u2028\u2029])", "", body, flags=re.MULTILINE)
    return f"|{hints}\n{body}"


def _is_block_plain(text: str) -> bool:
    """Whether nothing in a one-line string looks like YAML's own signs."""
    if text[0] in _INDICATORS or text[0] == " " or text[-1] == " " or text.startswith(("---", "...")):
        return False
    if text[0] in "-?:" and (len(text) == 1 or text[1] in " \t"):
        return False
    return ": " not in text and ":\t" not in text and text[-1] != ":" and " #" not in text


def _double_quoted(text: str) -> str:
    # go-yaml looks for a byte order mark at the beginning only, and then escapes everything.
    escaped = _ANYTHING if text.startswith("\ufeff") else _ESCAPED
    return '"' + escaped.sub(_escape, text) + '"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _is_long(key: str) -> bool:
    return len(key.encode("utf-8", "surrogatepass")) > _LONGEST_SIMPLE_KEY


def sorted_keys(value: JSONObject) -> list[str]:
    """The keys in go-yaml's order: numbers inside them by their size, letters after everything else."""
    if len(value) < 2:
        return list(value)
    if "".join(value).isalpha():
        return sorted(value)
    return sorted(value, key=cmp_to_key(_compare))


def _compare(a: str, b: str) -> int:
    # As keyList.Less in go-yaml's sorter.go.
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x == y:
            continue
        x_letter, y_letter = x.isalpha(), y.isalpha()
        if x_letter and y_letter:
            return -1 if x < y else 1
        if x_letter or y_letter:
            return -1 if y_letter else 1
        return _compare_at(a, b, i)
    return (len(a) > len(b)) - (len(a) < len(b))


def _compare_at(a: str, b: str, i: int) -> int:
    """Compare from the first difference, neither side of which is a letter."""
    start = 0
    if a[i] == "0" or b[i] == "0":
        # A zero inside a number counts; one at its beginning does not.
        j = i - 1
        while j >= 0 and a[j].isdecimal():
            if a[j] != "0":
                start = 1
                break
            j -= 1
    first, first_end = _run(a, i, start)
    second, second_end = _run(b, i, start)
    if first != second:
        return -1 if first < second else 1
    if first_end != second_end:
        return -1 if first_end < second_end else 1
    return -1 if a[i] < b[i] else 1


def _run(text: str, at: int, value: int) -> tuple[int, int]:
    """The number that begins here, after the digits that stand for `value`, and where it ends."""
    while at < len(text) and text[at].isdecimal():
        value = value * 10 + ord(text[at]) - 48
        at += 1
    return value, at
