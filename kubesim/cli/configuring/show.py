"""`config view`, `current-context`, `get-contexts`, `get-clusters`, `get-users`: what the kubeconfig file holds."""

from __future__ import annotations

from collections.abc import Callable

from kubesim.cli import kubeconfig
from kubesim.cli.command import Command, Context
from kubesim.cli.configuring.file import CURRENT, directory_of, load, path_of
from kubesim.cli.errors import CLIError, raise_all
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.options import PRINT_FLAGS
from kubesim.cli.printers import printer_for
from kubesim.cli.printers.tabwriter import Tabwriter
from kubesim.util.yamlfmt import dump


def _view(context: Context) -> int:
    flags = context.flags
    if context.args:
        raise context.usage_error(f"unexpected arguments: [{' '.join(context.args)}]")
    explicit = bool(flags.text("kubeconfig"))
    merged = flags.is_set("merge") if flags.changed("merge") else not explicit
    output = flags.text("output") or ("" if flags.text("template") else "yaml")
    printer = printer_for(context, struct_order=True) if output != "yaml" else None
    if not merged and not explicit:
        raise CLIError("if merge==false a precise file must be specified")
    if not merged and not path_of(context).exists():
        raise CLIError(f"open {flags.text('kubeconfig')}: no such file or directory")
    config = kubeconfig.canonical(load(context))
    if flags.is_set("minify"):
        if flags.text("context"):
            config[CURRENT] = flags.text("context")
        config = kubeconfig.minified(config)
    if flags.is_set("flatten"):
        config = kubeconfig.flattened(config, directory_of(context))
    elif not flags.is_set("raw"):
        config = kubeconfig.redacted(config)
    config = kubeconfig.canonical(config)
    if printer is None:
        context.streams.stdout.write(dump(config))
    else:
        printer.print_object(config, context.streams.stdout)
    return 0


def _current(context: Context) -> int:
    name = load(context).get(CURRENT)
    if not name:
        raise CLIError("current-context is not set")
    context.out(str(name))
    return 0


def _get_contexts(context: Context) -> int:
    output = context.flags.text("output")
    if output not in ("", "name"):
        program = context.streams.program
        raise CLIError(
            f"--output {output} is not available in {program} config get-contexts; "
            "resetting to default output format"
        )
    config = load(context)
    found = kubeconfig.entries(config, "contexts")
    wanted = context.args or list(found)
    shown = sorted(name for name in wanted if name in found)
    if output == "name":
        for name in shown:
            context.out(name)
    else:
        writer = Tabwriter(context.streams.stdout, 6, 4, 3)
        if not context.flags.is_set("no-headers"):
            writer.write("CURRENT\tNAME\tCLUSTER\tAUTHINFO\tNAMESPACE\n")
        for name in shown:
            mark = "*" if name == config.get(CURRENT) else " "
            entry = found[name]
            row = (mark, name, *(str(entry.get(k) or "") for k in ("cluster", "user", "namespace")))
            writer.write("\t".join(row) + "\n")
        writer.flush()
    raise_all([CLIError(f"context {name} not found") for name in wanted if name not in found])
    return 0


def _names(section: str) -> Callable[[Context], int]:
    def run(context: Context) -> int:
        context.out("NAME")
        for name in sorted(kubeconfig.entries(load(context), section)):
            context.out(name)
        return 0

    return run


COMMANDS = (
    Command(
        "view",
        "view",
        "Show the file",
        examples="kubesim config view\n\n# With secrets\nkubesim config view --raw",
        flags=(
            boolean("flatten", "Show what files hold in place of their names."),
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
)
