"""Tables of the server's, decorated and laid out as kubectl does."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from kubesim.cli.errors import CLIError
from kubesim.cli.printers import PrintOptions, get_printer
from kubesim.cli.printers.sorting import sort_by_field, sorted_object
from kubesim.cli.printers.table import TableOf, print_tables

COLUMNS = [
    {"name": "Name", "type": "string", "format": "name", "priority": 0},
    {"name": "Status", "type": "string", "format": "", "priority": 0},
    {"name": "Age", "type": "string", "format": "", "priority": 0},
    {"name": "Node", "type": "string", "format": "", "priority": 1},
]


def row(name: str, *cells: Any, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"} | ({"labels": labels} if labels else {})
    return {"cells": [name, *cells], "object": {"metadata": metadata, "spec": spec}}


def table(*rows: dict[str, Any], columns: list[dict[str, Any]] = COLUMNS) -> dict[str, Any]:
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "columnDefinitions": columns,
        "rows": list(rows),
    }


PODS = table(
    row("web-1", "Running", "5s", "node-1", labels={"app": "web", "x/tier": "front"}),
    row("db", "Pending", "10m", None),
)


def shown(*tables: TableOf, output: str = "", everywhere: bool = False, **options: Any) -> str:
    stream = io.StringIO()
    print_tables(tables, stream, PrintOptions(**options), output=output, all_namespaces=everywhere)
    return stream.getvalue()


def pods(output: str = "", *, everywhere: bool = False, **options: Any) -> str:
    return shown(TableOf(PODS, "pods", "Pod"), output=output, everywhere=everywhere, **options)


def test_wide_columns_are_left_out() -> None:
    assert pods() == "NAME    STATUS    AGE\nweb-1   Running   5s\ndb      Pending   10m\n"


def test_wide_output_has_all_columns() -> None:
    assert pods("wide") == (
        "NAME    STATUS    AGE   NODE\nweb-1   Running   5s    node-1\ndb      Pending   10m   \n"
    )


def test_headings_can_be_left_out() -> None:
    assert pods(no_headers=True) == "web-1   Running   5s\ndb      Pending   10m\n"


def test_labels_are_shown_as_columns() -> None:
    assert pods(label_columns=("app", "x/tier")) == (
        "NAME    STATUS    AGE   APP   TIER\nweb-1   Running   5s    web   front\ndb      Pending   10m         \n"
    )
    assert pods(show_labels=True) == (
        "NAME    STATUS    AGE   LABELS\n"
        "web-1   Running   5s    app=web,x/tier=front\n"
        "db      Pending   10m   <none>\n"
    )


def test_namespaces_come_first() -> None:
    assert pods(everywhere=True, show_kind=True) == (
        "NAMESPACE   NAME        STATUS    AGE\n"
        "default     pod/web-1   Running   5s\n"
        "default     pod/db      Pending   10m\n"
    )


def test_several_kinds_are_told_apart() -> None:
    nodes = table(row("node-1", "Ready", "1h", ""))
    deployments = table(row("dep", "1/1", "1h", ""))
    assert shown(
        TableOf(PODS, "pods", "Pod"),
        TableOf(nodes, "nodes", "Node", namespaced=False),
        TableOf(deployments, "deployments", "Deployment.apps"),
        everywhere=True,
    ) == (
        "NAMESPACE   NAME        STATUS    AGE\n"
        "default     pod/web-1   Running   5s\n"
        "default     pod/db      Pending   10m\n"
        "\n"
        "NAME          STATUS   AGE\n"
        "node/node-1   Ready    1h\n"
        "\n"
        "NAMESPACE   NAME                  STATUS   AGE\n"
        "default     deployment.apps/dep   1/1      1h\n"
    )


def test_tables_of_one_kind_share_their_heading_and_widths() -> None:
    first = table(row("a", "Running", "5s", ""))
    second = table(row("longer-name", "Running", "5s", ""))
    assert shown(TableOf(first, "pods", "Pod"), TableOf(second, "pods", "Pod")) == (
        "NAME          STATUS    AGE\na             Running   5s\nlonger-name   Running   5s\n"
    )


def test_an_empty_table_prints_nothing() -> None:
    stream = io.StringIO()
    assert not print_tables([TableOf(table(), "pods", "Pod")], stream, PrintOptions())
    assert stream.getvalue() == ""


def test_an_empty_table_before_another_leaves_no_empty_line() -> None:
    assert shown(
        TableOf(table(), "nodes", "Node"), TableOf(PODS, "pods", "Pod"), no_headers=False
    ).startswith("NAME        STATUS")


def test_the_table_is_not_changed() -> None:
    before = repr(PODS)
    pods(everywhere=True, show_labels=True, show_kind=True, label_columns=("app",))
    assert repr(PODS) == before


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("a\nb", "a..."),
        ("\x1b[31m", "^[[31m"),
        (3, "3"),
        (True, "true"),
        (None, ""),
        (1.5, "1.5"),
        ("é", "é"),
    ],
)
def test_cells_cannot_harm_the_terminal(cell: Any, text: str) -> None:
    found = shown(TableOf(table({"cells": ["x", "y", cell], "object": None}), "pods", "Pod"), no_headers=True)
    assert found == f"x     y     {text}\n"


def test_rows_without_an_object_leave_label_cells_empty() -> None:
    found = shown(
        TableOf(table({"cells": ["x"], "object": None}), "pods", "Pod"), everywhere=True, show_labels=True
    )
    assert found == "NAMESPACE   NAME   STATUS   AGE   LABELS\n            x                     \n"


def test_a_watch_names_its_columns_once() -> None:
    stream = io.StringIO()
    printer = get_printer("", PrintOptions())
    printer.print_object(table(), stream)
    printer.print_object(table(row("a", "Running", "5s", "")), stream)
    printer.print_object(table(row("b", "Running", "6s", ""), columns=[]), stream)
    assert stream.getvalue() == "NAME   STATUS    AGE\na      Running   5s\nb     Running   6s\n"


def test_a_watch_can_say_what_happened() -> None:
    stream = io.StringIO()
    printer = get_printer("", PrintOptions())
    printer.print_event("ADDED", table(row("a", "Running", "5s", "")), stream)
    assert stream.getvalue() == "EVENT      NAME   STATUS    AGE\nADDED      a      Running   5s\n"


def test_objects_that_come_in_no_table_show_name_and_age() -> None:
    stream = io.StringIO()
    printer = get_printer("", PrintOptions(now=lambda: datetime(2026, 1, 1, 1, tzinfo=UTC)))
    metadata = {"name": "a", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}
    printer.print_object({"kind": "Thing", "metadata": metadata}, stream)
    printer.print_object({"kind": "Thing", "metadata": {"name": "b"}}, stream)
    assert stream.getvalue() == "NAME   AGE\na      60m\nb     <unknown>\n"


def names(found: dict[str, Any]) -> list[str]:
    return [r["cells"][0] for r in found["rows"]]


def test_rows_are_sorted_by_a_field_of_their_object() -> None:
    found = table(row("c", n=10), row("a", n=9), row("b", n=100))
    assert names(sorted_object(found, ".metadata.name")) == ["a", "b", "c"]
    assert names(sorted_object(found, "{.spec.n}")) == ["a", "c", "b"]
    assert names(found) == ["c", "a", "b"]


def test_rows_without_the_field_come_first() -> None:
    found = table(row("c", n=1), row("a"), row("b", n=None))
    assert names(sorted_object(found, "spec.n")) == ["a", "b", "c"]


def test_quantities_are_sorted_by_their_size() -> None:
    found = table(row("a", m="1Gi"), row("b", m="500Mi"), row("c", m="2k"))
    assert names(sorted_object(found, ".spec.m")) == ["c", "b", "a"]


def test_lists_are_sorted_too() -> None:
    found = {"kind": "List", "items": [{"n": "b"}, {"n": "a"}]}
    assert sorted_object(found, ".n")["items"] == [{"n": "a"}, {"n": "b"}]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (".spec.nosuch", 'couldn\'t find any field with path "{.spec.nosuch}" in the list of objects'),
        (
            "{.a",
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'",
        ),
        (
            ".metadata",
            (
                "Field {.metadata} in [][][]reflect.Value is an unsortable type: interface, err: unsortable type: "
                "map[string]interface {}"
            ),
        ),
    ],
)
def test_fields_that_cannot_be_sorted_by_are_refused(field: str, message: str) -> None:
    with pytest.raises(CLIError) as caught:
        sorted_object(table(row("a"), row("b")), field)
    assert str(caught.value) == message


def test_many_rows_are_sorted() -> None:
    items = [{"n": (i * 7919) % 1000} for i in range(1000)]
    found = sort_by_field(items, ".n", lambda item: item)
    assert [item["n"] for item in found] == list(range(1000))
