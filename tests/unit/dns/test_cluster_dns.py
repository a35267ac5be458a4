"""The Kubernetes DNS specification 1.1.0, rule by rule, and what CoreDNS adds where it says nothing."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from support.cluster import make_cluster
from support.names import SERIAL, dns_of, named_cluster
from support.objects import make_service, running_pod

from kubesim.client.resources import NAMESPACES, SERVICES
from kubesim.cluster.build import Cluster
from kubesim.dns.clusterdns import ClusterDNS
from kubesim.dns.upstream import unreachable
from kubesim.util.dnsmessage import DNSMessage, Record
from kubesim.util.ids import SystemIdentities

ZONE = "cluster.local."
SOA = f"cluster.local. 30 SOA ns.dns.cluster.local. hostmaster.cluster.local. {SERIAL} 7200 1800 86400 30"
SVC = "default.svc.cluster.local."


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return named_cluster()


@pytest.fixture(scope="module")
def dns(cluster: Cluster) -> ClusterDNS:
    return dns_of(cluster)


def reverse(address: str) -> str:
    return f"{ip_address(address).reverse_pointer}."


def shown(record: Record) -> str:
    return f"{record.name} {record.ttl} {record.type} {record.data}"


# Question, and the answers without their order; names below `default.svc.cluster.local.` are written `web`.
ANSWERS = {
    "2.2 schema version": ("dns-version.cluster.local. TXT", ['dns-version.cluster.local. 28800 TXT "1.1.0"']),
    "2.3.1 A": ("web A", ["web 30 A 10.96.1.1"]),
    "2.3.1 A of another namespace": ("web.team-a.svc.cluster.local. A", ["web.team-a.svc.cluster.local. 30 A 10.96.2.1"]),
    "2.3.1 A of the API server": ("kubernetes A", ["kubernetes 30 A 10.96.0.1"]),
    "2.3.1 A, dual stack": ("dual A", ["dual 30 A 10.96.1.3"]),
    "2.3.1 AAAA, dual stack": ("dual AAAA", ["dual 30 AAAA fd00:10:96::3"]),
    "2.3.1 AAAA, IPv6 alone": ("six AAAA", ["six 30 AAAA fd00:10:96::6"]),
    "2.3.2 SRV": ("_http._tcp.web SRV", ["_http._tcp.web 30 SRV 0 100 80 web"]),
    "2.3.2 SRV, UDP": ("_stats._udp.web SRV", ["_stats._udp.web 30 SRV 0 100 8125 web"]),
    "2.3.2 SRV of all ports": ("web SRV", ["web 30 SRV 0 50 80 web", "web 30 SRV 0 50 8125 web"]),
    "2.3.2 SRV, dual stack": ("_http._tcp.dual SRV", ["_http._tcp.dual 30 SRV 0 50 80 dual"]),
    "2.3.2 SRV of an unnamed port": ("plain SRV", ["plain 30 SRV 0 100 80 plain"]),
    "2.3.2 A of a port": ("_http._tcp.web A", ["_http._tcp.web 30 A 10.96.1.1"]),
    "2.3.3 PTR": (reverse("10.96.1.1") + " PTR", [reverse("10.96.1.1") + " 30 PTR web"]),
    "2.3.3 PTR, IPv6": (reverse("fd00:10:96::6") + " PTR", [reverse("fd00:10:96::6") + " 30 PTR six"]),
    "2.3.3 PTR, second family": (reverse("fd00:10:96::3") + " PTR", [reverse("fd00:10:96::3") + " 30 PTR dual"]),
    "2.4.1 A, ready ones only": ("headless A", ["headless 30 A 10.244.0.20", "headless 30 A 10.244.0.21"]),
    "2.4.1 A, published when not ready": ("eager A", [f"eager 30 A 10.244.0.{n}" for n in (20, 21, 22)]),
    "2.4.1 A without ports": ("portless A", ["portless 30 A 10.244.0.20", "portless 30 A 10.244.0.21"]),
    "2.4.1 A by host name": ("db-0.headless A", ["db-0.headless 30 A 10.244.0.20"]),
    "2.4.1 A by address": ("10-244-0-21.headless A", ["10-244-0-21.headless 30 A 10.244.0.21"]),
    "2.4.1 AAAA": ("byhand AAAA", ["byhand 30 AAAA 2001:db8::7"]),
    "2.4.1 AAAA by host name": ("seven.byhand AAAA", ["seven.byhand 30 AAAA 2001:db8::7"]),
    "2.4.1 A of a hand-made endpoint": ("192-0-2-7.byhand A", ["192-0-2-7.byhand 30 A 192.0.2.7"]),
    "2.4.2 SRV": (
        "_http._tcp.headless SRV",
        ["_http._tcp.headless 30 SRV 0 50 8080 db-0.headless", "_http._tcp.headless 30 SRV 0 50 8080 10-244-0-21.headless"],
    ),
    "2.4.2 SRV of one endpoint": ("db-0.headless SRV", ["db-0.headless 30 SRV 0 100 8080 db-0.headless"]),
    "2.4.3 PTR by host name": (
        reverse("10.244.0.20") + " PTR",
        [f"{reverse('10.244.0.20')} 30 PTR {n}" for n in ("db-0.headless", "10-244-0-20.eager", "10-244-0-20.portless")],
    ),
    "2.4.3 PTR of an endpoint behind a cluster IP": (
        reverse("10.244.0.11") + " PTR",
        [f"{reverse('10.244.0.11')} 30 PTR 10-244-0-11.{n}" for n in ("plain", "web")],
    ),
    "2.4.3 PTR of one that no Pod has": (reverse("192.0.2.7") + " PTR", [reverse("192.0.2.7") + " 30 PTR 192-0-2-7.byhand"]),
    "2.4.3 PTR, IPv6": (reverse("2001:db8::7") + " PTR", [reverse("2001:db8::7") + " 30 PTR seven.byhand"]),
    "2.5 CNAME": ("outside CNAME", ["outside 30 CNAME www.example.com."]),
    "2.5 A outside": ("outside A", ["outside 30 CNAME www.example.com.", "www.example.com. 30 A 192.0.2.53"]),
    "2.5 AAAA outside": ("outside AAAA", ["outside 30 CNAME www.example.com.", "www.example.com. 30 AAAA 2001:db8::53"]),
    "2.5 A of what does not exist outside": ("nowhere A", ["nowhere 30 CNAME www.nowhere.example."]),
    "2.5 A inside": ("inside A", ["inside 30 CNAME web", "web 30 A 10.96.1.1"]),
    "2.5 A by two aliases": (
        "second A", [f"second 30 CNAME inside.{SVC}", f"inside.{SVC} 30 CNAME web", "web 30 A 10.96.1.1"],
    ),
    "2.5 CNAME inside": ("dangling CNAME", ["dangling 30 CNAME gone"]),
    "endpoint of a Service with a cluster IP": ("10-244-0-11.web A", ["10-244-0-11.web 30 A 10.244.0.11"]),
    "Pod": ("10-244-0-20.default.pod.cluster.local. A", ["10-244-0-20.default.pod.cluster.local. 30 A 10.244.0.20"]),
    "Pod that nobody has seen": ("1-2-3-4.empty.pod.cluster.local. A", ["1-2-3-4.empty.pod.cluster.local. 30 A 1.2.3.4"]),
    "Pod, IPv6": (
        "2001-db8--9.default.pod.cluster.local. AAAA", ["2001-db8--9.default.pod.cluster.local. 30 AAAA 2001:db8::9"],
    ),
    "case is that of the question": (
        "WEB.Default.svc.CLUSTER.local. A", ["WEB.Default.svc.CLUSTER.local. 30 A 10.96.1.1"],
    ),
    "case of a port": ("_HTTP._Tcp.web SRV", ["_HTTP._Tcp.web 30 SRV 0 100 80 web"]),
    "case of an endpoint": ("DB-0.headless A", ["DB-0.headless 30 A 10.244.0.20"]),
    "SOA of the domain": ("cluster.local. SOA", [SOA]),
    "outside": ("WWW.example.com. A", ["WWW.example.com. 30 A 192.0.2.53"]),
    "outside, reverse": (reverse("192.0.2.53") + " PTR", [reverse("192.0.2.53") + " 30 PTR www.example.com."]),
}  # fmt: skip


def full(text: str) -> str:
    """`web` is short for `web.default.svc.cluster.local.`."""
    words = text.split(" ")
    return " ".join(
        f"{w}.{SVC}" if at in (0, len(words) - 1) and not w.endswith(".") and is_name(words, at) else w
        for at, w in enumerate(words)
    )


def is_name(words: list[str], at: int) -> bool:
    return at == 0 or words[2] in ("SRV", "PTR", "CNAME")


def ask(dns: ClusterDNS, question: str) -> DNSMessage:
    name, qtype = question.split(" ")
    return dns.resolve(name if name.endswith(".") else f"{name}.{SVC}", qtype)


@pytest.mark.parametrize(("question", "expected"), ANSWERS.values(), ids=list(ANSWERS))
def test_a_record(dns: ClusterDNS, question: str, expected: list[str]) -> None:
    answer = ask(dns, question)
    assert answer.rcode == "NOERROR"
    assert sorted(map(shown, answer.answers)) == sorted(map(full, expected))
    assert answer.authority == ()


NODATA = {
    "the domain": "cluster.local. A",
    "all Services": "svc.cluster.local. A",
    "all Pods": "pod.cluster.local. A",
    "a namespace": "default.svc.cluster.local. A",
    "an empty namespace": "empty.svc.cluster.local. AAAA",
    "the Pods of a namespace": "default.pod.cluster.local. A",
    "AAAA of IPv4 alone": "web AAAA",
    "A of IPv6 alone": "six A",
    "MX": "web MX",
    "HTTPS": "web HTTPS",
    "TXT of a Service": "web TXT",
    "NS below the domain": "web NS",
    "SOA below the domain": "web SOA",
    "CNAME of a cluster IP": "web CNAME",
    "PTR of a forward name": "web PTR",
    "SRV without ports": "portless SRV",
    "SRV of an alias": "outside SRV",
    "alias to nothing in the cluster": "dangling A",
    "alias to itself": "itself A",
    "aliases in a circle": "circle A",
    "AAAA of an alias to IPv4": "inside AAAA",
    "AAAA of a Pod's IPv4": "10-244-0-20.default.pod.cluster.local. AAAA",
    "ANY": "web ANY",
}


@pytest.mark.parametrize("question", NODATA.values(), ids=list(NODATA))
def test_a_name_without_that_type(dns: ClusterDNS, question: str) -> None:
    answer = ask(dns, question)
    assert (answer.rcode, answer.answers) == ("NOERROR", ())
    assert [shown(r) for r in answer.authority] == [SOA]


NXDOMAIN = {
    "no such Service": "absent A",
    "no such namespace": "web.absent.svc.cluster.local. A",
    "a namespace that is not there": "absent.svc.cluster.local. A",
    "a Pod of a namespace that is not there": "10-244-0-20.absent.pod.cluster.local. A",
    "not below svc or pod": "web.default.cluster.local. A",
    "the search path applied twice": "web.default.svc.cluster.local.default.svc.cluster.local. A",
    "no such port": "_https._tcp.web SRV",
    "no such protocol": "_http._udp.web SRV",
    "an unnamed port by its number": "_80._tcp.plain SRV",
    "no ready endpoint": "idle A",
    "an endpoint that is not ready": "10-244-0-22.headless A",
    "an endpoint by address that has a host name": "10-244-0-20.headless A",
    "a host name of another Service": "db-0.eager A",
    "below an endpoint": "x.y.db-0.headless A",
    "an endpoint of an alias": "x.outside A",
    "an alias to an address": "address A",
    "no address of a Pod": "web-1.default.pod.cluster.local. A",
    "an address with too large numbers": "1-2-3-256.default.pod.cluster.local. A",
    "wildcard Service": "*.default.svc.cluster.local. A",
    "wildcard namespace": "web.*.svc.cluster.local. A",
    "wildcard endpoint": "*.headless A",
    "HTTPS of nothing": "absent HTTPS",
    "TXT of nothing": "absent TXT",
    "TXT of a namespace": "default.svc.cluster.local. TXT",
    "a label with a dot in it": r"a\.web.default.svc.cluster.local. A",
    "a label of other characters": "w/b.default.svc.cluster.local. A",
}


@pytest.mark.parametrize("question", NXDOMAIN.values(), ids=list(NXDOMAIN))
def test_a_name_that_does_not_exist(dns: ClusterDNS, question: str) -> None:
    answer = ask(dns, question)
    assert (answer.rcode, answer.answers) == ("NXDOMAIN", ())
    assert [shown(r) for r in answer.authority] == [SOA]
    assert answer.authoritative


OUTSIDE = {
    "a name": "kubernetes.io. A",
    "a short name": "web. A",
    "a name that ends alike": "notcluster.local. A",
    "a reverse name of nobody": reverse("203.0.113.9") + " PTR",
    "a reverse name that is no address": "web.in-addr.arpa. PTR",
    "a reverse name that is too short": "1.96.10.in-addr.arpa. PTR",
    "an address of a reverse name": reverse("10.96.1.1") + " A",
}


@pytest.mark.parametrize("question", OUTSIDE.values(), ids=list(OUTSIDE))
def test_outside_nothing_else_exists(cluster: Cluster, dns: ClusterDNS, question: str) -> None:
    name, qtype = question.split(" ")
    answer = dns.resolve(name, qtype)
    assert (answer.rcode, answer.answers, answer.authoritative) == ("NXDOMAIN", (), False)
    assert answer.recursion_available
    assert [r.name for r in answer.authority] == ["."]
    assert dns_of(cluster, upstream=unreachable).resolve(name, qtype).rcode == "SERVFAIL"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("_http._tcp.web SRV", ["web 30 A 10.96.1.1"]),
        ("_http._tcp.dual SRV", ["dual 30 A 10.96.1.3", "dual 30 AAAA fd00:10:96::3"]),
        ("_http._tcp.byhand SRV", ["192-0-2-7.byhand 30 A 192.0.2.7", "seven.byhand 30 AAAA 2001:db8::7"]),
        ("headless SRV", ["db-0.headless 30 A 10.244.0.20", "10-244-0-21.headless 30 A 10.244.0.21"]),
    ],
    ids=["cluster IP", "both families", "headless, both families", "endpoints"],
)
def test_the_addresses_of_srv_targets_come_along(dns: ClusterDNS, question: str, expected: list[str]) -> None:
    assert sorted(map(shown, ask(dns, question).additional)) == sorted(map(full, expected))


def test_a_zone_is_not_handed_over(dns: ClusterDNS) -> None:
    assert dns.resolve("cluster.local.", "AXFR").rcode == "REFUSED"


def test_the_soa_has_the_spelling_of_the_question(dns: ClusterDNS) -> None:
    (soa,) = dns.resolve("absent.default.svc.Cluster.LOCAL.", "A").authority
    assert soa.name == "Cluster.LOCAL."


def test_the_name_servers_are_the_service_or_the_address(cluster: Cluster) -> None:
    dns = dns_of(cluster, address="10.96.0.10")
    answer = dns.resolve("cluster.local.", "NS")
    assert [shown(r) for r in answer.answers] == ["cluster.local. 30 NS ns.dns.cluster.local."]
    assert [shown(r) for r in answer.additional] == ["ns.dns.cluster.local. 30 A 10.96.0.10"]
    assert [r.data for r in dns.resolve("ns.dns.cluster.local.", "A").answers] == ["10.96.0.10"]
    own = make_cluster(settle=True)
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns"}}
    own.client.create(
        SERVICES, body | {"spec": {"ports": [{"port": 53}], "clusterIP": "10.96.0.10"}}, "kube-system"
    )
    answer = dns_of(own).resolve("cluster.local.", "NS")
    assert [r.data for r in answer.answers] == ["kube-dns.kube-system.svc.cluster.local."]
    assert [r.data for r in answer.additional] == ["10.96.0.10"]


def test_another_domain(cluster: Cluster) -> None:
    dns = dns_of(cluster, domain="k8s.example")
    assert [r.data for r in dns.resolve("web.default.svc.k8s.example.", "A").answers] == ["10.96.1.1"]
    assert [r.data for r in dns.resolve(reverse("10.96.1.1"), "PTR").answers] == [
        "web.default.svc.k8s.example."
    ]


def test_a_chain_of_aliases_ends() -> None:
    cluster = make_cluster(settle=True)
    for n in range(30):
        make_service(
            cluster,
            f"a{n}",
            type="ExternalName",
            externalName=f"a{n + 1}.default.svc.cluster.local",
            ports=None,
        )
    make_service(cluster, "a30", {"app": "x"})
    dns = dns_of(cluster)
    assert dns.resolve(f"a0.{SVC}", "A").answers == ()
    assert len(dns.resolve(f"a22.{SVC}", "A").answers) == 9


def test_the_order_is_drawn_and_can_be_repeated() -> None:
    cluster = make_cluster(settle=True)
    make_service(cluster, "many", {"app": "many"}, clusterIP="None")
    for n in range(5):
        running_pod(cluster, f"p{n}", {"app": "many"}, ip=f"10.244.0.{n + 50}")
    cluster.settle()

    def orders(seed: int) -> list[tuple[str, ...]]:
        dns = dns_of(cluster, identities=SystemIdentities(seed))
        return [tuple(r.data for r in dns.resolve(f"many.{SVC}", "A").answers) for _ in range(200)]

    drawn = orders(7)
    assert orders(7) == drawn
    assert len({order[0] for order in drawn}) == 5
    assert len(set(drawn)) > 50


def test_a_namespace_that_goes_takes_its_names_along(cluster: Cluster, dns: ClusterDNS) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "passing"}}
    cluster.client.create(NAMESPACES, body)
    assert dns.resolve("passing.svc.cluster.local.", "A").rcode == "NOERROR"
    cluster.client.delete(NAMESPACES, "passing")
    cluster.settle()
    assert dns.resolve("passing.svc.cluster.local.", "A").rcode == "NXDOMAIN"
