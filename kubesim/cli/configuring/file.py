"""The kubeconfig file that `config` works on, and how it is written back.

Source: client-go's tools/clientcmd/config.go (ModifyConfig): what has not changed is not written.
"""

from __future__ import annotations

from pathlib import Path

from kubesim.cli import kubeconfig
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.help import render_command
from kubesim.util.jsontypes import JSONObject, deep_copy

CURRENT = "current-context"


def path_of(context: Context) -> Path:
    """The file that is changed: never `~/.kube/config`, unless the user names it."""
    name = context.flags.text("kubeconfig")
    return context.session.path(name) if name else context.session.home.kubeconfig


def shown_path(context: Context) -> str:
    """The file as messages name it."""
    return context.flags.text("kubeconfig") or str(path_of(context))


def directory_of(context: Context) -> Path:
    """What relative names in the file begin at."""
    return context.session.path(str(path_of(context))).absolute().parent


def load(context: Context) -> JSONObject:
    """What the file holds. Raises CLIError."""
    path = path_of(context)
    if not context.flags.text("kubeconfig") and not path.exists():
        return kubeconfig.default(context.session.server_address)
    return kubeconfig.with_defaults(kubeconfig.read(path))


def save(context: Context, config: JSONObject, *, relative: bool = True) -> None:
    """Write the file if it has changed; with `relative`, what entries that changed name is named from its directory."""
    before, after = kubeconfig.canonical(load(context)), kubeconfig.canonical(config)
    if after == before:
        return
    directory = directory_of(context)
    made = deep_copy(after)
    for section in ("clusters", "users") if relative else ():
        held = kubeconfig.entries(before, section)
        for name, content in kubeconfig.entries(after, section).items():
            if held.get(name) != content:
                entry = kubeconfig.with_relative_paths(content, directory)
                kubeconfig.put(made, section, name, entry)
    if not context.flags.text("kubeconfig"):
        context.session.home.make()
    kubeconfig.write(path_of(context), made)


def misused(context: Context, command: Command, message: str) -> CLIError:
    """The error for wrong arguments, after the help page on standard output (helpErrorf)."""
    context.streams.stdout.write(render_command(context.path, command))
    return CLIError(message)


def unexpected(context: Context, command: Command) -> CLIError:
    """The error for too many arguments, or too few."""
    return misused(context, command, f"Unexpected args: [{' '.join(context.args)}]")
