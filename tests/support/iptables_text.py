"""A second netfilter, as simple as can be: it reads what iptables-save prints, and tries every rule, line by line.

It shares no code with kubesim.proxy: `ipaddress` compares addresses, rules are the words of their lines.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

BIT = 0x4000
NOT_DECIDED = ""


@dataclass
class Walker:
    """Evaluates the first packet of a connection on a node that has these addresses.

    `draw` gives 31 random bits. `lists` are those of `recent`, with times; `now` is the time.
    """

    text: str
    local: Iterable[str]
    draw: Callable[[], int]
    lists: dict[str, dict[str, float]] = field(default_factory=dict)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.chains: dict[tuple[str, str], list[list[str]]] = {}
        table = ""
        for line in self.text.splitlines():
            if line.startswith("*"):
                table = line[1:]
            elif line.startswith(":"):
                self.chains[table, line[1:].split()[0]] = []
            elif line.startswith("-A "):
                words = shlex.split(line)
                self.chains[table, words[1]].append(words[2:])

    def send(
        self, source: str, destination: str, port: int, protocol: str, interface: str
    ) -> tuple[str, str, int, bool]:
        """What became of it, where it goes, and whether it is masqueraded."""
        self.source, self.destination, self.port, self.protocol = source, destination, port, protocol.lower()
        self.mark, self.translated = 0, False
        self.run("nat", "OUTPUT" if interface == "node" else "PREROUTING")
        to_itself = self.is_local(self.destination)
        hooks = ["OUTPUT"] if interface == "node" else []
        if to_itself:
            hooks.append("INPUT")
        elif interface != "node":
            hooks.append("FORWARD")
        for hook in hooks:
            ended = self.run("filter", hook)
            if ended in {"DROP", "REJECT"}:
                return ended.lower(), self.destination, self.port, False
        leaves = interface == "node" or not to_itself
        masquerade = leaves and self.run("nat", "POSTROUTING") == "MASQUERADE"
        return "dnat" if self.translated else "accept", self.destination, self.port, masquerade

    def run(self, table: str, chain: str) -> str:
        for words in self.chains[table, chain]:
            target, options = self.match(list(words))
            if target is None:
                continue
            if target == "RETURN":
                return NOT_DECIDED
            if target == "MARK":
                value, mask = (int(part, 16) for part in options[1].split("/"))
                self.mark = (self.mark & ~mask) ^ value
            elif target == "DNAT":
                address, _, port = options[1].rpartition(":")
                self.destination, self.port, self.translated = address.strip("[]"), int(port), True
                return target
            elif (table, target) in self.chains:
                ended = self.run(table, target)
                if ended:
                    return ended
            elif target:
                return target
        return NOT_DECIDED

    def match(self, words: list[str]) -> tuple[str | None, list[str]]:
        """The target of a rule and its options; None where the packet does not match, empty where there is none."""
        inverted = False
        while words:
            word = words.pop(0)
            if word == "!":
                inverted = True
                continue
            if word == "-j":
                return words[0], words[1:]
            if word == "-m":
                module = words.pop(0)
                if module == "recent":
                    if not self.recent(words):
                        return None, []
                elif module in {"tcp", "udp", "sctp"} and self.protocol != module:
                    return None, []
                continue
            if self.holds(word, words) == inverted:
                return None, []
            inverted = False
        return NOT_DECIDED, []

    def holds(self, word: str, words: list[str]) -> bool:
        value = words.pop(0)
        match word:
            case "-s":
                return ip_address(self.source) in ip_network(value)
            case "-d":
                return ip_address(self.destination) in ip_network(value)
            case "-p":
                return self.protocol == value
            case "--dport":
                return self.port == int(value)
            case "--comment" | "--mode":
                return True
            case "--dst-type":
                return self.is_local(self.destination)
            case "--src-type":
                return self.is_local(self.source)
            case "--ctstate":
                states = {"NEW", "DNAT"} if self.translated else {"NEW"}
                return bool(states & set(value.split(",")))
            case "--mark":
                wanted, mask = (int(part, 16) for part in value.split("/"))
                return self.mark & mask == wanted
            case "--probability":
                return self.draw() < round(float(value) * 2**31)
        raise AssertionError(f"unknown option {word}")

    def recent(self, words: list[str]) -> bool:
        setting, seconds, name = False, 0, ""
        while words and words[0].startswith("--"):
            match words.pop(0):
                case "--set":
                    setting = True
                case "--seconds":
                    seconds = int(words.pop(0))
                case "--name":
                    name = words.pop(0)
                case "--mask":
                    words.pop(0)
        entries = self.lists.setdefault(name, {})
        if setting:
            entries[self.source] = self.now
            return True
        return self.source in entries and entries[self.source] >= self.now - seconds

    def is_local(self, address: str) -> bool:
        found = ip_address(address)
        return found.is_loopback or any(found == ip_address(own) for own in self.local)
