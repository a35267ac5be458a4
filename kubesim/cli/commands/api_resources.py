"""`api-resources`: what the API serves (pkg/cmd/apiresources)."""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.printers.tabwriter import Tabwriter
from kubesim.client.restmapper import Mapping

OUTPUTS = ("", "wide", "name")
SORTS = ("", "name", "kind")


def run(context: Context) -> int:
    """Print a table, or one name a line."""
    flags = context.flags
    if context.args:
        raise context.usage_error(f"unexpected arguments: [{' '.join(context.args)}]")
    output, order = flags.text("output"), flags.text("sort-by")
    if output not in OUTPUTS:
        raise CLIError(f"--output {output} is not available")
    if order not in SORTS:
        raise CLIError("--sort-by accepts only name or kind")
    found = sorted(_selected(context), key=lambda m: _key(m, order))
    if output == "name":
        for mapping in found:
            context.out(mapping.gvr.qualified)
        return 0
    writer = Tabwriter(context.streams.stdout, 6, 4, 3)
    headings = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    if output == "wide":
        headings += ["VERBS", "CATEGORIES"]
    if not flags.is_set("no-headers"):
        writer.write("\t".join(headings) + "\n")
    for mapping in found:
        writer.write("\t".join(_row(mapping, wide=output == "wide")) + "\n")
    writer.flush()
    return 0


def _row(mapping: Mapping, *, wide: bool) -> list[str]:
    cells = [
        mapping.gvr.resource,
        ",".join(mapping.short_names),
        mapping.gvr.api_version,
        "true" if mapping.namespaced else "false",
        mapping.gvk.kind,
    ]
    return [*cells, ",".join(mapping.verbs), ",".join(mapping.categories)] if wide else cells


def _key(mapping: Mapping, order: str) -> tuple[str, ...]:
    match order:
        case "name":
            return (mapping.gvr.resource,)
        case "kind":
            return (mapping.gvk.kind,)
        case _:
            return (mapping.gvr.group, mapping.gvr.resource)


def _selected(context: Context) -> Iterable[Mapping]:
    """What the flags ask for, each resource once: in the version that its group prefers."""
    flags = context.flags
    verbs, categories = flags.texts("verbs"), flags.texts("categories")
    seen: set[tuple[str, str]] = set()
    for mapping in context.session.mapper.mappings:
        name = (mapping.gvr.group, mapping.gvr.resource)
        wanted = (
            name not in seen
            and bool(mapping.verbs)
            and (not flags.changed("api-group") or mapping.gvr.group == flags.text("api-group"))
            and (not flags.changed("namespaced") or mapping.namespaced == flags.is_set("namespaced"))
            and all(verb in mapping.verbs for verb in verbs)
            and all(category in mapping.categories for category in categories)
        )
        seen.add(name)
        if wanted:
            yield mapping


COMMAND = Command(
    name="api-resources",
    use="api-resources",
    short="Print the resources of the API",
    examples="""\
# All resources
kubesim api-resources

# With verbs and categories
kubesim api-resources -o wide

# The ones without a namespace, as names
kubesim api-resources --namespaced=false -o name""",
    flags=(
        Flag("api-group", "Only the resources of this group."),
        boolean("cached", "Accepted for compatibility: kubesim needs no cache."),
        Flag("categories", "Only resources of these categories.", kind="slice"),
        boolean("namespaced", "Only resources with (true) or without (false) a namespace.", default=True),
        boolean("no-headers", "Print no headings."),
        Flag("output", "Output: wide or name.", "o"),
        Flag("sort-by", "Order: name or kind."),
        Flag("verbs", "Only resources that have these verbs.", kind="slice"),
    ),
    run=run,
)
