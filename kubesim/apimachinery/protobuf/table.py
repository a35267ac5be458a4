"""The messages of the built-in kinds: which field has which number.

`messages.json` beside this module is made by `tools/protobuf_table.py`, whose docstring describes it. It is read for
the first body, and each message is compiled when it is first met.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from kubesim.apimachinery.protobuf.wire import BYTES, FIXED64, VARINT
from kubesim.util.jsontypes import decode

# What a field holds: the letters of the table, and a message.
STRING: Final = "s"
INT32: Final = "i"
INT64: Final = "l"
BOOL: Final = "b"
BASE64: Final = "y"
DOUBLE: Final = "d"
TIME: Final = "t"
MICRO_TIME: Final = "m"
DURATION: Final = "n"
QUANTITY: Final = "q"
INT_OR_STRING: Final = "x"
RAW: Final = "r"
STRINGS: Final = "w"
MESSAGE: Final = ""
INLINE: Final = "."

# How often, and whether JSON leaves out a scalar that is zero.
ONE: Final = 0
DROP: Final = 1
LIST: Final = 2
MAP: Final = 3

_WIRE: Final = {INT32: VARINT, INT64: VARINT, BOOL: VARINT, DOUBLE: FIXED64}
_META: Final = "meta.v1"
_META_VERSION: Final = "meta.k8s.io/v1"
_OLD_META: Final = "meta.k8s.io/v1beta1"  # the same messages
# Options are of the group version of the request that they go with: metav1.AddToGroupVersion.
_EVERYWHERE: Final = frozenset(
    (
        "CreateOptions",
        "DeleteOptions",
        "GetOptions",
        "ListOptions",
        "PatchOptions",
        "UpdateOptions",
        "WatchEvent",
    )
)
# What upstream has in the core group as well: metav1.Unversioned, and lists of anything.
_UNVERSIONED: Final = frozenset(
    ("APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "List", "Status")
)


@dataclass(frozen=True, slots=True)
class Message:
    """The fields of a message, by tag and by number."""

    name: str
    by_tag: dict[int, Field]
    by_number: dict[int, Field]

    @classmethod
    def of(cls, name: str, package: str, text: str) -> Message:
        """A message from its line of the table."""
        fields = [_field(part, package) for part in text.split()]
        return cls(name, {f.tag: f for f in fields}, {f.number: f for f in fields})


NO_FIELDS: Final = Message("", {}, {})


class Field(NamedTuple):
    """A field of a message. `message` is the one it holds where `kind` is MESSAGE or INLINE; `own` its name in Go;
    `entry`, of a map, what a key and its value are written as.
    """

    number: int
    name: str
    kind: str
    shape: int
    message: str
    own: str
    entry: Message = NO_FIELDS

    @property
    def wire(self) -> int:
        """The wire type that it is written with."""
        return BYTES if self.shape == MAP else _WIRE.get(self.kind, BYTES)

    @property
    def tag(self) -> int:
        """Number and wire type, as they stand in front of it."""
        return self.number << 3 | self.wire


class Table:
    """All messages. Safe to share between threads: two that compile one message make the same."""

    def __init__(self, kinds: dict[str, str], messages: dict[str, str]) -> None:
        self._texts = messages
        self._compiled: dict[str, Message] = {}
        self._kinds: dict[tuple[str, str], str] = {}
        for package, text in kinds.items():
            api_version, *names = text.split(" ")
            for name in names:
                self._kinds[api_version, name] = f"{package}.{name}"

    def message_of(self, api_version: str, kind: str) -> str | None:
        """The message of a kind, None for one that is not built in."""
        if kind in _EVERYWHERE or (kind in _UNVERSIONED and api_version == "v1"):
            return f"{_META}.{kind}"
        if api_version == _OLD_META:
            return self._kinds.get((_META_VERSION, kind))
        return self._kinds.get((api_version, kind))

    def kinds(self) -> list[tuple[str, str]]:
        """The apiVersion and the kind of everything that is one."""
        return list(self._kinds)

    def message(self, name: str) -> Message:
        found = self._compiled.get(name)
        if found is None:
            package, _, own = name.rpartition(".")
            found = Message.of(own, package, self._texts[name])
            self._compiled[name] = found
        return found


@cache
def table() -> Table:
    """The table, read from its file once in a process."""
    read = decode(Path(__file__).with_name("messages.json").read_bytes())
    return Table(read["kinds"], read["messages"])


def _field(text: str, package: str) -> Field:
    number, _, rest = text.partition("=")
    name, _, what = rest.partition(":")
    what, _, own = what.partition("/")
    shape = ONE
    if what.startswith("[]"):
        shape, what = LIST, what[2:]
    elif what.startswith("{}"):
        shape, what = MAP, what[2:]
    elif what.endswith("?"):
        shape, what = DROP, what[:-1]
    capital = name[:1].upper() + name[1:]
    if len(what) == 1:
        made = Field(int(number), name, what, shape, "", own or capital)
    else:
        message = what if "." in what else f"{package}.{what}"
        inline = name == INLINE
        kind, own = (INLINE, message.rpartition(".")[2]) if inline else (MESSAGE, own or capital)
        made = Field(int(number), name, kind, shape, message, own)
    return made if shape != MAP else made._replace(entry=_entry(made))


def _entry(field: Field) -> Message:
    key = Field(1, "key", STRING, ONE, "", "Key")
    value = Field(2, "value", field.kind, ONE, field.message, field.own)
    return Message(field.own, {key.tag: key, value.tag: value}, {1: key, 2: value})
