"""The line discipline: keys in; echo, lines and interrupts out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubesim.runtime.terminal import MAX_LINE, LineDiscipline


@pytest.mark.parametrize(
    ("keys", "echo", "lines", "interrupts"),
    [
        (b"ls\r", b"ls\r\n", [b"ls\n"], 0),
        (b"a\nb\n", b"a\r\nb\r\n", [b"a\n", b"b\n"], 0),
        (b"lx\x7fs\r", b"lx\b \bs\r\n", [b"ls\n"], 0),
        (b"\x7f\x08\r", b"\r\n", [b"\n"], 0),
        ("é\x7fa\r".encode(), "é\b \ba\r\n".encode(), [b"a\n"], 0),
        (b"one two\x17x\r", b"one two" + b"\b \b" * 3 + b"x\r\n", [b"one x\n"], 0),
        (b"abc\x15d\r", b"abc" + b"\b \b" * 3 + b"d\r\n", [b"d\n"], 0),
        (b"abc\x03", b"abc^C", [], 1),
        (b"ahead\rabc\x03d\r", b"ahead\r\nabc^Cd\r\n", [b"d\n"], 1),
        (b"\x1c", b"^\\", [], 1),
        (b"\x04", b"", [b""], 0),
        (b"ab\x04", b"ab", [b"ab"], 0),
        (b"\x01\x7f\r", b"^A\b \b\b \b\r\n", [b"\n"], 0),
        (b"\x1b[A\r", b"^[[A\r\n", [b"\x1b[A\n"], 0),
        (b"ab\x12c\r", b"ab^R\r\nabc\r\n", [b"abc\n"], 0),
        (b"\x1a\r", b"^Z\r\n", [b"\n"], 0),
    ],
    ids=[
        "line", "newlines", "erase", "nothing to erase", "erase a wide character", "erase a word", "erase the line",
        "interrupt", "interrupt drops what was typed ahead", "quit", "end", "end of a line that has begun",
        "control character", "cursor key", "reprint", "no job control",
    ],
)  # fmt: skip
def test_keys(keys: bytes, echo: bytes, lines: list[bytes], interrupts: int) -> None:
    typed = LineDiscipline().type(keys)
    assert (bytes(typed.echo), typed.input, typed.interrupts) == (echo, lines, interrupts)


def test_output_returns_the_carriage() -> None:
    assert LineDiscipline().show(b"a\nb\n") == b"a\r\nb\r\n"


def test_line_is_bounded() -> None:
    typed = LineDiscipline().type(b"x" * (MAX_LINE + 10) + b"\r")
    assert typed.input == [b"x" * MAX_LINE + b"\n"]
    assert typed.echo.endswith(b"x\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\r\n")


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=40), st.integers(1, 5))
def test_text_comes_through_however_it_is_cut(text: str, step: int) -> None:
    terminal = LineDiscipline()
    keys = text.encode() + b"\r"
    lines = [line for at in range(0, len(keys), step) for line in terminal.type(keys[at : at + step]).input]
    assert lines == [text.encode() + b"\n"]
