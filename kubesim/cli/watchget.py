"""`get --watch`: what is there, then what changes (pkg/cmd/get/get.go, watch)."""

from __future__ import annotations

from dataclasses import replace

from kubesim.apimachinery.meta import metadata_of, resource_version_of
from kubesim.apimachinery.rest import JSON
from kubesim.cli.builder import Info
from kubesim.cli.command import Context
from kubesim.cli.commands.get import TABLE, is_human, make_builder
from kubesim.cli.errors import CLIError, raise_all
from kubesim.cli.printers import GET, Printer, get_printer, print_options
from kubesim.cli.printers.tabwriter import table_writer
from kubesim.cli.watching import follow
from kubesim.util.jsontypes import JSONObject

SEVERAL = "watch is only supported on individual resources and resource collections - more than 1 resource was found"


def watch(context: Context) -> int:
    """Print until the user ends it."""
    human = is_human(context) and context.flags.is_set("server-print")
    builder = make_builder(context, table=human, flatten=False, single_type=True, continue_on_error=False)
    infos, errors = builder.infos()
    raise_all(errors)
    if not infos:
        raise CLIError("no objects found")
    if len({i.mapping.gvr for i in infos}) > 1 or (len(infos) > 1 and not _pages(infos)):
        raise CLIError(SEVERAL)
    first = infos[0]
    printer = _printer(context, first)
    is_list = not first.name
    if not context.flags.is_set("watch-only"):
        for info in infos:
            _print(context, printer, info.object or {}, "ADDED")
    version = (
        _list_version(infos[-1].object or {}) if is_list else resource_version_of(_single(first.object or {}))
    )
    selector = context.flags.text("field-selector")
    if not is_list:
        selector = f"metadata.name={first.name}"
    events = follow(
        context.session,
        first.mapping.gvr,
        first.namespace,
        resource_version=version,
        label_selector=context.flags.text("selector"),
        field_selector=selector,
        accept=TABLE if human else JSON,
    )
    for event in events:
        _print(context, printer, event.object, event.type)
    return 0


def _pages(infos: list[Info]) -> bool:
    """Whether the infos are the chunks of one list."""
    return all(not i.name for i in infos)


def _printer(context: Context, info: Info) -> Printer:
    everywhere = context.flags.is_set("all-namespaces") and info.mapping.namespaced
    options = replace(
        print_options(context), kind=info.mapping.qualified_kind, with_namespace=everywhere, sort_by=""
    )
    return get_printer(context.flags.text("output"), options, GET)


def _print(context: Context, printer: Printer, obj: JSONObject, event_type: str) -> None:
    """Print an object, or each item of a list."""
    whole = context.flags.text("output") not in ("", "wide")
    items = obj.get("items") if whole else None
    writer = table_writer(context.streams.stdout)
    for item in items if isinstance(items, list) else [obj]:
        if context.flags.is_set("output-watch-events"):
            printer.print_event(event_type, _typed(item, obj), writer)
        else:
            printer.print_object(_typed(item, obj), writer)
    writer.flush()
    context.streams.stdout.flush()


def _typed(item: JSONObject, whole: JSONObject) -> JSONObject:
    """An item of a list with the kind that the list leaves out."""
    kind = str(whole.get("kind", ""))
    if "kind" in item or not kind.endswith("List"):
        return item
    return {"apiVersion": whole.get("apiVersion"), "kind": kind[:-4], **item}


def _list_version(page: JSONObject) -> str:
    return str(metadata_of(page).get("resourceVersion") or "")


def _single(obj: JSONObject) -> JSONObject:
    """The object of a Table with one row, or the object itself. A Table says its row's version as its own."""
    return obj
