"""Schedules are read, refused and followed as robfig/cron does it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kubesim.util.cron import parse_schedule

AT = datetime(2026, 11, 23, 2, 48, 10, tzinfo=UTC)  # a Monday

NEXT = [
    ("*/5 * * * *", "2026-11-23T02:50:00"),
    ("48 2 * * *", "2026-11-24T02:48:00"),
    ("0 0 1 * *", "2026-12-01T00:00:00"),
    ("0 0 29 feb *", "2028-02-29T00:00:00"),
    ("0 9 * * sat,SUN", "2026-11-28T09:00:00"),
    ("0 0 13 * 5", "2026-11-27T00:00:00"),
    ("10-20/5 3 * * ?", "2026-11-23T03:10:00"),
    ("@hourly", "2026-11-23T03:00:00"),
    ("@yearly", "2027-01-01T00:00:00"),
    ("@every 1h30m", "2026-11-23T04:18:10"),
    ("TZ=Asia/Tokyo 0 12 * * *", "2026-11-23T03:00:00"),
]


@pytest.mark.parametrize(("text", "wanted"), NEXT)
def test_the_next_time(text: str, wanted: str) -> None:
    found = parse_schedule(text).next_after(AT)
    assert found is not None
    assert found.replace(tzinfo=None).isoformat() == wanted


def test_a_day_that_never_comes() -> None:
    assert parse_schedule("0 0 31 2 *").next_after(AT) is None


REFUSED = [
    ("", "empty spec string"),
    ("a b", "expected exactly 5 fields, found 2: [a b]"),
    ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
    ("70 * * * *", "end of range (70) above maximum (59): 70"),
    ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
    ("9-5 * * * *", "beginning of range (9) beyond end of range (5): 9-5"),
    ("*/0 * * * *", "step of range should be a positive number: */0"),
    ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
    ("1/2/3 * * * *", "too many slashes: 1/2/3"),
    ("@fortnightly", "unrecognized descriptor: @fortnightly"),
    ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
    ("TZ=No/Where * * * * *", "provided bad location No/Where: unknown time zone No/Where"),
]


@pytest.mark.parametrize(("text", "wanted"), REFUSED)
def test_what_is_no_schedule(text: str, wanted: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        parse_schedule(text)
    assert str(caught.value) == wanted
