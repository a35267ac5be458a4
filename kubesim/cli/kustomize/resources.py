"""A resource with what the build remembers of it, and the ordered list of all resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from kubesim.cli.kustomize.errors import BuildError
from kubesim.cli.kustomize.identity import Gvk, ResId, gvk_of, id_of
from kubesim.util.jsontypes import JSONObject, deep_copy


class NullWord(str):
    """A null that somebody wrote: `null` or `~`. kustomize keeps it where it drops a value that is missing."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class Resource:
    """An object, and kustomize's notes on it (which kustomize itself keeps in annotations).

    `previous` are the names it had: (name, effective namespace, kind).
    """

    obj: JSONObject
    previous: list[tuple[str, str, str]] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    suffixes: list[str] = field(default_factory=list)
    behavior: str = ""
    needs_hash: bool = False
    allow_name_change: bool = False
    allow_kind_change: bool = False
    variables: list[str] = field(default_factory=list)

    @property
    def id(self) -> ResId:
        """The name it has now."""
        return id_of(self.obj)

    @property
    def previous_ids(self) -> list[ResId]:
        """The names it had, the oldest first."""
        gvk = gvk_of(self.obj)
        return [ResId(Gvk(gvk.group, gvk.version, kind), name, ns) for name, ns, kind in self.previous]

    @property
    def original_id(self) -> ResId:
        """The name it had in its file."""
        previous = self.previous_ids
        return previous[0] if previous else self.id

    @property
    def all_ids(self) -> list[ResId]:
        return [self.id, *self.previous_ids]

    def remember_id(self) -> None:
        """Note the name before it changes: StorePreviousId."""
        now = self.id
        self.previous.append((now.name, now.effective_namespace, now.gvk.kind))

    @property
    def name(self) -> str:
        return self.id.name

    @property
    def namespace(self) -> str:
        return self.id.namespace

    def set_name(self, name: str) -> None:
        self._metadata()["name"] = name

    def _metadata(self) -> JSONObject:
        metadata = self.obj.get("metadata")
        if not isinstance(metadata, dict):
            metadata = self.obj["metadata"] = {}
        return metadata

    def strings(self, name: str) -> dict[str, str]:
        """Labels or annotations."""
        found = (self.obj.get("metadata") or {}).get(name)
        return {k: text_of(v) for k, v in found.items()} if isinstance(found, dict) else {}

    def set_strings(self, name: str, values: dict[str, str]) -> None:
        """Set labels or annotations; none at all takes the field away."""
        metadata = self._metadata()
        metadata.pop(name, None)
        if values:
            metadata[name] = dict(sorted(values.items()))

    def copy(self) -> Resource:
        """A copy of the object and what a patch says of itself."""
        return Resource(
            deep_copy(self.obj),
            allow_name_change=self.allow_name_change,
            allow_kind_change=self.allow_kind_change,
        )

    def same_affixes(self, other: Resource, *, allow_empty: bool) -> bool:
        """Whether both were named in the same layer: PrefixesSuffixesEquals."""
        return all(
            (allow_empty and (not mine or not theirs)) or _same_ending(mine, theirs)
            for mine, theirs in ((self.prefixes, other.prefixes), (self.suffixes, other.suffixes))
        )


def _same_ending(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether the shorter of two lists is the end of the longer one: SameEndingSubSlice."""
    shortest = min(len(a), len(b))
    return a[-shortest:] == b[-shortest:] if shortest else len(a) == len(b)


def text_of(value: object) -> str:
    """A scalar as it stands in YAML."""
    if isinstance(value, str):
        return str.__str__(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        from kubesim.util.gotext import float_json

        return float_json(value)
    return str(value)


def node_kind(value: object) -> str:
    """What go-yaml calls a value."""
    return (
        "MappingNode"
        if isinstance(value, dict)
        else "SequenceNode"
        if isinstance(value, list)
        else "ScalarNode"
    )


def wrong_kind(wanted: str, value: object) -> BuildError:
    """A value of another kind than a path leads to."""
    from kubesim.util.yamlfmt import dump

    return BuildError(
        f"wrong node kind: expected {wanted} but got {node_kind(value)}: node contents:\n{dump(value)}"
    )


class Resources:
    """All resources of a build, in the order in which they were loaded: ResMap."""

    def __init__(self, items: Iterable[Resource] = ()) -> None:
        self.items: list[Resource] = []
        self.append_all(items)

    def append(self, resource: Resource) -> None:
        """Raises BuildError where the name is taken."""
        name = resource.id
        if any(r.id.equals(name) for r in self.items):
            raise BuildError(f"may not add resource with an already registered id: {name}")
        self.items.append(resource)

    def append_all(self, resources: Iterable[Resource]) -> None:
        for resource in resources:
            self.append(resource)

    def drop_empty(self) -> None:
        """Forget the resources that a patch has deleted."""
        self.items = [r for r in self.items if r.obj]

    def by_any_id(self, matches: Callable[[ResId], bool]) -> list[Resource]:
        return [r for r in self.items if any(matches(i) for i in (*r.previous_ids, r.id))]

    def unique(self, wanted: ResId) -> Resource:
        """The one resource that has or had a name: GetById."""
        found = self.by_any_id(wanted.equals)
        if len(found) == 1:
            return found[0]
        how = "multiple" if found else "no"
        raise BuildError(f"{how} matches for Id {wanted}; failed to find unique target for patch {wanted}")

    def absorb(self, resource: Resource) -> None:
        """Take in what a generator made, by its behavior: appendReplaceOrMerge."""
        name = resource.id
        found = self.by_any_id(name.equals)
        shown = _go_id(name)
        if len(found) > 1:
            texts = " ".join(str(r.id) for r in found)
            raise BuildError(f"found multiple objects [{texts}] that could accept merge of {name}")
        if not found:
            if resource.behavior in ("merge", "replace"):
                raise BuildError(f"id {shown} does not exist; cannot merge or replace")
            self.append(resource)
            return
        old = found[0]
        if resource.behavior not in ("merge", "replace"):
            raise BuildError(f"id {shown} exists; behavior must be merge or replace")
        _take_metadata(resource, old)
        if resource.behavior == "merge":
            for key in ("data", "binaryData"):
                merged = {**(old.obj.get(key) or {}), **(resource.obj.get(key) or {})}
                resource.obj.pop(key, None)
                if merged:
                    resource.obj[key] = merged
        self.items[self.items.index(old)] = resource


def _take_metadata(resource: Resource, old: Resource) -> None:
    """CopyMergeMetaDataFieldsFrom: the old name, and labels and annotations of both."""
    for key in ("labels", "annotations"):
        resource.set_strings(key, {**old.strings(key), **resource.strings(key)})
    resource.set_name(old.name)
    if old.namespace:
        resource.obj["metadata"]["namespace"] = old.namespace
    else:
        resource.obj["metadata"].pop("namespace", None)
    resource.previous = list(old.previous)
    resource.prefixes, resource.suffixes = list(old.prefixes), list(old.suffixes)
    resource.needs_hash = resource.needs_hash and old.needs_hash
    resource.variables = list(old.variables)


def _go_id(name: ResId) -> str:
    """A name as %#v prints it."""
    cluster = "true" if name.cluster else "false"
    gvk = name.gvk
    return (
        f'resid.ResId{{Gvk:resid.Gvk{{Group:"{gvk.group}", Version:"{gvk.version}", Kind:"{gvk.kind}", '
        f'isClusterScoped:{cluster}}}, Name:"{name.name}", Namespace:"{name.namespace}"}}'
    )
