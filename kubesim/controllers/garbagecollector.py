"""The garbage collector: deletes what has no owner left, and carries out foreground and orphan deletion.

Rules as in pkg/controller/garbagecollector of Kubernetes 1.32. Instead of a graph of all objects in memory
it asks the index of owners; which kinds have owned objects at all it remembers, so that a deletion asks for
those kinds alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionKind, GroupVersionResource, split_api_version
from kubesim.apimachinery.meta import finalizers_of, is_terminating, namespace_of, owner_references_of, uid_of
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.apimachinery.scheme import Scheme
from kubesim.apimachinery.watch import WatchEvent
from kubesim.client.client import Client
from kubesim.client.lister import by_index, by_names, get_or_none
from kubesim.client.reconcile import DONE, EVERY_KIND, KeysOf, Result
from kubesim.util.jsontypes import JSONObject, decode, encode
from kubesim.util.state import StateStore

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_KINDS = "controllers/garbagecollector/kinds"
_Place = tuple[GroupVersionResource, str, str]


class GarbageCollector:
    """Keys are `owner/UID`, of an owner that is gone, and `object/GROUP/VERSION/RESOURCE/NAMESPACE/NAME`."""

    name = "garbage-collector-controller"

    def __init__(self, client: Client, *, scheme: Scheme, state: StateStore) -> None:
        self._client = client
        self._scheme = scheme
        self._state = state
        self._known: dict[_Place, JSONObject | None] = {}
        self.watches: Mapping[GroupVersionResource, KeysOf] = {EVERY_KIND: self._keys}

    # Which objects a change concerns.

    def observe(self, events: Sequence[WatchEvent]) -> None:
        """Remember the kinds that have owners: found here first, before any deletion of one of these is
        seen.
        """
        kinds = {
            (str(e.object.get("apiVersion")), str(e.object.get("kind")))
            for e in events
            if e.object["metadata"].get("ownerReferences")
        }
        known = {(a, k) for a, k in self._owned_kinds()}
        if not kinds <= known:
            self._state.set(_KINDS, encode(sorted(known | kinds)))

    def _owned_kinds(self) -> list[tuple[str, str]]:
        stored = self._state.get(_KINDS)
        return [(a, k) for a, k in decode(stored)] if stored else []

    def _keys(self, event: WatchEvent) -> Iterable[str]:
        obj = event.object
        if obj.get("kind") == "Event":
            return ()  # ignoredResources
        gvr = self._resource_of(str(obj.get("apiVersion")), str(obj.get("kind")))
        if gvr is None:
            return ()
        references = owner_references_of(obj)
        if event.type == "DELETED":
            return [f"owner/{uid_of(obj)}", *self._blocked_owners(references, namespace_of(obj))]
        keys = []
        before = owner_references_of(event.old) if event.old else []
        deleting = is_terminating(obj) and {FOREGROUND, ORPHAN} & set(finalizers_of(obj))
        if deleting or (references and references != before):
            keys.append(_object_key(gvr, namespace_of(obj), obj["metadata"]["name"]))
        if before != references:
            keys += self._blocked_owners(before, namespace_of(obj))
        return keys

    def _blocked_owners(self, references: Iterable[JSONObject], namespace: str) -> list[str]:
        """Owners that may have waited for an object to go."""
        found = []
        for reference in references:
            place = self._place_of(reference, namespace) if reference.get("blockOwnerDeletion") else None
            if place is not None:
                found.append(_object_key(*place))
        return found

    def _resource_of(self, api_version: str, kind: str) -> GroupVersionResource | None:
        try:
            group, version = split_api_version(api_version)
        except ValueError:
            return None
        resource = self._scheme.by_kind(GroupVersionKind(group, version, kind))
        return resource.gvr if resource else None

    def _place_of(self, reference: JSONObject, namespace: str) -> _Place | None:
        """Where the owner that a reference names would be; None for a kind that the cluster does not have."""
        gvr = self._resource_of(str(reference.get("apiVersion")), str(reference.get("kind")))
        if gvr is None:
            return None
        resource = self._scheme.by_resource(gvr)
        scoped = namespace if resource is not None and resource.namespaced else ""
        return gvr, scoped, str(reference.get("name"))

    # Reading much at once.

    def begin(self, keys: Sequence[str]) -> None:
        """Read the objects of these keys, and their owners, by kind and namespace."""
        places = [_place(k) for k in keys if k.startswith("object/")]
        if len(places) < 2:
            return
        self._read(places)
        owners = []
        for place in places:
            known = self._known.get(place)
            for reference in owner_references_of(known or {}):
                owner = self._place_of(reference, place[1])
                if owner is not None and owner not in self._known:
                    owners.append(owner)
        self._read(owners)

    def _read(self, places: Iterable[_Place]) -> None:
        by_namespace: dict[tuple[GroupVersionResource, str], list[str]] = {}
        for gvr, namespace, name in places:
            by_namespace.setdefault((gvr, namespace), []).append(name)
        for (gvr, namespace), names in by_namespace.items():
            found = by_names(self._client, gvr, namespace, names)
            self._known |= {(gvr, namespace, n): found.get(n) for n in names}

    def end(self, *, over: bool) -> None:
        self._known = {}

    def _get(self, place: _Place) -> JSONObject | None:
        if place in self._known:
            return self._known[place]
        gvr, namespace, name = place
        return get_or_none(self._client, gvr, name, namespace)

    def _dependents(self, uid: str) -> list[tuple[_Place, JSONObject]]:
        found = []
        for api_version, kind in self._owned_kinds():
            gvr = self._resource_of(api_version, kind)
            objects = by_index(self._client, gvr, "", "owner", [uid]) if gvr else []
            found += [((gvr, namespace_of(o), o["metadata"]["name"]), o) for o in objects if gvr]
        return found

    # The work.

    def reconcile(self, key: str) -> Result:
        if key.startswith("owner/"):
            uid = key.removeprefix("owner/")
            actions: list[str] = []
            for dependent, found in self._dependents(uid):
                actions += self._collect(dependent, found)
            return Result(tuple(actions))
        place = _place(key)
        obj = self._get(place)
        if obj is None:
            return DONE
        finalizers = finalizers_of(obj)
        if is_terminating(obj) and ORPHAN in finalizers:
            return Result(tuple(self._orphan(place, obj)))
        if is_terminating(obj) and FOREGROUND in finalizers:
            return Result(tuple(self._delete_dependents(place, obj)))
        return Result(tuple(self._collect(place, obj)))

    def _collect(self, place: _Place, obj: JSONObject) -> list[str]:
        """attemptToDeleteItem: delete an object that has owners, none of which is there to stay."""
        references = owner_references_of(obj)
        if not references or is_terminating(obj):
            return []
        solid, dangling, waiting = self._classify(references, place)
        if solid:
            gone = {r["uid"] for r in (*dangling, *waiting)}
            return self._drop_references(place, obj, gone) if gone else []
        policy = "Background"
        if waiting and self._dependents(uid_of(obj)):
            policy = "Foreground"
        elif ORPHAN in finalizers_of(obj):
            policy = "Orphan"
        elif FOREGROUND in finalizers_of(obj):
            policy = "Foreground"
        return self._delete(place, obj, policy)

    def _classify(
        self, references: Iterable[JSONObject], place: _Place
    ) -> tuple[list[JSONObject], list[JSONObject], list[JSONObject]]:
        """References to owners that are there, to those that are not, and to those that wait for their
        dependents.
        """
        solid, dangling, waiting = [], [], []
        for reference in references:
            owner_place = self._place_of(reference, place[1])
            if owner_place is None:
                solid.append(reference)  # a kind that nobody knows may come back: nothing is deleted for it
                continue
            owner = self._get(owner_place)
            if owner is None or uid_of(owner) != reference.get("uid"):
                dangling.append(reference)
            elif is_terminating(owner) and FOREGROUND in finalizers_of(owner):
                waiting.append(reference)
            else:
                solid.append(reference)
        return solid, dangling, waiting

    def _delete_dependents(self, place: _Place, obj: JSONObject) -> list[str]:
        """processDeletingDependentsItem: foreground deletion waits for the dependents that block it."""
        uid = uid_of(obj)
        dependents = self._dependents(uid)
        blocking = [(p, o) for p, o in dependents if any(_blocks(r, uid) for r in owner_references_of(o))]
        if not blocking:
            return self._remove_finalizer(place, obj, FOREGROUND)
        actions: list[str] = []
        self._known = {}
        for dependent_place, dependent in dependents:
            actions += self._collect(dependent_place, dependent)
        return actions

    def _orphan(self, place: _Place, obj: JSONObject) -> list[str]:
        actions = []
        for dependent_place, dependent in self._dependents(uid_of(obj)):
            actions += self._drop_references(dependent_place, dependent, {uid_of(obj)})
        return actions + self._remove_finalizer(place, obj, ORPHAN)

    def _drop_references(self, place: _Place, obj: JSONObject, uids: set[str]) -> list[str]:
        gvr, namespace, name = place
        left = [r for r in owner_references_of(obj) if r["uid"] not in uids]
        metadata: JSONObject = {"uid": uid_of(obj), "ownerReferences": left or None}
        self._client.patch(gvr, name, {"metadata": metadata}, MERGE_PATCH, namespace)
        return [f"removed references to owners that are gone from {_say(place)}"]

    def _remove_finalizer(self, place: _Place, obj: JSONObject, finalizer: str) -> list[str]:
        gvr, namespace, name = place
        metadata = obj["metadata"]
        left = [f for f in finalizers_of(obj) if f != finalizer]
        change = {"resourceVersion": metadata["resourceVersion"], "finalizers": left or None}
        self._client.patch(gvr, name, {"metadata": change}, MERGE_PATCH, namespace)
        return [f"removed the finalizer {finalizer} of {_say(place)}: its dependents are dealt with"]

    def _delete(self, place: _Place, obj: JSONObject, policy: str) -> list[str]:
        gvr, namespace, name = place
        options = {"preconditions": {"uid": uid_of(obj)}, "propagationPolicy": policy}
        try:
            self._client.delete(gvr, name, namespace, delete_options=options)
        except StatusError as error:
            if error.code in (404, 409):
                return []  # gone, or another one of that name
            raise
        return [f"deleted {_say(place)}: its owner is gone"]


def _blocks(reference: JSONObject, uid: str) -> bool:
    return reference.get("uid") == uid and bool(reference.get("blockOwnerDeletion"))


def _object_key(gvr: GroupVersionResource, namespace: str, name: str) -> str:
    return f"object/{gvr.group}/{gvr.version}/{gvr.resource}/{namespace}/{name}"


def _place(key: str) -> _Place:
    _, group, version, resource, namespace, name = key.split("/", 5)
    return GroupVersionResource(group, version, resource), namespace, name


def _say(place: _Place) -> str:
    gvr, namespace, name = place
    return f"{gvr.qualified} {namespace}/{name}" if namespace else f"{gvr.qualified} {name}"
