"""From what a user types (`po`, `deployments.apps`, `Service`) to the resource that a server has:
meta.RESTMapper.

Built from the server's discovery documents, so it knows the kinds of any server, in the server's order of
preference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kubesim.apimachinery.gvk import GroupVersionKind, GroupVersionResource, split_api_version
from kubesim.client.client import Client
from kubesim.util.jsontypes import JSONObject


@dataclass(frozen=True, slots=True)
class Mapping:
    """One resource of the server, with its kind and what discovery says of it."""

    gvr: GroupVersionResource
    gvk: GroupVersionKind
    namespaced: bool
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def qualified_kind(self) -> str:
        """`service`, `deployment.apps`: how printers and messages name an object of this kind."""
        kind = self.gvk.kind.lower()
        return f"{kind}.{self.gvk.group}" if self.gvk.group else kind


class NoMatch(LookupError):
    """The server has no such resource or kind. The text is the one users see."""


class RESTMapper:
    """The resources of one server. `mappings` stand in the server's order of preference."""

    def __init__(self, mappings: Sequence[Mapping]) -> None:
        self.mappings = list(mappings)
        self._by_kind: dict[GroupVersionKind, Mapping] = {}
        self._by_word: dict[str, list[Mapping]] = {}
        for mapping in self.mappings:
            self._by_kind.setdefault(mapping.gvk, mapping)
        # A resource's own names win over anybody's short names.
        for words in (
            lambda m: (m.gvr.resource,),
            lambda m: (m.singular or m.gvk.kind.lower(),),
            lambda m: m.short_names,
        ):
            for mapping in self.mappings:
                for word in words(mapping):
                    found = self._by_word.setdefault(word, [])
                    if mapping not in found:
                        found.append(mapping)

    @classmethod
    def from_discovery(cls, client: Client) -> RESTMapper:
        """Ask the server for its resources. Raises StatusError."""
        mappings: list[Mapping] = []
        for path, api_version in _group_versions(client):
            document = client.request("GET", path).body
            resources = document.get("resources", []) if isinstance(document, dict) else []
            mappings += _mappings(api_version, resources)
        return cls(mappings)

    def resource(self, argument: str) -> Mapping:
        """The resource that a command-line word names: `po`, `pods`, `pod`, `deployments.v1.apps`, `Service`.

        Raises NoMatch. Order as in cli-runtime's Builder.mappingFor: resource.version.group, resource.group,
        then kinds.
        """
        word, _, rest = argument.partition(".")
        version, _, group = rest.partition(".")
        lowered = word.lower()
        if argument.count(".") >= 2 and version:
            found = self._first(lowered, group=group, version=version)
            if found:
                return found
        if not rest:
            found = self._first(lowered)
        else:
            found = self._first(lowered, group=rest) or self._first(lowered, group=rest, prefix=True)
        found = found or self._kind_word(word, version, group) or self._kind_word(word, "", rest)
        if found is None:
            raise NoMatch(f'the server doesn\'t have a resource type "{word}"')
        return found

    def resources(self, word: str) -> list[Mapping]:
        """All resources that a word without a group may mean, the preferred one first: ResourcesFor."""
        return list(self._by_word.get(word.lower(), ()))

    def kind(self, gvk: GroupVersionKind) -> Mapping:
        """The resource of an object's kind. Raises NoMatch with client-go's text."""
        found = self._by_kind.get(gvk) or self._list(gvk) or self._unversioned(gvk)
        if found is None:
            raise NoMatch(f'no matches for kind "{gvk.kind}" in version "{gvk.api_version}"')
        return found

    def _list(self, gvk: GroupVersionKind) -> Mapping | None:
        """Lists have no resource; client-go's mapper makes one up, so that files may hold them."""
        if not gvk.kind.endswith("List"):
            return None
        base = gvk.kind.removesuffix("List")
        known = (k for k in self._by_kind if (k.group, k.version) == (gvk.group, gvk.version))
        if not any(not base or k.kind == base for k in known):
            return None
        gvr = GroupVersionResource(gvk.group, gvk.version, f"{gvk.kind.lower()}s")
        return Mapping(gvr, gvk, namespaced=False)

    def _unversioned(self, gvk: GroupVersionKind) -> Mapping | None:
        """An object that leaves its version out finds its kind; the server then has no such path."""
        if gvk.version:
            return None
        found = next((m for m in self.mappings if (m.gvk.group, m.gvk.kind) == (gvk.group, gvk.kind)), None)
        return found and replace(found, gvr=GroupVersionResource(gvk.group, "", found.gvr.resource), gvk=gvk)

    def category(self, word: str) -> list[Mapping]:
        """The resources of a category such as `all`; empty if there is none."""
        return [m for m in self.mappings if word in m.categories]

    def _first(
        self, word: str, *, group: str | None = None, version: str = "", prefix: bool = False
    ) -> Mapping | None:
        for mapping in self._by_word.get(word, ()):
            same = (
                group is None
                or mapping.gvk.group == group
                or (prefix and mapping.gvk.group.startswith(f"{group}."))
            )
            if same and version in ("", mapping.gvk.version):
                return mapping
        return None

    def _kind_word(self, word: str, version: str, group: str) -> Mapping | None:
        return next(
            (
                m
                for m in self.mappings
                if m.gvk.kind == word and group in ("", m.gvk.group) and version in ("", m.gvk.version)
            ),
            None,
        )


def _group_versions(client: Client) -> Iterable[tuple[str, str]]:
    """The discovery path and the name of each group version; a group's preferred version first."""
    core = client.request("GET", "/api").body
    for version in core.get("versions", []) if isinstance(core, dict) else []:
        yield f"/api/{version}", version
    groups = client.request("GET", "/apis").body
    for group in groups.get("groups", []) if isinstance(groups, dict) else []:
        preferred = (group.get("preferredVersion") or {}).get("groupVersion", "")
        names = [v["groupVersion"] for v in group.get("versions", [])]
        for name in sorted(names, key=lambda n: n != preferred):
            yield f"/apis/{name}", name


def _mappings(api_version: str, resources: Iterable[JSONObject]) -> Iterable[Mapping]:
    found = list(resources)
    for item in found:
        if "/" in item["name"]:
            continue
        group, version = split_api_version(api_version)
        prefix = item["name"] + "/"
        yield Mapping(
            GroupVersionResource(group, version, item["name"]),
            GroupVersionKind(item.get("group") or group, item.get("version") or version, item["kind"]),
            bool(item.get("namespaced")),
            item.get("singularName", ""),
            tuple(item.get("shortNames", ())),
            tuple(item.get("categories", ())),
            tuple(item.get("verbs", ())),
            tuple(i["name"][len(prefix) :] for i in found if i["name"].startswith(prefix)),
        )
