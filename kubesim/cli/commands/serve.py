"""`serve`: the background process in the foreground, with its log on standard error."""

from __future__ import annotations

from typing import Any

from kubesim.cli.command import Command, Context
from kubesim.cli.commands.up import ADDRESS_FLAGS, address_of, show
from kubesim.cli.errors import CLIError
from kubesim.cluster.home import HomeError


def run(context: Context) -> int:
    """Serve until Ctrl-C, SIGTERM or `kubesim down`."""
    from kubesim.cli.warm.process import serve_in_foreground

    session = context.session
    if context.args:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    address = address_of(context)

    def ready(state: dict[str, Any]) -> None:
        show(context, session.sim, state, env_only=False)
        context.streams.stdout.flush()

    try:
        return serve_in_foreground(session.home, session.sim, address, ready)
    except (OSError, HomeError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        raise CLIError(f"cannot serve: {why}") from None


COMMAND = Command(
    name="serve",
    use="serve [--port PORT] [--bind-address ADDRESS] [--reachable]",
    short="Serve the API of a cluster over HTTPS in the foreground",
    long="Do in the foreground what `kubesim up` does in the background, until Ctrl-C: for containers, services of the "
    "system, and for looking at the log, which goes to standard error. While it runs, other commands of this home are "
    "run by it.",
    examples="kubesim serve --port 6443",
    flags=ADDRESS_FLAGS,
    run=run,
)
