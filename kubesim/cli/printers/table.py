"""The tables of `kubectl get`: k8s.io/cli-runtime/pkg/printers/tableprinter.go, and what get.go does
around it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kubesim.apimachinery.labels import format_labels
from kubesim.apimachinery.meta import labels_of, metadata_of, name_of, namespace_of
from kubesim.cli.printers import PrintOptions, get_printer
from kubesim.cli.printers.tabwriter import Output, Tabwriter, table_writer
from kubesim.util.durations import time_since
from kubesim.util.gotext import sprint
from kubesim.util.jsontypes import JSONObject

_BREAK = re.compile(r"[\f\n\r]")
_EVENTS = {"ADDED": "ADDED   ", "MODIFIED": "MODIFIED", "DELETED": "DELETED ", "ERROR": "ERROR   "}


def is_table(obj: JSONObject) -> bool:
    """Whether an object is a Table of the server's."""
    return obj.get("kind") == "Table" and str(obj.get("apiVersion")).startswith("meta.k8s.io/")


class TablePrinter:
    """Prints the server's Tables, and names and ages of what is none. Headings come once for the same
    columns.
    """

    def __init__(self, options: PrintOptions, *, wide: bool = False) -> None:
        self._options = options
        self._wide = wide
        self._columns: list[JSONObject] = []
        self._heading_done = False
        self._plain_done = False

    def print_object(self, obj: JSONObject, stream: Output) -> None:
        self._print(obj, "", stream)

    def print_event(self, event_type: str, obj: JSONObject, stream: Output) -> None:
        self._print(obj, event_type, stream)

    def _print(self, obj: JSONObject, event_type: str, stream: Output) -> None:
        if isinstance(stream, Tabwriter):
            self._print_to(obj, event_type, stream)
            return
        writer = table_writer(stream)
        self._print_to(obj, event_type, writer)
        writer.flush()

    def _print_to(self, obj: JSONObject, event_type: str, writer: Tabwriter) -> None:
        if not is_table(obj):
            self._print_plain(obj, event_type, writer)
            return
        columns = obj.get("columnDefinitions") or []
        rows = obj.get("rows") or []
        repeated = self._heading_done and (not columns or columns == self._columns)
        if not columns:
            columns = self._columns  # a watch names them once
        elif columns != self._columns:
            self._columns = columns
            self._heading_done = False
        if rows:
            self._heading_done = True
        shown = _Decorated(columns, rows, self._options)
        if event_type:
            shown.prepend("Event", [_EVENTS.get(event_type, event_type)] * len(rows))
        shown.write(
            writer, wide=self._wide, heading=bool(rows) and not (repeated or self._options.no_headers)
        )

    def _print_plain(self, obj: JSONObject, event_type: str, writer: Tabwriter) -> None:
        """What is no Table: names alone, or a Status."""
        options = self._options
        if obj.get("kind") == "Status" and "status" in obj and "items" not in obj:
            columns = [{"name": "Status"}, {"name": "Reason"}, {"name": "Message"}]
            rows = [{"cells": [obj.get(k, "") for k in ("status", "reason", "message")], "object": obj}]
        else:
            columns = [{"name": "Name", "type": "string", "format": "name"}, {"name": "Age"}]
            items = obj["items"] if isinstance(obj.get("items"), list) else [obj]
            rows = [{"cells": [name_of(item), self._age(item)], "object": item} for item in items]
        shown = _Decorated(columns, rows, options)
        if event_type:
            shown.prepend("Event", [_EVENTS.get(event_type, event_type)] * len(rows))
        shown.write(writer, wide=self._wide, heading=not (self._plain_done or options.no_headers))
        self._plain_done = True

    def _age(self, obj: JSONObject) -> str:
        now = self._options.now
        return time_since(metadata_of(obj).get("creationTimestamp"), now()) if now else "<unknown>"


class _Decorated:
    """A table with the columns that options add: namespace, kinds in names, labels. The Table itself
    stays as it is.
    """

    def __init__(
        self, columns: Sequence[JSONObject], rows: Sequence[JSONObject], options: PrintOptions
    ) -> None:
        self._headings = [str(c.get("name", "")) for c in columns]
        self._wide_only = [bool(c.get("priority")) for c in columns]
        self._rows: list[list[Any]] = [list(row.get("cells") or []) for row in rows]
        objects = [row.get("object") for row in rows]
        if options.show_kind and options.kind:
            self._name_kinds(columns, options.kind.lower())
        if options.label_columns or options.show_labels:
            self._pad()
        if options.with_namespace:
            self.prepend("Namespace", [namespace_of(o) if o else None for o in objects])
        labels = [labels_of(o) if o else None for o in objects]
        for name in options.label_columns:
            values = [None if found is None else found.get(name, "") for found in labels]
            self._append(name.rpartition("/")[2].upper(), values)
        if options.show_labels:
            self._append("Labels", [None if found is None else format_labels(found) for found in labels])

    def _name_kinds(self, columns: Sequence[JSONObject], kind: str) -> None:
        for i, column in enumerate(columns):
            if column.get("format") == "name" and column.get("type") == "string":
                for cells in self._rows:
                    cells[i] = f"{kind}/{sprint(cells[i])}"
                return

    def _pad(self) -> None:
        for cells in self._rows:
            cells.extend([None] * (len(self._headings) - len(cells)))

    def prepend(self, heading: str, values: Sequence[Any]) -> None:
        """Add a column at the left."""
        self._headings.insert(0, heading)
        self._wide_only.insert(0, False)
        for cells, value in zip(self._rows, values, strict=True):
            cells.insert(0, value)

    def _append(self, heading: str, values: Sequence[Any]) -> None:
        self._headings.append(heading)
        self._wide_only.append(False)
        for cells, value in zip(self._rows, values, strict=True):
            cells.append(value)

    def write(self, writer: Tabwriter, *, wide: bool, heading: bool) -> None:
        shown = [i for i, hidden in enumerate(self._wide_only) if wide or not hidden]
        if heading:
            writer.write("\t".join(self._headings[i].upper() for i in shown) + "\n")
        for cells in self._rows:
            count = len(cells)
            writer.write("\t".join(_cell(cells[i]) for i in shown if i < count) + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return escape_terminal(sprint(value))
    if value.isprintable():
        return value
    found = _BREAK.search(value)
    return escape_terminal(value[: found.start()]) + "..." if found else escape_terminal(value)


def escape_terminal(text: str) -> str:
    """Text that cannot move the cursor: printers.EscapeTerminal."""
    return text.replace("\x1b", "^[").replace("\r", "\\r")


@dataclass(frozen=True, slots=True)
class TableOf:
    """A Table, or an object, and what it is of. `resource` tells one resource from another; `kind` is
    shown.
    """

    table: JSONObject
    resource: Hashable
    kind: str
    namespaced: bool = True


def print_tables(
    tables: Sequence[TableOf],
    stream: Output,
    options: PrintOptions,
    *,
    output: str = "",
    all_namespaces: bool = False,
) -> bool:
    """Print what was found, one table for each resource with an empty line between; whether anything was
    printed.

    Kinds stand before names where there are several. Source: get.go, GetOptions.Run.
    """
    several = len({t.kind for t in tables}) > 1
    tracked = _Separated(stream)
    writer = table_writer(tracked)
    printer = None
    last: Hashable = None
    for table in tables:
        if printer is None or table.resource != last:
            writer.flush()
            writer.forget_widths()
            if printer is not None and not options.no_headers and tracked.written:
                tracked.separate = True
            local = replace(
                options,
                kind=table.kind,
                show_kind=options.show_kind or several,
                with_namespace=all_namespaces and table.namespaced,
                sort_by="",
            )
            printer = get_printer(output, local)
            last = table.resource
        printer.print_object(table.table, writer)
    writer.flush()
    return tracked.written > 0


class _Separated:
    """A stream that counts, and puts an empty line before the next thing written if asked to."""

    def __init__(self, stream: Output) -> None:
        self._stream = stream
        self.written = 0
        self.separate = False

    def write(self, text: str) -> int:
        if text and self.separate:
            self._stream.write("\n")
            self.separate = False
        self.written += len(text)
        return self._stream.write(text)
