"""/kubesim/log: every change of every kind in order, for the controllers of this process."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from kubesim.apimachinery import errors
from kubesim.apimachinery.watch import WatchEvent
from kubesim.registry.keys import ROOT, resource_part
from kubesim.storage.interface import Change, Compacted, Storage
from kubesim.util.jsontypes import JSONObject, decode

CHUNK: Final = 1000


class LoggedEvent(WatchEvent):
    """An event that decodes the object before it only when somebody asks for that."""

    __slots__ = ("_before", "_before_revision", "_known")

    _before: bytes | None
    _before_revision: int
    _known: JSONObject | None

    def __init__(self, change: Change) -> None:
        kind = "ADDED" if change.old is None else "DELETED" if change.value is None else "MODIFIED"
        fill = object.__setattr__
        fill(self, "type", kind)
        fill(self, "object", _decoded(change.value or change.old or b"{}", change.revision))
        fill(self, "_before", change.old)
        fill(self, "_before_revision", change.old_revision)
        fill(self, "_known", None)

    @property
    def old(self) -> JSONObject | None:
        known = self._known
        if known is None and self._before is not None:
            known = _decoded(self._before, self._before_revision)
            object.__setattr__(self, "_known", known)
        return known


def _decoded(value: bytes, revision: int) -> JSONObject:
    obj: JSONObject = decode(value)
    obj["metadata"]["resourceVersion"] = str(revision)
    return obj


def log_events(
    storage: Storage, after: int, *, limit: int = 0, resources: Collection[str] = ()
) -> Iterator[WatchEvent]:
    """Changes after a revision, up to the newest there is now. `resources` are qualified names (`pods`); none
    is all.

    Raises StatusError 410 at once if some of it has been dropped.
    """
    newest = storage.revision()
    prefix = _prefix(*resources) if len(resources) == 1 else ROOT
    first = _chunk(storage, prefix, after, 0 if resources else limit)
    return _events(storage, prefix, first, newest, limit, frozenset(resources))


def _prefix(resource: str) -> str:
    """The beginning of all keys of a resource: a change of another one need not be read."""
    plural, _, group = resource.partition(".")
    return f"{ROOT}{group or 'core'}/{plural}/"


def _chunk(storage: Storage, prefix: str, after: int, limit: int) -> list[Change]:
    try:
        return list(storage.changes(prefix, after, limit=min(limit, CHUNK) if limit else CHUNK))
    except Compacted as error:
        raise errors.expired(f"too old resource version: {after} ({error.oldest})") from None


def _events(
    storage: Storage,
    prefix: str,
    chunk: list[Change],
    newest: int,
    limit: int,
    resources: frozenset[str],
) -> Iterator[WatchEvent]:
    given = 0
    while chunk:
        for change in chunk:
            if change.revision > newest or (limit and given >= limit):
                return
            if resources and _qualified(change.key) not in resources:
                continue
            given += 1
            yield LoggedEvent(change)
        if len(chunk) < CHUNK:
            return
        chunk = _chunk(storage, prefix, chunk[-1].revision, 0)


def _qualified(key: str) -> str:
    group, plural = resource_part(key)
    return f"{plural}.{group}" if group else plural
