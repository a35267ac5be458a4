"""`Schema`: every kind of one Kubernetes version, ready to decode, encode and patch by."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.schema.decode import Odd, decode_struct
from kubesim.apimachinery.schema.encode import encode_struct
from kubesim.apimachinery.schema.node import Node
from kubesim.apimachinery.schema.shapes import KEEP, STRUCT
from kubesim.apimachinery.schema.tables import load_tables, minor_of
from kubesim.util.jsontypes import JSONObject

DEFAULT_VERSION = "1.32"


class Decoded(NamedTuple):
    """A decoded object, which shares nothing with the one it came from, and texts such as `unknown field
    "spec.foo"`.
    """

    obj: JSONObject
    unknown: list[str]


def load_schema(version: str = DEFAULT_VERSION, cache_dir: Path | None = None) -> Schema:
    """The schema of a Kubernetes version, `1.25` to the newest published; compiled where the cache does not
    have it.

    Raises ValueError, with the versions there are, for any other.
    """
    return Schema(f"1.{minor_of(version)}", load_tables(version, cache_dir, cold=False), cache_dir)


class Schema:
    """The kinds of one Kubernetes version. Made by `load_schema`; safe to share between threads."""

    def __init__(self, version: str, hot: dict[str, Any], cache_dir: Path | None) -> None:
        self.version = version
        self.cache_dir = cache_dir
        self._definitions = hot["definitions"]
        self._names: list[str] = hot["names"]
        self._maps: dict[int, str] = hot["maps"]
        self._kinds: dict[tuple[str, str, str], int] = hot["kinds"]
        self._types: Any = None

    def definition_of(self, gvk: GroupVersionKind) -> str | None:
        """The OpenAPI definition of a kind, such as `io.k8s.api.core.v1.Service`, or None."""
        at = self._kinds.get((gvk.group, gvk.version, gvk.kind))
        return None if at is None else self._names[at]

    def kinds(self) -> list[GroupVersionKind]:
        """The kinds that are objects with metadata, sorted: no lists, no options."""
        return sorted(
            GroupVersionKind(*key)
            for key, at in self._kinds.items()
            if self._names[self._definitions[at].get("metadata", (0, 0))[1]].endswith(".ObjectMeta")
        )

    def node(self, gvk: GroupVersionKind) -> Node:
        """The root of a kind. Raises KeyError for a kind that the schema does not have."""
        return Node(
            self._definitions, self._names, self._maps, (STRUCT, self._position(gvk), KEEP, None, None)
        )

    def decode(self, gvk: GroupVersionKind, obj: JSONObject, *, sort_keys: bool = True) -> Decoded:
        """A new object without what the kind does not have, with canonical quantities and times.

        Null and, where Go leaves them out, zero values are dropped. Where something is wrong, keys are looked
        at in sorted order, the one in which clients send an object; `sort_keys=False` keeps the order they
        have, for a body that came as text. Raises DecodeError with the text of Go's decoder for a value of a
        wrong type, KeyError for a kind that the schema does not have.
        """
        at = self._position(gvk)
        try:
            return Decoded(decode_struct(self._definitions, at, obj), [])
        except Odd:
            from kubesim.apimachinery.schema.mistakes import Walk

            return Decoded(*Walk(self._definitions, self._go_types(), sort_keys=sort_keys).decode(at, obj))

    def convert(self, gvk: GroupVersionKind, obj: JSONObject) -> Decoded:
        """As `decode`, in the words of the converter that the API server uses after a strategic merge
        patch.
        """
        at = self._position(gvk)
        try:
            return Decoded(decode_struct(self._definitions, at, obj), [])
        except Odd:
            from kubesim.apimachinery.schema.conversion import Conversion

            return Decoded(*Conversion(self._definitions, self._go_types()).convert(at, obj))

    def encode(self, gvk: GroupVersionKind, obj: JSONObject) -> JSONObject:
        """A new object as the API server writes it: Go's field order, zero values left out or filled in as Go
        does.

        For objects whose types are right, after defaulting and just before they are stored or shown.
        """
        return encode_struct(self._definitions, self._position(gvk), obj)

    def _position(self, gvk: GroupVersionKind) -> int:
        return self._kinds[gvk.group, gvk.version, gvk.kind]

    def _go_types(self) -> Any:
        """The names of Go's types, read from disk for the first object that is wrong."""
        if self._types is None:
            from kubesim.apimachinery.schema.mistakes import GoTypes

            types = load_tables(self.version, self.cache_dir, cold=True)["types"]
            self._types = GoTypes(self._names, types)
        return self._types
