"""The page that describers write on: levels of indentation, columns, and the parts that many kinds share."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, labels_of, name_of, namespace_of, uid_of
from kubesim.cli.printers.tabwriter import Tabwriter
from kubesim.client.client import Client
from kubesim.util.clock import parse_time
from kubesim.util.durations import human_duration
from kubesim.util.jsontypes import JSONObject

EVENTS = GroupVersionResource("", "v1", "events")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MAX_ANNOTATION = 140
NONE, UNSET = "<none>", "<unset>"


class Page:
    """Collects one object's description. `now` is the time that ages are told from."""

    def __init__(self, client: Client, now: datetime, *, show_events: bool = True) -> None:
        self.client = client
        self.now = now
        self.show_events = show_events
        self._text = io.StringIO()
        self._tabs = Tabwriter(self._text, 0, 8, 2)

    def write(self, level: int, text: str) -> None:
        """Text as it stands, two spaces in for each level."""
        self._tabs.write("  " * level + text)

    def line(self, level: int, *cells: object) -> None:
        """Cells with a tab between them, and the end of the line."""
        self.write(level, "\t".join(str(c) for c in cells) + "\n")

    def flush(self) -> None:
        """Columns begin anew."""
        self._tabs.flush()

    def text(self) -> str:
        """All that was written."""
        self._tabs.flush()
        return self._text.getvalue()

    # Parts of many kinds.

    def head(self, obj: JSONObject, *, namespaced: bool = True) -> None:
        """Name, namespace, labels, annotations."""
        self.line(0, "Name:", name_of(obj))
        if namespaced:
            self.line(0, "Namespace:", namespace_of(obj))
        self.labels("Labels", labels_of(obj))
        self.annotations(obj)

    def labels(
        self,
        title: str,
        labels: Mapping[str, str] | None,
        *,
        indent: str = "",
        inner: str = "\t",
        skip: Collection[str] = (),
    ) -> None:
        """`key=value` lines under each other, sorted."""
        lines = [f"{k}={v}" for k, v in sorted((labels or {}).items()) if k not in skip]
        self.multiline(title, lines, indent=indent, inner=inner)

    def multiline(self, title: str, lines: Sequence[str], *, indent: str = "", inner: str = "\t") -> None:
        """A title and lines under each other; `<none>` without any."""
        self.write(0, f"{indent}{title}:{inner}")
        if not lines:
            self.write(0, f"{NONE}\n")
        for position, line in enumerate(lines):
            self.write(0, f"{indent}{inner}{line}\n" if position else f"{line}\n")

    def annotations(self, obj: JSONObject, title: str = "Annotations") -> None:
        """Annotations without the last applied configuration; long ones on lines of their own."""
        found = {k: v for k, v in annotations_of(obj).items() if k != LAST_APPLIED}
        self.write(0, f"{title}:\t")
        if not found:
            self.write(0, f"{NONE}\n")
        for position, (key, raw) in enumerate(sorted(found.items())):
            if position:
                self.write(0, "\t")
            value = raw.removesuffix("\n")
            if len(value) + len(key) + 2 > MAX_ANNOTATION or "\n" in value:
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

    def events(self, obj: JSONObject, *, kind: str | None = None, uid: str | None = None) -> None:
        """What happened to the object. `kind` and `uid` take the place of the object's own; empty leaves them out."""
        if self.show_events:
            self.event_table(self.find_events(obj, kind=kind, uid=uid))

    def find_events(self, obj: JSONObject, *, kind: str | None = None, uid: str | None = None) -> list[JSONObject]:
        wanted = {
            "involvedObject.name": name_of(obj),
            "involvedObject.namespace": namespace_of(obj),
            "involvedObject.kind": str(obj.get("kind") or "") if kind is None else kind,
            "involvedObject.uid": uid_of(obj) if uid is None else uid,
        }
        selector = ",".join(f"{k}={v}" for k, v in wanted.items() if v)
        try:
            found = self.client.list(EVENTS, namespace_of(obj), field_selector=selector)
        except StatusError:
            return []
        return list(found.get("items") or [])

    def event_table(self, events: Sequence[JSONObject]) -> None:
        if not events:
            self.line(0, "Events:", NONE)
            return
        from kubesim.cli.commands.events import interval

        self.flush()
        self.write(0, "Events:\n  Type\tReason\tAge\tFrom\tMessage\n")
        self.write(1, "----\t------\t----\t----\t-------\n")
        for event in sorted(events, key=_event_time):
            source = (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""
            message = str(event.get("message") or "").strip()
            self.line(1, event.get("type") or "", event.get("reason") or "", interval(event, self.now), source, message)

    def since(self, text: str | None) -> str:
        """How long ago a time is, as a human would say it."""
        return human_duration(self.now - parse_time(text)) if text else "<unknown>"


def _event_time(event: JSONObject) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def shortened(text: str, limit: int) -> str:
    return text[:limit] + "..." if len(text) > limit else text


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


def go_bool(value: Any) -> str:
    """`true` or `false`, as Go prints a bool."""
    return "true" if value else "false"


def pointer(value: Any) -> str:
    """A pointer as %v prints it when it is not set."""
    return "<nil>" if value is None else go_bool(value) if isinstance(value, bool) else str(value)


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


def selector_text(selector: Mapping[str, str] | None) -> str:
    """labels.FormatLabels: sorted, `<none>` for none."""
    return ",".join(f"{k}={v}" for k, v in sorted((selector or {}).items())) or NONE
