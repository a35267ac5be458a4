"""Values written as Go writes them: `%q`, `%v`, the shortest float, encoding/json.

Kubernetes' messages and kubectl's output are full of them, so that they must agree to the character.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from json.encoder import encode_basestring

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


_HTML = tuple((c, f"\\u{ord(c):04x}") for c in "<>&\u2028\u2029")


def to_json(
    value: JSONValue, *, indent: str = "", prefix: str = "", escape_html: bool = True, sort_keys: bool = True
) -> str:
    """A value as encoding/json writes it: map keys sorted, `<`, `>` and `&` escaped unless told otherwise.

    With `indent`, as json.MarshalIndent; empty lists and maps stay on one line. Without `sort_keys`, maps are
    written in their own order, as Go writes the fields of a struct.
    """
    out: list[str] = []
    _json(value, indent, f"\n{prefix}" if indent else "", out, sort_keys)
    text = "".join(out)
    # These characters stand in strings alone, so the whole text can be searched at once.
    for character, escaped in _HTML if escape_html else _HTML[3:]:
        if character in text:
            text = text.replace(character, escaped)
    return text


def json_string(text: str) -> str:
    """A string as encoding/json writes it."""
    return to_json(text)


def _json(value: JSONValue, indent: str, line: str, out: list[str], sort_keys: bool) -> None:
    if isinstance(value, str):
        out.append(encode_basestring(value))
    elif isinstance(value, dict):
        if not value:
            out.append("{}")
            return
        deeper = line + indent
        lead, colon = f"{{{deeper}", ": " if indent else ":"
        for key in sorted(value) if sort_keys else value:
            out.append(f"{lead}{encode_basestring(key)}{colon}")
            _json(value[key], indent, deeper, out, sort_keys)
            lead = f",{deeper}"
        out.append(f"{line}}}")
    elif isinstance(value, (list, tuple)):
        if not value:
            out.append("[]")
            return
        deeper = line + indent
        lead = f"[{deeper}"
        for item in value:
            out.append(lead)
            _json(item, indent, deeper, out, sort_keys)
            lead = f",{deeper}"
        out.append(f"{line}]")
    else:
        out.append(_json_scalar(value))


def _json_scalar(value: JSONValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return float_json(value) if isinstance(value, float) else str(value)
