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
    from rich.live import Live
    from rich.spinner import Spinner

    console = Console(file=streams.stderr, force_terminal=True, width=streams.columns)
    spinner = Spinner("dots", text=text, style="status.spinner")
    # Others' commands may run in this process: its own streams stay as they are.
    with Live(
        spinner,
        console=console,
        refresh_per_second=12.5,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield
