"""fmt.Sprintf, for decoded JSON values: the verbs, flags and complaints of Go's package fmt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kubesim.util.gotext import float_text, go_syntax, quote, sprint, type_name

_DIRECTIVE = re.compile(r"%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?(.)?", re.DOTALL)
_INTEGER_BASES = {"b": "b", "o": "o", "O": "o", "d": "d", "x": "x", "X": "X"}


class GoInt(int):
    """An `int` of Go's, where data has `int64`: numbers in templates, lengths, positions."""


def go_type(value: Any) -> str:
    """The Go type of a value in a template."""
    return "int" if isinstance(value, GoInt) else type_name(value)


def sprintf(layout: str, args: Sequence[Any]) -> str:
    """Format as fmt.Sprintf; what does not fit is complained of in the text itself."""
    out: list[str] = []
    given = _Arguments(args)
    end = 0
    for found in _DIRECTIVE.finditer(layout):
        out += (layout[end : found.start()], _directive(found, given))
        end = found.end()
    out.append(layout[end:])
    rest = given.rest()
    if rest:
        out.append("%!(EXTRA " + ", ".join(_typed(value) for value in rest) + ")")
    return "".join(out)


class _Arguments:
    """The arguments not used so far."""

    def __init__(self, args: Sequence[Any]) -> None:
        self._args = args
        self._at = 0

    def missing(self) -> bool:
        return self._at >= len(self._args)

    def take(self) -> Any:
        self._at += 1
        return self._args[self._at - 1]

    def rest(self) -> Sequence[Any]:
        return self._args[self._at :]


def _directive(found: re.Match[str], given: _Arguments) -> str:
    flags, width_text, precision_text, verb = found.groups()
    complaint = ""
    width = precision = None
    if width_text == "*":
        width, complaint = _star(given, "%!(BADWIDTH)")
        if width is not None and width < 0:
            flags, width = f"{flags}-", -width
    elif width_text:
        width = int(width_text)
    if precision_text == "*":
        precision, wrong = _star(given, "%!(BADPREC)")
        complaint += wrong
    elif "." in found[0][: -1 if verb else None]:
        precision = int(precision_text or 0)
    if verb is None:
        return f"{complaint}%!(NOVERB)"
    if verb == "%":
        return f"{complaint}%"
    if given.missing():
        return f"{complaint}%!{verb}(MISSING)"
    return complaint + _format(given.take(), verb, flags, width, precision)


def _star(given: _Arguments, complaint: str) -> tuple[int | None, str]:
    if given.missing():
        return None, complaint
    value = given.take()
    return (value, "") if type(value) in (int, GoInt) else (None, complaint)


def _typed(value: Any) -> str:
    return "<nil>" if value is None else f"{go_type(value)}={sprint(value)}"


def _format(value: Any, verb: str, flags: str, width: int | None, precision: int | None) -> str:
    if verb == "T":
        return _padded(go_type(value), flags, width)
    if isinstance(value, (list, dict)) and not (verb == "v" and "#" in flags):
        return _collection(value, verb, flags, width, precision)
    text = _scalar(value, verb, flags, precision)
    if text is None:
        return f"%!{verb}({_typed(value)})"
    return _padded(text, flags, width, zero="0" in flags and "-" not in flags)


def _collection(
    value: list[Any] | dict[str, Any], verb: str, flags: str, width: int | None, precision: int | None
) -> str:
    def inside(item: Any) -> str:
        return "<nil>" if item is None else _format(item, verb, flags, width, precision)

    if isinstance(value, dict):
        return f"map[{' '.join(f'{inside(k)}:{inside(value[k])}' for k in sorted(value))}]"
    return f"[{' '.join(map(inside, value))}]"


def _scalar(value: Any, verb: str, flags: str, precision: int | None) -> str | None:
    """A value in a verb; None where they do not go together."""
    if value is None:
        return "<nil>" if verb == "v" else None
    if isinstance(value, bool):
        return sprint(value) if verb in "tv" else None
    if isinstance(value, str):
        return _string(value, verb, flags, precision)
    if isinstance(value, int):
        return _integer(value, verb, flags, precision)
    return _float(value, verb, flags, precision) if isinstance(value, float) else go_syntax(value)


def _string(value: str, verb: str, flags: str, precision: int | None) -> str | None:
    if precision is not None and verb in "svqxX":
        value = value[:precision]
    if verb == "v" and "#" in flags:
        return quote(value)
    if verb in "sv":
        return value
    if verb == "q":
        return f"`{value}`" if "#" in flags and "`" not in value and value.isprintable() else quote(value)
    if verb not in "xX":
        return None
    data = value.encode("utf-8", "surrogatepass")
    text = data.hex(" ") if " " in flags else data.hex()
    if "#" in flags and text:
        text = " ".join(f"0x{part}" for part in text.split(" "))
    return text.upper() if verb == "X" else text


def _integer(value: int, verb: str, flags: str, precision: int | None) -> str | None:
    if verb == "v":
        verb = "d"
    if verb in _INTEGER_BASES:
        digits = format(abs(value), _INTEGER_BASES[verb])
        if precision is not None:
            digits = digits.rjust(precision, "0") if precision or value else ""
        prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
        prefix = "0o" if verb == "O" else prefix
        sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
        return sign + prefix + digits
    if verb in "cqU" and 0 <= value <= 0x10FFFF:
        if verb == "U":
            return f"U+{value:04X}" + (f" '{chr(value)}'" if "#" in flags else "")
        return chr(value) if verb == "c" else "'" + quote(chr(value))[1:-1].replace("'", "\\'") + "'"
    return None


def _float(value: float, verb: str, flags: str, precision: int | None) -> str | None:
    if verb in "fFeE":
        text = format(value, f".{6 if precision is None else precision}{verb.replace('F', 'f')}")
    elif verb in "vgG":
        text = float_text(value) if precision is None else format(value, f".{precision or 1}g")
        text = text.upper() if verb == "G" else text
    else:
        return None
    return f"+{text}" if "+" in flags and not text.startswith(("-", "+")) else text


def _padded(text: str, flags: str, width: int | None, *, zero: bool = False) -> str:
    if width is None or len(text) >= width:
        return text
    if "-" in flags:
        return text.ljust(width)
    return text.zfill(width) if zero else text.rjust(width)
