"""Values written as Go writes them: `%q`, `%v`, the shortest float, encoding/json.

Kubernetes' messages and kubectl's output are full of them, so that they must agree to the character.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable

from kubesim.util.jsontypes import JSONValue

_SHORT_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}
_PLAIN = re.compile(r"[ !#-\[\]-~]*")


def quote(text: str) -> str:
    """A string as strconv.Quote, the verb %q, writes it."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(map(_quoted_character, text)) + '"'


def _quoted_character(character: str) -> str:
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as surrogateescape reads it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def string_slice(values: Iterable[str]) -> str:
    """A []string as %#v writes it."""
    return "[]string{" + ", ".join(map(quote, values)) + "}"


def float_text(value: float) -> str:
    """A float64 as %v and strconv's shortest 'g' write it: exponent form below 1e-4 and from 1e6 on."""
    # strconv counts the shortest form as precision 6 where it chooses between the two forms.
    return _float(value, -4, 6)


def float_json(value: float) -> str:
    """A float64 as encoding/json writes it: exponent form below 1e-6 (`1e-7`) and from 1e21 on."""
    if value and (abs(value) < 1e-6 or abs(value) >= 1e21):
        digits, exponent = _digits(abs(value))
        text = _exponent_form(digits, exponent)
        if text[-4:-2] == "e-" and text[-2] == "0":
            text = text[:-2] + text[-1]
        return ("-" if value < 0 else "") + text
    return _float(value, -400, 400)


def _float(value: float, low: int, high: int) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if value == 0:
        return sign + "0"
    digits, exponent = _digits(abs(value))
    if exponent < low or exponent >= high:
        return sign + _exponent_form(digits, exponent)
    if exponent < 0:
        return sign + "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    rest = digits[exponent + 1 :]
    return sign + whole + (f".{rest}" if rest else "")


def _digits(value: float) -> tuple[str, int]:
    """The shortest digits that read back as the value, no zeros around them; the exponent of the first."""
    mantissa, _, exponent = f"{value!r}".partition("e")
    whole, _, rest = mantissa.partition(".")
    digits = whole + rest
    first = len(digits) - len(digits.lstrip("0"))
    place = len(whole) - 1 - first + int(exponent or 0)
    return digits.strip("0") or "0", place


def _exponent_form(digits: str, exponent: int) -> str:
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def sprint(value: JSONValue) -> str:
    """A decoded JSON value as %v writes it: `map[a:1 b:[x y]]`, `<nil>`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{sprint(value[k])}" for k in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(sprint, value)) + "]"
    return str(value)


def go_syntax(value: JSONValue, keys: str = "string") -> str:
    """A decoded JSON value as %#v writes it; `keys` is the type of the keys of its maps."""
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, dict):
        pairs = ", ".join(f"{quote(k)}:{go_syntax(value[k], keys)}" for k in sorted(value))
        return f"map[{keys}]interface {{}}{{{pairs}}}"
    if isinstance(value, (list, tuple)):
        return "[]interface {}{" + ", ".join(go_syntax(item, keys) for item in value) + "}"
    return sprint(value)


def type_name(value: JSONValue) -> str:
    """The Go type of a decoded JSON value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, (list, tuple)):
        return "[]interface {}"
    return {str: "string", int: "int64", float: "float64"}.get(type(value), "<nil>")


_HTML = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def to_json(value: JSONValue, *, indent: str = "", prefix: str = "", escape_html: bool = True) -> str:
    """A value as encoding/json writes it: map keys sorted, `<`, `>` and `&` escaped unless told otherwise.

    With `indent`, as json.MarshalIndent; empty lists and maps stay on one line.
    """
    return _json(value, indent, prefix, _html if escape_html else _line_separators)


def _html(text: str) -> str:
    return text.translate(_HTML)


def _line_separators(text: str) -> str:
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def json_string(text: str, *, escape_html: bool = True) -> str:
    """A string as encoding/json writes it."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _html(quoted) if escape_html else _line_separators(quoted)


def _json(value: JSONValue, indent: str, prefix: str, escape: Callable[[str], str]) -> str:
    if isinstance(value, str):
        return escape(json.dumps(value, ensure_ascii=False))
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return float_json(value)
    if isinstance(value, dict):
        colon = ": " if indent else ":"
        deeper = prefix + indent
        parts = [
            f"{escape(json.dumps(k, ensure_ascii=False))}{colon}{_json(value[k], indent, deeper, escape)}"
            for k in sorted(value)
        ]
        return _enclosed("{", parts, "}", indent, prefix)
    parts = [_json(item, indent, prefix + indent, escape) for item in value]
    return _enclosed("[", parts, "]", indent, prefix)


def _enclosed(opening: str, parts: list[str], closing: str, indent: str, prefix: str) -> str:
    if not parts:
        return opening + closing
    if not indent:
        return opening + ",".join(parts) + closing
    deeper = f"\n{prefix}{indent}"
    return opening + deeper + f",{deeper}".join(parts) + f"\n{prefix}{closing}"
