"""RFC 3339 times as Go's time.Parse reads them, with the texts of its ParseError."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from kubesim.util.clock import format_micro_time, format_time
from kubesim.util.gotext import quote

RFC3339 = "2006-01-02T15:04:05Z07:00"
RFC3339_MICRO = "2006-01-02T15:04:05.000000Z07:00"
ZERO_TIME = format_time(datetime(1, 1, 1, tzinfo=UTC))

_DIGITS = "0123456789"


def rewritten(text: str, *, micro: bool) -> str | None:
    """A time as metav1.Time or MicroTime writes it again, None for the zero time. Raises ValueError with Go's
    text.
    """
    at = parse_go_time(text, RFC3339_MICRO if micro else RFC3339)
    if isinstance(at, str):
        return at
    if at.year == 1 and format_time(at) == ZERO_TIME:
        return None
    return format_micro_time(at) if micro else format_time(at)


def parse_go_time(text: str, layout: str = RFC3339) -> datetime | str:
    """What time.Parse makes of a text, in UTC; the text itself for a year that Python does not have.

    Raises ValueError with the text of Go's ParseError.
    """
    reader = _TimeReader(text)
    for element, read in _ELEMENTS if layout == RFC3339 else _MICRO_ELEMENTS:
        held = reader.rest
        try:
            if read is None:
                reader.skip(element)
            else:
                read(reader)
        except _OutOfRange as wrong:
            raise ValueError(f"parsing time {quote(text)}: {wrong} out of range") from None
        except ValueError:
            rest = reader.rest if read is None else held
            what = f"cannot parse {quote(rest)} as {quote(element)}"
            raise ValueError(f"parsing time {quote(text)} as {quote(layout)}: {what}") from None
    if reader.rest:
        raise ValueError(f"parsing time {quote(text)}: extra text: {quote(reader.rest)}")
    return reader.result(text)


class _OutOfRange(Exception):
    pass


class _TimeReader:
    """Reads a time element by element, as time.Parse does."""

    def __init__(self, text: str) -> None:
        self.rest = text
        self.parts: dict[str, int] = {"microsecond": 0}
        self.offset = timedelta(0)

    def skip(self, literal: str) -> None:
        if not self.rest.startswith(literal):
            raise ValueError(literal)
        self.rest = self.rest[len(literal) :]

    def year(self) -> None:
        if len(self.rest) < 4 or not all(c in _DIGITS for c in self.rest[:4]):
            raise ValueError("year")
        self.parts["year"], self.rest = int(self.rest[:4]), self.rest[4:]

    def number(self, *, fixed: bool = True) -> int:
        if not self.rest or self.rest[0] not in _DIGITS:
            raise ValueError("number")
        if len(self.rest) < 2 or self.rest[1] not in _DIGITS:
            if fixed:
                raise ValueError("number")
            number, self.rest = int(self.rest[0]), self.rest[1:]
        else:
            number, self.rest = int(self.rest[:2]), self.rest[2:]
        return number

    def month(self) -> None:
        self.parts["month"] = self.number()
        if not 1 <= self.parts["month"] <= 12:
            raise _OutOfRange("month")

    def day(self) -> None:
        self.parts["day"] = self.number()

    def hour(self) -> None:
        self.parts["hour"] = self.number(fixed=False)
        if self.parts["hour"] > 23:
            raise _OutOfRange("hour")

    def minute(self) -> None:
        self.parts["minute"] = self.number()
        if self.parts["minute"] > 59:
            raise _OutOfRange("minute")

    def second(self) -> None:
        self.parts["second"] = self.number()
        if self.parts["second"] > 59:
            raise _OutOfRange("second")

    def second_and_fraction(self) -> None:
        self.second()
        found = re.match(r"[.,](\d+)", self.rest)
        if found:
            self.parts["microsecond"] = int(f"{found[1]:0<6}"[:6])
            self.rest = self.rest[found.end() :]

    def fraction(self) -> None:
        found = re.match(r"[.,](\d{6})", self.rest)
        if not found:
            raise ValueError("fraction")
        self.parts["microsecond"] = int(found[1])
        self.rest = self.rest[7:]

    def zone(self) -> None:
        if self.rest.startswith("Z"):
            self.rest = self.rest[1:]
            return
        found = re.match(r"([+-])(\d\d):(\d\d)", self.rest)
        if not found:
            raise ValueError("zone")
        hours, minutes = int(found[2]), int(found[3])
        if hours > 24:
            raise _OutOfRange("time zone offset hour")
        if minutes > 60:
            raise _OutOfRange("time zone offset minute")
        self.offset = timedelta(hours=hours, minutes=minutes) * (-1 if found[1] == "-" else 1)
        self.rest = self.rest[6:]

    def result(self, text: str) -> datetime | str:
        year, month, day = self.parts["year"], self.parts["month"], self.parts["day"]
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        days = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
        if not 1 <= day <= days:
            raise ValueError(f"parsing time {quote(text)}: day out of range")
        try:
            return datetime(**self.parts, tzinfo=UTC) - self.offset
        except (ValueError, OverflowError):
            return text


_DATE = (
    ("2006", _TimeReader.year),
    ("-", None),
    ("01", _TimeReader.month),
    ("-", None),
    ("02", _TimeReader.day),
    ("T", None),
    ("15", _TimeReader.hour),
    (":", None),
    ("04", _TimeReader.minute),
    (":", None),
)
_ELEMENTS = (*_DATE, ("05", _TimeReader.second_and_fraction), ("Z07:00", _TimeReader.zone))
_MICRO_ELEMENTS = (
    *_DATE,
    ("05", _TimeReader.second),
    (".000000", _TimeReader.fraction),
    ("Z07:00", _TimeReader.zone),
)
