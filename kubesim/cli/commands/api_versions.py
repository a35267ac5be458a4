"""`api-versions`: the group versions of the API, sorted."""

from __future__ import annotations

from kubesim.cli.command import Command, Context


def run(context: Context) -> int:
    """Print one group version a line."""
    if context.args:
        raise context.usage_error(f"unexpected arguments: [{' '.join(context.args)}]")
    for name in sorted({m.gvr.api_version for m in context.session.mapper.mappings}):
        context.out(name)
    return 0


COMMAND = Command(
    name="api-versions",
    use="api-versions",
    short='Print the versions of the API as "group/version"',
    examples="kubesim api-versions",
    run=run,
)
