"""What describers write on: levels of indentation, columns, and the parts that many kinds share."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, labels_of, name_of, namespace_of, uid_of
from kubesim.cli.printers.table import escape_terminal
from kubesim.cli.printers.tabwriter import Output, describe_writer
from kubesim.util.clock import parse_time
from kubesim.util.durations import human_duration
from kubesim.util.gotext import sprint
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.client.client import Client

EVENTS = GroupVersionResource("", "v1", "events")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MAX_ANNOTATION = 140
NONE, UNSET = "<none>", "<unset>"


class PrefixWriter:
    """Writes text at levels of indentation; a level is two spaces."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._nested = 0

    def write(self, level: int, text: str) -> None:
        """Text after the indentation of its level."""
        self._output.write(escape_terminal("  " * (level + self._nested) + text))

    def line(self, level: int, *cells: object) -> None:
        """Cells with a tab between them, and the end of the line."""
        self.write(level, "\t".join(str(c) for c in cells) + "\n")

    @contextmanager
    def nested(self, levels: int) -> Iterator[None]:
        """Inside the block, everything stands further in."""
        self._nested += levels
        try:
            yield
        finally:
            self._nested -= levels

    def labels(
        self,
        title: str,
        labels: Mapping[str, str] | None,
        *,
        level: int = 0,
        indent: str = "",
        first: int = 0,
        limit: int | None = None,
    ) -> None:
        """`key=value` lines under each other, sorted; none longer than `limit`."""
        lines = [f"{k}={v}" for k, v in sorted((labels or {}).items())]
        if limit is not None:
            lines = [shortened(text, limit) for text in lines]
        self.multiline(title, lines, level=level, indent=indent, first=first)

    def multiline(
        self, title: str, lines: Sequence[str], *, level: int = 0, indent: str = "", first: int = 0
    ) -> None:
        """A title and lines under each other; `<none>` without any.

        Each piece is written on its own, so that nested pages repeat the indentation as kubectl's do. Lines themselves
        stand at the level `first`.
        """
        self.write(level, f"{indent}{title}:\t")
        if not lines:
            self.write(0, f"{NONE}\n")
        for position, line in enumerate(lines):
            if position:
                self.write(level, indent)
                self.write(level, "\t")
            self.write(first, f"{line}\n")

    def annotations(self, annotations: Mapping[str, str], title: str = "Annotations") -> None:
        """Annotations without the last applied configuration; long ones on lines of their own."""
        found = {k: v for k, v in annotations.items() if k != LAST_APPLIED}
        self.write(0, f"{title}:\t")
        if not found:
            self.write(0, f"{NONE}\n")
        for position, (key, raw) in enumerate(sorted(found.items())):
            if position:
                self.write(0, "\t")
            value = raw.removesuffix("\n")
            if _size(value) + _size(key) + 2 > MAX_ANNOTATION or "\n" in value:
                self.write(0, f"{key}:\n")
                for part in value.split("\n"):
                    self.write(0, f"\t  {shortened(part, MAX_ANNOTATION - 2)}\n")
            else:
                self.write(0, f"{key}: {value}\n")

    def tolerations(self, title: str, tolerations: Iterable[JSONObject] | None) -> None:
        found = sorted(tolerations or (), key=lambda t: t.get("key") or "")
        self.multiline(title, [toleration_text(t) for t in found])

    def taints(self, title: str, taints: Iterable[JSONObject] | None) -> None:
        found = sorted(taints or (), key=lambda t: f"{t.get('effect', '')},{t.get('key', '')}")
        self.multiline(title, [taint_text(t) for t in found])

    def conditions(
        self, title: str, columns: Sequence[tuple[str, str, str]], items: Iterable[JSONObject]
    ) -> None:
        """A table of conditions. A column is its heading, its field, and what follows its cells: a space
        for some. Fields that end in `Time` are times.
        """
        self.write(0, title)
        self.line(1, *(heading for heading, _, _ in columns))
        self.line(1, *(_RULES.get(heading, "-" * len(heading)) for heading, _, _ in columns))
        for item in items:
            self.line(1, *(_condition_cell(item, field) + end for _, field, end in columns))


class Page(PrefixWriter):
    """Collects one object's description. `now` is the time that ages are told from."""

    def __init__(self, client: Client, now: datetime, *, show_events: bool = True) -> None:
        self.client = client
        self.now = now
        self.show_events = show_events
        self._text = io.StringIO()
        self._tabs = describe_writer(self._text)
        super().__init__(self._tabs)

    def flush(self) -> None:
        """Columns begin anew."""
        self._tabs.flush()

    def text(self) -> str:
        """All that was written."""
        self._tabs.flush()
        return self._text.getvalue()

    def head(self, obj: JSONObject, *, namespaced: bool = True) -> None:
        """Name, namespace, labels, annotations."""
        self.line(0, "Name:", name_of(obj))
        if namespaced:
            self.line(0, "Namespace:", namespace_of(obj))
        self.labels("Labels", labels_of(obj))
        self.annotations(annotations_of(obj))

    def items(
        self, gvr: GroupVersionResource, namespace: str = "", *, label_selector: str = ""
    ) -> list[JSONObject]:
        """The objects of a kind. Raises StatusError."""
        found = self.client.list(gvr, namespace, label_selector=label_selector)
        return list(found.get("items") or [])

    def events(self, obj: JSONObject, *, kind: str | None = None, uid: str | None = None) -> None:
        """What happened to the object. `kind` and `uid` take the place of its own; empty leaves them out."""
        if self.show_events:
            found = self.find_events(obj, kind=kind, uid=uid)
            if found is not None:
                self.event_table(found)

    def find_events(
        self, obj: JSONObject, *, kind: str | None = None, uid: str | None = None
    ) -> list[JSONObject] | None:
        """The Events on an object, as searchEvents looks for them; None where they cannot be read."""
        selector = f"involvedObject.name={name_of(obj)},involvedObject.namespace={namespace_of(obj)}"
        kind = str(obj.get("kind") or "") if kind is None else kind
        uid = uid_of(obj) if uid is None else uid
        selector += f",involvedObject.kind={kind}" if kind else ""
        selector += f",involvedObject.uid={uid}" if uid else ""
        try:
            found = self.client.list(EVENTS, namespace_of(obj), field_selector=selector)
        except StatusError:
            # kubectl leaves the whole part out then: a page without events is better than none.
            return None
        return list(found.get("items") or [])

    def event_table(self, events: Sequence[JSONObject]) -> None:
        if not events:
            self.line(0, "Events:", NONE)
            return
        from kubesim.cli.commands.events import interval

        self.flush()
        self.write(0, "Events:\n  Type\tReason\tAge\tFrom\tMessage\n")
        self.write(1, "----\t------\t----\t----\t-------\n")
        for event in sorted(events, key=lambda e: str(e.get("lastTimestamp") or "")):
            source = (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""
            message = str(event.get("message") or "").strip()
            self.line(
                1,
                event.get("type") or "",
                event.get("reason") or "",
                interval(event, self.now),
                source,
                message,
            )

    def since(self, text: str | None) -> str:
        """How long ago a time is, as a human would say it."""
        return human_duration(self.now - parse_time(text)) if text else "<unknown>"

    def terminating(self, deleted: str) -> None:
        """The status of what is being deleted."""
        self.line(0, "Status:", f"Terminating (lasts {self.since(deleted)})")


# Rules under headings whose length is not the heading's.
_RULES = {"LastHeartbeatTime": "-----------------", "LastProbeTime": "-----------------"}


def _condition_cell(condition: JSONObject, field: str) -> str:
    value = condition.get(field)
    return long_time(value) if field.endswith("Time") else str(value or "")


def _size(text: str) -> int:
    """Go counts bytes."""
    return len(text) if text.isascii() else len(text.encode())


def shortened(text: str, limit: int) -> str:
    """At most `limit` bytes, with dots where something was cut off."""
    if _size(text) <= limit:
        return text
    return text.encode()[:limit].decode(errors="replace") + "..."


def long_time(text: str | None) -> str:
    """A time as Go's RFC1123Z writes it: `Mon, 23 Nov 2026 02:45:31 +0000`."""
    if not text:
        return "Mon, 01 Jan 0001 00:00:00 +0000"
    return parse_time(text).strftime("%a, %d %b %Y %H:%M:%S +0000")


def or_none(text: str) -> str:
    return text or NONE


def yes(value: Any) -> str:
    """`True` or `False`, as describe writes booleans of its own."""
    return "True" if value else "False"


def yes_or_unset(value: bool | None) -> str:
    """PrintBoolPtr."""
    return UNSET if value is None else yes(value)


def or_unset(value: Any, after: str = "") -> str:
    """A number, or `<unset>` where there is none."""
    return UNSET if value is None else f"{value}{after}"


def go_bool(value: Any) -> str:
    """`true` or `false`, as Go prints a bool."""
    return "true" if value else "false"


def go_list(values: Iterable[Any] | None) -> str:
    """A slice as %v prints it: `[a b]`."""
    return sprint(list(values or ()))


def pointer(value: Any) -> str:
    """A pointer as %v prints it when it is not set; its value when it is (kubectl prints an address)."""
    return "<nil>" if value is None else sprint(value)


def sorted_resources(resources: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """A resource list in the order of names."""
    return sorted((resources or {}).items())


def toleration_text(toleration: JSONObject) -> str:
    text = str(toleration.get("key") or "")
    if toleration.get("value"):
        text += f"={toleration['value']}"
    if toleration.get("effect"):
        text += f":{toleration['effect']}"
    if toleration.get("operator") == "Exists" and not toleration.get("value"):
        text += " op=Exists" if text else "op=Exists"
    if toleration.get("tolerationSeconds") is not None:
        text += f" for {toleration['tolerationSeconds']}s"
    return text


def taint_text(taint: JSONObject) -> str:
    """Taint.ToString."""
    key, value, effect = (str(taint.get(k) or "") for k in ("key", "value", "effect"))
    if not effect:
        return f"{key}={value}:" if value else key
    return f"{key}={value}:{effect}" if value else f"{key}:{effect}"
