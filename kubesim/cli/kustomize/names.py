"""References follow names: where the name of one resource stands in another, it changes with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kubesim.cli.kustomize.errors import BuildError, wrapped
from kubesim.cli.kustomize.fieldspecs import FieldSpec, Reference, Slot, apply_spec
from kubesim.cli.kustomize.identity import Gvk, gvk_of
from kubesim.cli.kustomize.resources import Resource, Resources, text_of
from kubesim.util.jsontypes import JSONObject

Same = Callable[[Resource], tuple[str, ...]]


def fix_references(resources: Resources, references: Sequence[Reference]) -> None:
    """Write the new names wherever the old ones stood: nameReferenceTransformer. Raises BuildError."""
    originals = [r.original_id for r in resources.items]
    for reference in references:
        for spec in reference.referrers:
            for referrer, original in zip(resources.items, originals, strict=True):
                if original.gvk.selected_by(spec.gvk):
                    _Fixer(resources, referrer, spec, reference.target).run()


class _Fixer:
    """Repairs one field of one resource: nameref.Filter."""

    def __init__(self, resources: Resources, referrer: Resource, spec: FieldSpec, target: Gvk) -> None:
        self._resources = resources
        self._referrer = referrer
        self._spec = FieldSpec(spec.path, gvk_of(referrer.obj), spec.create)
        self._target = target

    def run(self) -> None:
        with wrapped(f"updating name reference in '{self._spec.path}' field of '{self._referrer.id}'"):
            apply_spec(self._referrer.obj, self._spec, self._set)

    def _set(self, slot: Slot) -> None:
        value = slot.value
        if isinstance(value, list):
            for position in range(len(value)):
                self._set(Slot(value, position))
        elif isinstance(value, dict):
            self._set_object(value)
        elif value is not None:
            found = self._select(text_of(value), self._candidates(), lambda r: (r.name,))
            if found is not None:
                slot.value = found.name

    def _set_object(self, value: JSONObject) -> None:
        """A reference of a name and, perhaps, a namespace."""
        if "name" not in value:
            raise BuildError("path config error; no 'name' field in node")
        candidates = self._candidates()
        if "namespace" in value:
            candidates = _in_namespace(candidates, text_of(value["namespace"]))
        found = self._select(text_of(value["name"]), candidates, lambda r: (r.name, r.namespace))
        if found is None:
            return
        value["name"] = found.name
        if found.namespace:
            value["namespace"] = found.namespace

    def _candidates(self) -> list[Resource]:
        """What the referrer could name: SubsetThatCouldBeReferencedByResource."""
        own = self._referrer.id
        if own.cluster:
            return list(self._resources.items)
        others = _account_namespaces(self._referrer.obj)
        return [
            r
            for r in self._resources.items
            if r.id.cluster or r.id.effective_namespace == own.effective_namespace or r.namespace in others
        ]

    def _select(self, name: str, candidates: list[Resource], same: Same) -> Resource | None:
        """The best of the candidates that had that name: selectReferral."""
        role = self._role()
        own = self._referrer.id
        found = [
            r
            for r in candidates
            if any(i.name == name for i in r.previous_ids)
            and any(i.gvk.selected_by(self._target) for i in r.previous_ids)
            and (role is None or any(i.gvk.selected_by(role) for i in r.previous_ids))
            and (
                own.cluster
                or r.id.cluster
                or r.id.gvk.kind == "ServiceAccount"
                or r.id.effective_namespace == own.effective_namespace
            )
        ]
        if len(found) == 1:
            return found[0]
        found = [r for r in found if r.same_affixes(self._referrer, allow_empty=True)]
        if len(found) > 1:
            found = [r for r in found if r.same_affixes(self._referrer, allow_empty=False)]
        if not found:
            return None
        if len({same(r) for r in found}) == 1:
            return found[0]
        raise BuildError(self._too_many(found))

    def _role(self) -> Gvk | None:
        """The kind that a role binding names beside the name."""
        if not self._spec.path.endswith("roleRef/name"):
            return None
        role = self._referrer.obj.get("roleRef") or {}
        if not role.get("apiGroup") or not role.get("kind"):
            return None
        return Gvk(str(role["apiGroup"]), "", str(role["kind"]))

    def _too_many(self, found: list[Resource]) -> str:
        from kubesim.util.yamlfmt import dump

        text = f"found multiple possible referrals: {', '.join(str(r.id) for r in found)}\n"
        text += f"\n**** Too many possible referral targets to referrer:\n{dump(self._referrer.obj)}\n"
        return text + "".join(f"--- possible referral {i}:\n{dump(r.obj)}\n" for i, r in enumerate(found))


def _in_namespace(candidates: list[Resource], namespace: str) -> list[Resource]:
    """Those that were in a namespace, else those that are in it."""
    for found in (
        [r for r in candidates if r.original_id.effective_namespace == namespace],
        [r for r in candidates if not r.id.cluster and r.id.effective_namespace == namespace],
    ):
        if found:
            return found
    return []


def _account_namespaces(obj: JSONObject) -> set[str]:
    """The namespaces of the accounts that a RoleBinding names."""
    subjects = obj.get("subjects") if obj.get("kind") == "RoleBinding" else None
    if not isinstance(subjects, list):
        return set()
    return {
        str(s["namespace"])
        for s in subjects
        if isinstance(s, dict) and s.get("kind") == "ServiceAccount" and s.get("namespace")
    }
