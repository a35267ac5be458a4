"""Where in objects things stand that kustomize changes: paths by kind, and the walk along a path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kubesim.cli.kustomize.errors import BuildError
from kubesim.cli.kustomize.identity import Gvk, gvk_of, gvk_sort_text, id_of, kind_order
from kubesim.util.jsontypes import JSONObject

ANY: Final = Gvk()


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A path in objects of some kinds. With `create`, missing parts of it are made."""

    path: str
    gvk: Gvk = ANY
    create: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """Where the names of objects of one kind stand in others."""

    target: Gvk
    referrers: tuple[FieldSpec, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """All paths: TransformerConfig."""

    name_prefix: tuple[FieldSpec, ...] = ()
    name_suffix: tuple[FieldSpec, ...] = ()
    namespace: tuple[FieldSpec, ...] = ()
    common_labels: tuple[FieldSpec, ...] = ()
    labels: tuple[FieldSpec, ...] = ()
    template_labels: tuple[FieldSpec, ...] = ()
    common_annotations: tuple[FieldSpec, ...] = ()
    var_reference: tuple[FieldSpec, ...] = ()
    images: tuple[FieldSpec, ...] = ()
    replicas: tuple[FieldSpec, ...] = ()
    name_reference: tuple[Reference, ...] = field(default=())

    def merge(self, other: Config) -> Config:
        """Both together, in kustomize's order. Raises BuildError for paths that contradict each other."""
        made = {
            name: _sorted(merge_specs(getattr(self, name), getattr(other, name)))
            for name in _SPEC_FIELDS.values()
        }
        return replace(self, **made, name_reference=_merge_references(self, other))


# Names in configuration files -> fields.
_SPEC_FIELDS: Final = {
    "namePrefix": "name_prefix",
    "nameSuffix": "name_suffix",
    "namespace": "namespace",
    "commonLabels": "common_labels",
    "labels": "labels",
    "templateLabels": "template_labels",
    "commonAnnotations": "common_annotations",
    "varReference": "var_reference",
    "images": "images",
    "replicas": "replicas",
}


def merge_specs(specs: Iterable[FieldSpec], more: Iterable[FieldSpec]) -> tuple[FieldSpec, ...]:
    """Without repetitions: FsSlice.MergeAll."""
    found = list(specs)
    for spec in more:
        same = next((s for s in found if s.path == spec.path and s.gvk.selected_by(spec.gvk)), None)
        if same is None:
            found.append(spec)
        elif same.create != spec.create:
            raise BuildError("conflicting fieldspecs")
    return tuple(found)


def _sorted(specs: tuple[FieldSpec, ...]) -> tuple[FieldSpec, ...]:
    return tuple(sorted(specs, key=lambda s: _rank(s.gvk)))


def _rank(gvk: Gvk) -> tuple[int, str]:
    return kind_order(gvk.kind), gvk_sort_text(gvk)


def _merge_references(a: Config, b: Config) -> tuple[Reference, ...]:
    found = {r.target: r for r in a.name_reference}
    for reference in b.name_reference:
        known = found.get(reference.target)
        if known is None:
            found[reference.target] = reference
        else:
            referrers = merge_specs(known.referrers, reference.referrers)
            found[reference.target] = Reference(reference.target, referrers)
    return tuple(sorted(found.values(), key=lambda r: _rank(r.target)))


def parse_config(value: JSONObject) -> Config:
    """A file of `configurations`."""
    made = {name: tuple(parse_spec(s) for s in value.get(key) or ()) for key, name in _SPEC_FIELDS.items()}
    references = tuple(
        Reference(parse_gvk(r), tuple(parse_spec(s) for s in r.get("fieldSpecs") or ()))
        for r in value.get("nameReference") or ()
    )
    return Config(**made, name_reference=references)


def parse_gvk(value: JSONObject) -> Gvk:
    return Gvk(*(str(value.get(key) or "") for key in ("group", "version", "kind")))


def parse_spec(value: JSONObject) -> FieldSpec:
    return FieldSpec(str(value.get("path") or ""), parse_gvk(value), bool(value.get("create")))


# The walk.


@dataclass(slots=True)
class Slot:
    """A place that a path leads to: an item of an object or a list."""

    holder: Any
    key: Any

    @property
    def value(self) -> Any:
        return self.holder[self.key]

    @value.setter
    def value(self, value: Any) -> None:
        self.holder[self.key] = value


SetValue = Callable[[Slot], None]


def apply_spec(
    obj: JSONObject, spec: FieldSpec, set_value: SetValue, *, make: Callable[[], Any] | None = None
) -> None:
    """Call `set_value` with every place that a path leads to; `make` makes the last part of one that is missing.

    fieldspec.Filter. Raises BuildError.
    """
    if not gvk_of(obj).selected_by(spec.gvk):
        return
    path = split_path(spec.path, "/")
    try:
        _walk(Slot([obj], 0), path, spec.create, set_value, make)
    except BuildError as error:
        shown = id_of(obj)
        raise BuildError(f"considering field '{spec.path}' of object {shown}: {error}") from None


def _walk(
    slot: Slot, path: list[str], create: bool, set_value: SetValue, make: Callable[[], Any] | None
) -> None:
    if not path:
        set_value(slot)
        return
    value = slot.value
    if value is None:
        return
    if isinstance(value, list):
        try:
            for position in range(len(value)):
                _walk(Slot(value, position), path, create, set_value, make)
        except BuildError as error:
            raise BuildError(f"visit traversal on path: [{' '.join(path)}]: {error}") from None
        return
    if not isinstance(value, dict):
        raise BuildError("expected sequence or mapping node")
    name = path[0].removesuffix("[]")
    if not name:
        raise BuildError("cannot set or create an empty field name")
    is_list = name != path[0]
    creating = create and make is not None and not is_list
    if name not in value and not creating:
        return
    if value.get(name) is None:
        if is_list:
            value[name] = []
        elif creating and make is not None:
            value[name] = {} if len(path) > 1 else make()
    _walk(Slot(value, name), path[1:], create, set_value, make)


def split_path(path: str, delimiter: str) -> list[str]:
    """The parts of a path; a backslash keeps the delimiter in a part: PathSplitter."""
    parts = path.split(delimiter)
    if len(parts) > 1 and not parts[0]:
        parts = parts[1:]
    found = parts[:1]
    for part in parts[1:]:
        if found[-1].endswith("\\"):
            found[-1] = found[-1][:-1] + delimiter + part
        else:
            found.append(part)
    return found
