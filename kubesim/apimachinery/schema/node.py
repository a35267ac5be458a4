"""`Node`: one place of the schema, with what patches and managed fields have to know of it."""

from __future__ import annotations

from kubesim.apimachinery.schema import shapes
from kubesim.apimachinery.schema.shapes import Definition, Field

_NO_MERGE: shapes.Merge = ("", (), "", (), "")


class Node:
    """An object, a list, a map or a scalar of the schema. Cheap to make; two of one place are equal in what
    they say.
    """

    __slots__ = ("_names", "definitions", "field", "maps")

    def __init__(
        self, definitions: list[Definition], names: list[str], maps: dict[int, str], field: Field
    ) -> None:
        self.definitions = definitions
        self.maps = maps
        self.field = field
        self._names = names

    def child(self, name: str) -> Node | None:
        """The field of an object, or the values of a map; None for a field that is not there, and below
        untyped JSON.
        """
        kind, argument = self.field[0], self.field[1]
        if kind == shapes.STRUCT:
            found = self.definitions[argument].get(name)
        elif kind == shapes.MAP:
            found = argument
        else:
            found = None
        return None if found is None else Node(self.definitions, self._names, self.maps, found)

    @property
    def items(self) -> Node | None:
        """The items of a list, None for everything else."""
        if self.field[0] != shapes.LIST:
            return None
        return Node(self.definitions, self._names, self.maps, self.field[1])

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of an object's fields, in Go's order."""
        return tuple(self.definitions[self.field[1]]) if self.field[0] == shapes.STRUCT else ()

    @property
    def definition(self) -> str:
        """The name of an object's OpenAPI definition, empty for everything else."""
        return self._names[self.field[1]] if self.field[0] == shapes.STRUCT else ""

    @property
    def is_struct(self) -> bool:
        return self.field[0] == shapes.STRUCT

    @property
    def is_list(self) -> bool:
        return self.field[0] == shapes.LIST

    @property
    def is_map(self) -> bool:
        return self.field[0] == shapes.MAP

    @property
    def merge_key(self) -> str:
        """x-kubernetes-patch-merge-key."""
        return self._merge[2]

    @property
    def patch_strategies(self) -> tuple[str, ...]:
        """x-kubernetes-patch-strategy: of merge, replace, retainKeys."""
        return self._merge[3]

    @property
    def list_type(self) -> str:
        """`atomic`, `set` or `map`; a list that does not say is atomic."""
        return (self._merge[0] or "atomic") if self.is_list else ""

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        """x-kubernetes-list-map-keys."""
        return self._merge[1]

    @property
    def map_type(self) -> str:
        """`atomic` or `granular`, of the field or else of the definition; a map that does not say is
        granular.
        """
        if not (self.is_struct or self.is_map):
            return ""
        found = self._merge[4] or (self.maps.get(self.field[1], "") if self.is_struct else "")
        return found or "granular"

    @property
    def _merge(self) -> shapes.Merge:
        return self.field[4] or _NO_MERGE
