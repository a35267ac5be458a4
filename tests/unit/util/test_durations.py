"""Durations as Go reads and writes them, and ages as kubectl shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kubesim.util.durations import (
    format_duration,
    format_nanoseconds,
    human_duration,
    parse_duration,
    parse_nanoseconds,
    short_human_duration,
    time_since,
    time_until,
)

SECOND = 1_000_000_000
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1s", SECOND),
        ("1m30s", 90 * SECOND),
        ("-1.5h", -5400 * SECOND),
        ("100ms", SECOND // 10),
        ("1µs", 1000),
        (".5s", SECOND // 2),
        ("+5s", 5 * SECOND),
        ("1h0m0.25s", 3600 * SECOND + SECOND // 4),
    ],
)
def test_durations_are_read(text: str, nanoseconds: int) -> None:
    assert parse_nanoseconds(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("5", 'time: missing unit in duration "5"'),
        ("5x", 'time: unknown unit "x" in duration "5x"'),
        (".s", 'time: invalid duration ".s"'),
        ("s", 'time: invalid duration "s"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("-", 'time: invalid duration "-"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
    ],
)
def test_what_is_no_duration_is_refused_in_gos_words(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared below
        parse_nanoseconds(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1500, "1.5µs"),
        (250_000_000, "250ms"),
        (90 * SECOND, "1m30s"),
        (3600 * SECOND, "1h0m0s"),
        (-SECOND * 3 // 2, "-1.5s"),
    ],
)
def test_durations_are_written(nanoseconds: int, text: str) -> None:
    assert format_nanoseconds(nanoseconds) == text


def test_timedeltas_go_both_ways() -> None:
    assert parse_duration("1m30s") == timedelta(seconds=90)
    assert format_duration(timedelta(seconds=90)) == "1m30s"


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-2, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600, "8h"),
        (48 * 3600 - 1, "47h"),
        (48 * 3600, "2d"),
        (49 * 3600, "2d1h"),
        (8 * 86400, "8d"),
        (2 * 365 * 86400 - 1, "729d"),
        (2 * 365 * 86400, "2y"),
        (2 * 365 * 86400 + 86400, "2y1d"),
        (8 * 365 * 86400, "8y"),
    ],
)
def test_ages_have_two_or_three_figures(seconds: int, age: str) -> None:
    assert human_duration(timedelta(seconds=seconds)) == age


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(-5, "<invalid>"), (59, "59s"), (60, "1m"), (3600, "1h"), (86400, "1d"), (400 * 86400, "1y")],
)
def test_short_ages_have_one_unit(seconds: int, age: str) -> None:
    assert short_human_duration(timedelta(seconds=seconds)) == age


def test_a_missing_time_has_an_unknown_age() -> None:
    assert time_since(None, NOW) == "<unknown>"
    assert time_since("2026-01-01T11:59:00Z", NOW) == "60s"
    assert time_since("2026-01-01T12:01:00Z", NOW) == "<invalid>"
    assert time_until("2026-01-01T12:01:00Z", NOW) == "60s"
