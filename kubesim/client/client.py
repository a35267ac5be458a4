"""The client: typed by resource, not by kind; objects go in and come out as JSON.

Every failure is a `StatusError`, whatever the transport.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import quote

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.rest import ADMIN, JSON, Request, Response, UserInfo
from kubesim.apimachinery.watch import WatchEvent
from kubesim.client.transport import Transport
from kubesim.util.jsontypes import JSONObject


def resource_path(
    gvr: GroupVersionResource, namespace: str = "", name: str = "", subresource: str = ""
) -> str:
    """`/api/v1/namespaces/NS/pods/NAME/status`, `/apis/apps/v1/deployments`."""
    parts = ["", "apis", gvr.group, gvr.version] if gvr.group else ["", "api", gvr.version]
    if namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(gvr.resource)
    if name:
        parts.append(quote(name, safe=""))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)


class Client:
    """Speaks to one API server as one user. Texts of `Warning` headers go to `on_warning`."""

    def __init__(
        self,
        transport: Transport,
        *,
        user: UserInfo = ADMIN,
        user_agent: str = "kubesim",
        on_warning: Callable[[str], None] | None = None,
    ) -> None:
        self.transport = transport
        self.user = user
        self._user_agent = user_agent
        self._on_warning = on_warning

    def batch(self) -> AbstractContextManager[object]:
        """Writes inside the block may be committed together."""
        return self.transport.batch()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Sequence[str] | str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        index: tuple[str, tuple[str, ...]] | None = None,
    ) -> Response:
        """Send one request. Empty query values are left out. Raises StatusError for a status of 400 and
        above.
        """
        response = self.transport.send(
            Request(
                method,
                path,
                {k: [v] if isinstance(v, str) else list(v) for k, v in (query or {}).items() if v},
                {"content-type": content_type, "accept": accept, "user-agent": self._user_agent},
                body,
                self.user,
                index,
            )
        )
        if self._on_warning:
            for text in response.warnings:
                self._on_warning(text)
        if response.status >= 400:
            raise StatusError(response.body if isinstance(response.body, dict) else _status_of(response))
        return response

    def get(
        self, gvr: GroupVersionResource, name: str, namespace: str = "", *, subresource: str = ""
    ) -> JSONObject:
        return _object(self.request("GET", resource_path(gvr, namespace, name, subresource)))

    def list(
        self,
        gvr: GroupVersionResource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        index: tuple[str, Sequence[str]] | None = None,
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> JSONObject:
        """A List object. `index` looks objects up as client-go's ByIndex does; only in process."""
        query = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "limit": str(limit) if limit else "",
            "continue": continue_token,
            "resourceVersion": resource_version,
        }
        wanted = (index[0], tuple(index[1])) if index else None
        found = self.request("GET", resource_path(gvr, namespace), query=query, index=wanted)
        return _with_kinds(_object(found))

    def create(
        self,
        gvr: GroupVersionResource,
        obj: JSONObject,
        namespace: str = "",
        *,
        name: str = "",
        subresource: str = "",
        options: Mapping[str, str] | None = None,
    ) -> JSONObject:
        """`options` are query parameters: dryRun, fieldManager, fieldValidation."""
        path = resource_path(gvr, namespace, name, subresource)
        return _object(self.request("POST", path, query=options, body=obj))

    def update(
        self,
        gvr: GroupVersionResource,
        obj: JSONObject,
        namespace: str = "",
        *,
        subresource: str = "",
        options: Mapping[str, str] | None = None,
    ) -> JSONObject:
        """Replace an object; its metadata.resourceVersion, if set, must still be the newest one."""
        path = resource_path(gvr, namespace, obj["metadata"]["name"], subresource)
        return _object(self.request("PUT", path, query=options, body=obj))

    def patch(
        self,
        gvr: GroupVersionResource,
        name: str,
        patch: Any,
        content_type: str,
        namespace: str = "",
        *,
        subresource: str = "",
        options: Mapping[str, str] | None = None,
    ) -> JSONObject:
        path = resource_path(gvr, namespace, name, subresource)
        return _object(self.request("PATCH", path, query=options, body=patch, content_type=content_type))

    def delete(
        self,
        gvr: GroupVersionResource,
        name: str,
        namespace: str = "",
        *,
        delete_options: JSONObject | None = None,
        options: Mapping[str, str] | None = None,
    ) -> JSONObject:
        """The object if it is only marked for deletion, a Status with `Success` if it is gone."""
        path = resource_path(gvr, namespace, name)
        return _object(self.request("DELETE", path, query=options, body=delete_options))

    def watch(
        self,
        gvr: GroupVersionResource,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int = 0,
        bookmarks: bool = False,
    ) -> Iterator[WatchEvent]:
        """Events until the server ends the watch; an ERROR event carries a Status."""
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "timeoutSeconds": str(timeout_seconds) if timeout_seconds else "",
            "allowWatchBookmarks": "true" if bookmarks else "",
        }
        response = self.request("GET", resource_path(gvr, namespace), query=query)
        return response.events if response.events is not None else iter(())

    def log(
        self, after: int, *, limit: int = 0, resources: Sequence[GroupVersionResource] = ()
    ) -> Iterator[WatchEvent]:
        """Every change of every kind, or of these resources, after a revision, in order, up to the newest; never
        blocks; in process only.

        Each event has its `old` object, and its object's resourceVersion is the revision of the change.
        Raises StatusError 410 if compaction has dropped some of it.
        """
        query = {
            "after": str(after),
            "limit": str(limit) if limit else "",
            "resources": [r.qualified for r in resources],
        }
        response = self.request("GET", "/kubesim/log", query=query)
        return response.events if response.events is not None else iter(())

    def revision(self) -> int:
        """The revision of the newest change there is; in process only."""
        return int(_object(self.request("GET", "/kubesim/revision"))["revision"])


def _object(response: Response) -> JSONObject:
    if not isinstance(response.body, dict):
        raise StatusError({"message": f"unexpected answer: {response.body!r:.200}", "code": 500})
    return response.body


def _with_kinds(found: JSONObject) -> JSONObject:
    """A typed list leaves out what its items are; it is put back, as client-go's unstructured reader does."""
    kind, api_version = str(found.get("kind") or ""), found.get("apiVersion")
    if kind.endswith("List") and kind != "List" and api_version:
        for item in found.get("items") or ():
            item.setdefault("apiVersion", api_version)
            item.setdefault("kind", kind.removesuffix("List"))
    return found


def _status_of(response: Response) -> JSONObject:
    """A failure that came as text, as a Status: rest.Request.newUnstructuredResponseError."""
    text = response.body.decode("utf-8", "replace") if isinstance(response.body, bytes) else response.body
    code = response.status
    reason, message = _GENERIC.get(code, ("", f"the server responded with the status code {code}"))
    status: JSONObject = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": {"causes": [{"reason": "UnexpectedServerResponse", "message": str(text or "unknown")}]},
        "code": code,
    }
    return status


_GENERIC = {
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
}
