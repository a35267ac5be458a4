"""Spans of time in Go's notation (`1m30s`) and as kubectl shows ages (`3h20m`, `<unknown>`)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from kubesim.util.clock import parse_time
from kubesim.util.gotext import quote

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_TERM = re.compile(r"([0-9]*)(\.[0-9]*)?([^0-9.]*)")
_MAX_INT64 = (1 << 63) - 1
_SECOND = 1_000_000_000


def parse_nanoseconds(text: str) -> int:
    """Nanoseconds of a duration as time.ParseDuration reads it. Raises ValueError with Go's text."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f"time: invalid duration {quote(text)}")
    total = 0
    while rest:
        found = _TERM.match(rest)
        if found is None or not (found[1] or (found[2] or ".") != "."):
            raise ValueError(f"time: invalid duration {quote(text)}")
        whole, fraction, unit = found.groups()
        if not unit:
            raise ValueError(f"time: missing unit in duration {quote(text)}")
        if unit not in _NANOSECONDS:
            raise ValueError(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        size = _NANOSECONDS[unit]
        total += int(whole or 0) * size
        if fraction and len(fraction) > 1:
            total += int(fraction[1:]) * size // 10 ** (len(fraction) - 1)
        rest = rest[found.end() :]
    if total > _MAX_INT64 + (text[0] == "-"):
        raise ValueError(f"time: invalid duration {quote(text)}")
    return -total if text[0] == "-" else total


def parse_duration(text: str) -> timedelta:
    """A duration as time.ParseDuration reads it, to the microsecond. Raises ValueError with Go's text."""
    return timedelta(microseconds=parse_nanoseconds(text) / 1000)


def format_nanoseconds(nanoseconds: int) -> str:
    """A duration as time.Duration.String writes it: `1h0m0s`, `1.5s`, `250ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign = "-" if nanoseconds < 0 else ""
    rest = abs(nanoseconds)
    if rest < _SECOND:
        unit = "ns" if rest < 1_000 else "µs" if rest < 1_000_000 else "ms"
        return f"{sign}{_fraction(rest, _NANOSECONDS[unit])}{unit}"
    minutes, rest = divmod(rest, 60 * _SECOND)
    seconds = f"{_fraction(rest, _SECOND)}s"
    if not minutes:
        return sign + seconds
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}h{minutes}m{seconds}" if hours else f"{sign}{minutes}m{seconds}"


def format_duration(span: timedelta) -> str:
    """A duration as time.Duration.String writes it."""
    return format_nanoseconds(span // timedelta(microseconds=1) * 1000)


def _fraction(amount: int, size: int) -> str:
    whole, part = divmod(amount, size)
    if not part:
        return str(whole)
    return f"{whole}.{part:0{len(str(size)) - 1}d}".rstrip("0")


def human_duration(span: timedelta) -> str:
    """An age as kubectl shows it: two or three significant figures. Source: util/duration, HumanDuration."""
    seconds = int(span.total_seconds())
    if seconds < 0:
        return "<invalid>" if seconds < -1 else "0s"
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 24 * 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def short_human_duration(span: timedelta) -> str:
    """An age in its largest unit alone. Source: util/duration, ShortHumanDuration."""
    seconds = int(span.total_seconds())
    if seconds < 0:
        return "<invalid>" if seconds < -1 else "0s"
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m"
    hours = seconds // 3600
    if hours < 24:
        return f"{hours}h"
    return f"{hours // 24}d" if hours < 24 * 365 else f"{hours // 24 // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def time_since(text: str | None, now: datetime) -> str:
    """The age of a timestamp, `<unknown>` where there is none. Source: printers, translateTimestampSince."""
    if not text:
        return "<unknown>"
    return human_duration(now - parse_time(text))


def time_until(text: str | None, now: datetime) -> str:
    """The span until a timestamp, `<unknown>` where there is none: printers, translateTimestampUntil."""
    if not text:
        return "<unknown>"
    return human_duration(parse_time(text) - now)
