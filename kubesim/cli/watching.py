"""Following changes from the command line: a watch that goes on, with the controllers running in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from kubesim.apimachinery.meta import resource_version_of

if TYPE_CHECKING:
    from kubesim.apimachinery.gvk import GroupVersionResource
    from kubesim.apimachinery.watch import WatchEvent
    from kubesim.cli.session import Session

# How long one look at the log waits before the cluster is given time again, in seconds.
SLICE = 3600.0


def follow(
    session: Session,
    gvr: GroupVersionResource,
    namespace: str = "",
    *,
    resource_version: str = "",
    label_selector: str = "",
    field_selector: str = "",
    accept: str = "",
    query: dict[str, str] | None = None,
) -> Iterator[WatchEvent]:
    """Events for ever, or as long as `--request-timeout` says. Without a resource version, first an ADDED for each
    object that is there.

    In process nobody else runs the controllers, so each round catches the cluster up and then reads what is new.
    """
    from kubesim.apimachinery.rest import JSON
    from kubesim.cli.paths import resource_path
    from kubesim.cli.waiting import Deadline

    path = resource_path(gvr, namespace)
    limit = session.request_timeout
    deadline = Deadline(session, timedelta(seconds=limit)) if limit else None
    while True:
        left = deadline.left if deadline else SLICE
        if left <= 0:
            return
        asked = {
            "watch": "true",
            "resourceVersion": resource_version,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            # 0 means the server's own limit, as upstream; below it the time is up after one look.
            "timeoutSeconds": _seconds(left if deadline else 0) if session.remote else "-1",
            "allowWatchBookmarks": "true",
            **(query or {}),
        }
        response = session.client.request("GET", path, query=asked, accept=accept or JSON)
        for event in response.events or ():
            resource_version = resource_version_of(event.object) or resource_version
            if event.type == "ERROR":
                from kubesim.apimachinery.errors import StatusError

                raise StatusError(event.object)
            if event.type != "BOOKMARK":
                yield event
        if not session.remote:
            session.pause(min(SLICE, left))


def _seconds(left: float) -> str:
    """How long the server may let a watch last; empty for as long as it likes."""
    return str(ceil(left)) if left else ""
