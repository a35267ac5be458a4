"""What a name in the cluster's domain asks for.

Sources: Kubernetes DNS-Based Service Discovery, version 1.1.0; CoreDNS 1.11, plugin/kubernetes/parse.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

IN_ADDR_ARPA: Final = "in-addr.arpa."
IP6_ARPA: Final = "ip6.arpa."
SERVICES: Final = "svc"
PODS: Final = "pod"
_NIBBLES: Final = 32


@dataclass(frozen=True, slots=True)
class Request:
    """The parts of a name below the cluster's domain, in lower case. What is not asked for is empty; a name without
    `kind` is an upper one: the domain itself, `svc` or `pod` below it.
    """

    kind: str = ""
    namespace: str = ""
    service: str = ""
    """The Service, or the address of a Pod with dashes."""
    endpoint: str = ""
    port: str = ""
    protocol: str = ""


def fully_qualified(name: str) -> str:
    """The name with the dot at its end."""
    return name if name.endswith(".") and not name.endswith("\\.") else f"{name}."


def labels_of_name(name: str) -> list[str]:
    """The labels of a name; a dot after a backslash is part of one, as in zone files."""
    bare = name.removesuffix(".")
    if "\\" not in bare:
        return bare.split(".") if bare else []
    found, start, at = [], 0, 0
    while at < len(bare):
        if bare[at] == "\\":
            at += 1
        elif bare[at] == ".":
            found.append(bare[start:at])
            start = at + 1
        at += 1
    return [*found, bare[start:]]


def is_below(name: str, zone: str) -> bool:
    """Whether a name is the zone's or lies in it; both in lower case, with the dot at the end."""
    return name == zone or name.endswith(f".{zone}") or zone == "."


def parse(name: str, zone: str) -> Request | None:
    """Read a name of a zone, both in lower case; None for one that no rule of the specification makes.

    Whatever is left of a Service is one label, which is an endpoint, or two, which are a port and a protocol. A single
    label of a Pod is read over, as CoreDNS does.
    """
    base = name[: -len(zone)]
    if not base:
        return Request()
    *left, kind = labels_of_name(base)
    if kind not in (SERVICES, PODS):
        return None
    if not left:
        return Request()
    namespace = left.pop()
    service = left.pop() if left else ""
    match left:
        case []:
            return Request(kind, namespace, service)
        case [endpoint]:
            return Request(kind, namespace, service, endpoint)
        case [port, protocol]:
            return Request(
                kind, namespace, service, port=port.removeprefix("_"), protocol=protocol.removeprefix("_")
            )
    return None


def reversed_address(name: str) -> str:
    """The address that a name in lower case under in-addr.arpa or ip6.arpa is about; empty if it is about none."""
    if name.endswith(f".{IN_ADDR_ARPA}"):
        parts = name.removesuffix(f".{IN_ADDR_ARPA}").split(".")
        found = parse_address(".".join(reversed(parts)))
        return str(found) if isinstance(found, IPv4Address) else ""
    if name.endswith(f".{IP6_ARPA}"):
        nibbles = name.removesuffix(f".{IP6_ARPA}").split(".")
        if len(nibbles) != _NIBBLES or any(len(nibble) != 1 for nibble in nibbles):
            return ""
        digits = "".join(reversed(nibbles))
        found = parse_address(":".join(digits[at : at + 4] for at in range(0, _NIBBLES, 4)))
        return str(found) if found is not None else ""
    return ""


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, as Go's net.ParseIP understands it: IPv4 in IPv6 is IPv4, and no zone may follow."""
    if not text or not text.isascii() or "%" in text:
        return None
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def address_of_pod_name(label: str) -> IPv4Address | IPv6Address | None:
    """The address that `10-244-1-7` or `2001-db8--1` stands for."""
    dotted = label.count("-") == 3 and "--" not in label
    return parse_address(label.replace("-", "." if dotted else ":"))


def endpoint_name(address: str, hostname: str) -> str:
    """The label of an endpoint below its Service: its host name, else its address with dashes."""
    if hostname:
        return hostname
    if ":" not in address:
        return address.replace(".", "-")
    dashed = address.replace(":", "-")
    return f"{dashed}0" if dashed.endswith("-") else dashed
