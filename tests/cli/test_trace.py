"""`trace` and `rules`: every reason that a request can meet, hop by hop; the forms of output; exit codes."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
import yaml
from support.cli import PROJECT

from kubesim import Cluster

MISTAKES = PROJECT / "manifests" / "mistakes"


class Case(NamedTuple):
    """A request in the cluster of a mistake, and what is said of it: `hop` is the kind of the hop that breaks."""

    request: str
    outcome: str
    object: str
    field: str
    hop: str = ""


CASES = {
    1: Case("node/node-1 svc/shop", "refused", "service/shop", "spec.selector.app", "rules"),
    2: Case("-n red node/node-1 svc/shop", "refused", "service/shop", "metadata.namespace", "rules"),
    3: Case("-n red pod/client redis://db", "not resolved", "service/db", "metadata.namespace", "name"),
    4: Case("pod/client http://web/", "refused", "service/web", "spec.ports[0].targetPort", "listener"),
    5: Case("node/node-1 svc/web", "refused", "service/web", "spec.ports[0].targetPort", "rules"),
    7: Case("node/node-2 svc/web", "refused", "service/web", "spec.selector", "rules"),
    8: Case("pod/client http://web/", "timed out", "service/web", "spec.ports[0].protocol", "route"),
    11: Case("outside node/node-1:30211", "refused", "service/web", "spec.ports[0].targetPort", "listener"),
    12: Case("pod/client svc/web:8080", "refused", "service/web", "spec.ports[0].port", "listener"),
    13: Case("pod/client db-0.database:6379", "not resolved", "statefulset/db", "spec.serviceName", "name"),
    14: Case("outside node/node-2:30214", "timed out", "service/web", "spec.externalTrafficPolicy", "rules"),
    15: Case("pod/web-1 svc/web", "reached", "pod/web-1", "metadata.labels"),
    18: Case("pod/client http://partner/", "not resolved", "service/partner", "spec.externalName", "name"),
    21: Case("pod/client svc/web", "refused", "service/web", "spec.ports[0].targetPort", "listener"),
    22: Case("node/node-1 svc/database", "refused", "service/database", "spec.selector", "rules"),
    24: Case("pod/client svc/web:8080", "timed out", "networkpolicy/web", "spec.ingress", "policy"),
    25: Case("outside svc/web", "timed out", "service/web", "spec.loadBalancerClass", "route"),
    26: Case(
        "outside ingress/shop",
        "503 Service Temporarily Unavailable",
        "ingress/shop",
        "spec.rules[0].http.paths[0].backend.service.name",
        "backend",
    ),
    27: Case("outside ingress/shop", "not served", "ingress/shop", "spec.ingressClassName", "ingress"),
    28: Case(
        "outside ingress/second",
        "another Ingress answers",
        "ingress/second",
        "spec.rules[0].http.paths[0].path",
        "ingress",
    ),
    29: Case(
        "outside http://shop.example.com/",
        "the certificate is not for this host",
        "ingress/shop",
        "spec.tls[0].secretName",
        "tls",
    ),
    30: Case(
        "outside http://shop.example.com/", "404 Not Found", "ingress/shop", "spec.rules[0].host", "ingress"
    ),
    32: Case("outside svc/web", "timed out", "service/web", "spec.loadBalancerSourceRanges", "rules"),
    33: Case("pod/client http://10.96.200.33/", "timed out", "address/10.96.200.33", "", "route"),
}
POOL = "172.18.255.200-172.18.255.210"
CLIENT = """
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {containers: [{name: client, image: busybox, command: [sleep, infinity]}]}
"""


def make(*manifests: Any, **options: Any) -> Cluster:
    cluster = Cluster(nodes=2, seed=1, clock="2026-01-01T09:00:00Z", **options)
    for manifest in manifests:
        cluster.apply(manifest)
    cluster.advance(10)
    return cluster


def shown(finding: dict[str, Any]) -> tuple[str, str]:
    return f"{finding['object']['kind'].lower()}/{finding['object']['name']}", finding["field"]


@pytest.mark.parametrize("code", CASES)
def test_a_request_breaks_at_its_hop_and_its_field(code):
    case = CASES[code]
    (path,) = MISTAKES.glob(f"{code:02d}-*.yaml")
    pool = POOL if code == 32 else ""
    manifests = (path,) if code == 33 else (path, CLIENT)
    with make(*manifests, ingress=26 <= code <= 30, load_balancer_pool=pool) as cluster:
        done = cluster.kubectl(f"trace {case.request} -o json")
    found = json.loads(done.stdout)
    assert (found["outcome"], done.exit_code) == (case.outcome, 0 if case.outcome == "reached" else 1)
    first = found["findings"][0]
    assert (first["code"], *shown(first)) == (code, case.object, case.field)
    assert first["severity"] == ("info" if case.outcome == "reached" else "error")
    assert first["fix"]
    broken = [hop["kind"] for hop in found["hops"] if not hop["ok"]]
    assert broken == ([case.hop] if case.hop else [])
    assert found["hops"][-1]["ok"] is (case.outcome == "reached")


WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{name: http, port: 8080, targetPort: 80, nodePort: 30080}]}
"""
POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: %s}
spec: {podSelector: {matchLabels: {app: %s}}, policyTypes: [%s]}
"""


@pytest.mark.parametrize(
    "request_",
    [
        "pod/client svc/shop",
        "pod/client svc/shop:http",
        "pod/client svc/shop.default:8080",
        "pod/client http://shop:8080/path",
        "pod/client shop.default.svc.cluster.local:8080",
        "pod/client pod/web:80",
        "node/node-1 svc/shop:8080",
        "node/node-2 pod/web:80",
        "outside node/node-1:30080",
        "outside node/node-2:30080",
        "pod/client node/node-2:30080",
    ],
)
def test_a_sound_request_arrives(request_):
    with make(WEB, CLIENT) as cluster:
        done = cluster.kubectl(f"trace {request_}")
    assert done.exit_code == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "reachable"


def test_the_text_shows_each_hop_with_the_rule_it_took():
    with make(WEB, CLIENT) as cluster:
        address = cluster.get("service", "shop")["spec"]["clusterIP"]
        pod = cluster.get("pod", "web")["status"]["podIP"]
        lines = cluster.kubectl("trace pod/client http://shop:8080/", check=True).stdout.splitlines()
    assert lines[0] == "pod/client -> http://shop:8080/"
    assert lines[1] == f"  ok    name      shop is {address}, by DNS at 10.96.0.10"
    assert lines[2].strip() == f"shop.default.svc.cluster.local. A: {address}"
    assert lines[3].startswith("  ok    rules     kube-proxy of node-")
    assert lines[3].endswith(f"leads it to {pod}:80")
    rules = [line.strip() for line in lines if line.strip().startswith("nat: -A ")]
    assert [r.split()[2].rstrip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") for r in rules] == [
        "KUBE-",
        "KUBE-SVC-",
        "KUBE-SEP-",
    ]
    assert rules[-1].endswith(f"-j DNAT --to-destination {pod}:80")
    assert "pod default/web: nginx listens on port 80, and sees 10.244." in lines[-2]


@pytest.mark.parametrize(
    ("more", "request_", "code", "thing"),
    [
        ("", "pod/client svc/shop:80", 11, ("service/shop", "spec.ports[0].targetPort")),
        ("", "pod/client svc/shop:9999", 11, ("service/shop", "spec.ports")),
        ("", "outside node/node-1:8080", 11, ("service/shop", "spec.ports[0].port")),
        ("", "outside node/node-1:5000", 10, ("node/node-1", "")),
        ("", "outside svc/shop", 11, ("service/shop", "spec.clusterIP")),
        ("", "outside pod/web:80", 11, ("pod/web", "status.podIP")),
        ("", "pod/client pod/web:81", 4, ("pod/web", "spec.containers")),
        ("", "pod/client http://shpo:8080", 13, ("pod/client", "")),
        ("", "node/node-1 http://shop:8080", 13, ("service/shop", "metadata.name")),
        ("", "pod/client svc/shop --protocol udp", 8, ("service/shop", "spec.ports[0].protocol")),
        (
            POLICY % ("deny", "client", "Egress"),
            "pod/client svc/shop",
            24,
            ("networkpolicy/deny", "spec.egress"),
        ),
        (
            POLICY % ("deny", "web", "Ingress"),
            "pod/client svc/shop",
            24,
            ("networkpolicy/deny", "spec.ingress"),
        ),
        (
            POLICY % ("deny", "web", "Ingress"),
            "outside node/node-1:30080",
            24,
            ("networkpolicy/deny", "spec.ingress"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value and "\n" not in value else "",
)
def test_what_only_a_request_shows_is_explained(more, request_, code, thing):
    with make(*filter(None, (WEB, CLIENT, more))) as cluster:
        done = cluster.kubectl(f"trace {request_} -o json")
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    first = found["findings"][0]
    assert (first["code"], shown(first)) == (code, thing)


def test_a_policy_is_told_about_the_pod_and_not_its_service():
    with make(WEB, CLIENT, POLICY % ("deny", "client", "Egress")) as cluster:
        done = cluster.kubectl(f"trace pod/client {cluster.get('service', 'shop')['spec']['clusterIP']}:8080")
        pod = cluster.get("pod", "web")["status"]["podIP"]
    assert f"no rule allows TCP port 80 to {pod}\n" in done.stdout


def test_a_policy_that_cuts_off_dns_is_named_with_the_port():
    with make(WEB, CLIENT, POLICY % ("deny", "client", "Egress")) as cluster:
        done = cluster.kubectl("trace pod/client http://shop:8080")
    assert "FAIL  name      shop does not resolve" in done.stdout
    assert "no rule allows DNS (port 53)" in done.stdout


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("shop.defualt", "no record is called shop.defualt: there is no namespace defualt"),
        ("shop.defualt.svc.cluster.local", "fix: write shop.default.svc.cluster.local"),
        ("api.example.com", "api.example.com is no name of the cluster, and the simulation has no others"),
    ],
)
def test_names_in_no_namespace(host, said):
    with make(WEB, CLIENT) as cluster:
        assert said in cluster.kubectl(f"trace pod/client {host}:80").stdout


def first_finding(cluster, request):
    found = json.loads(cluster.kubectl(f"trace {request} -o json").stdout)
    assert found["outcome"] == "timed out"
    return found["findings"][0]


def test_the_range_that_would_let_a_client_in_is_named():
    (path,) = MISTAKES.glob("32-*.yaml")
    with make(path, CLIENT, load_balancer_pool=POOL) as cluster:
        outside = first_finding(cluster, "outside svc/web")
        address = cluster.get("service", "web")["status"]["loadBalancer"]["ingress"][0]["ip"]
        pod = first_finding(cluster, f"pod/client {address}:80")
        client = cluster.get("pod", "client")["status"]["podIP"]
        ranges = {"spec": {"loadBalancerSourceRanges": ["203.0.113.0/24", "172.18.0.1/32"]}}
        cluster.patch("service", "web", ranges)
        assert cluster.kubectl("trace outside svc/web").exit_code == 0
    assert "add 172.18.0.1/32 to spec.loadBalancerSourceRanges" in outside["fix"]
    assert "takes 203.0.113.0/24 only, and this comes from 172.18.0.1" in outside["message"]
    assert f"add {client}/32 to" in pod["fix"]


def test_who_had_an_address_before_is_told():
    with make(WEB, CLIENT) as cluster:
        pod = cluster.get("pod", "web")["status"]["podIP"]
        service = cluster.get("service", "shop")["spec"]["clusterIP"]
        cluster.delete("pod", "web")
        gone = first_finding(cluster, f"pod/client {pod}:80")
        cluster.apply(WEB)
        cluster.advance(10)
        new = cluster.get("pod", "web")["status"]["podIP"]
        anew = first_finding(cluster, f"pod/client {pod}:80")
        cluster.delete("service", "shop")
        lost = first_finding(cluster, f"pod/client {service}:8080")
        cluster.apply(WEB)
        given = cluster.get("service", "shop")["spec"]["clusterIP"]
        moved = first_finding(cluster, f"node/node-1 {service}:8080")
    was = "it was that of pod/web in namespace default, which"
    assert (gone["code"], *shown(gone)) == (33, "pod/web", "status.podIP")
    assert gone["message"] == f"nobody has the address {pod}; {was} has gone"
    assert "use service/shop" in gone["fix"]
    assert anew["message"] == f"nobody has the address {pod}; {was} was made anew"
    assert anew["evidence"] == [f"pod/web is at {new} now"]
    assert (lost["code"], *shown(lost)) == (33, "service/shop", "spec.clusterIP")
    was = f"nobody has the address {service}; it was one of service/shop in namespace default"
    assert lost["message"] == f"{was}, which has gone"
    assert moved["message"] == f"{was}, whose addresses are others now: {given}"
    assert "write shop.default" in moved["fix"]


def test_nobodys_address_is_told_to_those_outside_and_inside():
    with make(WEB, CLIENT) as cluster:
        outside = first_finding(cluster, "outside 192.0.2.7:80")
        pods = first_finding(cluster, "pod/client 10.244.1.200:80")
    assert (outside["message"], outside["evidence"]) == (
        "nobody has the address 192.0.2.7: no Pod, no Service and no node",
        [],
    )
    assert outside["fix"] == "use the address of a node with a node port, or that of a load balancer"
    assert (pods["evidence"], pods["fix"].partition(":")[0]) == (
        ["no Pod has this address"],
        "write the name of a Service",
    )


ZONED = """
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web}}
spec: {nodeName: node-1, containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, labels: {app: web}}
spec: {nodeName: node-2, containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, annotations: {service.kubernetes.io/topology-mode: Auto}}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


def test_endpoints_that_hints_leave_out_are_named():
    with make(ZONED) as cluster:
        for node, zone in ("node-1", "a"), ("node-2", "b"):
            cluster.kubectl(f"label node {node} topology.kubernetes.io/zone={zone}", check=True)
        found = json.loads(cluster.kubectl("trace node/node-1 svc/web -o json", check=True).stdout)
        cluster.kubectl("label node node-1 topology.kubernetes.io/zone-", check=True)
        cluster.kubectl("label node node-1 node-role.kubernetes.io/control-plane=", check=True)
        bare = json.loads(cluster.kubectl("trace node/node-1 svc/web -o json", check=True).stdout)
    (finding,) = found["findings"]
    field = "metadata.annotations[service.kubernetes.io/topology-mode]"
    assert (finding["code"], finding["severity"], finding["field"]) == (31, "info", field)
    assert finding["message"] == (
        "node-1 is in zone a, and chooses among the endpoints that are hinted for it alone: pod/web-1; "
        "it leaves out pod/web-2"
    )
    assert finding["evidence"] == [
        "pod/web-1 is in zone a, hinted for a",
        "pod/web-2 is in zone b, hinted for b",
    ]
    assert [f["severity"] for f in bare["findings"]] == ["warning"]
    assert "its endpoints have no hints: Insufficient Node information" in bare["findings"][0]["message"]


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (("node-1 a",), "node-2 has no label topology.kubernetes.io/zone"),
        (("node-1 a", "node-2 b"), "no endpoint is hinted for zone b"),
        (("node-2 b",), None),
    ],
)
def test_a_node_without_endpoints_of_its_zone_chooses_among_all(labels, why):
    close = {"metadata": {"annotations": None}, "spec": {"trafficDistribution": "PreferClose"}}
    with make(ZONED) as cluster:
        cluster.delete("pod", "web-2")
        cluster.patch("service", "web", close)
        for node, zone in map(str.split, labels):
            cluster.kubectl(f"label node {node} topology.kubernetes.io/zone={zone}", check=True)
        found = json.loads(cluster.kubectl("trace node/node-2 svc/web -o json", check=True).stdout)
        lint = json.loads(cluster.kubectl("check -o json --level info", check=True).stdout)
    messages = [f["message"] for f in found["findings"]]
    if why is None:
        (told,) = lint["findings"]
        assert (messages, told["code"], told["field"]) == ([], 31, "spec.trafficDistribution")
        assert told["message"].endswith("has no effect: node-1 has no label topology.kubernetes.io/zone")
    else:
        assert messages == [f"node-2 chooses among all endpoints, though some have hints for zones: {why}"]
        assert lint["findings"] == []


def test_a_near_name_is_proposed():
    with make(WEB, CLIENT) as cluster:
        cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "frontend"},
                "spec": {"ports": [{"port": 80}]},
            }
        )
        done = cluster.kubectl("trace pod/client http://fronted")
    assert "there is no Service fronted in namespace default" in done.stdout
    assert "fix: write frontend" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("pod/client", 2, "exactly two places are required"),
        ("pod/client svc/shop -o yaml", 2, "--output must be one of text, json"),
        ("pod/client svc/shop --protocol icmp", 2, "--protocol must be one of tcp, udp, sctp"),
        ("pod/client cron/shop:80", 2, 'there is nothing to send to in "cron/shop:80"'),
        ("pod/client shop", 2, 'there is nothing to send to in "shop"'),
        ("pod/client svc/shop:htpp", 2, 'there is no port called "htpp" in "svc/shop:htpp": http (8080)'),
        ("pod/client pod/web:http", 2, 'there is nothing to send to in "pod/web:http"'),
        ("pod/client shop:99999", 2, 'there is nothing to send to in "shop:99999"'),
        ("pod/client node/node-1", 2, 'there is nothing to send to in "node/node-1"'),
        ("moon svc/shop", 1, 'there is no place "moon"'),
        ("pod/nobody svc/shop", 1, 'pods "nobody" not found'),
        ("pod/client svc/nothing", 1, 'services "nothing" not found'),
        ("node/node-9 svc/shop", 1, 'nodes "node-9" not found'),
    ],
)
def test_places_that_are_none_are_told(words, code, said):
    with make(WEB, CLIENT) as cluster:
        done = cluster.kubectl(f"trace {words}")
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr


def test_nothing_is_said_to_the_application():
    with make(WEB, CLIENT) as cluster:
        cluster.kubectl("trace pod/client svc/shop", check=True)
        assert "GET" not in cluster.logs("web")


# rules


def test_rules_are_those_of_iptables_save_with_what_each_does():
    with make(WEB) as cluster:
        pod = cluster.get("pod", "web")["status"]["podIP"]
        done = cluster.kubectl("rules svc/shop --node node-2", check=True)
        saved = cluster.kubectl("ssh node-2 -- iptables-save", check=True).stdout
    lines = done.stdout.splitlines()
    assert lines[0] == "service/shop on node node-2"
    rules = [line.strip() for line in lines if line.startswith("    -A ")]
    assert len(rules) >= 6
    assert set(rules) <= set(saved.splitlines())
    assert f"      # 100% of the connections go to {pod}:80" in lines
    assert f"      # the destination becomes {pod}:80" in lines


def test_shares_are_those_of_all_connections():
    pods = "---\n".join(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"web-{n}", "labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx"}]},
            }
        )
        for n in range(3)
    )
    with make(WEB, pods) as cluster:
        found = json.loads(cluster.kubectl("rules svc/shop -o json", check=True).stdout)
    said = [
        r["meaning"]
        for c in found["ports"][0]["chains"]
        for r in c["rules"]
        if "of the connections" in r["meaning"]
    ]
    assert [text.partition(" ")[0] for text in said] == ["25%"] * 4


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"clusterIP": "None", "ports": [{"port": 80}]}, "the Service is headless"),
        ({"type": "ExternalName", "externalName": "example.com"}, "an ExternalName is an alias in DNS"),
    ],
    ids=["headless", "alias"],
)
def test_services_without_rules_say_why(spec, said):
    with make({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "odd"}, "spec": spec}) as cluster:
        assert said in cluster.kubectl("rules svc/odd", check=True).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("pod/web", "kube-proxy has rules for Services alone"),
        ("svc/nothing", 'services "nothing" not found'),
        ("svc/shop --node node-9", 'nodes "node-9" not found'),
        ("", "exactly one Service is required"),
    ],
)
def test_rules_of_what_has_none_are_refused(words, said):
    with make(WEB) as cluster:
        done = cluster.kubectl(f"rules {words}")
    assert done.exit_code == 1
    assert said in done.stderr


def test_a_pod_that_does_not_ask_cluster_dns_is_told_so():
    loner = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "loner"},
        "spec": {"dnsPolicy": "Default", "containers": [{"name": "c", "image": "nginx"}]},
    }
    with make(WEB, loner) as cluster:
        done = cluster.kubectl("trace pod/loner http://shop:8080 -o json")
    (found,) = json.loads(done.stdout)["findings"]
    assert (found["code"], shown(found)) == (13, ("pod/loner", "spec.dnsPolicy"))
    assert "it does not ask the cluster's DNS" in found["message"]


def test_the_api_server_is_reached_through_its_service():
    with make(CLIENT) as cluster:
        for place in ("node/node-1", "pod/client"):
            done = cluster.kubectl(f"trace {place} 10.96.0.1:443")
            assert done.stdout.endswith("reachable\n"), done.stdout


# Dual stack

DUAL = {"service_cidr": "10.96.0.0/16,fd00:10:96::/112"}
BOTH = """
apiVersion: v1
kind: Service
metadata: {name: both}
spec: {type: NodePort, ipFamilyPolicy: RequireDualStack, selector: {app: web}, ports: [{port: 80, nodePort: 30081}]}
---
apiVersion: v1
kind: Service
metadata: {name: six}
spec: {ipFamilies: [IPv6], selector: {app: web}, ports: [{port: 80}]}
"""
FOUR = """
apiVersion: v1
kind: Pod
metadata: {name: four, labels: {app: four}}
spec: {containers: [{name: four, image: "python:3", command: [python3, -m, http.server, "80", --bind, 0.0.0.0]}]}
---
apiVersion: v1
kind: Service
metadata: {name: four}
spec: {%s, selector: {app: four}, ports: [{port: 80}]}
"""


@pytest.mark.parametrize(
    "request_",
    [
        "pod/client http://six/",
        "pod/client svc/six",
        "pod/client [{six}]:80",
        "node/node-1 svc/six",
        "outside [fc00:f853:ccd:e793::4]:30081",
        "outside http://[fc00:f853:ccd:e793::3]:30081/",
        "pod/client [{pod}]:80",
    ],
)
def test_a_request_over_ipv6_arrives(request_):
    with make(WEB, CLIENT, BOTH, **DUAL) as cluster:
        six = cluster.get("service", "six")["spec"]["clusterIP"]
        pod = cluster.get("pod", "web")["status"]["podIPs"][1]["ip"]
        lines = cluster.kubectl(f"trace {request_.format(six=six, pod=pod)}", check=True).stdout.splitlines()
    assert lines[-1] == "reachable"
    assert ", and sees [f" in lines[-2]
    if "{pod}" not in request_:
        assert any(f"leads it to [{pod}]:80" in line for line in lines)


def test_both_questions_to_dns_are_shown():
    with make(WEB, CLIENT.replace("busybox", "debian"), BOTH, **DUAL) as cluster:
        four, six = cluster.get("service", "both")["spec"]["clusterIPs"]
        lines = cluster.kubectl("trace pod/client http://both/", check=True).stdout.splitlines()
    assert [line.strip() for line in lines[1:4]] == [
        f"ok    name      both is {six} (one of 2), by DNS at 10.96.0.10",
        f"both.default.svc.cluster.local. A: {four}",
        f"both.default.svc.cluster.local. AAAA: {six}",
    ]


@pytest.mark.parametrize(("image", "first"), [("debian", 1), ("alpine", 0)])
def test_a_pod_takes_the_address_that_its_c_library_puts_first(image, first):
    with make(WEB, CLIENT.replace("busybox", image), BOTH, **DUAL) as cluster:
        addresses = cluster.get("service", "both")["spec"]["clusterIPs"]
        lines = cluster.kubectl("trace pod/client http://both/", check=True).stdout.splitlines()
    assert lines[1].split() == f"ok name both is {addresses[first]} (one of 2), by DNS at 10.96.0.10".split()


@pytest.mark.parametrize(
    ("spec", "severity", "exit_code"),
    [("ipFamilies: [IPv6]", "error", 1), ("ipFamilyPolicy: RequireDualStack", "warning", 0)],
    ids=["IPv6", "dual stack"],
)
def test_an_application_for_ipv4_alone_is_found(spec, severity, exit_code):
    with make(FOUR % spec, CLIENT, **DUAL) as cluster:
        six = cluster.get("service", "four")["spec"]["clusterIPs"][-1]
        pod = cluster.get("pod", "four")["status"]["podIPs"][1]["ip"]
        traced = [
            json.loads(cluster.kubectl(f"trace pod/client [{a}]:80 -o json").stdout) for a in (six, pod)
        ]
        checked = cluster.kubectl("check -o json")
    said = "in pod/four python3 listens for IPv4 only, and the Service has an IPv6 address: connections to it are refused"
    for found in (traced[0]["findings"][0], json.loads(checked.stdout)["findings"][0]):
        assert (found["code"], found["severity"], found["message"]) == (4, severity, said)
    assert checked.exit_code == exit_code
    assert traced[1]["outcome"] == "refused"
    assert traced[1]["findings"][0]["message"] == "in pod/four port 80 is open for IPv4 only"


def test_a_node_port_at_an_address_of_the_other_family():
    six = BOTH.replace("ipFamilyPolicy: RequireDualStack", "ipFamilies: [IPv6]")
    with make(WEB, six, **DUAL) as cluster:
        traced = cluster.kubectl("trace outside 172.18.0.3:30081 -o json")
        right = cluster.kubectl("trace outside [fc00:f853:ccd:e793::3]:30081")
    first = json.loads(traced.stdout)["findings"][0]
    assert (first["code"], *shown(first)) == (11, "service/both", "spec.ipFamilies")
    assert (
        first["message"]
        == "30081 is the node port of service/both for IPv6, and 172.18.0.3 is an IPv4 address"
    )
    assert first["fix"].startswith("use [fc00:f853:ccd:e793::3]:30081, ")
    assert (traced.exit_code, right.exit_code) == (1, 0)


def test_a_client_goes_on_with_the_other_family():
    with make(
        FOUR % "ipFamilyPolicy: RequireDualStack", CLIENT.replace("busybox", "debian"), **DUAL
    ) as cluster:
        four, six = cluster.get("service", "four")["spec"]["clusterIPs"]
        traced = cluster.kubectl("trace pod/client http://four/ -o json", check=True)
    found = json.loads(traced.stdout)
    assert found["hops"][1]["text"] == f"{six}: refused; a client goes on with {four}"
    assert [hop["ok"] for hop in found["hops"]] == [True] * len(found["hops"])
    assert [(f["code"], f["severity"]) for f in found["findings"]] == [(4, "warning")]


def test_rules_of_both_families_are_explained():
    with make(WEB, CLIENT, BOTH, **DUAL) as cluster:
        pod = [entry["ip"] for entry in cluster.get("pod", "web")["status"]["podIPs"]]
        printed = cluster.kubectl("rules both", check=True).stdout
    assert f"# the destination becomes {pod[0]}:80" in printed
    assert f"# the destination becomes [{pod[1]}]:80" in printed
