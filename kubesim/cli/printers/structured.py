"""Objects as JSON, as YAML, and by name alone: k8s.io/cli-runtime/pkg/printers."""

from __future__ import annotations

from kubesim.apimachinery.gvk import split_api_version
from kubesim.apimachinery.meta import name_of
from kubesim.cli.errors import CLIError
from kubesim.cli.printers.tabwriter import Output
from kubesim.util.gotext import to_json
from kubesim.util.jsontypes import JSONObject


def is_list(obj: JSONObject) -> bool:
    """Whether an object is a list of others."""
    return isinstance(obj.get("items"), list) and "kind" in obj


def without_managed_fields(obj: JSONObject) -> JSONObject:
    """A copy, as deep as needed, without metadata.managedFields, also of the items of a list."""
    if is_list(obj):
        return {**obj, "items": [without_managed_fields(item) for item in obj["items"]]}
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {k: v for k, v in metadata.items() if k != "managedFields"}}


class JSONPrinter:
    """Indented by four spaces; keys in alphabetical order, or in their own with `struct_order`."""

    def __init__(self, *, managed_fields: bool = False, struct_order: bool = False) -> None:
        self._managed_fields = managed_fields
        self._sort_keys = not struct_order

    def print_object(self, obj: JSONObject, stream: Output) -> None:
        _require_kind(obj)
        shown = obj if self._managed_fields else without_managed_fields(obj)
        stream.write(to_json(shown, indent="    ", sort_keys=self._sort_keys) + "\n")

    def print_event(self, event_type: str, obj: JSONObject, stream: Output) -> None:
        # A struct of two fields, on one line.
        stream.write(f'{{"type":{to_json(event_type)},"object":{to_json(obj)}}}\n')


class YAMLPrinter:
    """Documents, with `---` between them."""

    def __init__(self, *, managed_fields: bool = False) -> None:
        self._managed_fields = managed_fields
        self._printed = 0

    def print_object(self, obj: JSONObject, stream: Output) -> None:
        self._separate(stream)
        _require_kind(obj)
        self._dump(obj if self._managed_fields else without_managed_fields(obj), stream)

    def print_event(self, event_type: str, obj: JSONObject, stream: Output) -> None:
        self._separate(stream)
        self._dump({"object": obj, "type": event_type}, stream)

    def _separate(self, stream: Output) -> None:
        self._printed += 1
        if self._printed > 1:
            stream.write("---\n")

    def _dump(self, obj: JSONObject, stream: Output) -> None:
        from kubesim.util.yamldump import dump

        stream.write(dump(obj))


class NamePrinter:
    """`service/web`, `deployment.apps/web`; with an operation, `service/web created`."""

    def __init__(self, operation: str = "") -> None:
        self._operation = f" {operation}" if operation else ""

    def print_object(self, obj: JSONObject, stream: Output) -> None:
        if is_list(obj):
            for item in obj["items"]:
                self.print_object(item, stream)
            return
        _require_kind(obj)
        stream.write(f"{shown_name(obj)}{self._operation}\n")

    def print_event(self, event_type: str, obj: JSONObject, stream: Output) -> None:
        self.print_object(obj, stream)


def shown_name(obj: JSONObject) -> str:
    """An object as `kind.group/name`, in lower case."""
    group, _ = split_api_version(str(obj.get("apiVersion") or ""))
    kind = str(obj.get("kind") or "").lower()
    return f"{kind}.{group}/{_name(obj)}" if group else f"{kind}/{_name(obj)}"


def _name(obj: JSONObject) -> str:
    return name_of(obj) or "<unknown>"


def _require_kind(obj: JSONObject) -> None:
    if not obj.get("kind") and not obj.get("apiVersion"):
        raise CLIError(
            "missing apiVersion or kind; try GetObjectKind().SetGroupVersionKind() if you know the type"
        )
