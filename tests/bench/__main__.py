"""`python -m tests.bench [PART …]`: measure, against raw limits and named peers of the same run; one table.

Exits with 1 if a target is missed. `--markdown` prints the table as docs/benchmarks.md has it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence

from tests.bench.measure import TITLES, Measurement

PARTS = (
    "cli",
    "warm",
    "apply",
    "embedded",
    "store",
    "writes",
    "endpoints",
    "scale",
    "server",
    "dns",
    "edge",
    "proxy",
    "network",
    "check",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "part", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all where none is named"
    )
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    arguments = parser.parse_args()
    if unknown := set(arguments.part) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    found: list[Measurement] = []
    for part in arguments.part or PARTS:
        start = time.perf_counter()
        found += importlib.import_module(f"tests.bench.bench_{part}").measure()
        print(f"{part}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    rows = [m.cells() for m in found]
    print("\n".join(_markdown(rows) if arguments.markdown else _plain(rows)))
    missed = [m.what for m in found if m.ok is False]
    for what in missed:
        print(f"missed: {what}", file=sys.stderr)
    return 1 if missed else 0


def _plain(rows: Sequence[tuple[str, ...]]) -> list[str]:
    table = [TITLES, *(tuple(cell.replace("`", "") for cell in row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(TITLES))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _markdown(rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (TITLES, ("---",) * len(TITLES), *rows)]


if __name__ == "__main__":
    sys.exit(main())
