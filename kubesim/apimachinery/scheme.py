"""`Resource`: all that the generic machinery has to know of a kind; `Scheme`: the kinds that a cluster has.

A Resource is a frozen dataclass of pure functions: the strategy of k8s.io/apiserver's generic registry. The
functions get decoded objects whose types already agree with the schema (`apimachinery.schema`), so they need
not check types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.gvk import GroupVersionKind, GroupVersionResource
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apimachinery.rest import UserInfo
from kubesim.util.jsontypes import JSONObject

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the server's Table: metav1.TableColumnDefinition. Priority 0 shows always, 1 with `-o
    wide`.
    """

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


Cells = list[Any]


def _nothing(obj: JSONObject) -> None:
    """Default, or prepare, nothing."""


def _nothing_new(new: JSONObject, old: JSONObject) -> None:
    """Prepare no update."""


def _by_anybody(obj: JSONObject, user: UserInfo) -> None:
    """Note nothing of who creates an object."""


def _no_errors(obj: JSONObject) -> list[FieldError]:
    return []


def _no_update_errors(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return []


def _no_warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    return []


def standard_fields(obj: JSONObject) -> dict[str, str]:
    """The field labels that every kind has."""
    found = {"metadata.name": name_of(obj)}
    namespace = namespace_of(obj)
    return found | {"metadata.namespace": namespace} if namespace else found


def _no_indexes(obj: JSONObject) -> Iterable[tuple[str, str]]:
    return ()


NAME_AND_AGE = (
    Column("Name", format="name", description="Name must be unique within a namespace."),
    Column("Created At", type="date"),
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the API, with the strategy of its kind.

    `default(obj)` fills in defaults, in place. `prepare_create(obj)` and `prepare_update(new, old)` clear or
    carry over, in place, what the client may not set (status, generation).
    `requested_by(obj, user)` writes into a new object who asked for it. `prepare_status_update(new, old)`
    does the same for /status: by default everything outside `status` is taken from `old`. `validate(obj)` and
    `validate_update(new, old)` return every error in Kubernetes' order, without those of ObjectMeta, which
    the registry adds in front;
    `validate_update` includes what `validate` checks where Kubernetes does so (almost every kind).
    `name_errors(name, prefix)` are the texts why a metadata.name (or, with `prefix`, a generateName) is
    refused.
    `warnings(new, old)` are texts for Warning headers; `old` is None for a create.
    `columns` and `cells(obj, now)` make the Table; a cell is a str, int or None, or a float for none
    upstream.
    `fields(obj)` are the labels a field selector may name. `indexes(obj)` are further (index, value) pairs
    for look-ups by
    `ByIndex`; labels, owners and `fields` are indexed for every kind without being named here.
    `merge_kind` is the OpenAPI definition name; derived from the schema by gvk where it is empty.
    """

    gvk: GroupVersionKind
    plural: str
    namespaced: bool
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    has_status: bool = False
    graceful: bool = False
    allow_create_on_update: bool = False
    allow_unconditional_update: bool = True
    generation: bool = False
    default: Callable[[JSONObject], None] = _nothing
    prepare_create: Callable[[JSONObject], None] = _nothing
    requested_by: Callable[[JSONObject, UserInfo], None] = _by_anybody
    prepare_update: Callable[[JSONObject, JSONObject], None] = _nothing_new
    prepare_status_update: Callable[[JSONObject, JSONObject], None] | None = None
    validate: Callable[[JSONObject], list[FieldError]] = _no_errors
    validate_update: Callable[[JSONObject, JSONObject], list[FieldError]] = _no_update_errors
    validate_status_update: Callable[[JSONObject, JSONObject], list[FieldError]] = _no_update_errors
    name_errors: Callable[[str, bool], list[str]] | None = None
    warnings: Callable[[JSONObject, JSONObject | None], list[str]] = _no_warnings
    columns: tuple[Column, ...] = NAME_AND_AGE
    cells: Callable[[JSONObject, datetime], Cells] | None = None
    fields: Callable[[JSONObject], dict[str, str]] = standard_fields
    indexes: Callable[[JSONObject], Iterable[tuple[str, str]]] = _no_indexes

    @property
    def gvr(self) -> GroupVersionResource:
        return GroupVersionResource(self.gvk.group, self.gvk.version, self.plural)

    @property
    def kind(self) -> str:
        return self.gvk.kind

    @property
    def group(self) -> str:
        return self.gvk.group

    @property
    def api_version(self) -> str:
        return self.gvk.api_version


@dataclass(frozen=True, slots=True)
class Scheme:
    """The resources of one cluster, in discovery order; built once by `apis.build_scheme`."""

    version: str
    resources: tuple[Resource, ...]
    _by_gvr: Mapping[GroupVersionResource, Resource] = field(init=False, repr=False)
    _by_gvk: Mapping[GroupVersionKind, Resource] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_gvr", {r.gvr: r for r in self.resources})
        object.__setattr__(self, "_by_gvk", {r.gvk: r for r in self.resources})

    def by_resource(self, gvr: GroupVersionResource) -> Resource | None:
        """The resource that a URL names, or None."""
        return self._by_gvr.get(gvr)

    def by_kind(self, gvk: GroupVersionKind) -> Resource | None:
        """The resource of a kind, or None."""
        return self._by_gvk.get(gvk)
