"""`config`: kubesim's own kubeconfig file, or the one that `--kubeconfig` names (pkg/cmd/config)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from kubesim.cli import kubeconfig
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.options import PRINT_FLAGS
from kubesim.cli.printers.tabwriter import Tabwriter
from kubesim.util.jsontypes import JSONObject
from kubesim.util.yamlfmt import dump

CURRENT = "current-context"


def _path(context: Context) -> Path:
    """The file that is changed: never `~/.kube/config`, unless the user names it."""
    name = context.flags.text("kubeconfig")
    return context.session.path(name) if name else context.session.home.kubeconfig


def _shown(context: Context) -> str:
    return context.flags.text("kubeconfig") or str(_path(context))


def _load(context: Context) -> JSONObject:
    path = _path(context)
    if not context.flags.text("kubeconfig") and not path.exists():
        return kubeconfig.default(context.session.server_address)
    return kubeconfig.read(path)


def _save(context: Context, config: JSONObject) -> None:
    if not context.flags.text("kubeconfig"):
        context.session.home.make()
    kubeconfig.write(_path(context), config)


def _view(context: Context) -> int:
    flags = context.flags
    config = _load(context)
    if flags.is_set("minify"):
        config = kubeconfig.minified(config)
    if not flags.is_set("raw"):
        config = kubeconfig.redacted(config)
    output = flags.text("output") or "yaml"
    if output == "yaml":
        context.streams.stdout.write(dump(config))
    elif output == "json":
        order = ("kind", "apiVersion", "preferences", "clusters", "users", "contexts", CURRENT)
        listed = {k: config.get(k) for k in order}
        context.out(json.dumps(listed, indent=4, ensure_ascii=False))
    else:
        from kubesim.cli.printers import printer_for

        printer_for(context).print_object(config, context.streams.stdout)
    return 0


def _current(context: Context) -> int:
    name = _load(context).get(CURRENT)
    if not name:
        raise CLIError("current-context is not set")
    context.out(str(name))
    return 0


def _get_contexts(context: Context) -> int:
    config = _load(context)
    found = kubeconfig.entries(config, "contexts")
    output = context.flags.text("output")
    if output not in ("", "name"):
        raise CLIError(f"output must be one of '' or 'name': {output}")
    wanted = context.args or sorted(found)
    missing = [CLIError(f"context {name} not found") for name in wanted if name not in found]
    if output == "name":
        for name in wanted:
            if name in found:
                context.out(name)
    else:
        writer = Tabwriter(context.streams.stdout, 6, 4, 3)
        if not context.flags.is_set("no-headers"):
            writer.write("CURRENT\tNAME\tCLUSTER\tAUTHINFO\tNAMESPACE\n")
        for name in wanted:
            if name in found:
                mark = "*" if name == config.get(CURRENT) else ""
                entry = found[name]
                row = (mark, name, *(str(entry.get(k) or "") for k in ("cluster", "user", "namespace")))
                writer.write("\t".join(row) + "\n")
        writer.flush()
    if missing:
        raise missing[0]
    return 0


def _names(section: str) -> Callable[[Context], int]:
    def run(context: Context) -> int:
        context.out("NAME")
        for name in sorted(kubeconfig.entries(_load(context), section)):
            context.out(name)
        return 0

    return run


def _use(context: Context) -> int:
    if len(context.args) != 1:
        raise CLIError(f"Unexpected args: [{' '.join(context.args)}]")
    name = context.args[0]
    config = _load(context)
    if name not in kubeconfig.entries(config, "contexts"):
        raise CLIError(f'no context exists with the name: "{name}"')
    config[CURRENT] = name
    _save(context, config)
    context.out(f'Switched to context "{name}".')
    return 0


def _set_context(context: Context) -> int:
    flags = context.flags
    config = _load(context)
    if flags.is_set("current"):
        if context.args:
            raise CLIError("you cannot specify both a context name and --current")
        name = str(config.get(CURRENT) or "")
        if not name:
            raise CLIError("no current context is set")
    elif len(context.args) != 1 or not context.args[0]:
        raise CLIError("you must specify a non-empty context name or --current")
    else:
        name = context.args[0]
    held = kubeconfig.entries(config, "contexts").get(name)
    entry = dict(held or {})
    for key in ("cluster", "user", "namespace"):
        if flags.changed(key):
            entry[key] = flags.text(key)
    kubeconfig.put(config, "contexts", name, {k: entry[k] for k in sorted(entry) if entry[k]})
    _save(context, config)
    context.out(f'Context "{name}" {"modified" if held is not None else "created"}.')
    return 0


def _set_cluster(context: Context) -> int:
    if len(context.args) != 1:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    flags = context.flags
    config = _load(context)
    name = context.args[0]
    entry = dict(kubeconfig.entries(config, "clusters").get(name, {}))
    for key in ("server", "tls-server-name", "certificate-authority", "proxy-url"):
        if flags.changed(key):
            entry[key] = flags.text(key)
    if flags.changed("insecure-skip-tls-verify"):
        entry["insecure-skip-tls-verify"] = flags.is_set("insecure-skip-tls-verify")
    kubeconfig.put(config, "clusters", name, {k: entry[k] for k in sorted(entry)})
    _save(context, config)
    context.out(f'Cluster "{name}" set.')
    return 0


def _set_credentials(context: Context) -> int:
    if len(context.args) != 1:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    flags = context.flags
    config = _load(context)
    name = context.args[0]
    entry = dict(kubeconfig.entries(config, "users").get(name, {}))
    for key in ("client-certificate", "client-key", "token", "username", "password"):
        if flags.changed(key):
            entry[key] = flags.text(key)
    kubeconfig.put(config, "users", name, {k: entry[k] for k in sorted(entry)})
    _save(context, config)
    context.out(f'User "{name}" set.')
    return 0


def _rename(context: Context) -> int:
    if len(context.args) != 2:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    old, new = context.args
    config = _load(context)
    found = kubeconfig.entries(config, "contexts")
    if old not in found:
        raise CLIError(f'cannot rename the context "{old}", it\'s not in {_shown(context)}')
    if new in found:
        raise CLIError(
            f'cannot rename the context "{old}", the context "{new}" already exists in {_shown(context)}'
        )
    kubeconfig.remove(config, "contexts", old)
    kubeconfig.put(config, "contexts", new, found[old])
    if config.get(CURRENT) == old:
        config[CURRENT] = new
    _save(context, config)
    context.out(f'Context "{old}" renamed to "{new}".')
    return 0


def _deleter(section: str, word: str) -> Callable[[Context], int]:
    def run(context: Context) -> int:
        if len(context.args) != 1:
            raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
        name = context.args[0]
        config = _load(context)
        if not kubeconfig.remove(config, section, name):
            raise CLIError(f"cannot delete {word} {name}, not in {_shown(context)}")
        if section == "contexts" and config.get(CURRENT) == name:
            program = context.streams.program
            context.err(
                f'warning: this removed your active context, use "{program} config use-context" to select a '
                "different one"
            )
        _save(context, config)
        context.out(f"deleted {word} {name} from {_shown(context)}")
        return 0

    return run


def _set(context: Context) -> int:
    if len(context.args) != 2:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    return _change(context, context.args[0], context.args[1])


def _unset(context: Context) -> int:
    if len(context.args) != 1:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    return _change(context, context.args[0], None)


def _change(context: Context, name: str, value: str | None) -> int:
    """Set or unset the property at a dotted path."""
    config = _load(context)
    section, _, rest = name.partition(".")
    entry_name, _, field = rest.rpartition(".")
    if section == CURRENT and not rest:
        config[CURRENT] = value or ""
    elif section not in kubeconfig.ENTRY:
        raise CLIError(f"unable to parse {name} after [] at api.Config")
    elif value is None and rest in kubeconfig.entries(config, section):
        kubeconfig.remove(config, section, rest)
    elif value is not None or entry_name in kubeconfig.entries(config, section):
        if not entry_name:
            raise CLIError(f"unable to parse {name} after [{section}] at api.Config")
        entry = dict(kubeconfig.entries(config, section).get(entry_name, {}))
        if value is None:
            entry.pop(field, None)
        else:
            entry[field] = value
        kubeconfig.put(config, section, entry_name, entry)
    _save(context, config)
    context.out(f'Property "{name}" {"unset" if value is None else "set"}.')
    return 0


SUBCOMMANDS = (
    Command(
        "view",
        "view",
        "Show the file",
        examples="kubesim config view\n\n# With secrets\nkubesim config view --raw",
        flags=(
            boolean("flatten", "Accepted for compatibility."),
            boolean("merge", "Accepted for compatibility: there is one file.", default=True),
            boolean("minify", "Only what the current context uses."),
            boolean("raw", "Show secrets and certificates too."),
            *PRINT_FLAGS,
        ),
        run=_view,
    ),
    Command(
        CURRENT, CURRENT, "Show the current context", examples="kubesim config current-context", run=_current
    ),
    Command(
        "get-contexts",
        "get-contexts [(-o|--output=)name)]",
        "Show contexts",
        examples="kubesim config get-contexts",
        flags=(boolean("no-headers", "Print no headings."), Flag("output", "Output: name.", "o")),
        run=_get_contexts,
    ),
    Command("get-clusters", "get-clusters", "Show clusters", run=_names("clusters")),
    Command("get-users", "get-users", "Show users", run=_names("users")),
    Command(
        "use-context",
        "use-context CONTEXT_NAME",
        "Choose the current context",
        examples="kubesim config use-context kubesim",
        run=_use,
        aliases=("use",),
    ),
    Command(
        "set-context",
        "set-context [NAME | --current] [--cluster=cluster_nickname] [--user=user_nickname] [--namespace=namespace]",
        "Make or change a context",
        examples="# Work in another namespace from now on\nkubesim config set-context --current --namespace=team-a",
        flags=(boolean("current", "Change the current context."),),
        run=_set_context,
    ),
    Command(
        "set-cluster",
        "set-cluster NAME [--server=server] [--certificate-authority=path/to/certificate/authority]",
        "Make or change a cluster",
        flags=(Flag("proxy-url", "Proxy for requests to the cluster."),),
        run=_set_cluster,
    ),
    Command(
        "set-credentials",
        "set-credentials NAME [--client-certificate=path/to/certfile] [--client-key=path/to/keyfile] "
        "[--token=bearer_token]",
        "Make or change a user",
        run=_set_credentials,
    ),
    Command("rename-context", "rename-context CONTEXT_NAME NEW_NAME", "Rename a context", run=_rename),
    Command("delete-context", "delete-context NAME", "Delete a context", run=_deleter("contexts", "context")),
    Command("delete-cluster", "delete-cluster NAME", "Delete a cluster", run=_deleter("clusters", "cluster")),
    Command("delete-user", "delete-user NAME", "Delete a user", run=_deleter("users", "user")),
    Command("set", "set PROPERTY_NAME PROPERTY_VALUE", "Set one property", run=_set),
    Command("unset", "unset PROPERTY_NAME", "Unset one property", run=_unset),
)
COMMAND = Command(
    name="config",
    use="config SUBCOMMAND",
    short="Change kubesim's own kubeconfig file",
    long="Show and change the kubeconfig file in kubesim's home, or the one that --kubeconfig names. "
    "~/.kube/config is never touched unless it is named.",
    subcommands=SUBCOMMANDS,
)
