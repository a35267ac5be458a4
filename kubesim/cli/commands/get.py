"""`get`: objects as tables, or in any other form (pkg/cmd/get)."""

from __future__ import annotations

from kubesim.apimachinery.rest import JSON
from kubesim.cli.builder import (
    ALL_NAMESPACES_FLAG,
    CHUNK_SIZE_FLAG,
    FIELD_SELECTOR_FLAG,
    SELECTOR_FLAG,
    Builder,
    Info,
    collected,
    filename_flags,
)
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import AggregateError, CLIError, flat, is_not_found, raise_all, without
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.printers import GET, as_list, get_printer, print_options
from kubesim.util.jsontypes import JSONObject

TABLE = (
    f"application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,{JSON}"
)


def run(context: Context) -> int:
    """Print what was asked for."""
    flags = context.flags
    if flags.text("raw"):
        _validate_raw(context)
        from kubesim.cli.raw import send_raw

        return send_raw(context, "GET", flags.text("raw"))
    _validate(context)
    if flags.is_set("watch") or flags.is_set("watch-only"):
        from kubesim.cli.watchget import watch

        return watch(context)
    return _human(context) if is_human(context) else _generic(context)


def is_human(context: Context) -> bool:
    """Whether tables are printed."""
    output = context.flags.text("output")
    return (not output and not context.flags.text("template")) or output == "wide"


def make_builder(context: Context, *, table: bool, **more: bool) -> Builder:
    """What the command line names. With `table`, the server is asked for tables."""
    flags = context.flags
    sort_by = flags.text("sort-by")
    return Builder.of(
        context,
        context.args,
        enforce_namespace=context.session.explicit_namespace and not flags.is_set("all-namespaces"),
        subresource=flags.text("subresource"),
        allow_empty_selector=True,
        chunk_size=0 if sort_by else flags.number("chunk-size"),
        accept=TABLE if table else JSON,
        query={"includeObject": "Object"} if table and sort_by else {},
        latest=True,
        flatten=more.get("flatten", True),
        single_type=more.get("single_type", False),
        continue_on_error=more.get("continue_on_error", True),
    )


def _human(context: Context) -> int:
    from kubesim.cli.printers.table import TableOf, print_tables

    flags = context.flags
    builder = make_builder(context, table=flags.is_set("server-print"))
    infos, errors = builder.infos()
    errors = _without_missing(context, errors)
    options = print_options(context)
    objects = [i.object or {} for i in infos]
    if options.sort_by:
        from kubesim.cli.printers.sorting import sorted_pages

        objects = sorted_pages(objects, options.sort_by)
    tables = [
        TableOf(obj, info.mapping.gvr, info.mapping.qualified_kind, info.mapping.namespaced)
        for info, obj in zip(infos, objects, strict=True)
        if obj
    ]
    everywhere = flags.is_set("all-namespaces")
    written = print_tables(
        tables, context.streams.stdout, options, output=flags.text("output"), all_namespaces=everywhere
    )
    if not written and not flags.is_set("ignore-not-found") and not errors:
        namespaced = not everywhere and all(i.mapping.namespaced for i in infos)
        where = f" in {context.session.namespace} namespace." if namespaced else ""
        context.err(f"No resources found{where}")
    failure = collected(errors)
    if failure:
        # One aggregate more than elsewhere, which shows where files could not be read: get.go, allErrs.
        raise AggregateError([failure])
    return 0


def _without_missing(context: Context, errors: list[Exception]) -> list[Exception]:
    return without(errors, is_not_found) if context.flags.is_set("ignore-not-found") else errors


def _generic(context: Context) -> int:
    """JSON, YAML, names and templates: one object alone, several as a List (get.go, printGeneric)."""
    flags = context.flags
    builder = make_builder(context, table=False)
    infos, errors = builder.infos()
    errors = _without_missing(context, errors)
    if not infos:
        raise_all(flat(errors))
    single = builder.single_item_implied
    if not infos and flags.is_set("ignore-not-found") and (single or builder.targets_single_items):
        return 0
    printer = get_printer(flags.text("output"), print_options(context), GET)
    obj = _whole(infos, single=single)
    if obj is not None:
        printer.print_object(obj, context.streams.stdout)
    raise_all(flat(errors))
    return 0


def _whole(infos: list[Info], *, single: bool) -> JSONObject | None:
    if single and len(infos) == 1:
        return infos[0].object
    return as_list([i.object or {} for i in infos])


def _validate_raw(context: Context) -> None:
    flags = context.flags
    if context.args:
        raise CLIError("arguments may not be passed when --raw is specified")
    if flags.is_set("watch") or flags.is_set("watch-only") or flags.text("selector"):
        raise CLIError(
            "--raw may not be specified with other flags that filter the server request or alter the output"
        )
    if flags.text("output"):
        raise CLIError("--raw and --output are mutually exclusive")


def _validate(context: Context) -> None:
    flags = context.flags
    watching = flags.is_set("watch") or flags.is_set("watch-only")
    if watching and flags.text("sort-by"):
        word = "--watch" if flags.is_set("watch") else "--watch-only"
        more = " for watch events received" if flags.is_set("watch") else ""
        context.err(f"warning: {word} requested, --sort-by will be ignored{more}")
    if not watching and not context.args and not flags.texts("filename") and not flags.text("kustomize"):
        program = context.streams.program
        context.err(
            "You must specify the type of resource to get. "
            f'Use "{program} api-resources" for a complete list of supported resources.\n'
        )
        raise context.usage_error(
            f'Required resource not specified.\nUse "{program} explain <resource>" for a detailed description of that '
            f"resource (e.g. {program} explain pods)."
        )
    output = flags.text("output")
    if flags.is_set("show-labels") and output not in ("", "wide"):
        raise CLIError(f"--show-labels option cannot be used with {output} printer")
    if flags.is_set("output-watch-events") and not watching:
        raise CLIError("--output-watch-events option can only be used with --watch or --watch-only")


COMMAND = Command(
    name="get",
    use="get [(-o|--output=)json|yaml|name|go-template|go-template-file|template|templatefile|jsonpath|"
    "jsonpath-as-json|jsonpath-file|custom-columns|custom-columns-file|wide] "
    "(TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...) [flags]",
    short="Show one or many resources",
    long="Show objects as a table of what matters most, or whole, or the parts that a template names.",
    examples="""\
# All Pods of the namespace
kubesim get pods

# With addresses and nodes
kubesim get pods -o wide

# Several types at once
kubesim get po,svc,ep --show-labels

# One Service as YAML
kubesim get svc web -o yaml

# One field
kubesim get svc web -o jsonpath='{.spec.clusterIP}'

# Everywhere
kubesim get pods -A""",
    flags=(
        boolean(
            "allow-missing-template-keys", "A missing field in a template is not an error.", default=True
        ),
        boolean("ignore-not-found", "What is not there is no failure."),
        Flag("label-columns", "Labels to show as columns.", "L", "slice"),
        boolean("no-headers", "Print no headings."),
        Flag("output", "Output format.", "o"),
        boolean("output-watch-events", "With --watch: show what happened to each object."),
        Flag("raw", "Path of a GET request to send as it is."),
        boolean("server-print", "Let the server make the tables.", default=True),
        boolean("show-kind", "Put the type before the name."),
        boolean("show-labels", "Show all labels as the last column."),
        boolean("show-managed-fields", "Keep metadata.managedFields in JSON and YAML."),
        Flag("sort-by", "JSONPath of the field to sort by, such as .metadata.name."),
        Flag("subresource", "The subresource to show, such as status or scale."),
        Flag("template", "Template string, or file with it, for -o go-template."),
        boolean("watch", "Go on with changes.", "w"),
        boolean("watch-only", "Show changes alone."),
        ALL_NAMESPACES_FLAG,
        CHUNK_SIZE_FLAG,
        FIELD_SELECTOR_FLAG,
        SELECTOR_FLAG,
        *filename_flags("with the objects to show."),
    ),
    run=run,
)
