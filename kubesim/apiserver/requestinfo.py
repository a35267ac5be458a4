"""What a URL asks for: k8s.io/apiserver pkg/endpoints/request/requestinfo.go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

_VERBS: Final = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_SPECIAL_VERBS: Final = ("proxy", "watch")
_NAMESPACE_SUBRESOURCES: Final = ("status", "finalize")
_WITH_SELECTORS: Final = ("list", "watch", "deletecollection")


@dataclass(slots=True)
class RequestInfo:
    """A request, taken apart. `parts` begin with the resource: name, subresource and what lies behind it
    follow.
    """

    path: str
    verb: str
    is_resource: bool = False
    api_prefix: str = ""
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()
    field_selector: str = ""
    label_selector: str = ""

    @property
    def rest(self) -> str:
        """What lies behind the subresource, for proxies: with its leading slash."""
        return "/" + "/".join(self.parts[3:]) if len(self.parts) > 3 else ""


class BadPathError(ValueError):
    """A URL that cannot be read."""


def request_info(method: str, path: str, query: Mapping[str, list[str]]) -> RequestInfo:
    """Take a request apart. Raises BadPathError."""
    info = RequestInfo(path, method.lower())
    parts = path.strip("/").split("/") if path.strip("/") else []
    if len(parts) < 3 or parts[0] not in ("api", "apis"):
        return info
    info.api_prefix = parts.pop(0)
    if info.api_prefix == "apis":
        if len(parts) < 3:
            return info
        info.group = unquote(parts.pop(0))
    info.is_resource = True
    info.version = unquote(parts.pop(0))
    if parts[0] in _SPECIAL_VERBS:
        if len(parts) < 2:
            raise BadPathError(f"unable to determine kind and namespace from url, {path}")
        info.verb = parts.pop(0)
    else:
        info.verb = _VERBS.get(method, "")
    _take_parts(info, [unquote(p) for p in parts])
    _decide_verb(info, query)
    return info


def _take_parts(info: RequestInfo, parts: list[str]) -> None:
    if parts[0] == "namespaces" and len(parts) > 1:
        info.namespace = parts[1]
        # Behind the namespace comes a resource in it, unless it is a subresource of the namespace itself.
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    info.parts = tuple(parts)
    info.resource = parts[0]
    if len(parts) >= 2:
        info.name = parts[1]
    if len(parts) >= 3 and info.verb != "proxy":
        info.subresource = parts[2]


def _decide_verb(info: RequestInfo, query: Mapping[str, list[str]]) -> None:
    """Without a name, get is list or watch, and delete is deletecollection."""
    if not info.name and info.verb == "get":
        info.verb = "watch" if is_watch(query) else "list"
    elif not info.name and info.verb == "delete":
        info.verb = "deletecollection"
    if info.verb in _WITH_SELECTORS:
        info.field_selector = first(query, "fieldSelector")
        info.label_selector = first(query, "labelSelector")


def is_watch(query: Mapping[str, list[str]]) -> bool:
    """Whether the parameter `watch` is there and not false."""
    values = query.get("watch")
    return bool(values) and (values or [""])[0].lower() not in ("false", "0")


def first(query: Mapping[str, list[str]], name: str) -> str:
    """The first value of a parameter, empty where there is none."""
    values = query.get(name)
    return values[0] if values else ""
