"""A request to the API and its response, as values: what a transport carries, in process or over HTTP.

Bodies are JSON objects in process (no encoding on the way) and bytes on the wire. Whoever hands over a body
gives it away: neither side writes to it afterwards, and a response's body is the receiver's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from kubesim.apimachinery.watch import WatchEvent
from kubesim.util.jsontypes import JSONObject

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Who asks: authentication/user.Info. `extra` are names with their values."""

    name: str = "kubernetes-admin"
    groups: tuple[str, ...] = ("kubeadm:cluster-admins", "system:authenticated")
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


ADMIN = UserInfo()
ANONYMOUS = UserInfo("system:anonymous", ("system:unauthenticated",))
"""Who shows nothing that says who it is."""


class JSONText(bytes):
    """The JSON of a body, as it was stored: another face may still want it in another form."""

    __slots__ = ()


@dataclass(slots=True)
class Request:
    """One request. `query` holds each parameter's values in order; header names are lower case.

    `body` is the decoded object or list where the sender is in process, else the bytes. `index` is an indexer
    lookup as client-go's `ByIndex`: a name and the values wanted; only in process, never on the wire. `encoded` says
    that the sender would encode the answer anyway: it may come as the bytes of its JSON.
    """

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | JSONObject | list[object] | None = None
    user: UserInfo = ADMIN
    index: tuple[str, tuple[str, ...]] | None = None
    encoded: bool = False


@dataclass(slots=True)
class Response:
    """The answer. `body` is a JSON object, text, or bytes; `events` is set instead for a watch.

    `warnings` are the texts of the `Warning: 299` headers, in order. `connection` is set where there is something to be
    talked to, or listened to, for as long as it goes on (kubesim.kubelet: a RemoteCommand, Forwarding or FollowedLog):
    whoever serves the client leads that conversation.
    """

    status: int
    body: JSONObject | str | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    events: Iterator[WatchEvent] | None = None
    connection: object | None = None


class Handler(Protocol):
    """What answers requests: the API server. A failure is a Response with a Status body, never a StatusError
    raised.
    """

    def __call__(self, request: Request) -> Response: ...

    def batch(self) -> AbstractContextManager[object]:
        """All writes inside the block are committed together at its end; nothing is written if it raises."""
        ...
