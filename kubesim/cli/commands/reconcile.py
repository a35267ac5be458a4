"""`reconcile`: run controllers to a fixed point, and say what each of them did and why."""

from __future__ import annotations

from typing import Annotated

import typer

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.own import application, run_application
from kubesim.cli.progress import working

app = application("reconcile", "Run controllers until nothing is left to do.", is_group=False)


@app.command()
def reconcile(
    context: typer.Context,
    controllers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONTROLLER", help="The controllers to run; without any, all.", show_default=False
        ),
    ] = None,
    *,
    step: Annotated[bool, typer.Option("--step", help="Stop after the first thing that is done.")] = False,
    names: Annotated[
        bool, typer.Option("--list", help="List the controllers, in the order in which they run.")
    ] = False,
) -> None:
    """Run controllers until nothing is left to do, and print what each one did and why.

    With KUBESIM_RECONCILE=manual no other command runs them, so that the part of each one can be seen.
    """
    own = context.obj
    if not isinstance(own, Context):
        raise TypeError("the application was started without a command's context")
    if own.session.remote:
        raise CLIError("controllers are run by the server, not from the command line")
    cluster = own.session.cluster
    known = cluster.controllers
    if names:
        for name in known:
            own.out(name)
        return
    chosen = []
    for word in controllers or ():
        found = cluster.resolve_controller(word)
        if found is None:
            raise CLIError(f'no controller is called "{word}"; there are: {", ".join(known)}')
        chosen.append(found)
    with working(own.streams, "The controllers run …"):
        report = cluster.settle(only=chosen or None, step=step)
    for action in report.actions:
        own.out(f"{action.controller}: {action.key}: {action.what} ({action.why})")
    if not report.actions:
        own.out("nothing to do")


COMMAND = Command(
    name="reconcile",
    use="reconcile [CONTROLLER...] [--step]",
    short="Run controllers until nothing is left to do, and say what they did",
    run=lambda context: run_application(app, context),
    passthrough=True,
)
