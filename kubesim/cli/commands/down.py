"""`down`: end the background process of this home."""

from __future__ import annotations

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError


def run(context: Context) -> int:
    """End it and wait until it is gone; where there is none, that is said, and well."""
    from kubesim.cli.warm.control import stop

    if context.args:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    try:
        was_there = stop(context.session.home.path)
    except OSError as error:
        raise CLIError(
            f"the background process cannot be reached: {(error.strerror or str(error)).lower()}"
        ) from None
    context.out("stopped" if was_there else "not running")
    return 0


COMMAND = Command(
    name="down",
    use="down",
    short="End the background process of this home",
    long="End the background process of this home, and with it the HTTPS API; commands that run in it are ended. The "
    "clusters stay: the next command works with them, and starts the process again unless KUBESIM_AUTOSTART=0.",
    examples="kubesim down",
    run=run,
)
