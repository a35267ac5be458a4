"""`config use-context`, `rename-context`, `delete-context`, `delete-cluster`, `delete-user`."""

from __future__ import annotations

from collections.abc import Callable

from kubesim.cli import kubeconfig
from kubesim.cli.command import Command, Context
from kubesim.cli.configuring.file import CURRENT, load, save, shown_path, unexpected
from kubesim.cli.errors import CLIError
from kubesim.cli.help import render_command
from kubesim.util.jsontypes import JSONObject


def _use(context: Context) -> int:
    if len(context.args) != 1:
        raise unexpected(context, USE)
    name = context.args[0]
    config = load(context)
    if not name:
        raise CLIError("empty context names are not allowed")
    if name not in kubeconfig.entries(config, "contexts"):
        raise CLIError(f'no context exists with the name: "{name}"')
    config[CURRENT] = name
    save(context, config)
    context.out(f'Switched to context "{name}".')
    return 0


def _rename(context: Context) -> int:
    if len(context.args) != 2:
        raise unexpected(context, RENAME)
    old, new = context.args
    if not new:
        raise CLIError("You must specify a new non-empty context name")
    config = load(context)
    found = kubeconfig.entries(config, "contexts")
    if old not in found:
        raise CLIError(f'cannot rename the context "{old}", it\'s not in {shown_path(context)}')
    if new in found:
        raise CLIError(
            f'cannot rename the context "{old}", the context "{new}" already exists in {shown_path(context)}'
        )
    kubeconfig.remove(config, "contexts", old)
    kubeconfig.put(config, "contexts", new, found[old])
    if config.get(CURRENT) == old:
        config[CURRENT] = new
    save(context, config)
    context.out(f'Context "{old}" renamed to "{new}".')
    return 0


def _deleter(section: str, word: str) -> Callable[[Context], int]:
    def run(context: Context) -> int:
        if len(context.args) != 1:
            return _help(context, word)
        name = context.args[0]
        config = load(context)
        if name not in kubeconfig.entries(config, section):
            raise CLIError(f"cannot delete {word} {name}, not in {shown_path(context)}")
        _warn(context, config, section, name)
        kubeconfig.remove(config, section, name)
        save(context, config)
        context.out(f"deleted {word} {name} from {shown_path(context)}")
        return 0

    return run


def _help(context: Context, word: str) -> int:
    """What is to be deleted was not said: for a user a mistake, for the others a wish for help."""
    if word == "user":
        raise context.usage_error("user to delete is required")
    context.streams.stdout.write(render_command(context.path, DELETE[word]))
    return 0


def _warn(context: Context, config: JSONObject, section: str, name: str) -> None:
    if section == "contexts" and config.get(CURRENT) == name:
        program = context.streams.program
        context.err(
            f'warning: this removed your active context, use "{program} config use-context" to select a '
            "different one"
        )


USE = Command(
    "use-context",
    "use-context CONTEXT_NAME",
    "Choose the current context",
    examples="kubesim config use-context kubesim",
    run=_use,
    aliases=("use",),
)
RENAME = Command("rename-context", "rename-context CONTEXT_NAME NEW_NAME", "Rename a context", run=_rename)
DELETE = {
    word: Command(f"delete-{word}", f"delete-{word} NAME", f"Delete a {word}", run=_deleter(f"{word}s", word))
    for word in ("context", "cluster", "user")
}
