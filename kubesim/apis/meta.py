"""What several kinds share: rules for addresses, ports and taints, and the small arts of tables and defaults.

Rules return every error, in the order and with the texts of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, GoValue, Path
from kubesim.apimachinery.meta import metadata_of
from kubesim.apimachinery.names import (
    ip_family,
    is_dns1123_label,
    is_dns1123_subdomain,
    is_qualified_name,
    is_valid_cidr,
    is_valid_ip,
    is_valid_label_value,
    is_valid_port_name,
    is_valid_port_num,
)
from kubesim.apimachinery.objectmeta import validate_label_name
from kubesim.apimachinery.scheme import Column
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")  # sorted, as Kubernetes lists them
NAME: Final = Column("Name", format="name", description="Name of the object.")
AGE: Final = Column("Age", description="Time since the object was created.")
NONE: Final = "<none>"
SHOWN: Final = 3  # items a table cell lists before it says how many more there are


# Objects


def section(obj: JSONObject, name: str) -> JSONObject:
    """`obj[name]`, made an empty object where it is missing or null."""
    found = obj.get(name)
    if found is None:
        found = obj[name] = {}
    return found


def items(obj: JSONObject, name: str) -> list[Any]:
    """The list `obj[name]`, empty where it is missing or null; not to be written to."""
    return obj.get(name) or []


def drop_empty(obj: JSONObject, names: Iterable[str]) -> None:
    """Remove fields that hold their type's empty value: Go's `omitempty` never writes them."""
    for name in names:
        if name in obj and not obj[name]:
            del obj[name]


def created(obj: JSONObject) -> str | None:
    """metadata.creationTimestamp."""
    return metadata_of(obj).get("creationTimestamp")


# Tables


def format_labels(labels: dict[str, str] | None) -> str:
    """`a=b,c=d` by name, `<none>` for no labels: labels.FormatLabels."""
    return ",".join(f"{k}={labels[k] or ''}" for k in sorted(labels)) if labels else NONE


def and_more(shown: list[str], count: int) -> str:
    """The first items of a cell, and how many were left out."""
    text = ",".join(shown[:SHOWN])
    return f"{text} + {count - SHOWN} more..." if count > SHOWN else text


def host_port(address: str, port: int | str) -> str:
    """`1.2.3.4:80`, `[fd00::1]:80`: net.JoinHostPort."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


# Names


def validate_dns1123_label(value: str, path: Path) -> list[FieldError]:
    return [field.invalid(path, value, e) for e in is_dns1123_label(value)]


def validate_dns1123_subdomain(value: str, path: Path) -> list[FieldError]:
    return [field.invalid(path, value, e) for e in is_dns1123_subdomain(value)]


def validate_qualified_name(value: str, path: Path) -> list[FieldError]:
    return [field.invalid(path, value, e) for e in is_qualified_name(value)]


# Ports


def validate_port_num(value: int, path: Path) -> list[FieldError]:
    return [field.invalid(path, value, e) for e in is_valid_port_num(value)]


def validate_port_num_or_name(value: int | str, path: Path) -> list[FieldError]:
    """An intstr.IntOrString: a number is a port, a string a port's name."""
    if isinstance(value, str):
        return [field.invalid(path, value, e) for e in is_valid_port_name(value)]
    return validate_port_num(value, path)


def validate_protocol(value: str | None, path: Path) -> list[FieldError]:
    if not value:
        return [field.required(path)]
    return [] if value in PROTOCOLS else [field.not_supported(path, value, PROTOCOLS)]


# Addresses


def validate_ip(value: str, path: Path) -> list[FieldError]:
    return [field.invalid(path, value, e) for e in is_valid_ip(value)]


def validate_cidr(value: str, path: Path) -> list[FieldError]:
    return [field.invalid(path, value, e) for e in is_valid_cidr(value)]


def is_dual_stack(addresses: Iterable[str]) -> bool:
    """Whether addresses of both families are among these (addresses, or CIDRs): utils/net, IsDualStackIPs."""
    found = {ip_family(a.partition("/")[0]) for a in addresses}
    return {4, 6} <= found


def validate_non_special_ip(value: str, path: Path) -> list[FieldError]:
    """Refuse addresses that no endpoint can have: unspecified, loopback, link-local."""
    family = ip_family(value)
    if not family:
        return [field.invalid(path, value, "must be a valid IP address")]
    special = _special_v4(octets(value)) if family == 4 else _special_v6(groups_of(value))
    if special == "unspecified":
        return [field.invalid(path, value, f"may not be unspecified ({value})")]
    return [field.invalid(path, value, _SPECIAL[special])] if special else []


_SPECIAL: Final = {
    "loopback": "may not be in the loopback range (127.0.0.0/8, ::1/128)",
    "link-local": "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
    "multicast": "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
}


def _special_v4(address: tuple[int, ...]) -> str:
    if not any(address):
        return "unspecified"
    if address[0] == 127:
        return "loopback"
    if address[:2] == (169, 254):
        return "link-local"
    return "multicast" if address[:3] == (224, 0, 0) else ""


def _special_v6(address: tuple[int, ...]) -> str:
    if not any(address):
        return "unspecified"
    if address == (0, 0, 0, 0, 0, 0, 0, 1):
        return "loopback"
    if address[0] & 0xFFC0 == 0xFE80:
        return "link-local"
    return "multicast" if address[0] & 0xFF0F == 0xFF02 else ""


def octets(value: str) -> tuple[int, ...]:
    """The four bytes of an address of family 4, leading zeros ignored."""
    tail = value.rpartition(":")[2]
    if "." in tail:
        return tuple(int(part) for part in tail.split("."))
    groups = groups_of(value)  # an IPv4 address within IPv6, in hexadecimal throughout
    return groups[6] >> 8, groups[6] & 255, groups[7] >> 8, groups[7] & 255


def groups_of(value: str) -> tuple[int, ...]:
    """The eight 16-bit groups of an address in IPv6's notation."""
    head, _, tail = value.rpartition(":")
    if "." in tail:
        a, b, c, d = (int(part) for part in tail.split("."))
        value = f"{head}:{a << 8 | b:x}:{c << 8 | d:x}"
    left, gap, right = value.partition("::")
    first = [int(g, 16) for g in left.split(":")] if left else []
    last = [int(g, 16) for g in right.split(":")] if right else []
    return (*first, *([0] * (8 - len(first) - len(last)) if gap else []), *last)


def canonical_ip(value: str) -> str:
    """A valid address as netip.Addr.String writes it (RFC 5952)."""
    if ip_family(value) == 4:
        return ("::ffff:" if ":" in value else "") + ".".join(str(o) for o in octets(value))
    groups = groups_of(value)
    start, length = _longest_run_of_zeros(groups)
    if length < 2:
        return ":".join(f"{g:x}" for g in groups)
    head = ":".join(f"{g:x}" for g in groups[:start])
    return f"{head}::{':'.join(f'{g:x}' for g in groups[start + length :])}"


def _longest_run_of_zeros(groups: tuple[int, ...]) -> tuple[int, int]:
    best = (0, 0)
    at = 0
    while at < len(groups):
        end = at
        while end < len(groups) and not groups[end]:
            end += 1
        if end - at > best[1]:
            best = (at, end - at)
        at = max(end, at + 1)
    return best


# Taints


TAINT_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def validate_taint_effect(value: str | None, path: Path, *, allow_empty: bool = False) -> list[FieldError]:
    if not value and not allow_empty:
        return [field.required(path)]
    return [] if value in TAINT_EFFECTS else [field.not_supported(path, value or "", TAINT_EFFECTS)]


def validate_taints(taints: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for at, taint in enumerate(taints):
        place = path.index(at)
        key, value, effect = (taint.get(name) or "" for name in ("key", "value", "effect"))
        errors += validate_label_name(key, place.child("key"))
        wrong = is_valid_label_value(value)
        if wrong:
            errors.append(field.invalid(place.child("value"), value, ";".join(wrong)))
        errors += validate_taint_effect(effect, place.child("effect"))
        if (effect, key) in seen:
            detail = "taints must be unique by key and effect pair"
            errors.append(FieldError(field.DUPLICATE, str(place), GoValue(_go_taint(taint)), detail))
            continue
        seen.add((effect, key))
    return errors


def _go_taint(taint: JSONObject) -> str:
    texts = [f"{name.capitalize()}:{quote(taint.get(name) or '')}" for name in ("key", "value", "effect")]
    return f"core.Taint{{{', '.join(texts)}, TimeAdded:{go_pointer(taint.get('timeAdded'), '*v1.Time')}}}"


def go_pointer(value: object, kind: str) -> str:
    """A pointer as %#v prints it; what an address would be is one fixed address here."""
    return f"({kind})({'nil' if value is None else '0xc000000000'})"
