"""kubesim's own words are typer applications; this runs one on a command's streams.

kubectl's words read their flags as kubectl does (`flags`), and must not pay for the import of typer.
"""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import typer
from typer.exceptions import TyperException

from kubesim.cli.errors import CLIError

if TYPE_CHECKING:
    from kubesim.cli.command import Context


def application(name: str, text: str, *, is_group: bool = True) -> typer.Typer:
    """An application whose help is plain text."""
    return typer.Typer(
        name=name,
        help=text,
        no_args_is_help=is_group,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def run_application(application: typer.Typer, context: Context) -> int:
    """Run an application on the words that follow its name; the exit code. Raises CLIError."""
    bare = not context.args and application.info.no_args_is_help is True
    out = context.streams.stderr if bare else context.streams.stdout
    try:
        with redirect_stdout(out), redirect_stderr(context.streams.stderr):
            code = application(
                args=context.args or (["--help"] if bare else []),
                prog_name=context.path,
                standalone_mode=False,
                obj=context,
            )
    except typer.Abort:
        return 130
    except typer.Exit as end:
        return end.exit_code
    except TyperException as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        raise CLIError(f"{message}\nSee '{context.path} --help' for usage.") from None
    if bare:
        return 1  # a group's name alone is a mistake, as for kubectl's groups
    return code if isinstance(code, int) else 0
