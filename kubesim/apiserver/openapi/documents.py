"""OpenAPI documents, put together piece by piece: no tree of a whole document is ever in memory.

`Documents` is made for the documents of one moment, since it holds the published definitions; it is let go when
they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from kubesim.apimachinery.schema.published import META, Published
from kubesim.apimachinery.scheme import Resource, Scheme
from kubesim.apiserver.openapi.operations import (
    TEXT,
    Operation,
    Path,
    ResourcePaths,
    information,
    stem_of,
    tag_of,
)
from kubesim.apiserver.openapi.parameters import parameter
from kubesim.apiserver.openapi.schemas import V2, V3, Schemas
from kubesim.util.jsontypes import JSONObject, encode_sorted

VERSION_INFO: Final = "io.k8s.apimachinery.pkg.version.Info"
_SAID: Final = {200: "OK", 201: "Created", 202: "Accepted"}
_BEARER: Final = {
    "BearerToken": {
        "description": "Bearer Token authentication",
        "in": "header",
        "name": "authorization",
        "type": "apiKey",
    }
}
_GROUPS: Final = "apis"
_JSON: Final = ("application/json",)
_SINGLE: Final = {
    ".well-known/openid-configuration": (
        "getServiceAccountIssuerOpenIDConfiguration",
        "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
        "WellKnown",
        TEXT,
        _JSON,
    ),
    "openid/v1/jwks": (
        "getServiceAccountIssuerOpenIDKeyset",
        "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)",
        "openid",
        TEXT,
        ("application/jwk-set+json",),
    ),
    "version": (
        "getCodeVersion",
        "get the version information for this server",
        "version",
        VERSION_INFO,
        _JSON,
    ),
}
"""What is no part of the API: name, description, tag, answer and its content types."""


def document_keys(scheme: Scheme) -> list[str]:
    """What there is a document of version 3 for, sorted: `api/v1`, `apis/apps`, `apis/apps/v1`, `version`, …"""
    found = {*_SINGLE, *(_key(r.gvk.group, r.gvk.version) for r in scheme.resources)}
    groups = {_GROUPS, *(key.rpartition("/")[0] for key in found if key.startswith("api"))}
    return sorted(found | groups)


def _key(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def swagger_head(title_version: str) -> JSONObject:
    """What stands in a document of version 2 beside paths and definitions."""
    return {"swagger": "2.0", "info": _info(title_version), "securityDefinitions": _BEARER}


def swagger(
    head: JSONObject,
    paths: Iterable[tuple[str, JSONObject]],
    definitions: Iterable[tuple[str, JSONObject]],
) -> bytes:
    """The one document of version 2, in JSON."""
    whole = {name: encode_sorted(value) for name, value in head.items()}
    for field, members in (("paths", paths), ("definitions", definitions)):
        whole[field] = _object((name, encode_sorted(value)) for name, value in members)
    return _object(sorted(whole.items()))


def _info(title_version: str) -> JSONObject:
    return {"title": "Kubernetes", "version": title_version}


class Documents:
    """Writes the documents of one scheme. `title_version` is the version of Kubernetes they name."""

    def __init__(self, scheme: Scheme, published: Published, title_version: str) -> None:
        self._scheme = scheme
        self._schemas = Schemas(published)
        self._info = _info(title_version)

    def v3(self, key: str) -> bytes:
        """The document of a key in JSON."""
        named: set[str] = set()
        paths = _object(
            (path.path, encode_sorted(_item_v3(path))) for path in _noting(self._paths(key), named)
        )
        schemas = self._pieces(named, self._schemas.v3)
        return _object(
            (
                ("components", _object((("schemas", schemas), ("securitySchemes", encode_sorted(_BEARER))))),
                ("info", encode_sorted(self._info)),
                ("openapi", b'"3.0.0"'),
                ("paths", paths),
            )
        )

    def v2_paths(self) -> Iterator[tuple[str, JSONObject]]:
        """The paths of all keys, sorted."""
        found = (path for key in document_keys(self._scheme) for path in self._paths(key))
        for path in sorted(found, key=lambda p: p.path):
            yield path.path, _item_v2(path)

    def v2_definitions(self) -> Iterator[tuple[str, JSONObject]]:
        """The definitions that paths refer to, and all that those refer to."""
        named: set[str] = set()
        for key in document_keys(self._scheme):
            for _ in _noting(self._paths(key), named):
                pass
        for name in self._schemas.closure(named):
            yield name, self._schemas.v2(name)

    def _pieces(self, named: Iterable[str], write: Callable[[str], JSONObject]) -> bytes:
        return _object((name, encode_sorted(write(name))) for name in self._schemas.closure(named))

    def _paths(self, key: str) -> list[Path]:
        """The paths of a key, sorted; those of longer keys are not among them."""
        if key in _SINGLE:
            return [information(f"/{key}/", *_SINGLE[key])]
        match key.split("/"):
            case ["api"]:
                text = "get available API versions"
                return [information("/api/", "getCoreAPIVersions", text, "core", META + "APIVersions")]
            case ["apis"]:
                text = "get available API versions"
                return [information("/apis/", "getAPIVersions", text, "apis", META + "APIGroupList")]
            case ["apis", group]:
                text, name = "get information of a group", f"get{stem_of(group)}APIGroup"
                return [information(f"/{key}/", name, text, tag_of(group), META + "APIGroup")]
            case [_, *groups, version]:
                return self._group_version(key, "".join(groups), version)
        return []

    def _group_version(self, key: str, group: str, version: str) -> list[Path]:
        name = f"get{stem_of(group, version)}APIResources"
        answer, tag = META + "APIResourceList", tag_of(group, version)
        found = [information(f"/{key}/", name, "get available resources", tag, answer)]
        for resource in self._of(group, version):
            found += ResourcePaths(resource, self._schemas.by_kind).paths()
        return sorted(found, key=lambda p: p.path)

    def _of(self, group: str, version: str) -> Iterator[Resource]:
        return (r for r in self._scheme.resources if (r.gvk.group, r.gvk.version) == (group, version))


def _object(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A JSON object of members that are JSON already."""
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in members) + b"}"


def _noting(paths: Iterable[Path], named: set[str]) -> Iterator[Path]:
    """The same paths; the definitions that they refer to are added to `named`."""
    for path in paths:
        for operation in path.operations:
            named.update(n for n in (operation.body, operation.answer) if n and n != TEXT)
        yield path


# Paths in both versions.


def _shared(path: Path) -> tuple[str, ...]:
    """The parameters that all operations of a path have, which are written once."""
    first, *others = path.operations
    return tuple(p for p in first.parameters if all(p in other.parameters for other in others))


def _common(operation: Operation) -> JSONObject:
    made: JSONObject = {
        "description": operation.description,
        "operationId": operation.id,
        "tags": [operation.tag],
    }
    if operation.action:
        made["x-kubernetes-action"] = operation.action
    if gvk := operation.gvk:
        made["x-kubernetes-group-version-kind"] = {
            "group": gvk.group,
            "kind": gvk.kind,
            "version": gvk.version,
        }
    return made


def _item_v3(path: Path) -> JSONObject:
    shared = _shared(path)
    made: JSONObject = {
        operation.method: _operation_v3(operation, shared, path.named) for operation in path.operations
    }
    if shared:
        made["parameters"] = _parameters_v3(shared, path.named)
    return made


def _operation_v3(operation: Operation, shared: tuple[str, ...], named: str) -> JSONObject:
    made = _common(operation)
    own = tuple(p for p in operation.parameters if p not in shared)
    if own:
        made["parameters"] = _parameters_v3(own, named)
    if operation.body:
        made["requestBody"] = {"content": _content(operation.consumes, operation.body)}
        if operation.method != "delete":
            made["requestBody"]["required"] = True
    made["responses"] = {
        **{
            str(status): {
                "content": _content(operation.produces, operation.answer),
                "description": _SAID[status],
            }
            for status in operation.statuses
        },
        "401": {"description": "Unauthorized"},
    }
    return made


def _content(types: tuple[str, ...], definition: str) -> JSONObject:
    schema = {"type": "string"} if definition == TEXT else {"$ref": V3 + definition}
    return {media_type: {"schema": schema} for media_type in types}


def _parameters_v3(words: tuple[str, ...], named: str) -> list[JSONObject]:
    found: list[JSONObject] = []
    for found_parameter in sorted(parameter(word, named) for word in words):
        name, place, type_, description = found_parameter
        made: JSONObject = {"name": name, "in": place, "description": description}
        if place == "path":
            made["required"] = True
        made["schema"] = {"type": type_, "uniqueItems": True}
        found.append(made)
    return found


def _item_v2(path: Path) -> JSONObject:
    shared = _shared(path)
    made: JSONObject = {
        operation.method: _operation_v2(operation, shared, path.named) for operation in path.operations
    }
    if shared:
        made["parameters"] = _parameters_v2(shared, path.named)
    return made


def _operation_v2(operation: Operation, shared: tuple[str, ...], named: str) -> JSONObject:
    made = _common(operation)
    own = _parameters_v2(tuple(p for p in operation.parameters if p not in shared), named)
    if operation.body:
        body: JSONObject = {"in": "body", "name": "body", "schema": {"$ref": V2 + operation.body}}
        if operation.method != "delete":
            body["required"] = True
        own.insert(0, body)
    if own:
        made["parameters"] = own
    if operation.action:
        made["consumes"] = list(operation.consumes)
    made["produces"] = list(operation.produces)
    made["schemes"] = ["https"]
    schema = {"type": "string"} if operation.answer == TEXT else {"$ref": V2 + operation.answer}
    made["responses"] = {
        **{str(status): {"description": _SAID[status], "schema": schema} for status in operation.statuses},
        "401": {"description": "Unauthorized"},
    }
    return made


def _parameters_v2(words: tuple[str, ...], named: str) -> list[JSONObject]:
    found: list[JSONObject] = []
    for name, place, type_, description in sorted(parameter(word, named) for word in words):
        made: JSONObject = {"name": name, "in": place, "description": description, "type": type_}
        if place == "path":
            made["required"] = True
        found.append({**made, "uniqueItems": True})
    return found
