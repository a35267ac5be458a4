"""What must hold in every cluster that has come to rest, worked out anew from Services and Pods alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from kubesim.client.resources import ENDPOINT_SLICES, ENDPOINTS, NAMESPACES, PODS, SERVICES
from kubesim.cluster.build import Cluster

Object = dict[str, Any]


def inconsistencies(cluster: Cluster) -> list[str]:
    """What does not hold; runs the controllers first."""
    cluster.settle()
    found = [f"a second settle did {a}" for a in cluster.settle().actions]
    found += [f"repair: {r}" for r in cluster.repair()]
    services, pods = listed(cluster, SERVICES), listed(cluster, PODS)
    found += shared(services, pods)
    found += wrong_endpoints(cluster, services, pods)
    found += orphans(cluster, services)
    return found


def listed(cluster: Cluster, gvr: Any) -> list[Object]:
    items: list[Object] = cluster.client.list(gvr)["items"]
    return items


def key(obj: Object) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def shared(services: list[Object], pods: list[Object]) -> Iterator[str]:
    """Addresses and node ports that two have."""
    taken: Counter[object] = Counter()
    for service in services:
        spec = service["spec"]
        taken.update(ip for ip in spec.get("clusterIPs") or () if ip != "None")
        taken.update((p["protocol"], p["nodePort"]) for p in spec.get("ports") or () if p.get("nodePort"))
        if spec.get("healthCheckNodePort"):
            taken[("TCP", spec["healthCheckNodePort"])] += 1
    taken.update(i["ip"] for p in pods if has_address(p) for i in p["status"]["podIPs"])
    yield from (f"{what} is shared" for what, times in taken.items() if times > 1)


def has_address(pod: Object) -> bool:
    return bool(pod["status"].get("podIPs")) and pod["status"]["phase"] not in ("Succeeded", "Failed")


def selects(service: Object, pod: Object) -> bool:
    selector = service["spec"].get("selector")
    if not selector or service["spec"]["type"] == "ExternalName":
        return False
    same = service["metadata"]["namespace"] == pod["metadata"]["namespace"]
    labels = pod["metadata"].get("labels") or {}
    return same and all(labels.get(k) == v for k, v in selector.items())


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def wrong_endpoints(cluster: Cluster, services: list[Object], pods: list[Object]) -> Iterator[str]:
    """Services whose Endpoints or slices are not the Pods that they select."""
    endpoints = {key(e): e for e in listed(cluster, ENDPOINTS)}
    slices: dict[str, list[Object]] = {}
    for piece in listed(cluster, ENDPOINT_SLICES):
        name = piece["metadata"]["labels"]["kubernetes.io/service-name"]
        slices.setdefault(f"{piece['metadata']['namespace']}/{name}", []).append(piece)
    for service in services:
        if not service["spec"].get("selector") or service["spec"]["type"] == "ExternalName":
            continue
        name = key(service)
        chosen = [p for p in pods if selects(service, p) and has_address(p)]
        yield from _wrong_slices(service, chosen, slices.get(name, []))
        everyone = service["spec"].get("publishNotReadyAddresses", False)
        living = [p for p in chosen if everyone or "deletionTimestamp" not in p["metadata"]]
        for field, wanted in (
            ("addresses", [p for p in living if everyone or is_ready(p)]),
            ("notReadyAddresses", [p for p in living if not everyone and not is_ready(p)]),
        ):
            seen = [
                a["targetRef"]["uid"]
                for s in endpoints.get(name, {}).get("subsets") or ()
                for a in s.get(field) or ()
            ]
            if service["spec"].get("ports") and sorted(seen) != sorted(p["metadata"]["uid"] for p in wanted):
                yield f"{field} of {name} are {seen}"


def _wrong_slices(service: Object, pods: list[Object], slices: list[Object]) -> Iterator[str]:
    everyone = service["spec"].get("publishNotReadyAddresses", False)
    for family in service["spec"]["ipFamilies"]:
        wanted = {}
        for pod in pods:
            ends = "deletionTimestamp" in pod["metadata"]
            serving = is_ready(pod)
            addresses = [i["ip"] for i in pod["status"]["podIPs"] if (":" in i["ip"]) == (family == "IPv6")]
            if addresses:
                wanted[addresses[0]] = (
                    pod["metadata"]["uid"],
                    everyone or (serving and not ends),
                    serving,
                    ends,
                )
        seen: dict[str, tuple[Any, ...]] = {}
        for piece in slices:
            for end in piece.get("endpoints") or () if piece["addressType"] == family else ():
                address, conditions = end["addresses"][0], end["conditions"]
                if address in seen:
                    yield f"{address} is twice in the slices of {key(service)}"
                told = (conditions["ready"], conditions.get("serving"), conditions.get("terminating"))
                seen[address] = (end["targetRef"]["uid"], *told)
        if seen != wanted:
            yield f"the {family} slices of {key(service)} hold {seen}, not {wanted}"


def orphans(cluster: Cluster, services: list[Object]) -> Iterator[str]:
    """Objects of Services or namespaces that are gone."""
    names = {key(s) for s in services}
    for piece in listed(cluster, ENDPOINT_SLICES):
        service = (
            f"{piece['metadata']['namespace']}/{piece['metadata']['labels']['kubernetes.io/service-name']}"
        )
        if service not in names:
            yield f"slice {key(piece)} of {service} has no Service"
    yield from (
        f"Endpoints {key(e)} have no Service" for e in listed(cluster, ENDPOINTS) if key(e) not in names
    )
    namespaces = {n["metadata"]["name"]: n for n in cluster.client.list(NAMESPACES)["items"]}
    for gvr in (SERVICES, PODS, ENDPOINTS, ENDPOINT_SLICES):
        yield from (
            f"{key(o)} is in no namespace"
            for o in listed(cluster, gvr)
            if o["metadata"]["namespace"] not in namespaces
        )
