"""Showing that something goes on, where somebody looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kubesim.cli.streams import Streams


@contextmanager
def working(streams: Streams, text: str) -> Iterator[None]:
    """A spinner with a text on the user's terminal while the block runs; nothing at all in a pipe."""
    if not streams.stderr_is_terminal:
        yield
        return
    from rich.console import Console

    with Console(file=streams.stderr, force_terminal=True, width=streams.columns).status(text):
        yield
