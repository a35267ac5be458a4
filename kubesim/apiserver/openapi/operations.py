"""The operations that the API server has for each resource: paths, names, parameters, bodies and answers.

Names, actions and the order of things are those of k8s.io/apiserver pkg/endpoints/installer.go and
pkg/endpoints/openapi. What is here belongs to no version of OpenAPI; `documents` writes it down in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.rest import (
    APPLY_PATCH,
    JSON,
    JSON_PATCH,
    MERGE_PATCH,
    PROTOBUF,
    STRATEGIC_MERGE_PATCH,
    YAML,
)
from kubesim.apimachinery.schema.published import META
from kubesim.apimachinery.scheme import Resource
from kubesim.apiserver.discovery import subresource_kind, subresources
from kubesim.apiserver.openapi import parameters
from kubesim.registry.store import RETURNS_DELETED

TEXT: Final = "string"
"""In the place of a definition's name: the body is text."""

_OBJECT: Final = (JSON, YAML, PROTOBUF)
_WATCHABLE: Final = (*_OBJECT, f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
_PATCHES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH)
_ANY: Final = ("*/*",)
_CONNECTED: Final = ("exec", "attach", "portforward", "proxy")
_PROXIED: Final = ("delete", "get", "head", "options", "patch", "post", "put")
_OK, _CREATED, _ACCEPTED = 200, 201, 202


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of one path does. `action` is empty where no resource is concerned.

    `body` and `answer` are names of definitions, or TEXT; `statuses` the codes that the answer comes with.
    """

    method: str
    id: str
    action: str
    description: str
    tag: str
    gvk: GroupVersionKind | None = None
    parameters: tuple[str, ...] = ()
    body: str = ""
    answer: str = ""
    statuses: tuple[int, ...] = (_OK,)
    consumes: tuple[str, ...] = _ANY
    produces: tuple[str, ...] = _OBJECT


@dataclass(frozen=True, slots=True)
class Path:
    """A path with its operations. `named` is the kind that the parameter `name` names."""

    path: str
    operations: tuple[Operation, ...]
    named: str = ""


def tag_of(group: str, version: str = "") -> str:
    """The tag of a group's operations: `core_v1`, `rbacAuthorization_v1`."""
    first, *rest = (group.removesuffix(".k8s.io") or "core").split(".")
    word = first + "".join(map(_title, rest))
    return f"{word}_{version}" if version else word


def stem_of(group: str, version: str = "") -> str:
    """What the names of a group's operations have in the middle: `CoreV1`, `RbacAuthorizationV1`."""
    return _title(tag_of(group)) + _title(version)


def information(
    path: str, name: str, description: str, tag: str, answer: str, produces: tuple[str, ...] = _OBJECT
) -> Path:
    """A path that only tells something: discovery, the version."""
    return Path(path, (Operation("get", name, "", description, tag, answer=answer, produces=produces),))


class ResourcePaths:
    """The paths of one resource. `definition` is that of its kind, `listed` that of its list."""

    def __init__(self, resource: Resource, names: dict[tuple[str, str, str], str]) -> None:
        self._resource = resource
        self._names = names
        self._gvk = gvk = resource.gvk
        self._kind = gvk.kind
        self._tag = tag_of(gvk.group, gvk.version)
        self._stem = stem_of(gvk.group, gvk.version)
        self._root = f"/apis/{gvk.group}/{gvk.version}" if gvk.group else f"/api/{gvk.version}"
        self._scope = "Namespaced" if resource.namespaced else ""
        self._inside = "/namespaces/{namespace}" if resource.namespaced else ""
        self._where = ("namespace",) if resource.namespaced else ()
        self._object = self._name_of(gvk.group, gvk.version, gvk.kind)

    def paths(self) -> Iterator[Path]:
        """All paths of the resource and its subresources."""
        plural, verbs = self._resource.plural, self._resource.verbs
        collection = f"{self._root}{self._inside}/{plural}"
        yield Path(collection, tuple(self._collection()))
        single = f"{collection}/{{name}}"
        if "get" not in verbs:
            return
        yield Path(single, tuple(self._single()), self._kind)
        for subresource in subresources(self._resource):
            yield from self._subresource(single, subresource)
        if self._inside:
            yield Path(f"{self._root}/{plural}", (self._list(f"{self._kind}ForAllNamespaces", ("pretty",)),))
        if "watch" in verbs:
            yield from self._watches()

    def _name_of(self, group: str, version: str, kind: str) -> str:
        return self._names.get((group, version, kind), "")

    def _operation(
        self,
        method: str,
        verb: str,
        action: str,
        description: str,
        *,
        takes: tuple[str, ...] = (),
        single: bool = True,
        body: str = "",
        answer: str = "",
        statuses: tuple[int, ...] = (_OK,),
        consumes: tuple[str, ...] = _ANY,
        subresource: str = "",
        gvk: GroupVersionKind | None = None,
    ) -> Operation:
        """`takes` are the query parameters beside `pretty`."""
        where = (("name",) if single else ()) + self._where
        return Operation(
            method,
            f"{verb}{self._stem}{self._scope}{self._kind}{_title(subresource)}",
            action,
            description,
            self._tag,
            gvk or self._gvk,
            (*where, "pretty", *takes),
            body,
            answer or self._object,
            statuses,
            consumes,
        )

    def _collection(self) -> Iterator[Operation]:
        verbs, kind = self._resource.verbs, self._kind
        if "list" in verbs:
            yield self._list(f"{self._scope}{kind}", (*self._where, "pretty"))
        if "create" in verbs:
            yield self._operation(
                "post",
                "create",
                "post",
                f"create {_article(kind)}{kind}",
                takes=parameters.CREATE,
                single=False,
                body=self._object,
                statuses=(_OK, _CREATED, _ACCEPTED),
            )
        if "deletecollection" in verbs:
            yield Operation(
                "delete",
                f"delete{self._stem}Collection{self._scope}{kind}",
                "deletecollection",
                f"delete collection of {kind}",
                self._tag,
                self._gvk,
                (*self._where, "pretty", *parameters.DELETE_COLLECTION),
                META + "DeleteOptions",
                META + "Status",
            )

    def _list(self, suffix: str, given: tuple[str, ...]) -> Operation:
        gvk = self._gvk
        what = "list or watch objects" if "watch" in self._resource.verbs else "list objects"
        return Operation(
            "get",
            f"list{self._stem}{suffix}",
            "list",
            f"{what} of kind {self._kind}",
            self._tag,
            gvk,
            (*given, *parameters.LIST),
            answer=self._name_of(gvk.group, gvk.version, f"{gvk.kind}List"),
            produces=_WATCHABLE,
        )

    def _single(self) -> Iterator[Operation]:
        verbs, kind = self._resource.verbs, self._kind
        yield self._read("", f"the specified {kind}")
        if "update" in verbs:
            yield self._replace("", f"the specified {kind}")
        if "patch" in verbs:
            yield self._patch("", f"the specified {kind}")
        if "delete" in verbs:
            group = self._gvk.group
            word = f"{self._resource.plural}.{group}" if group else self._resource.plural
            yield self._operation(
                "delete",
                "delete",
                "delete",
                f"delete {_article(kind)}{kind}",
                takes=parameters.DELETE,
                body=META + "DeleteOptions",
                answer=self._object if word in RETURNS_DELETED else META + "Status",
                statuses=(_OK, _ACCEPTED),
            )

    def _read(
        self, subresource: str, what: str, answer: str = "", gvk: GroupVersionKind | None = None
    ) -> Operation:
        return self._operation(
            "get", "read", "get", f"read {what}", answer=answer, subresource=subresource, gvk=gvk
        )

    def _replace(
        self, subresource: str, what: str, body: str = "", gvk: GroupVersionKind | None = None
    ) -> Operation:
        return self._operation(
            "put",
            "replace",
            "put",
            f"replace {what}",
            takes=parameters.CREATE,
            body=body or self._object,
            answer=body,
            statuses=(_OK, _CREATED),
            subresource=subresource,
            gvk=gvk,
        )

    def _patch(
        self, subresource: str, what: str, answer: str = "", gvk: GroupVersionKind | None = None
    ) -> Operation:
        return self._operation(
            "patch",
            "patch",
            "patch",
            f"partially update {what}",
            takes=parameters.PATCH,
            body=META + "Patch",
            answer=answer,
            statuses=(_OK, _CREATED),
            consumes=_PATCHES,
            subresource=subresource,
            gvk=gvk,
        )

    # Subresources.

    def _subresource(self, single: str, subresource: str) -> Iterator[Path]:
        path = f"{single}/{subresource}"
        if subresource in _CONNECTED:
            yield from self._connect(path, subresource)
            return
        group, version, kind = subresource_kind(self._resource, subresource)
        if kind == self._kind:
            group, version = self._gvk.group, self._gvk.version
        elif not group:
            version = self._gvk.version
        gvk = GroupVersionKind(group, version, kind)
        definition = self._name_of(group, version, kind)
        what = f"{subresource} of the specified {self._kind}"
        if subresource in ("binding", "eviction", "token"):
            made = self._operation(
                "post",
                "create",
                "post",
                f"create {subresource} of {_article(self._kind)}{self._kind}",
                takes=parameters.CREATE,
                body=definition,
                answer=definition,
                statuses=(_OK, _CREATED, _ACCEPTED),
                subresource=subresource,
                gvk=gvk,
            )
            yield Path(path, (made,), kind)
        elif subresource == "log":
            yield Path(path, (self._log(what),), self._kind)
        elif subresource == "finalize":
            yield Path(path, (self._replace(subresource, what),), self._kind)
        else:
            yield Path(
                path,
                (
                    self._read(subresource, what, definition, gvk),
                    self._replace(subresource, what, definition, gvk),
                    self._patch(subresource, what, definition, gvk),
                ),
                kind,
            )

    def _log(self, what: str) -> Operation:
        return Operation(
            "get",
            f"read{self._stem}{self._scope}{self._kind}Log",
            "get",
            f"read {what}",
            self._tag,
            self._gvk,
            ("name", *self._where, "pretty", *parameters.LOG),
            answer=TEXT,
            produces=("text/plain", *_OBJECT),
        )

    def _connect(self, path: str, subresource: str) -> Iterator[Path]:
        kind = subresource_kind(self._resource, subresource)[2]
        gvk = GroupVersionKind(self._gvk.group, self._gvk.version, kind)
        methods = _PROXIED if subresource == "proxy" else ("get", "post")
        tails = (("", ""), ("/{path}", "WithPath")) if subresource == "proxy" else (("", ""),)
        for tail, suffix in tails:
            given = ("name", *self._where, *(("path",) if tail else ()), *parameters.CONNECT[subresource])
            made = tuple(
                Operation(
                    method,
                    f"connect{self._stem}{_title(method)}{self._scope}{self._kind}{_title(subresource)}{suffix}",
                    "connect",
                    f"connect {method.upper()} requests to {subresource} of {self._kind}",
                    self._tag,
                    gvk,
                    given,
                    answer=TEXT,
                    produces=_ANY,
                )
                for method in methods
            )
            yield Path(path + tail, made, kind)

    # The old paths of watches.

    def _watches(self) -> Iterator[Path]:
        plural, kind = self._resource.plural, self._kind
        listed = (
            f"watch individual changes to a list of {kind}. deprecated: use the 'watch' parameter with a list "
            "operation instead."
        )
        one = (
            f"watch changes to an object of kind {kind}. deprecated: use the 'watch' parameter with a list "
            "operation instead, filtered to a single item with the 'fieldSelector' parameter."
        )
        inside = f"{self._root}/watch{self._inside}/{plural}"
        yield self._watch(inside, f"{self._scope}{kind}List", "watchlist", listed, self._where)
        yield self._watch(f"{inside}/{{name}}", f"{self._scope}{kind}", "watch", one, ("name", *self._where))
        if self._inside:
            everywhere = f"{self._root}/watch/{plural}"
            yield self._watch(everywhere, f"{kind}ListForAllNamespaces", "watchlist", listed, ())

    def _watch(self, path: str, suffix: str, action: str, text: str, where: tuple[str, ...]) -> Path:
        made = Operation(
            "get",
            f"watch{self._stem}{suffix}",
            action,
            text,
            self._tag,
            self._gvk,
            (*where, "pretty", *parameters.LIST),
            answer=META + "WatchEvent",
            produces=_WATCHABLE,
        )
        return Path(path, (made,), self._kind)


def _title(word: str) -> str:
    return word[:1].upper() + word[1:]


def _article(noun: str) -> str:
    """installer.go's GetArticleForNoun: none before a plural."""
    if noun.endswith("s") and not noun.endswith("ss"):
        return ""
    return "an " if noun[0] in "AEIOU" else "a "
