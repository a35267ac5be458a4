"""Schedules of cron, as github.com/robfig/cron reads them: five fields, or a descriptor such as `@hourly`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kubesim.util.durations import parse_nanoseconds
from kubesim.util.gotext import quote

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_YEARS_SEARCHED = 5
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Bounds:
    low: int
    high: int
    names: tuple[str, ...] = ()
    first_name: int = 0


_FIELDS = (
    _Bounds(0, 59),
    _Bounds(0, 23),
    _Bounds(1, 31),
    _Bounds(1, 12, _MONTHS, 1),
    _Bounds(0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The times at which something is due.

    Each set holds the values of a field that match; `any_day` and `any_weekday` say that the field is a
    star. `every` is a fixed period instead.
    """

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = False
    any_weekday: bool = False
    every: timedelta | None = None
    zone: ZoneInfo | None = None

    def next_after(self, at: datetime) -> datetime | None:
        """The first due time after `at`, in `at`'s time zone; None where there is none within five years."""
        if self.every is not None:
            return at.replace(microsecond=0) + self.every
        origin = at.tzinfo
        local = at.astimezone(self.zone) if self.zone else at
        found = (local + timedelta(minutes=1)).replace(second=0, microsecond=0)
        limit = found.year + _YEARS_SEARCHED
        while found.year <= limit:
            if found.month not in self.months:
                following = found.replace(day=1, hour=0, minute=0) + timedelta(days=32)
                found = following.replace(day=1)
            elif not self._is_day(found):
                found = found.replace(hour=0, minute=0) + timedelta(days=1)
            elif found.hour not in self.hours:
                found = found.replace(minute=0) + timedelta(hours=1)
            elif found.minute not in self.minutes:
                found += timedelta(minutes=1)
            else:
                return found.astimezone(origin)
        return None

    def _is_day(self, at: datetime) -> bool:
        day = at.day in self.days
        weekday = at.isoweekday() % 7 in self.weekdays
        # Two restricted fields are alternatives; a star leaves the decision to the other one.
        return (day and weekday) if self.any_day or self.any_weekday else (day or weekday)


def parse_schedule(text: str) -> Schedule:
    """Read a schedule as cron.ParseStandard does. Raises ValueError with its text."""
    if not text:
        raise ValueError("empty spec string")
    zone: ZoneInfo | None = None
    if text.startswith(("TZ=", "CRON_TZ=")):
        name, _, rest = text.partition(" ")
        zone = _zone(name.partition("=")[2])
        text = rest.strip()
    if text.startswith("@"):
        return _descriptor(text, zone)
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = map(_field, fields, _FIELDS)
    return Schedule(
        minutes=minutes[0],
        hours=hours[0],
        days=days[0],
        months=months[0],
        weekdays=weekdays[0],
        any_day=days[1],
        any_weekday=weekdays[1],
        zone=zone,
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"provided bad location {name}: unknown time zone {name}") from None


def _descriptor(text: str, zone: ZoneInfo | None) -> Schedule:
    if text in _DESCRIPTORS:
        found = parse_schedule(_DESCRIPTORS[text])
        return found if zone is None else parse_schedule(f"TZ={zone.key} {_DESCRIPTORS[text]}")
    if text.startswith("@every "):
        try:
            span = parse_nanoseconds(text.removeprefix("@every "))
        except ValueError as error:
            raise ValueError(f"failed to parse duration {text}: {error}") from None
        return Schedule(every=timedelta(seconds=max(span // _SECOND, 1)))
    raise ValueError(f"unrecognized descriptor: {text}")


def _field(text: str, bounds: _Bounds) -> tuple[frozenset[int], bool]:
    """The values of a field, and whether it has a star."""
    values: set[int] = set()
    star = False
    for part in filter(None, text.split(",")):
        found, is_star = _range(part, bounds)
        values.update(found)
        star = star or is_star
    return frozenset(values), star


def _range(text: str, bounds: _Bounds) -> tuple[range, bool]:
    span, slash, step_text = text.partition("/")
    first, dash, last = span.partition("-")
    star = first in {"*", "?"}
    if star:
        low, high = bounds.low, bounds.high
    else:
        low = _number(first, bounds)
        if dash and "-" in last:
            raise ValueError(f"too many hyphens: {text}")
        high = _number(last, bounds) if dash else low
    step = 1
    if slash:
        if "/" in step_text:
            raise ValueError(f"too many slashes: {text}")
        step = _integer(step_text)
        if not dash and not star:
            high = bounds.high
        star = star and step == 1
    if low < bounds.low:
        raise ValueError(f"beginning of range ({low}) below minimum ({bounds.low}): {text}")
    if high > bounds.high:
        raise ValueError(f"end of range ({high}) above maximum ({bounds.high}): {text}")
    if low > high:
        raise ValueError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return range(low, high + 1, step), star


def _number(text: str, bounds: _Bounds) -> int:
    if text.lower() in bounds.names:
        return bounds.names.index(text.lower()) + bounds.first_name
    return _integer(text)


def _integer(text: str) -> int:
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if not digits or not digits.isascii() or not digits.isdigit():
        detail = f"strconv.Atoi: parsing {quote(text)}: invalid syntax"
        raise ValueError(f"failed to parse int from {text}: {detail}")
    value = int(text)
    if value < 0:
        raise ValueError(f"negative number ({value}) not allowed: {text}")
    return value
