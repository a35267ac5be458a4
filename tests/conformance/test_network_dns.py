"""DNS as Kubernetes' own tests (test/e2e/network/dns.go) ask for it: from a Pod with two containers, one of musl and one of
glibc, by UDP, by TCP, and by what getent reads.
"""

from __future__ import annotations

from support.e2e import AGNHOST, DNSUTILS, E2E, NAMESPACE, NODE_1, cluster_ip

from kubesim.util.jsontypes import JSONObject

HTTP: JSONObject = {"name": "http", "port": 80, "protocol": "TCP"}
HOST, SERVICE = "dns-querier-1", "dns-test-service"
DOMAIN = f"{NAMESPACE}.svc.cluster.local"
SELECTOR = {"dns-test": "true"}


def querier(name: str = "dns-test", host: str = HOST, service: str = SERVICE, **spec: object) -> JSONObject:
    """A Pod of the two containers that ask."""
    containers = [
        {"name": "agnhost", "image": AGNHOST},
        {"name": "jessie", "image": DNSUTILS, "command": ["sleep", "3600"]},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": SELECTOR},
        "spec": {"hostname": host, "subdomain": service, "containers": containers} | spec,
    }


def check(e2e: E2E, *names: str, hosts: tuple[str, ...] = (), ptr: str = "", pod: str = "dns-test") -> None:
    """Each name has an answer in both containers, by both protocols; SRV where it names a port."""
    questions = [f"{name} SRV" if name.startswith("_") else f"{name} A" for name in names]
    if ptr:
        questions.append(f"{'.'.join(reversed(ptr.split('.')))}.in-addr.arpa. PTR")
    for container in ("agnhost", "jessie"):
        for question in questions:
            for protocol in ("+notcp", "+tcp"):
                command = f"dig {protocol} +noall +answer +search {question}"
                assert e2e.sh(pod, command, container).check().stdout.strip(), (container, command)
        for host in hosts:
            assert e2e.sh(pod, f"getent hosts {host}", container).check().stdout.strip(), (container, host)


def dig(e2e: E2E, question: str, container: str, pod: str = "dns-test") -> list[str]:
    return e2e.sh(pod, f"dig +short {question}", container).check().stdout.split()


def services(e2e: E2E) -> str:
    """A headless Service and one that is not, for the Pod that asks; the address of the second."""
    e2e.service(SERVICE, HTTP, selector=SELECTOR, clusterIP="None")
    return cluster_ip(e2e.service("test-service-2", HTTP, selector=SELECTOR))


def test_names_of_the_cluster(e2e: E2E) -> None:
    e2e.start(querier())
    check(e2e, "kubernetes.default.svc.cluster.local")


def test_partial_names_of_the_cluster(e2e: E2E) -> None:
    e2e.start(querier())
    check(e2e, "kubernetes.default", "kubernetes.default.svc", hosts=(f"{HOST}.{SERVICE}.{DOMAIN}", HOST))


def test_entries_of_etc_hosts(e2e: E2E) -> None:
    e2e.start(querier())
    check(e2e, hosts=(f"{HOST}.{SERVICE}.{DOMAIN}", HOST))


def test_names_of_services(e2e: E2E) -> None:
    vip = services(e2e)
    e2e.start(querier())
    names = [f"{SERVICE}.{DOMAIN}", f"_http._tcp.{SERVICE}.{DOMAIN}", f"_http._tcp.test-service-2.{DOMAIN}"]
    check(e2e, *names, ptr=vip)


PARTIAL = [
    SERVICE,
    f"{SERVICE}.{NAMESPACE}",
    f"{SERVICE}.{NAMESPACE}.svc",
    f"_http._tcp.{SERVICE}.{NAMESPACE}.svc",
    f"_http._tcp.test-service-2.{NAMESPACE}.svc",
]


def test_partial_names_of_services(e2e: E2E) -> None:
    vip = services(e2e)
    e2e.start(querier())
    check(e2e, *PARTIAL, ptr=vip)


def test_partial_names_of_services_in_the_host_network(e2e: E2E) -> None:
    vip = services(e2e)
    e2e.start(querier(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"))
    check(e2e, *PARTIAL, ptr=vip)


def test_name_of_a_pod_with_a_hostname(e2e: E2E) -> None:
    e2e.service("dns-test-service-2", HTTP, selector=SELECTOR, clusterIP="None")
    e2e.start(querier(host="dns-querier-2", service="dns-test-service-2"))
    check(e2e, hosts=(f"dns-querier-2.dns-test-service-2.{DOMAIN}", "dns-querier-2"))


def test_name_of_a_pod_with_a_subdomain(e2e: E2E) -> None:
    e2e.service("dns-test-service-2", HTTP, selector=SELECTOR, clusterIP="None")
    e2e.start(querier(host="dns-querier-2", service="dns-test-service-2"))
    check(e2e, f"dns-querier-2.dns-test-service-2.{DOMAIN}", f"dns-test-service-2.{DOMAIN}")


def test_external_names(e2e: E2E) -> None:
    """Changed, and then made a Service with an address."""
    name = f"dns-test-service-3.{DOMAIN}"
    e2e.service("dns-test-service-3", selector=None, type="ExternalName", externalName="foo.example.com")
    e2e.start(querier())
    for target in ("foo.example.com", "bar.example.com"):
        e2e.patch("service", "dns-test-service-3", {"spec": {"externalName": target}})
        for container in ("agnhost", "jessie"):
            assert dig(e2e, f"{name} CNAME", container) == [f"{target}."]
    change = {"type": "ClusterIP", "externalName": None, "ports": [HTTP]}
    vip = cluster_ip(e2e.patch("service", "dns-test-service-3", {"spec": change}, type="merge"))
    for container in ("agnhost", "jessie"):
        assert dig(e2e, f"{name} A", container) == [vip]


def test_name_servers_of_a_pod_are_configurable(e2e: E2E) -> None:
    config = {"nameservers": ["1.1.1.1"], "searches": ["resolv.conf.local"]}
    e2e.pod("test-dns-nameservers", dnsPolicy="None", dnsConfig=config)
    assert "resolv.conf.local" in e2e.sh("test-dns-nameservers", "/agnhost dns-suffix").check().stdout
    assert "1.1.1.1" in e2e.sh("test-dns-nameservers", "/agnhost dns-server-list").check().stdout


def test_resolver_of_a_pod_is_configurable(e2e: E2E) -> None:
    """With a server of its own, a search path and an option: the name is one that only this server knows."""
    corefile = ". {\n\thosts {\n\t\t1.1.1.1 notexistname.resolv.conf.local\n\t}\n\tlog\n}"
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns"},
        "data": {"Corefile": corefile},
    }
    e2e.cluster.create(config, NAMESPACE)
    e2e.pod(
        "dns-server",
        "-conf",
        "/etc/coredns/Corefile",
        container={"command": ["/coredns"], "volumeMounts": [{"name": "conf", "mountPath": "/etc/coredns"}]},
        volumes=[{"name": "conf", "configMap": {"name": "coredns"}}],
        dnsPolicy="Default",
    )
    server = e2e.ip("dns-server")
    resolver = {
        "nameservers": [server],
        "searches": ["resolv.conf.local"],
        "options": [{"name": "ndots", "value": "2"}],
    }
    e2e.pod("e2e-dns-utils", dnsPolicy="None", dnsConfig=resolver)
    text = e2e.sh("e2e-dns-utils", "cat /etc/resolv.conf").check().stdout
    assert sorted(text.splitlines()) == [
        f"nameserver {server}",
        "options ndots:2",
        "search resolv.conf.local",
    ]
    for protocol in ("+notcp", "+tcp"):
        found = e2e.sh("e2e-dns-utils", f"dig {protocol} +short +search notexistname").check().stdout
        assert found == "1.1.1.1\n"
    assert "SERVFAIL" in e2e.sh("e2e-dns-utils", "dig kubernetes.default").stdout


def test_many_and_long_search_paths(e2e: E2E) -> None:
    searches = [f"{n:038d}.k8s.io" for n in range(1, 7)]
    e2e.start(querier(dnsPolicy="ClusterFirst", dnsConfig={"searches": searches}))
    check(e2e, "kubernetes.default", "kubernetes.default.svc", hosts=(f"{HOST}.{SERVICE}.{DOMAIN}", HOST))


def test_hostname_of_a_pod_is_what_it_says(e2e: E2E) -> None:
    e2e.pod("test-dns-hostname", hostname=HOST)
    assert e2e.sh("test-dns-hostname", "hostname").stdout.strip() == HOST


def test_hostname_in_the_host_network_is_that_of_the_node(e2e: E2E) -> None:
    e2e.pod("test-dns-hostnetwork", hostname=HOST, hostNetwork=True, node=NODE_1)
    assert e2e.sh("test-dns-hostnetwork", "hostname").stdout.strip() == NODE_1


def test_host_aliases_are_in_etc_hosts(e2e: E2E) -> None:
    """sig-node: Kubelet when scheduling an agnhost Pod with hostAliases."""
    aliases = [{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}]
    e2e.pod("host-aliases", hostAliases=aliases)
    text = e2e.sh("host-aliases", "/agnhost etc-hosts").check().stdout
    assert "# Kubernetes-managed hosts file." in text
    assert "123.45.67.89\tfoo\tbar" in text
