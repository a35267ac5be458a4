"""`--sort-by`: rows and lists in the order of a field, kubectl's pkg/cmd/get/sorter.go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kubesim.cli.errors import CLIError
from kubesim.cli.printers import Printer
from kubesim.cli.printers.structured import is_list
from kubesim.cli.printers.table import is_table
from kubesim.cli.printers.tabwriter import Output
from kubesim.util.gosort import sorted_as_go
from kubesim.util.gotext import quote, type_name
from kubesim.util.jsonpath import JSONPath, JSONPathError, relaxed
from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity

T = TypeVar("T")


class Unsortable(CLIError):
    """The field has values that have no order."""


class SortingPrinter:
    """Sorts lists and Tables, then hands them on."""

    def __init__(self, delegate: Printer, field: str) -> None:
        self._delegate = delegate
        self._field = field

    def print_object(self, obj: JSONObject, stream: Output) -> None:
        self._delegate.print_object(sorted_object(obj, self._field), stream)

    def print_event(self, event_type: str, obj: JSONObject, stream: Output) -> None:
        self._delegate.print_event(event_type, obj, stream)


def sorted_pages(objects: list[JSONObject], field: str) -> list[JSONObject]:
    """What `get` prints with `--sort-by`; an empty dict for a Table that cannot be sorted and is not printed.

    Several objects are sorted as such, even where they are Tables of several types, which hardly ever have the
    field: get.go, NewRuntimeSorter. Raises CLIError.
    """
    if len(objects) != 1:
        return sort_by_field(objects, field, _itself)
    table = objects[0]
    if is_table(table) and len(table.get("rows") or ()) > 1:
        try:
            return [sorted_object(table, field)]
        except Unsortable:
            raise
        except CLIError:
            return [{}]  # get.go does not look at the error of its printer
    return objects


def sorted_object(obj: JSONObject, field: str) -> JSONObject:
    """A Table or List in the order of a field; anything else as it is. Raises CLIError."""
    if is_table(obj):
        rows = obj.get("rows") or []
        return {**obj, "rows": sort_by_field(rows, field, _row_object)} if rows else obj
    if is_list(obj) and obj["items"]:
        return {**obj, "items": sort_by_field(obj["items"], field, _itself)}
    return obj


def _row_object(row: JSONObject) -> JSONObject:
    found = row.get("object")
    return found if isinstance(found, dict) else {}


def _itself(obj: JSONObject) -> JSONObject:
    return obj


def sort_by_field(items: Sequence[T], field: str, object_of: Callable[[T], JSONObject]) -> list[T]:
    """Things in the order of a field of their objects, those without it first. Raises CLIError.

    At least one must have the field.
    """
    if not items:
        return []
    try:
        template = relaxed(field)
    except JSONPathError as error:
        raise CLIError(str(error)) from None
    try:
        path = JSONPath(template, allow_missing_keys=True)
    except JSONPathError as error:
        raise CLIError(f"sorting error: {error}") from None
    try:
        keyed = [(path.values(object_of(item))[:1], item) for item in items]
    except JSONPathError as error:
        raise CLIError(
            f"Failed to get values for [][]reflect.Value(nil) using {template} ({error})"
        ) from None
    if not any(values for values, _ in keyed):
        raise CLIError(f"couldn't find any field with path {quote(template)} in the list of objects")

    def less(a: tuple[list[Any], T], b: tuple[list[Any], T]) -> bool:
        return not a[0] or (bool(b[0]) and _is_less(a[0][0], b[0][0], template))

    return [item for _, item in sorted_as_go(keyed, less)]


def _is_less(a: Any, b: Any, field: str) -> bool:
    if a is None or b is None:
        return a is None and b is not None
    if isinstance(a, (bool, list, dict)):
        raise _unsortable(field, f"unsortable type: {type_name(a)}")
    if type(a) is not type(b):
        raise _unsortable(field, "unsortable interface: interface")
    if isinstance(a, str):
        try:
            return bool(Quantity.parse(a) < Quantity.parse(b))
        except ValueError:
            return bool(a < b)
    return bool(a < b)


def _unsortable(field: str, reason: str) -> Unsortable:
    return Unsortable(f"Field {field} in [][][]reflect.Value is an unsortable type: interface, err: {reason}")
