"""Rules as values: conditions and a target, each with its text and its meaning.

`Rule.text` is the only place where a rule becomes text: in the order and with the flags of iptables-save 1.8, which
is not the order in which kube-proxy writes them. `Rule.matches` is the only place where a rule meets a packet.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from kubesim.proxy.addresses import Network, host_port
from kubesim.proxy.passage import Passage

_PLAIN: Final = frozenset("_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_RANDOM: Final = 1 << 31


class Condition(Protocol):
    """One `-m …` of a rule."""

    def text(self) -> str: ...

    def holds(self, at: Passage) -> bool: ...


class Comment(NamedTuple):
    """`-m comment`; `droppable` are those that a large cluster does without."""

    said: str
    droppable: bool = False

    def text(self) -> str:
        return f"-m comment --comment {quoted(self.said)}"

    def holds(self, at: Passage) -> bool:
        return True


class Port(NamedTuple):
    """`-m tcp --dport 80`, or only `-m tcp`."""

    protocol: str
    number: int | None = None

    def text(self) -> str:
        return f"-m {self.protocol}" + ("" if self.number is None else f" --dport {self.number}")

    def holds(self, at: Passage) -> bool:
        return at.protocol == self.protocol and (self.number is None or at.port == self.number)


class DestinationLocal(NamedTuple):
    """The destination is one of the node's addresses."""

    def text(self) -> str:
        return "-m addrtype --dst-type LOCAL"

    def holds(self, at: Passage) -> bool:
        return at.surroundings.is_local(at.destination_number)


class SourceLocal(NamedTuple):
    """The source is one of the node's addresses."""

    def text(self) -> str:
        return "-m addrtype --src-type LOCAL"

    def holds(self, at: Passage) -> bool:
        return at.surroundings.is_local(at.source_number)


class ConnectionState(NamedTuple):
    """`-m conntrack --ctstate`. Every packet that is walked here is the first of its connection."""

    states: tuple[str, ...]
    inverted: bool = False

    def text(self) -> str:
        return f"-m conntrack {'! ' if self.inverted else ''}--ctstate {','.join(self.states)}"

    def holds(self, at: Passage) -> bool:
        found = "NEW" in self.states or (at.translated and "DNAT" in self.states)
        return found != self.inverted


class Mark(NamedTuple):
    """`-m mark`, of one bit."""

    bit: int
    inverted: bool = False

    def text(self) -> str:
        return f"-m mark {'! ' if self.inverted else ''}--mark {self.bit:#x}/{self.bit:#x}"

    def holds(self, at: Passage) -> bool:
        return (at.mark & self.bit != 0) != self.inverted


class Chance(NamedTuple):
    """`-m statistic --mode random`: a threshold of 31 random bits, as the kernel compares them."""

    threshold: int

    def text(self) -> str:
        return f"-m statistic --mode random --probability {self.threshold / _RANDOM:.11f}"

    def holds(self, at: Passage) -> bool:
        return at.surroundings.draw() < self.threshold


class RecentlySeen(NamedTuple):
    """`-m recent --rcheck`: the source was put on the list not longer ago."""

    name: str
    seconds: int
    mask: str

    def text(self) -> str:
        return (
            f"-m recent --rcheck --seconds {self.seconds} --reap "
            f"--name {self.name} --mask {self.mask} --rsource"
        )

    def holds(self, at: Passage) -> bool:
        return at.surroundings.seen(self.name, at.source, self.seconds)


class Remember(NamedTuple):
    """`-m recent --set`: matches always, and puts the source on the list."""

    name: str
    mask: str

    def text(self) -> str:
        return f"-m recent --set --name {self.name} --mask {self.mask} --rsource"

    def holds(self, at: Passage) -> bool:
        at.surroundings.remember(self.name, at.source)
        return True


class Target(Protocol):
    """One `-j …` of a rule."""

    def text(self) -> str: ...


class Jump(NamedTuple):
    """To another chain, and back if nothing there decides."""

    chain: str

    def text(self) -> str:
        return self.chain


class Ending(NamedTuple):
    """ACCEPT, DROP, RETURN, MASQUERADE, REJECT: what ends the way through a chain."""

    name: str
    options: str = ""

    def text(self) -> str:
        return f"{self.name} {self.options}" if self.options else self.name


class SetMark(NamedTuple):
    """`MARK --or-mark` and `--xor-mark`, which iptables-save prints as `--set-xmark value/mask`."""

    value: int
    mask: int

    def text(self) -> str:
        return f"MARK --set-xmark {self.value:#x}/{self.mask:#x}"

    def apply(self, mark: int) -> int:
        return (mark & ~self.mask) ^ self.value


class Translate(NamedTuple):
    """DNAT."""

    address: str
    port: int

    def text(self) -> str:
        return f"DNAT --to-destination {host_port(self.address, self.port)}"


ACCEPT: Final = Ending("ACCEPT")
DROP: Final = Ending("DROP")
RETURN: Final = Ending("RETURN")
MASQUERADE: Final = Ending("MASQUERADE", "--random-fully")


class Rule(NamedTuple):
    """What has to be true of a packet, and what then happens to it. A rule without a target only counts."""

    target: Target | None
    conditions: tuple[Condition, ...] = ()
    source: Network | None = None
    destination: Network | None = None
    protocol: str = ""
    not_source: bool = False
    not_destination: bool = False

    def matches(self, at: Passage) -> bool:
        """Whether a packet meets every condition, asked in order: those that have effects come last."""
        wanted = self.destination
        if (
            wanted is not None
            and (at.destination_number & wanted.mask == wanted.base) is self.not_destination
        ):
            return False
        wanted = self.source
        if wanted is not None and (at.source_number & wanted.mask == wanted.base) is self.not_source:
            return False
        if self.protocol and self.protocol != at.protocol:
            return False
        for condition in self.conditions:  # noqa: SIM110 - a loop is faster here than all()
            if not condition.holds(at):
                return False
        return True

    @property
    def comment(self) -> str:
        return next((c.said for c in self.conditions if isinstance(c, Comment)), "")

    def text(self, chain: str, *, terse: bool = False) -> str:
        """As iptables-save prints it; `terse` leaves out what a large cluster does without."""
        parts = [f"-A {chain}"]
        if self.source is not None:
            parts.append(f"{'! ' if self.not_source else ''}-s {self.source.text}")
        if self.destination is not None:
            parts.append(f"{'! ' if self.not_destination else ''}-d {self.destination.text}")
        if self.protocol:
            parts.append(f"-p {self.protocol}")
        parts += [
            condition.text()
            for condition in self.conditions
            if not (terse and isinstance(condition, Comment) and condition.droppable)
        ]
        if self.target is not None:
            parts.append(f"-j {self.target.text()}")
        return " ".join(parts)


@lru_cache(1024)
def chance(number: int) -> Chance:
    """One in so many. kube-proxy writes ten decimals, the kernel makes 31 bits of them."""
    return Chance(int(float(f"{1 / number:.10f}") * _RANDOM + 0.5))


def quoted(text: str) -> str:
    """As xtables_save_string writes it."""
    if text and _PLAIN.issuperset(text):
        return text
    escaped = "".join(f"\\{c}" if c in "\\\"'" else c for c in text)
    return f'"{escaped}"'
