"""NetworkPolicies as Kubernetes' own tests (test/e2e/network/netpol/network_policy.go) ask for them: three namespaces with three
Pods each, and who of them reaches whom under which policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from support.network import POLICIES, NetLab

from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.resources import NAMESPACES, PODS
from kubesim.runtime.application import TransportProtocol

SPACES, LETTERS = ("x", "y", "z"), ("a", "b", "c")
EVERYBODY = [f"{space}/{letter}" for space in SPACES for letter in LETTERS]
Spec = dict[str, Any]
Denied = Callable[[str, str], bool]
"""Whether a Pod is kept from another one."""


def pod(letter: str) -> Spec:
    return {"matchLabels": {"pod": letter}}


def among(key: str, *values: str, operator: str = "In") -> Spec:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def space(name: str) -> Spec:
    return {"matchLabels": {"ns": name}}


NOT_X = among("ns", "x", operator="NotIn")


def at(number: int | str | None = None, protocol: str = "") -> Spec:
    return ({"port": number} if number is not None else {}) | ({"protocol": protocol} if protocol else {})


def ingress(selector: Spec, *rules: Spec) -> Spec:
    return {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": list(rules)}


def egress(selector: Spec, *rules: Spec) -> Spec:
    return {"podSelector": selector, "policyTypes": ["Egress"], "egress": list(rules)}


def peers(*found: Spec, ports: list[Spec] | None = None) -> Spec:
    return {"from": list(found)} | ({"ports": ports} if ports else {})


def nobody(source: str, target: str) -> bool:
    return False


def into(*targets: str, but: tuple[str, ...] = ()) -> Denied:
    """To these Pods or namespaces nobody comes but those."""
    return lambda source, target: target.startswith(targets) and not source.startswith(but or ("-",))


def out_of(*sources: str, but: tuple[str, ...] = ()) -> Denied:
    return lambda source, target: source.startswith(sources) and not target.startswith(but or ("-",))


def either(*found: Denied) -> Denied:
    return lambda source, target: any(denied(source, target) for denied in found)


@dataclass(frozen=True)
class Check:
    denied: Denied
    port: int = 80
    protocol: TransportProtocol = "TCP"


class Cyclonus:
    """The Pods, each of which serves ports 80 and 81 over all protocols."""

    def __init__(self) -> None:
        self.lab = lab = NetLab()
        ports = [
            {"name": f"serve-{number}-{protocol.lower()}", "containerPort": number, "protocol": protocol}
            for number in (80, 81)
            for protocol in ("TCP", "UDP", "SCTP")
        ]
        env = [
            {"name": f"SERVE_{protocol}PORT_{number}", "value": "hello"}
            for number in (80, 81)
            for protocol in ("", "UDP_", "SCTP_")
        ]
        for name in SPACES:
            lab.namespace(name, ns=name)
            for number, letter in enumerate(LETTERS):
                container = {
                    "name": "c",
                    "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
                    "args": ["porter"],
                    "env": env,
                    "ports": ports,
                }
                node = f"node-{number % 2 + 1}"
                lab.pod(letter, namespace=name, node=node, labels={"pod": letter}, containers=[container])

    def apply(self, namespace: str, spec: Spec, name: str = "") -> None:
        made = self.lab.client.list(POLICIES, namespace)["items"]
        self.lab.policy(name or f"policy-{len(made)}", spec, namespace)

    def clear(self) -> None:
        for item in self.lab.client.list(POLICIES)["items"]:
            self.lab.client.delete(POLICIES, item["metadata"]["name"], item["metadata"]["namespace"])
        self.lab.cluster.settle()

    def label(self, pod: str = "", namespace: str = "", **labels: str | None) -> None:
        change = {"metadata": {"labels": labels}}
        if pod:
            where, _, name = pod.partition("/")
            self.lab.client.patch(PODS, name, change, MERGE_PATCH, where)
        else:
            self.lab.client.patch(NAMESPACES, namespace, change, MERGE_PATCH)
        self.lab.cluster.settle()

    def check(self, denied: Denied, port: int = 80, protocol: TransportProtocol = "TCP") -> None:
        """Nobody is kept from itself, by any network."""
        addresses = {name: self.lab.address(name[2:], name[0]) for name in EVERYBODY}
        views = {name: self.lab.view(name) for name in EVERYBODY}
        found = {
            (source, target): views[source].send(addresses[target], port, protocol).outcome
            for source in EVERYBODY
            for target in EVERYBODY
            if source != target
        }
        expected = {pair: "timed out" if denied(*pair) else "reached" for pair in found}
        assert found == expected


@pytest.fixture(scope="module")
def pods() -> Cyclonus:
    return Cyclonus()


@pytest.fixture
def net(pods: Cyclonus) -> Iterator[Cyclonus]:
    yield pods
    pods.clear()


DENY, DENY_OUT = ingress({}), egress({})
ONLY_Y_81 = ingress(pod("a"), peers({"namespaceSelector": space("y")}, ports=[at(81, "TCP")]))
ONLY_Y_80 = ingress(pod("a"), peers({"namespaceSelector": space("y")}, ports=[at(80, "TCP")]))
Policies = list[tuple[str, Spec]]

CASES: list[tuple[str, Policies, list[Check]]] = [
    ("should support a 'default-deny-ingress' policy", [("x", DENY)], [Check(into("x/"))]),
    (
        "should support a 'default-deny-all' policy",
        [("x", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})],
        [Check(either(into("x/"), out_of("x/")))],
    ),
    (
        "should enforce policy to allow traffic from pods within server namespace based on PodSelector",
        [("x", ingress(pod("a"), peers({"podSelector": pod("b")})))],
        [Check(into("x/a", but=("x/b",)))],
    ),
    (
        "should enforce policy to allow ingress traffic for a target",
        [("x", DENY), ("x", ingress(pod("a"), peers({"podSelector": {}, "namespaceSelector": {}})))],
        [Check(into("x/b", "x/c"))],
    ),
    (
        "should enforce policy to allow ingress traffic from pods in all namespaces",
        [("x", ingress(pod("a"), peers({"namespaceSelector": {}})))],
        [Check(nobody)],
    ),
    (
        "should enforce policy to allow traffic only from a different namespace, based on NamespaceSelector",
        [("x", ingress(pod("a"), peers({"namespaceSelector": space("y")})))],
        [Check(into("x/a", but=("y/",)))],
    ),
    (
        "should enforce policy based on PodSelector with MatchExpressions",
        [("x", ingress(pod("a"), peers({"podSelector": among("pod", "b")})))],
        [Check(into("x/a", but=("x/b",)))],
    ),
    (
        "should enforce policy based on NamespaceSelector with MatchExpressions",
        [("x", ingress(pod("a"), peers({"namespaceSelector": among("ns", "y")})))],
        [Check(into("x/a", but=("y/",)))],
    ),
    (
        "should enforce policy based on PodSelector or NamespaceSelector",
        [("x", ingress(pod("a"), peers({"namespaceSelector": NOT_X}, {"podSelector": pod("b")})))],
        [Check(into("x/a", but=("x/b", "y/", "z/")))],
    ),
    (
        "should enforce policy based on PodSelector and NamespaceSelector",
        [("x", ingress(pod("a"), peers({"namespaceSelector": NOT_X, "podSelector": pod("b")})))],
        [Check(into("x/a", but=("y/b", "z/b")))],
    ),
    (
        "should enforce policy based on Multiple PodSelectors and NamespaceSelectors",
        [("x", ingress(pod("a"), peers({"namespaceSelector": NOT_X, "podSelector": among("pod", "b", "c")})))],
        [Check(into("x/a", but=("y/b", "y/c", "z/b", "z/c")))],
    ),
    (
        "should enforce policy based on any PodSelectors",
        [("x", ingress(pod("a"), peers({"podSelector": pod("b")}, {"podSelector": pod("c")})))],
        [Check(into("x/a", but=("x/b", "x/c")))],
    ),
    (
        "should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector",
        [("x", ingress(pod("a"), peers({"namespaceSelector": space("y"), "podSelector": pod("a")})))],
        [Check(into("x/a", but=("y/a",)))],
    ),
    ("should enforce policy based on Ports", [("x", ONLY_Y_81)], [Check(into("x/a", but=("y/",)), 81)]),
    (
        "should enforce multiple, stacked policies with overlapping podSelectors",
        [("x", ONLY_Y_81), ("x", ONLY_Y_80)],
        [Check(into("x/a", but=("y/",)), 81), Check(into("x/a", but=("y/",)), 80)],
    ),
    ("should support allow-all policy", [("x", ingress({}, {}))], [Check(nobody), Check(nobody, 81)]),
    (
        "should allow ingress access on one named port",
        [("x", ingress({}, {"ports": [at("serve-81-tcp")]}))],
        [Check(nobody, 81), Check(into("x/"))],
    ),
    (
        "should allow ingress access from namespace on one named port",
        [("x", ingress(pod("a"), peers({"namespaceSelector": space("y")}, ports=[at("serve-80-tcp", "TCP")])))],
        [Check(into("x/a", but=("y/",))), Check(into("x/a"), 81)],
    ),
    (
        "should allow egress access on one named port",
        [("x", egress({}, {"ports": [at("serve-80-tcp")]}))],
        [Check(nobody), Check(out_of("x/"), 81)],
    ),
    (
        "should deny ingress from pods on other namespaces",
        [("x", ingress({}, peers({"podSelector": {}})))],
        [Check(into("x/", but=("x/",)))],
    ),
    (
        "should deny egress from pods based on PodSelector",
        [("x", egress(pod("a")))],
        [Check(out_of("x/a"))],
    ),
    ("should deny egress from all pods in a namespace", [("x", DENY_OUT)], [Check(out_of("x/"))]),
    (
        "should work with Ingress, Egress specified together",
        [
            (
                "x",
                {
                    "podSelector": pod("a"),
                    "policyTypes": ["Egress", "Ingress"],
                    "ingress": [peers({"podSelector": pod("b")})],
                    "egress": [{"ports": [at(80)]}],
                },
            )
        ],
        [
            Check(into("x/a", but=("x/b",))),
            Check(either(into("x/a", but=("x/b",)), out_of("x/a")), 81),
        ],
    ),
    (
        "should support denying of egress traffic on the client side (even if the server explicitly allows this traffic)",
        [
            ("x", egress(pod("a"), {"to": [{"namespaceSelector": space("y"), "podSelector": pod("a")}]})),
            ("y", ingress(pod("a"), peers({"namespaceSelector": space("x"), "podSelector": pod("a")}))),
            ("y", ingress(pod("b"), peers({"namespaceSelector": space("x"), "podSelector": pod("a")}))),
        ],
        [Check(either(out_of("x/a", but=("y/a",)), into("y/a", but=("x/a",)), into("y/b")))],
    ),
    (
        "should enforce egress policy allowing traffic to a server in a different namespace based on PodSelector and NamespaceSelector",
        [("x", egress(pod("a"), {"to": [{"namespaceSelector": space("y"), "podSelector": pod("a")}]}))],
        [Check(out_of("x/a", but=("y/a",)))],
    ),
    (
        "should enforce ingress policy allowing any port traffic to a server on a specific protocol",
        [("x", ingress(pod("a"), {"ports": [at(protocol="TCP")]}))],
        [Check(nobody), Check(into("x/a"), protocol="UDP")],
    ),
    (
        "should enforce multiple ingress policies with ingress allow-all policy taking precedence",
        [("x", ingress({}, {"ports": [at(80)]})), ("x", ingress({}, {}))],
        [Check(nobody, 81)],
    ),
    (
        "should enforce multiple egress policies with egress allow-all policy taking precedence",
        [("x", egress({}, {"ports": [at(80)]})), ("x", egress({}, {}))],
        [Check(nobody, 81)],
    ),
    (
        "should enforce policies to check ingress and egress policies can be controlled independently based on PodSelector",
        [("x", egress(pod("a"), {})), ("x", ingress(pod("a")))],
        [Check(into("x/a"))],
    ),
    (
        "should not mistakenly treat 'protocol: SCTP' as 'protocol: TCP', even if the plugin doesn't support SCTP",
        [("x", DENY), ("x", ingress(pod("a"), {"ports": [at(81, "SCTP")]}))],
        [Check(into("x/"), 81), Check(into("x/b", "x/c"), 81, "SCTP")],
    ),
    (
        "should properly isolate pods that are selected by a policy allowing SCTP, even if the plugin doesn't support SCTP",
        [("x", ingress(pod("a"), {"ports": [at(80, "SCTP")]}))],
        [Check(into("x/a"), 81)],
    ),
    (
        "should not allow access by TCP when a policy specifies only UDP",
        [("x", ingress(pod("a"), {"ports": [at(81, "UDP")]}))],
        [Check(into("x/a"), 81), Check(nobody, 81, "UDP")],
    ),
    (
        "should enforce policy to allow traffic based on NamespaceSelector with MatchLabels using default ns label",
        [
            (
                "x",
                ingress(
                    pod("a"),
                    peers({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "y"}}}),
                ),
            )
        ],
        [Check(into("x/a", but=("y/",)))],
    ),
    (
        "should enforce policy based on NamespaceSelector with MatchExpressions using default ns label",
        [
            (
                "x",
                egress(
                    pod("a"),
                    {"to": [{"namespaceSelector": among("kubernetes.io/metadata.name", "y", operator="NotIn")}]},
                ),
            )
        ],
        [Check(lambda source, target: source == "x/a" and target.startswith("y/"))],
    ),
    (
        "UDP: should support a 'default-deny-ingress' policy",
        [("x", DENY)],
        [Check(into("x/"), protocol="UDP")],
    ),
    (
        "UDP: should enforce policy based on Ports",
        [("x", ingress(pod("a"), peers({"namespaceSelector": space("y")}, ports=[at(81, "UDP")])))],
        [Check(into("x/a", but=("y/",)), 81, "UDP"), Check(into("x/a"), 80, "UDP")],
    ),
    (
        "UDP: should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector",
        [("x", ingress(pod("a"), peers({"namespaceSelector": space("y"), "podSelector": pod("a")})))],
        [Check(into("x/a", but=("y/a",)), protocol="UDP")],
    ),
    (
        "SCTP: should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector",
        [("x", ingress(pod("a"), peers({"namespaceSelector": space("y"), "podSelector": pod("a")})))],
        [Check(into("x/a", but=("y/a",)), protocol="SCTP")],
    ),
    (
        "SCTP: should support a 'default-deny-ingress' policy",
        [("x", DENY)],
        [Check(into("x/"), protocol="SCTP")],
    ),
    (
        "SCTP: should enforce policy based on Ports",
        [("x", ingress(pod("a"), peers({"namespaceSelector": space("y")}, ports=[at(81, "SCTP")])))],
        [Check(into("x/a", but=("y/",)), 81, "SCTP"), Check(into("x/a"), 80, "SCTP")],
    ),
    (
        "a range of ports (none of upstream's)",
        [("x", ingress(pod("a"), {"ports": [at(81, "TCP") | {"endPort": 82}]}))],
        [Check(nobody, 81), Check(into("x/a"), 80)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("policies", "checks"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_policies(net: Cyclonus, policies: Policies, checks: list[Check]) -> None:
    for namespace, spec in policies:
        net.apply(namespace, spec)
    for check in checks:
        net.check(check.denied, check.port, check.protocol)


def test_policies_are_updated(net: Cyclonus) -> None:
    net.apply("x", ingress({}, {}), "mutated")
    net.check(nobody, 81)
    net.lab.client.patch(POLICIES, "mutated", {"spec": {"ingress": []}}, MERGE_PATCH, "x")
    net.check(into("x/"), 81)


def test_labels_of_namespaces_are_updated(net: Cyclonus) -> None:
    net.apply("x", ingress(pod("a"), peers({"namespaceSelector": {"matchLabels": {"ns2": "updated"}}})))
    net.check(into("x/a"))
    net.label(namespace="y", ns2="updated")
    net.check(into("x/a", but=("y/",)))
    net.label(namespace="y", ns2=None)


def test_labels_of_allowed_pods_are_updated(net: Cyclonus) -> None:
    selector = {"matchLabels": {"pod": "b", "pod2": "updated"}}
    net.apply("x", ingress(pod("a"), peers({"podSelector": selector})))
    net.check(into("x/a"))
    net.label("x/b", pod2="updated")
    net.check(into("x/a", but=("x/b",)))
    net.label("x/b", pod2=None)


def test_labels_of_isolated_pods_are_updated(net: Cyclonus) -> None:
    net.apply("x", ingress({"matchLabels": {"target": "isolated"}}))
    net.check(nobody)
    net.label("x/a", target="isolated")
    net.check(into("x/a"))
    net.label("x/a", target=None)


def test_policies_are_over_when_they_are_deleted(net: Cyclonus) -> None:
    net.apply("x", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    net.check(either(into("x/"), out_of("x/")))
    net.clear()
    net.check(nobody)


def test_blocks_of_addresses(net: Cyclonus) -> None:
    server = net.lab.address("b", "y")
    net.apply("x", egress(pod("a"), {"to": [{"ipBlock": {"cidr": f"{server}/32"}}]}))
    net.check(out_of("x/a", but=("y/b",)))


def test_exceptions_of_blocks(net: Cyclonus) -> None:
    """And an address that another policy allows after all."""
    server = f"{net.lab.address('b', 'x')}/32"
    net.apply(
        "x", egress(pod("a"), {"to": [{"ipBlock": {"cidr": "10.244.0.0/16", "except": [server]}}]}), "cidr"
    )
    net.check(out_of("x/a", but=("y/", "z/", "x/c")))
    spec = egress(pod("a"), {"to": [{"ipBlock": {"cidr": server}}]})
    net.lab.client.patch(POLICIES, "cidr", {"spec": spec}, MERGE_PATCH, "x")
    net.check(out_of("x/a", but=("x/b",)))
