"""Reading many objects at once through the indexes: by name, by label, by Service. Nothing is kept between
calls.

A look-up costs what it finds, whatever else the cluster holds; a controller with many keys asks once for all
of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import name_of
from kubesim.client.client import Client
from kubesim.client.resources import PODS
from kubesim.util.jsontypes import JSONObject

# Values in one look-up: well below SQLite's default limit of 32,766 variables in a statement.
_CHUNK = 500


def get_or_none(
    client: Client, gvr: GroupVersionResource, name: str, namespace: str = ""
) -> JSONObject | None:
    """An object, or None where there is none of that name. Other failures are raised."""
    try:
        return client.get(gvr, name, namespace)
    except StatusError as error:
        if error.code == 404:
            return None
        raise


def items(found: JSONObject) -> list[JSONObject]:
    """The objects of a List."""
    listed = found.get("items")
    return listed if isinstance(listed, list) else []


def items_permitted(
    client: Client, gvr: GroupVersionResource, *, label_selector: str = "", field_selector: str = ""
) -> list[JSONObject]:
    """The objects of a kind in all namespaces; none for whom may not see them. Other failures are raised."""
    try:
        return items(client.list(gvr, label_selector=label_selector, field_selector=field_selector))
    except StatusError as error:
        if error.code == 403:
            return []
        raise


def by_index(
    client: Client, gvr: GroupVersionResource, namespace: str, index: str, values: Iterable[str]
) -> list[JSONObject]:
    """The objects that have any of the values in an index, each once."""
    wanted = list(dict.fromkeys(values))
    found: list[JSONObject] = []
    for chunk in _chunks(wanted):
        found += items(client.list(gvr, namespace, index=(index, chunk)))
    if len(wanted) <= _CHUNK:
        return found
    # An object that has values of two chunks comes twice.
    return list({(o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in found}.values())


def by_names(
    client: Client, gvr: GroupVersionResource, namespace: str, names: Iterable[str]
) -> dict[str, JSONObject]:
    """The objects of these names that exist."""
    wanted = list(dict.fromkeys(names))
    if len(wanted) == 1:
        one = get_or_none(client, gvr, wanted[0], namespace)
        return {wanted[0]: one} if one else {}
    values = [f"metadata.name={n}" for n in wanted]
    return {name_of(o): o for o in by_index(client, gvr, namespace, "field", values)}


def by_label(
    client: Client, gvr: GroupVersionResource, namespace: str, label: str, values: Iterable[str]
) -> list[JSONObject]:
    """The objects whose label has any of the values."""
    return by_index(client, gvr, namespace, "label", [f"{label}={v}" for v in values])


def pods_at(client: Client, address: str) -> list[JSONObject]:
    """The Pods that have, or had, an address of either family; those of a node have its."""
    first = by_index(client, PODS, "", "field", [f"status.podIP={address}"])
    return first or by_index(client, PODS, "", "address", [address])


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
