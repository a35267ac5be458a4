"""Hints by the annotation `topology-mode: Auto`: endpoints shared out among zones by the CPUs of their nodes. Pure.

Rules as in k8s.io/endpointslice/topologycache of Kubernetes 1.32. Where Go goes through a map, and so gives to any of
several zones that are due as much, the first by name is served first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from kubesim.apimachinery.meta import annotations_of, labels_of
from kubesim.apis.podfacts import status_of
from kubesim.apis.servicevalidation import TOPOLOGY_HINTS, TOPOLOGY_MODE
from kubesim.client.recorder import NORMAL, WARNING, Occurrence
from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity

ZONE: Final = "topology.kubernetes.io/zone"
_EXCLUDED: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
# Of what it ought to have at least, so much of a zone's share may be missing: 20 % more for each endpoint.
_LEAST_SHARE: Final = 1 / (1 + 0.2)
ENABLED: Final = "TopologyAwareHintsEnabled"
DISABLED: Final = "TopologyAwareHintsDisabled"


def wants_hints(service: JSONObject) -> bool:
    """hintsEnabled: the deprecated annotation counts where both are there."""
    annotations = annotations_of(service)
    return annotations.get(TOPOLOGY_HINTS, annotations.get(TOPOLOGY_MODE)) in ("Auto", "auto")


def is_ready(node: JSONObject) -> bool:
    """Whether its kubelet says so."""
    conditions = status_of(node).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def cpu_ratios(nodes: Iterable[JSONObject]) -> dict[str, float]:
    """The share of each zone in the CPUs of the ready workers.

    Empty where it cannot be told, and no Service gets hints: with fewer than two zones, and as soon as one of these nodes
    has no zone or no CPU to give.
    """
    milli: Counter[str] = Counter()
    for node in nodes:
        labels = labels_of(node)
        if any(label in labels for label in _EXCLUDED) or not is_ready(node):
            continue
        cpu = (status_of(node).get("allocatable") or {}).get("cpu")
        amount = Quantity.from_json(cpu).milli_value() if cpu is not None else 0
        if not labels.get(ZONE) or not amount:
            return {}
        milli[labels[ZONE]] += amount
    total = milli.total()
    return {zone: milli[zone] / total for zone in sorted(milli)} if len(milli) > 1 else {}


def is_overloaded(slices: Iterable[JSONObject], ratios: Mapping[str, float]) -> bool:
    """Whether the hints of a Service leave a zone short: GetOverloadedServices. Each address family is counted by itself."""
    by_family: dict[str, Counter[str]] = {}
    for found in slices:
        counted = by_family.setdefault(found["addressType"], Counter())
        counted.update(zone for e in _ready(found) for zone in _zones(e))
    for hints in by_family.values():
        least = {zone: ceil(hints.total() * ratio * _LEAST_SHARE) for zone, ratio in ratios.items()}
        if hints and (not ratios or any(hints[zone] < max(1, count) for zone, count in least.items())):
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Share:
    """How many endpoints are to be for a zone."""

    least: int
    most: int
    desired: float


class TopologyHints:
    """The hints of one Service: `assign` is asked for each address family, `remove` where the annotation is not there.

    `populated` says whether it has hints by the annotation, before and after; `events` is what to tell of it.
    """

    def __init__(self, ratios: Mapping[str, float], *, populated: bool) -> None:
        self._ratios = ratios
        self.populated = populated
        self.events: list[Occurrence] = []

    def assign(
        self,
        address_type: str,
        create: Sequence[JSONObject],
        update: list[JSONObject],
        unchanged: Sequence[JSONObject],
    ) -> None:
        """AddHints. The slices to write get hints; what must be written too is appended to `update`."""
        ready = sum(len(_ready(s)) for s in (*create, *update, *unchanged))
        shares = self._shares(ready)
        if isinstance(shares, str):
            self._give_up(address_type, shares, create, update, unchanged)
            return
        hints: Counter[str] = Counter()
        kept = []
        for found in unchanged:
            counted = _kept(found, hints, shares)
            if counted is None:
                update.append(dict(found))
            else:
                kept.append(found)
                hints += counted
        free = (*create, *update)
        if any(not e.get("zone") for s in free for e in _ready(s)):
            message = "One or more endpoints do not have a zone specified"
            self._give_up(address_type, message, create, update, kept)
            return
        hints.update(e["zone"] for s in free for e in _ready(s))
        giving, receiving = _exchanges(shares, hints)
        for found in free:
            found["endpoints"] = [_hinted(e, giving, receiving) for e in found.get("endpoints") or ()]
        if not self.populated:
            self._say(NORMAL, ENABLED, "Topology Aware Hints has been enabled", address_type)
        self.populated = True

    def withdraw(self, address_type: str) -> None:
        """The annotation has gone."""
        if self.populated:
            self._say(WARNING, DISABLED, "Topology Aware Hints has been disabled", address_type)
        self.populated = False

    def _shares(self, count: int) -> dict[str, _Share] | str:
        """getAllocations: the share of each zone in so many endpoints, or why that cannot be."""
        numbers = f"({count} endpoints, {len(self._ratios)} zones)"
        if not self._ratios:
            return "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
        if len(self._ratios) > count:
            return f"Insufficient number of endpoints {numbers}"
        desired = {zone: ratio * count for zone, ratio in self._ratios.items()}
        least = {zone: ceil(amount * _LEAST_SHARE) for zone, amount in desired.items()}
        spare = count - sum(least.values())
        if spare < 0:
            return (
                "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold "
                + numbers
            )
        return {
            zone: _Share(least[zone], least[zone] + spare, max(desired[zone], float(least[zone])))
            for zone in self._ratios
        }

    def _give_up(
        self,
        address_type: str,
        message: str,
        create: Iterable[JSONObject],
        update: list[JSONObject],
        unchanged: Iterable[JSONObject],
    ) -> None:
        self._say(WARNING, DISABLED, message, address_type)
        self.populated = False
        update += [dict(s) for s in unchanged if any("hints" in e for e in s.get("endpoints") or ())]
        for found in (*create, *update):
            found["endpoints"] = [without_hints(e) for e in found.get("endpoints") or ()]

    def _say(self, kind: str, reason: str, message: str, address_type: str) -> None:
        self.events.append(Occurrence(kind, reason, f"{message}, addressType: {address_type}"))


def without_hints(endpoint: JSONObject) -> JSONObject:
    """A copy that has none."""
    return {k: v for k, v in endpoint.items() if k != "hints"}


def _ready(found: JSONObject) -> list[JSONObject]:
    return [e for e in found.get("endpoints") or () if (e.get("conditions") or {}).get("ready") is True]


def _zones(endpoint: JSONObject) -> list[str]:
    return [z["name"] for z in (endpoint.get("hints") or {}).get("forZones") or ()]


def _kept(found: JSONObject, before: Counter[str], shares: Mapping[str, _Share]) -> Counter[str] | None:
    """getHintsByZone: the hints of a slice that may stay, beside those of the slices `before`; else None."""
    hints: Counter[str] = Counter()
    for endpoint in _ready(found):
        zones = _zones(endpoint)
        if not zones or any(zone not in shares for zone in zones):
            return None
        hints.update(zones)
    if any(count + before[zone] > shares[zone].most for zone, count in hints.items()):
        return None
    return hints


def _exchanges(shares: Mapping[str, _Share], hints: Mapping[str, int]) -> tuple[Counter[str], Counter[str]]:
    """getGivingAndReceivingZones: how many endpoints each zone gives to others, and how many it gets."""
    over = {zone: hints[zone] - share.desired for zone, share in shares.items()}
    too_many = {zone: amount for zone, amount in over.items() if amount > 0}
    too_few = {zone: -amount for zone, amount in over.items() if amount < 0}
    giving: Counter[str] = Counter()
    receiving: Counter[str] = Counter()
    while too_many and too_few:
        giver, taker = max(too_many, key=too_many.__getitem__), max(too_few, key=too_few.__getitem__)
        most, least = max(too_many[giver], too_few[taker]), min(too_many[giver], too_few[taker])
        if most < 1.0 or least < 0.5:
            break
        giving[giver] += 1
        too_many[giver] -= 1
        receiving[taker] += 1
        too_few[taker] -= 1
    return giving, receiving


def _hinted(endpoint: JSONObject, giving: Counter[str], receiving: Counter[str]) -> JSONObject:
    """An endpoint with its hint: for its own zone, or for one that gets some of what its own has too many."""
    found = without_hints(endpoint)
    if (endpoint.get("conditions") or {}).get("ready") is not True:
        return found
    zone = endpoint["zone"]
    taker = next((z for z in sorted(receiving) if receiving[z]), "")
    if giving[zone] and taker:
        giving[zone] -= 1
        receiving[taker] -= 1
        zone = taker
    return found | {"hints": {"forZones": [{"name": zone}]}}
