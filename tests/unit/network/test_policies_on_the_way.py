"""NetworkPolicies where packets pass: before and after what kube-proxy makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from support.network import HTTP_PORT, NODE_IPS, Answer, NetLab

NODE_1, NODE_2 = NODE_IPS["node-1"], NODE_IPS["node-2"]
WEB = {"matchLabels": {"app": "web"}}
DENIED = "timed out"


@pytest.fixture
def lab() -> NetLab:
    lab = NetLab()
    lab.pod("web", ports=[{"name": "http", "containerPort": HTTP_PORT}])
    lab.pod("friend", node="node-2")
    lab.pod("foe", node="node-1")
    lab.service("web", {"app": "web"}, type="NodePort")
    return lab


def _vip(lab: NetLab) -> tuple[str, int]:
    from kubesim.client.resources import SERVICES

    spec = lab.client.get(SERVICES, "web", "default")["spec"]
    return spec["clusterIP"], spec["ports"][0]["nodePort"]


def _allow(lab: NetLab, *peers: dict[str, Any], **more: Any) -> None:
    lab.policy("p", {"podSelector": WEB, "ingress": [{"from": list(peers)} | more]})


def test_ingress_by_labels_holds_through_a_service_too(lab: NetLab) -> None:
    vip, _ = _vip(lab)
    _allow(lab, {"podSelector": {"matchLabels": {"app": "friend"}}})
    assert lab.ask("friend", vip) == Answer("web", lab.address("friend"))
    assert lab.ask("friend", lab.address("web"), HTTP_PORT) == Answer("web", lab.address("friend"))
    assert lab.ask("foe", vip) == DENIED
    assert lab.ask("foe", lab.address("web"), HTTP_PORT) == DENIED


def test_ports_are_those_of_the_pod_not_of_the_service(lab: NetLab) -> None:
    vip, _ = _vip(lab)
    lab.policy("p", {"podSelector": WEB, "ingress": [{"ports": [{"port": 80}]}]})
    assert lab.ask("friend", vip) == DENIED
    lab.policy("q", {"podSelector": WEB, "ingress": [{"ports": [{"port": "http"}]}]})
    assert lab.ask("friend", vip) == Answer("web", lab.address("friend"))


def test_a_pod_is_never_kept_from_itself_nor_from_its_node(lab: NetLab) -> None:
    vip, _ = _vip(lab)
    lab.policy("p", {"podSelector": WEB, "policyTypes": ["Ingress", "Egress"]})
    assert lab.ask("web", vip) == Answer("web", "10.244.0.1")
    assert lab.ask("web", "127.0.0.1", HTTP_PORT) == Answer("web", "127.0.0.1")
    assert lab.ask("node/node-1", lab.address("web"), HTTP_PORT) == Answer("web", "10.244.0.1")
    assert lab.send("web", NODE_1, 10250).outcome == "reached"
    assert lab.send("web", NODE_2, 10250).outcome == DENIED
    assert lab.ask("node/node-2", lab.address("web"), HTTP_PORT) == DENIED


def test_from_outside_it_is_the_address_on_the_node_that_leads_on(lab: NetLab) -> None:
    _, node_port = _vip(lab)
    _allow(lab, {"ipBlock": {"cidr": "172.18.0.1/32"}})
    assert lab.ask("outside", NODE_1, node_port) == Answer("web", "10.244.0.1")
    assert lab.ask("outside", NODE_2, node_port) == DENIED  # it comes as node-2
    _allow_node = {"podSelector": WEB, "ingress": [{"from": [{"ipBlock": {"cidr": f"{NODE_2}/32"}}]}]}
    lab.policy("q", _allow_node)
    assert lab.ask("outside", NODE_2, node_port) == Answer("web", NODE_2)


def test_namespaces(lab: NetLab) -> None:
    lab.namespace("other", team="blue")
    lab.pod("stranger", namespace="other", node="node-2")
    vip, _ = _vip(lab)
    _allow(lab, {"namespaceSelector": {"matchLabels": {"team": "blue"}}})
    assert lab.ask("other/stranger", vip) == Answer("web", lab.address("stranger", "other"))
    assert lab.ask("friend", vip) == DENIED


def test_egress_sees_the_pod_behind_the_service(lab: NetLab) -> None:
    vip, node_port = _vip(lab)
    to_vip = {"to": [{"ipBlock": {"cidr": f"{vip}/32"}}]}
    lab.policy(
        "vip", {"podSelector": {"matchLabels": {"app": "foe"}}, "policyTypes": ["Egress"], "egress": [to_vip]}
    )
    assert lab.ask("foe", vip) == DENIED
    to_web = {"to": [{"podSelector": WEB}], "ports": [{"port": HTTP_PORT}]}
    lab.policy(
        "web", {"podSelector": {"matchLabels": {"app": "foe"}}, "policyTypes": ["Egress"], "egress": [to_web]}
    )
    assert lab.ask("foe", vip) == Answer("web", lab.address("foe"))
    assert lab.ask("foe", NODE_2, node_port) == DENIED  # there it is a node, which the policy does not allow
    assert lab.ask("friend", vip) == Answer("web", lab.address("friend"))


def test_names_are_asked_on_the_same_way(lab: NetLab) -> None:
    code, out, _ = lab.sh("foe", "nslookup", "web.default.svc.cluster.local")
    assert (code, _vip(lab)[0] in out) == (0, True)
    lab.policy("none", {"podSelector": {"matchLabels": {"app": "foe"}}, "policyTypes": ["Egress"]})
    code, out, _ = lab.sh("foe", "nslookup", "web.default.svc.cluster.local")
    assert (code, "no servers could be reached" in out) == (1, True)
    dns = {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        "ports": [{"protocol": "UDP", "port": 53}],
    }
    lab.policy(
        "dns", {"podSelector": {"matchLabels": {"app": "foe"}}, "policyTypes": ["Egress"], "egress": [dns]}
    )
    assert lab.sh("foe", "nslookup", "web.default.svc.cluster.local")[0] == 0


def test_echo_requests(lab: NetLab) -> None:
    lab.policy("ports", {"podSelector": WEB, "ingress": [{"ports": [{"port": HTTP_PORT}]}]})
    assert lab.view("friend").ping(lab.address("web")) is None
    assert lab.view("node/node-1").ping(lab.address("web")) is not None
    _allow(lab, {"podSelector": {"matchLabels": {"app": "friend"}}})
    assert lab.view("friend").ping(lab.address("web")) is not None
    assert lab.view("foe").ping(lab.address("web")) is None


def test_policies_end_when_they_are_deleted(lab: NetLab) -> None:
    from support.network import POLICIES

    vip, _ = _vip(lab)
    lab.policy("p", {"podSelector": {}})
    assert lab.ask("friend", vip) == DENIED
    lab.client.delete(POLICIES, "p", "default")
    assert lab.ask("friend", vip) == Answer("web", lab.address("friend"))
    lab.policy("late", {"podSelector": WEB})
    assert lab.ask("friend", vip) == DENIED


def test_labels_that_change_change_who_is_meant(lab: NetLab) -> None:
    from kubesim.client.resources import PODS

    vip, _ = _vip(lab)
    _allow(lab, {"podSelector": {"matchLabels": {"app": "friend"}}})
    assert lab.ask("foe", vip) == DENIED
    pod = lab.client.get(PODS, "foe", "default")
    pod["metadata"]["labels"] = {"app": "friend"}
    lab.client.update(PODS, pod, "default")
    assert lab.ask("foe", vip) == Answer("web", lab.address("foe"))
