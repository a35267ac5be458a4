"""The end of a build: hashes, references, variables, order, and what is not for the cluster left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubesim.cli.kustomize.errors import BuildError
from kubesim.cli.kustomize.fieldspecs import FieldSpec
from kubesim.cli.kustomize.generators import add_hashes
from kubesim.cli.kustomize.identity import gvk_sort_text, kind_order
from kubesim.cli.kustomize.names import fix_references
from kubesim.cli.kustomize.resources import NullWord, Resource, Resources
from kubesim.cli.kustomize.target import Accumulated
from kubesim.cli.kustomize.transformers import add_pairs
from kubesim.cli.kustomize.variables import resolve_variables
from kubesim.util.jsontypes import JSONObject

LOCAL = "config.kubernetes.io/local-config"
MANAGED_BY = "app.kubernetes.io/managed-by"
VERSION = "(devel)"  # as kubectl says of the kustomize in it
Key = tuple[Any, ...]


def finished(found: Accumulated, kustomization: JSONObject, *, legacy_order: bool) -> Iterator[JSONObject]:
    """As makeCustomizedResMap from hashes on, and Kustomizer.Run after it. Raises BuildError."""
    resources = found.resources
    add_hashes(resources)
    fix_references(resources, found.config.name_reference)
    resolve_variables(resources, found.variables, found.config.var_reference)
    resources.items = [r for r in resources.items if r.obj and not _is_local(r)]
    _sort(resources, kustomization.get("sortOptions"), legacy=legacy_order)
    if "managedByLabel" in (kustomization.get("buildMetadata") or ()):
        labels = [FieldSpec("metadata/labels", create=True)]
        add_pairs(resources, {MANAGED_BY: f"kustomize-{VERSION}"}, labels)
    for resource in resources.items:
        resource.set_strings("annotations", resource.strings("annotations"))
        yield _with_nulls(resource.obj)


def _with_nulls(value: Any) -> Any:
    """The object with nulls in place of the words for them."""
    if isinstance(value, dict):
        return {k: _with_nulls(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_nulls(v) for v in value]
    return None if isinstance(value, NullWord) else value


def _is_local(resource: Resource) -> bool:
    """Whether a resource is for kustomize alone: DropLocalNodes."""
    return resource.strings("annotations").get(LOCAL, "false") != "false"


def _sort(resources: Resources, options: JSONObject | None, *, legacy: bool) -> None:
    """SortOrderTransformer: in the order of loading (`fifo`), or of kinds (`legacy`)."""
    if options is None:
        if legacy:
            resources.items.sort(key=_key)
        return
    order, kinds = options.get("order"), options.get("legacySortOptions")
    if order not in ("fifo", "legacy"):
        raise BuildError("the field 'sortOptions.order' must be one of [fifo, legacy]")
    if order == "fifo":
        if kinds is not None:
            raise BuildError(
                "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'"
            )
        return
    if kinds is None:
        resources.items.sort(key=_key)
        return
    first, last = kinds.get("orderFirst") or (), kinds.get("orderLast") or ()
    resources.items.sort(key=lambda r: (kind_order(r.id.gvk.kind, first, last), *_key(r)[1:]))


def _key(resource: Resource) -> Key:
    """legacyIDSorter: by kind, then by name in full."""
    name = resource.id
    text = f"{name.gvk}|{name.namespace or '~X'}|{name.name or '~N'}"
    return kind_order(name.gvk.kind), gvk_sort_text(name.gvk), text
