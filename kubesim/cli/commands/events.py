"""`events`: what happened, in the order of time (pkg/cmd/events)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import namespace_of
from kubesim.cli.builder import ALL_NAMESPACES_FLAG, CHUNK_SIZE_FLAG
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError, RawError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.options import PRINT_FLAGS
from kubesim.cli.printers.tabwriter import Tabwriter
from kubesim.cli.structorder import in_struct_order
from kubesim.client.restmapper import NoMatch
from kubesim.util.clock import parse_time
from kubesim.util.durations import human_duration
from kubesim.util.jsontypes import JSONObject, dig

EVENTS = GroupVersionResource("", "v1", "events")
EVENT_FIELDS = (
    "kind", "apiVersion", "metadata", "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp",
    "count", "type", "eventTime", "series", "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip
REFERENCE_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def run(context: Context) -> int:
    """List the events, and go on with new ones if asked to."""
    flags = context.flags
    types = [t.lower() for t in flags.texts("types")]
    if any(t not in ("normal", "warning") for t in types):
        raise CLIError("valid --types are Normal or Warning")
    everywhere = flags.is_set("all-namespaces")
    namespace = "" if everywhere else context.session.namespace
    selector = _selector(context)
    if flags.is_set("watch"):
        return _watch(context, namespace, selector, types)
    found = context.session.client.list(EVENTS, namespace, field_selector=selector)
    items = [e for e in found.get("items", []) if not types or str(e.get("type", "")).lower() in types]
    if not items:
        where = "" if everywhere else f" in {namespace} namespace"
        context.err(f"No events found{where}.")
        return 0
    items.sort(key=_time)
    if flags.text("output") or flags.text("template"):
        from kubesim.cli.printers import printer_for

        if context.flags.text("output") == "name":
            return 0  # the printer of names takes no typed list, and nobody tells
        # A typed list, and a new one: what the server said of its own is not kept.
        typed = [_in_order(event) for event in items]
        whole = {"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": typed}
        printer_for(context, struct_order=True).print_object(whole, context.streams.stdout)
        return 0
    _print(context, items, heading=not flags.is_set("no-headers"))
    return 0


def _selector(context: Context) -> str:
    text = context.flags.text("for")
    if not text:
        return ""
    parts = text.split("/")
    if len(parts) > 2:
        raise CLIError("arguments in resource/name form may not have more than one slash")
    if len(parts) != 2:
        raise CLIError("--for must be in resource/name form")
    try:
        mapping = context.session.mapper.resource(parts[0])
    except NoMatch:
        word, _, group = parts[0].lower().partition(".")
        where = f' in group "{group}"' if group else ""
        raise RawError(f'the server doesn\'t have a resource type "{word}"{where}') from None
    wanted = (("kind", mapping.gvk.kind), ("apiVersion", mapping.gvk.api_version), ("name", parts[1]))
    return ",".join(f"involvedObject.{key}={value}" for key, value in wanted)


def _in_order(event: JSONObject) -> JSONObject:
    """The event with its fields, and those of what it is about, in the order of Go's structs."""
    ordered = {name: event[name] for name in EVENT_FIELDS if name in event}
    about = event.get("involvedObject") or {}
    return ordered | {
        "metadata": in_struct_order(event.get("metadata") or {}),
        "involvedObject": {name: about[name] for name in REFERENCE_FIELDS if name in about},
    }


def _time(event: JSONObject) -> datetime:
    """When it happened last; some times are in whole seconds, some in microseconds."""
    text = dig(event, "series", "lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return parse_time(str(text)) if text else datetime.min.replace(tzinfo=UTC)


def _print(context: Context, items: Sequence[JSONObject], *, heading: bool) -> None:
    everywhere = context.flags.is_set("all-namespaces")
    now = context.session.now()
    writer = Tabwriter(context.streams.stdout, 6, 4, 3)
    if heading:
        writer.write(("NAMESPACE\t" if everywhere else "") + "LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE\n")
    for event in items:
        involved = event.get("involvedObject") or {}
        cells = [
            interval(event, now),
            str(event.get("type") or ""),
            str(event.get("reason") or ""),
            f"{involved.get('kind', '')}/{involved.get('name', '')}",
            str(event.get("message") or "").strip(),
        ]
        writer.write("\t".join([namespace_of(event), *cells] if everywhere else cells) + "\n")
    writer.flush()


def interval(event: JSONObject, now: datetime) -> str:
    """`5s`, or `5s (x3 over 1m)` for what happened several times (event_printer.go)."""
    first = _since(event.get("eventTime") or event.get("firstTimestamp"), now)
    series = event.get("series")
    if series:
        return f"{_since(series.get('lastObservedTime'), now)} (x{series.get('count', 0)} over {first})"
    if (event.get("count") or 0) > 1:
        return f"{_since(event.get('lastTimestamp'), now)} (x{event['count']} over {first})"
    return first


def _since(text: str | None, now: datetime) -> str:
    return human_duration(now - parse_time(text)) if text else "<unknown>"


def _watch(context: Context, namespace: str, selector: str, types: Sequence[str]) -> int:
    from kubesim.cli.watching import follow

    heading = not context.flags.is_set("no-headers")
    for event in follow(context.session, EVENTS, namespace, field_selector=selector):
        obj = event.object
        if event.type == "DELETED" or (types and str(obj.get("type", "")).lower() not in types):
            continue
        _print(context, [obj], heading=heading)
        context.streams.stdout.flush()
        heading = False
    return 0


COMMAND = Command(
    name="events",
    use="events [--for TYPE/NAME] [--watch] [--types=Normal,Warning]",
    short="List events",
    long="List what happened, oldest first: in a namespace, everywhere, or to one object.",
    examples="""\
# In this namespace
kubesim events

# Of one Pod, and go on
kubesim events --for pod/web --watch

# Warnings alone, everywhere
kubesim events --types=Warning -A""",
    flags=(
        Flag("for", "Only events of this object, type/name."),
        boolean("no-headers", "Print no headings."),
        Flag("types", "Only events of these types: Normal, Warning.", kind="slice"),
        boolean("watch", "Go on with new events.", "w"),
        ALL_NAMESPACES_FLAG,
        CHUNK_SIZE_FLAG,
        *PRINT_FLAGS,
    ),
    run=run,
)
