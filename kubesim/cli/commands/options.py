"""`options`: the flags that every command takes."""

from __future__ import annotations

from kubesim.cli.command import Command, Context
from kubesim.cli.help import render_global_flags


def run(context: Context) -> int:
    """Print them."""
    context.streams.stdout.write(render_global_flags())
    return 0


COMMAND = Command(
    name="options",
    use="options",
    short="List the flags that every command takes",
    examples="kubesim options",
    run=run,
)
