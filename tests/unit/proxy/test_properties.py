"""Random Services, slices and packets: against a plain scan of the printed rules, and against what Kubernetes
promises.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from support.iptables_text import Walker
from support.proxies import NODE_ADDRESSES, Network, endpoint_slice, service

from kubesim.client.resources import NODES as NODE_RESOURCE
from kubesim.proxy import NodeProxy, Packet, ProxyConfig, StateAffinity, Verdict
from kubesim.proxy.addresses import FAMILIES, Family
from kubesim.util.ids import SystemIdentities
from kubesim.util.jsontypes import JSONObject
from kubesim.util.state import MemoryState

NODES = tuple(NODE_ADDRESSES)
ZONES = ("", "a", "b")
CLUSTER_IPS = ("10.96.1.1", "10.96.1.2", "10.96.1.3")
EXTERNAL_IPS = ("192.0.2.10", "192.0.2.11")
BALANCER_IPS = ("203.0.113.5", "203.0.113.6")
NODE_PORTS = (30080, 30081, 30082, 31999)
PORTS = (80, 81)
POD_IPS = tuple(f"10.244.{node}.{host}" for node in range(3) for host in (2, 3))
KNOWN = (*POD_IPS, *NODE_ADDRESSES.values())
LOCAL = {name: (address, f"10.244.{i}.1") for i, (name, address) in enumerate(NODE_ADDRESSES.items())}
POLICY = st.sampled_from(("Cluster", "Local"))
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def network() -> Network:
    """One cluster for all examples: each begins by clearing it."""
    return Network(warm=True)


def _subset(values: tuple[Any, ...]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=len(values))


@st.composite
def endpoints(draw: st.DrawFn) -> list[JSONObject]:
    """Endpoints of one slice; a few are in the host's network."""
    found = []
    for address in draw(_subset((*POD_IPS, *NODE_ADDRESSES.values()))):
        own = [name for name, host in NODE_ADDRESSES.items() if host == address]
        node = own[0] if own else f"node-{int(address.split('.')[2]) + 1}"
        condition = draw(st.sampled_from(("ready", "ready", "ready", "not", "finishing", "gone")))
        made = {
            "addresses": [address],
            "nodeName": node,
            "conditions": {
                "ready": condition == "ready",
                "serving": condition in {"ready", "finishing"},
                "terminating": condition in {"finishing", "gone"},
            },
        }
        zones = draw(st.lists(st.sampled_from(ZONES[1:]), unique=True, max_size=2))
        found.append(made | ({"hints": {"forZones": [{"name": z} for z in zones]}} if zones else {}))
    return found


@st.composite
def services(draw: st.DrawFn, number: int = 0) -> list[JSONObject]:
    """A Service with its slice; its address and node ports are its own, external addresses are anybody's."""
    kind = draw(st.sampled_from(("ClusterIP", "NodePort", "LoadBalancer")))
    protocol = draw(st.sampled_from(("TCP", "TCP", "UDP")))
    ports: list[JSONObject] = [{"name": "http", "port": draw(st.sampled_from(PORTS)), "protocol": protocol}]
    if kind != "ClusterIP":
        ports[0]["nodePort"] = NODE_PORTS[number]
    spec: dict[str, Any] = {
        "clusterIP": CLUSTER_IPS[number],
        "type": kind,
        "ports": ports,
        "internalTrafficPolicy": draw(POLICY),
        "externalTrafficPolicy": draw(POLICY),
        "externalIPs": draw(_subset(EXTERNAL_IPS)),
    }
    if draw(st.booleans()):
        spec |= {
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": draw(st.sampled_from((10, 10800)))}},
        }
    ingress: list[JSONObject] = []
    if kind == "LoadBalancer":
        modes = st.sampled_from((None, "VIP", "VIP", "Proxy"))
        ingress = [
            {"ip": ip} | ({"ipMode": mode} if (mode := draw(modes)) else {})
            for ip in draw(_subset(BALANCER_IPS))
        ]
        spec["loadBalancerSourceRanges"] = draw(
            _subset(("198.51.100.0/24", "172.18.0.0/16", "10.244.1.0/24"))
        )
        if spec["externalTrafficPolicy"] == "Local":
            spec["healthCheckNodePort"] = NODE_PORTS[3]
    name = f"web-{number}"
    return [
        service(name, ingress=ingress, **spec),
        endpoint_slice(*draw(endpoints()), name=name, protocol=protocol),
    ]


@st.composite
def packets(draw: st.DrawFn, node: str, made: tuple[JSONObject, ...]) -> Packet:
    """A packet that may come to a node: from one of its own Pods, itself, or outside; mostly to one of the Services."""
    interface = draw(st.sampled_from(("pod", "node", "outside")))
    at = NODES.index(node)
    sources = {
        "pod": (f"10.244.{at}.2", f"10.244.{at}.3", f"10.244.{at}.9"),
        "node": (NODE_ADDRESSES[node], "127.0.0.1", f"10.244.{at}.1", *BALANCER_IPS),
        "outside": ("198.51.100.7", "8.8.8.8", *NODE_ADDRESSES.values(), "10.244.1.77"),
    }
    loopback = ("127.0.0.1",) if interface == "node" else ()
    own = (*LOCAL[node], *loopback)
    known = [(a, p["port"], p["protocol"]) for s in made for a in addresses(s) for p in s["spec"]["ports"]]
    known += [
        (a, p["nodePort"], p["protocol"])
        for s in made
        for p in s["spec"]["ports"]
        if "nodePort" in p
        for a in own
    ]
    known += [
        (a, s["spec"]["healthCheckNodePort"], "TCP")
        for s in made
        if "healthCheckNodePort" in s["spec"]
        for a in own
    ]
    anything = st.tuples(
        st.sampled_from(
            (
                *CLUSTER_IPS,
                *EXTERNAL_IPS,
                *BALANCER_IPS,
                *NODE_ADDRESSES.values(),
                *own,
                "9.9.9.9",
                "10.244.1.2",
            )
        ),
        st.sampled_from((*PORTS, *NODE_PORTS, 8080)),
        st.sampled_from(("TCP", "UDP")),
    )
    destination, port, protocol = draw(st.one_of(*[st.sampled_from(known)] * 3, anything))
    return Packet(
        draw(st.sampled_from(sources[interface])),
        draw(st.integers(1024, 65535)),
        destination,
        port,
        protocol,
        interface,
    )


def addresses(made: JSONObject) -> list[str]:
    """Where a Service is asked for."""
    balancers = [point["ip"] for point in made["status"]["loadBalancer"]["ingress"]]
    return [made["spec"]["clusterIP"], *made["spec"]["externalIPs"], *balancers]


def in_six(text: str) -> str:
    """A text in which each IPv4 address is one of IPv6, and each prefix that of the same hosts."""

    def translated(found: re.Match[str]) -> str:
        address, prefix = found[1], found[2]
        if address == "127.0.0.1":
            return "::1"
        six = IPv6Address((0xFD00 << 112) + int(IPv4Address(address)))
        return f"{six}/{int(prefix) + 96}" if prefix else str(six)

    return re.sub(r"(\d+\.\d+\.\d+\.\d+)(?:/(\d+))?", translated, text)


def of_family(made: list[JSONObject], family: Family) -> list[JSONObject]:
    """Objects as they are, or the same in IPv6."""
    if family == "IPv4":
        return made
    return [json.loads(in_six(json.dumps(obj)).replace('"IPv4"', '"IPv6"')) for obj in made]


@cache
def network_in(family: Family) -> Network:
    """A cluster whose nodes have addresses of a family."""
    net = network() if family == "IPv4" else Network(warm=True)
    if family == "IPv6":
        for name in NODES:
            net.put(*of_family([net.client.get(NODE_RESOURCE, name)], family))
    return net


@MANY
@given(data=st.data(), seed=st.integers(0, 1000))
def test_dispatch_by_address_is_a_scan_of_all_rules(data: st.DataObject, seed: int) -> None:
    """The same random bits lead the same packets the same way through the text that iptables-save prints."""
    family: Family = data.draw(st.sampled_from(FAMILIES), "family")
    net, node = network_in(family), data.draw(st.sampled_from(NODES), "node")
    translated = in_six if family == "IPv6" else str
    net.clear()
    many = data.draw(st.integers(1, 3), "how many")
    made = [data.draw(services(number), f"service {number}") for number in range(many)]
    net.put(*of_family([obj for objects in made for obj in objects], family))
    proxy = NodeProxy(
        net.client,
        node_name=node,
        config=ProxyConfig(cluster_cidrs=(translated("10.244.0.0/16"),)),
        identities=SystemIdentities(seed),
        affinity=StateAffinity(MemoryState(), net.clock),
        catalog=net.catalog,
    )
    bits = SystemIdentities(seed)
    walker = Walker(proxy.save(family), [translated(a) for a in LOCAL[node]], lambda: bits.below(1 << 31))
    for packet in data.draw(
        st.lists(packets(node, tuple(m[0] for m in made)), min_size=5, max_size=15), "packets"
    ):
        source, destination = translated(packet.source), translated(packet.destination)
        verdict = proxy.translate(replace(packet, source=source, destination=destination))
        event(verdict.action)
        assert (
            verdict.action,
            verdict.destination,
            verdict.destination_port,
            verdict.masquerade,
        ) == walker.send(source, destination, packet.destination_port, packet.protocol, packet.interface)


class Chosen(SystemIdentities):
    """Every rule that asks for chance says no, but the one at a place."""

    def __init__(self, place: int) -> None:
        super().__init__(0)
        self._left = place

    def below(self, limit: int) -> int:
        self._left -= 1
        return 0 if self._left < 0 else limit - 1


def possible(net: Network, node: str, packet: Packet, pods: str) -> tuple[set[str], list[Verdict]]:
    """Everything that may become of a packet; `pods` is the network of Pods."""
    verdicts = []
    for place in range(len(POD_IPS) + len(NODES)):
        proxy = NodeProxy(
            net.client,
            node_name=node,
            config=ProxyConfig(cluster_cidrs=(pods,)),
            identities=Chosen(place),
            affinity=StateAffinity(MemoryState(), net.clock),
            catalog=net.catalog,
        )
        verdicts.append(proxy.translate(packet))
    found = {f"{v.destination}:{v.destination_port}" if v.action == "dnat" else v.action for v in verdicts}
    return found, verdicts


def promised(
    made: JSONObject, part: JSONObject, packet: Packet, node: str, zone: str, family: Family
) -> set[str]:
    """Who may answer, in the words of the documentation of Services: nothing here knows of chains or rules. Addresses are
    those of IPv4; of the other family it is known that its loopback address has no node ports, and nobody guards it.
    """
    spec, port = made["spec"], made["spec"]["ports"][0]
    external = spec["externalIPs"] if spec["type"] else []
    balancers = [i["ip"] for i in made["status"]["loadBalancer"]["ingress"] if i.get("ipMode") != "Proxy"]
    own = {NODE_ADDRESSES[node], f"10.244.{NODES.index(node)}.1", "127.0.0.1"}
    loopback = packet.destination == "127.0.0.1"
    same_port = packet.destination_port == port["port"] and packet.protocol == port["protocol"]
    at_node_port = (
        packet.destination in own
        and packet.destination_port == port.get("nodePort")
        and packet.protocol == port["protocol"]
    )
    internal = packet.destination == spec["clusterIP"] and same_port
    from_outside = packet.destination in {*external, *balancers} and same_port
    if loopback and family == "IPv4" and packet.source != "127.0.0.1" and not at_node_port:
        return {"drop"}  # nobody but the node itself reaches its loopback
    if loopback and family == "IPv6" and at_node_port:
        # It leads nowhere, and nobody listens there. Where nobody would answer from outside, rules have said so before.
        policy, every = spec["externalTrafficPolicy"], part["endpoints"]
        if _usable(every if policy == "Cluster" else [e for e in every if e["nodeName"] == node]):
            return {"accept"}
        return {"drop" if _usable(every) else "reject"}
    if not (internal or from_outside or at_node_port):
        return {"accept"}
    policy = spec["internalTrafficPolicy" if internal else "externalTrafficPolicy"]
    # What starts inside the cluster on this node is as if it had come in by a balancer: it may go anywhere.
    inside = packet.source in own or (packet.source.startswith("10.244."))
    if not internal and inside:
        policy = "Cluster"
    usable = {
        "Cluster": _usable(part["endpoints"], zone=zone),
        "Local": _usable([e for e in part["endpoints"] if e["nodeName"] == node]),
    }
    ranges = spec.get("loadBalancerSourceRanges") or []
    anybody = any(e["conditions"]["ready"] or e["conditions"]["serving"] for e in part["endpoints"])
    guarded = ranges and packet.destination in balancers and packet.destination not in external and anybody
    if guarded:
        allowed = [r for r in ranges if _inside(packet.source, r)]
        if _inside(NODE_ADDRESSES[node], *ranges) and packet.source in balancers:
            allowed.append("itself")
        if not allowed:
            return {"drop"}
    answers = usable[policy]
    if not answers:
        if from_outside and packet.interface == "node" and packet.destination not in own:
            # The node's own request goes out to whoever has that address, unless the balancer's ranges guard it.
            return {"drop" if guarded else "accept"}
        to_loopback = packet.destination == "127.0.0.1" != packet.source
        return {"drop" if to_loopback or _usable(part["endpoints"]) else "reject"}
    return {f"{e['addresses'][0]}:{part['ports'][0]['port']}" for e in answers}


def masqueraded(made: JSONObject, packet: Packet, node: str, verdict: Verdict) -> bool:
    """Whether who answers must see the node instead of who asked: else the answer would take another way back."""
    own = {NODE_ADDRESSES[node], f"10.244.{NODES.index(node)}.1", "127.0.0.1"}
    if verdict.action != "dnat" or (verdict.destination in own and packet.interface != "node"):
        return False  # what the node itself receives did not leave it
    if verdict.destination == packet.source:
        return True  # whoever answers itself must not see its own address
    of_a_pod = packet.source.startswith("10.244.")
    if packet.destination == made["spec"]["clusterIP"]:
        return not of_a_pod
    if made["spec"]["externalTrafficPolicy"] == "Cluster":
        return True
    return packet.source in own and not of_a_pod


def _inside(address: str, *networks: str) -> bool:
    from ipaddress import ip_address, ip_network

    return any(ip_address(address) in ip_network(n) for n in networks)


def _usable(found: list[JSONObject], *, zone: str = "") -> list[JSONObject]:
    """Ready ones, near ones if all say where they want to be; else those that are finishing."""
    ready = [e for e in found if e["conditions"]["ready"]]
    if not ready:
        return [e for e in found if e["conditions"]["serving"] and e["conditions"]["terminating"]]
    hinted = [{z["name"] for z in e.get("hints", {}).get("forZones", [])} for e in ready]
    near = [e for e, zones in zip(ready, hinted, strict=True) if zone in zones]
    return near if zone and near and all(hinted) else ready


@MANY
@given(data=st.data())
def test_those_answer_whom_kubernetes_promises(data: st.DataObject) -> None:
    family: Family = data.draw(st.sampled_from(FAMILIES), "family")
    translated = in_six if family == "IPv6" else str
    net, node = network_in(family), data.draw(st.sampled_from(NODES), "node")
    net.clear()
    made, part = data.draw(services(), "service")
    net.put(*of_family([made, part], family))
    zone = data.draw(st.sampled_from(ZONES), "zone")
    net.zone(node, zone)
    for packet in data.draw(st.lists(packets(node, (made,)), min_size=3, max_size=8), "packets"):
        wanted = {translated(answer) for answer in promised(made, part, packet, node, zone, family)}
        source, destination = translated(packet.source), translated(packet.destination)
        sent = replace(packet, source=source, destination=destination)
        found, verdicts = possible(net, node, sent, translated("10.244.0.0/16"))
        event(f"{len(found)} answers" if found - {"drop", "reject", "accept"} else min(found))
        assert found == wanted
        for verdict in verdicts:
            in_four = next((a for a in KNOWN if translated(a) == verdict.destination), packet.destination)
            expected = masqueraded(made, packet, node, replace(verdict, destination=in_four))
            assert verdict.masquerade is expected
