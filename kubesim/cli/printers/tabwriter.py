"""Columns aligned as Go's text/tabwriter aligns them.

Cells end with a tab; the last cell of a line belongs to no column. A column is a run of lines that all have
a cell there, and is as wide as its widest cell: tables with lines of different lengths come out as they do
in kubectl.
"""

from __future__ import annotations

from typing import Protocol


class Output(Protocol):
    """What text can be written to: a stream, or a Tabwriter."""

    def write(self, text: str, /) -> int: ...


class Tabwriter:
    """Collects lines until `flush`. `tabwidth` is what Go's has too; it means nothing where padding is
    spaces.

    With `remember`, columns never get narrower than they were before the last flush, as kubectl's watch has
    it.
    """

    def __init__(
        self,
        stream: Output,
        minwidth: int = 6,
        tabwidth: int = 4,
        padding: int = 3,
        *,
        remember: bool = False,
    ) -> None:
        self._stream = stream
        self._minwidth = minwidth
        self._padding = padding
        self._remember = remember
        self._remembered: list[int] = []
        self._lines: list[list[str]] = [[""]]
        self._out: list[str] = []

    def write(self, text: str) -> int:
        """Take text in; a form feed ends a line, and all columns with it."""
        for i, block in enumerate(text.replace("\v", "\t").split("\f")):
            if i:
                self._lines.append([""])
                self._format_all()
            for j, line in enumerate(block.split("\n")):
                if j:
                    self._lines.append([""])
                first, *rest = line.split("\t")
                self._lines[-1][-1] += first
                self._lines[-1] += rest
        return len(text)

    def flush(self) -> None:
        """Write out what has been collected."""
        self._format_all()
        if self._out:
            self._stream.write("".join(self._out))
            self._out = []

    def forget_widths(self) -> None:
        """Let columns become narrow again."""
        self._remembered = []

    def _format_all(self) -> None:
        lines = self._lines
        if len(lines) > 1 or lines[0] != [""]:
            self._format([], 0, len(lines))
        self._lines = [[""]]

    def _format(self, widths: list[int], start: int, end: int) -> None:
        """Write lines of which the first columns have these widths; as Writer.format."""
        column = len(widths)
        lines = self._lines
        this = start
        while this < end:
            if column >= len(lines[this]) - 1:
                this += 1
                continue
            self._write(widths, start, this)
            start = this
            width = self._minwidth
            while this < end and column < len(lines[this]) - 1:
                width = max(width, len(lines[this][column]) + self._padding)
                this += 1
            if self._remember:
                width = self._remembered_width(widths, width)
            self._format([*widths, width], start, this)
            start = this
            this += 1  # the line that ended the run has no cell here
        self._write(widths, start, end)

    def _remembered_width(self, widths: list[int], width: int) -> int:
        known = self._remembered
        known.extend(widths[len(known) :])
        if len(known) == len(widths):
            known.append(width)
        known[len(widths)] = max(known[len(widths)], width)
        return known[len(widths)]

    def _write(self, widths: list[int], start: int, end: int) -> None:
        last = len(self._lines) - 1
        for i in range(start, end):
            cells = self._lines[i]
            padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
            self._out.append("".join((*padded, *cells[len(widths) :])))
            if i != last:
                self._out.append("\n")


def table_writer(stream: Output) -> Tabwriter:
    """The settings of kubectl's tables: printers.GetNewTabWriter."""
    return Tabwriter(stream, 6, 4, 3, remember=True)


def describe_writer(stream: Output) -> Tabwriter:
    """The settings of `kubectl describe`: tabbedString."""
    return Tabwriter(stream, 0, 8, 2)
