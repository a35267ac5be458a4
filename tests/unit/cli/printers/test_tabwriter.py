"""Columns aligned as Go's text/tabwriter aligns them."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.cli.printers.tabwriter import Tabwriter, describe_writer, table_writer


def aligned(text: str, minwidth: int = 6, padding: int = 3) -> str:
    stream = io.StringIO()
    writer = Tabwriter(stream, minwidth, 4, padding)
    writer.write(text)
    writer.flush()
    return stream.getvalue()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("plain\n", "plain\n"),
        ("plain", "plain"),
        ("a\tb\n", "a     b\n"),
        ("NAME\tAGE\nlonger-name\t1s\n", "NAME          AGE\nlonger-name   1s\n"),
        ("a\tb\t\n", "a     b     \n"),
        ("a\t\tc\n", "a           c\n"),
        ("é漢\tb\nabc\tb\n", "é漢    b\nabc   b\n"),
        ("a\tb\nplain\nlong-cell\tb\n", "a     b\nplain\nlong-cell   b\n"),
        (
            "a\tb\tc\nlong-first\tb\nx\tlong-second\tc\n",
            "a            b     c\nlong-first   b\nx            long-second   c\n",
        ),
        ("a\tb\n\nlong-cell\tb\n", "a     b\n\nlong-cell   b\n"),
        ("a\tb\flong-cell\tb\n", "a     b\nlong-cell   b\n"),
        ("a\vb\n", "a     b\n"),
    ],
)
def test_cells_of_one_column_are_as_wide_as_the_widest(text: str, wanted: str) -> None:
    assert aligned(text) == wanted


def test_the_settings_of_describe() -> None:
    stream = io.StringIO()
    writer = describe_writer(stream)
    writer.write("Name:\tx\nLabels:\ta=b\n\tc=d\nX:\n  A:\tb\n  Longer:\tq\n")
    writer.flush()
    assert stream.getvalue() == "Name:    x\nLabels:  a=b\n         c=d\nX:\n  A:       b\n  Longer:  q\n"


def test_a_watch_keeps_its_columns_wide() -> None:
    stream = io.StringIO()
    writer = table_writer(stream)
    for text in ("NAME\tAGE\nlonger-name\t1s\n", "a\t2s\n", "even-longer-name\t3s\n", "b\t4s\n"):
        writer.write(text)
        writer.flush()
    writer.forget_widths()
    writer.write("c\t5s\n")
    writer.flush()
    assert stream.getvalue() == (
        "NAME          AGE\nlonger-name   1s\na             2s\neven-longer-name   3s\nb                  4s\n"
        "c     5s\n"
    )


def test_text_may_come_in_pieces() -> None:
    stream = io.StringIO()
    writer = Tabwriter(stream)
    for piece in ("a", "b\tc", "\nd", "\t", "e\n"):
        writer.write(piece)
    writer.flush()
    assert stream.getvalue() == "ab    c\nd     e\n"


CELLS = st.text("ab", max_size=9)


@settings(max_examples=100)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5))
def test_every_column_begins_at_one_place(rows: list[tuple[str, str, str]]) -> None:
    lines = aligned("".join("\t".join(row) + "\n" for row in rows)).splitlines()
    widths = [max(6, *(len(row[i]) + 3 for row in rows)) for i in range(2)]
    for row, line in zip(rows, lines, strict=True):
        assert line == row[0].ljust(widths[0]) + row[1].ljust(widths[1]) + row[2]
