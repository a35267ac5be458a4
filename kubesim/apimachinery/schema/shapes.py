"""The words of the compiled table: what a field holds, and what Go does with its zero value.

A field of the table is a tuple `(kind, argument, omit, zero, merge)`:

* `kind` is one of the numbers below. `argument` is the position of the definition for STRUCT, the field tuple
  of the items for LIST and of the values for MAP, None otherwise.
* `omit` says what Go's encoder does with the zero value: KEEP (a pointer: null is dropped, everything else is
  written), DROP (`omitempty`: the zero value is left out) or ALWAYS (the field is always written, as `zero`
  if nothing else).
* `merge` is None or `(list type, list map keys, patch merge key, patch strategies, map type)`.

A definition is a dict from field name to field tuple, in the order in which Go writes the fields.
"""

from __future__ import annotations

from typing import Any, Final

STRING: Final = 0
INT32: Final = 1
INT64: Final = 2
BOOL: Final = 3
FLOAT: Final = 4
BYTES: Final = 5
TIME: Final = 6
MICRO_TIME: Final = 7
DURATION: Final = 8
QUANTITY: Final = 9
INT_OR_STRING: Final = 10
RAW: Final = 11
STRUCT: Final = 12
LIST: Final = 13
MAP: Final = 14

KEEP: Final = 0
DROP: Final = 1
ALWAYS: Final = 2

Merge = tuple[str, tuple[str, ...], str, tuple[str, ...], str]
Field = tuple[int, Any, int, Any, Merge | None]
Definition = dict[str, Field]

# Zero values of Go's types as its encoder writes them. A struct's depends on its fields, so it is not here.
ZERO: Final[dict[int, Any]] = {
    STRING: "",
    INT32: 0,
    INT64: 0,
    BOOL: False,
    FLOAT: 0,
    BYTES: "",
    TIME: None,
    MICRO_TIME: None,
    DURATION: "0s",
    QUANTITY: "0",
    INT_OR_STRING: 0,
    RAW: None,
    LIST: None,
    MAP: None,
}
