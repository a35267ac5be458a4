"""Endpoints, EndpointSlices and their mirrors (test/e2e/network: endpointslice.go, endpointslicemirroring.go), and the API of
the kinds of networking.
"""

from __future__ import annotations

import json

import pytest
from support.e2e import E2E, NAMESPACE, cluster_ip

from kubesim import StatusError
from kubesim.util.jsontypes import JSONObject

HTTP: JSONObject = {"name": "example", "port": 80, "protocol": "TCP"}


def test_the_api_server_has_endpoints_and_slices(e2e: E2E) -> None:
    assert e2e.cluster.get("service", "kubernetes")["spec"]["ports"][0]["port"] == 443
    (subset,) = e2e.cluster.get("endpoints", "kubernetes")["subsets"]
    (part,) = e2e.cluster.list("endpointslices", label_selector="kubernetes.io/service-name=kubernetes")
    assert [a["ip"] for a in subset["addresses"]] == [a for e in part["endpoints"] for a in e["addresses"]]
    assert subset["ports"][0]["port"] == part["ports"][0]["port"]


def test_a_selector_makes_endpoints_and_slices_that_go_with_the_service(e2e: E2E) -> None:
    e2e.service("example-empty-selector", HTTP, selector={"does-not-match": "anything"})
    assert "subsets" not in e2e.get("endpoints", "example-empty-selector")
    (part,) = e2e.slices("example-empty-selector")
    labels = part["metadata"]["labels"]
    assert labels["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert not part["endpoints"]
    e2e.cluster.delete("service", "example-empty-selector", NAMESPACE)
    with pytest.raises(StatusError, match="not found"):
        e2e.get("endpoints", "example-empty-selector")
    assert e2e.slices("example-empty-selector") == []


def test_endpoints_and_slices_of_matching_pods(e2e: E2E) -> None:
    """Named ports that differ between Pods make a slice and a subset each."""
    ports = {"pod1": [("example-name", 3000)], "pod2": [("example-name", 3001), ("other-port", 3002)]}
    for name, found in ports.items():
        listed = [{"name": n, "containerPort": p} for n, p in found]
        e2e.pod(name, labels={name: "on", "shared12": "on"}, ports=tuple(listed))
    unready = {"publishNotReadyAddresses": True}
    e2e.service("int", HTTP | {"targetPort": 3000}, selector={"pod1": "on"}, **unready)
    e2e.service("named", HTTP | {"targetPort": "example-name"}, selector={"shared12": "on"}, **unready)
    e2e.service("none", HTTP | {"targetPort": 8080}, selector={"pod3": "on"}, **unready)
    assert e2e.served("int") == {"pod1": [3000]}
    assert len(e2e.slices("int")) == 1
    assert e2e.served("named") == {"pod1": [3000], "pod2": [3001]}
    assert len(e2e.get("endpoints", "named")["subsets"]) == len(e2e.slices("named")) == 2
    assert e2e.served("none") == {}
    assert len(e2e.slices("none")) == 1
    for part in e2e.slices("named"):
        (endpoint,) = part["endpoints"]
        pod = e2e.get("pod", endpoint["targetRef"]["name"])
        assert endpoint["addresses"] == [pod["status"]["podIP"]]
        assert endpoint["nodeName"] == pod["spec"]["nodeName"]
        assert endpoint["targetRef"]["uid"] == pod["metadata"]["uid"]
        (owner,) = part["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("Service", "named", True)
    old = {s["metadata"]["name"] for s in e2e.slices("named")}
    for name in old:
        e2e.cluster.delete("endpointslice", name, NAMESPACE)
    assert e2e.served("named") == {"pod1": [3000], "pod2": [3001]}
    assert not old & {s["metadata"]["name"] for s in e2e.slices("named")}


def handmade(name: str, service: str, address: str, port: JSONObject) -> JSONObject:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [port],
        "endpoints": [{"addresses": [address]}],
    }


def test_several_slices_with_different_ports(e2e: E2E) -> None:
    ports = [{"name": f"port{n}", "port": n} for n in (80, 81)]
    vip = cluster_ip(e2e.service("custom", *ports, selector=None))
    e2e.netexec("server", 8090, labels={})
    e2e.pod("pause")
    for name, port in (("port80", 8090), ("port81", 9090)):
        part = handmade(f"custom-{name}", "custom", e2e.ip("server"), {"name": name, "port": port})
        e2e.cluster.create(part, NAMESPACE)
    assert e2e.hostname("pause", vip, 80) == "server"
    assert e2e.connect("pause", vip, 81) == "REFUSED"  # nothing listens there


def test_several_slices_with_different_addresses(e2e: E2E) -> None:
    vip = cluster_ip(e2e.service("custom", HTTP, selector=None))
    e2e.pod("pause")
    for number in range(2):
        e2e.netexec(f"server-{number}", labels={})
        part = handmade(
            f"custom-{number}", "custom", e2e.ip(f"server-{number}"), {"name": "example", "port": 80}
        )
        e2e.cluster.create(part, NAMESPACE)
    assert e2e.hostnames("pause", vip) == {"server-0", "server-1"}


def endpoints(name: str, *subsets: tuple[str, JSONObject]) -> JSONObject:
    listed = [{"addresses": [{"ip": address}], "ports": [port]} for address, port in subsets]
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name}, "subsets": listed}


def test_handmade_endpoints_are_mirrored(e2e: E2E) -> None:
    """Through their creation, change and end."""
    e2e.service("example", HTTP, selector=None)
    e2e.cluster.create(endpoints("example", ("10.1.2.3", {"port": 80})), NAMESPACE)

    def mirrored() -> list[tuple[list[int], list[list[str]]]]:
        return [
            ([p["port"] for p in s["ports"]], [e["addresses"] for e in s["endpoints"]])
            for s in e2e.slices("example")
        ]

    assert mirrored() == [([80], [["10.1.2.3"]])]
    change = {"subsets": [{"addresses": [{"ip": "10.2.3.4"}], "ports": [{"port": 80}]}]}
    e2e.patch("endpoints", "example", change, type="merge")
    assert mirrored() == [([80], [["10.2.3.4"]])]
    e2e.cluster.delete("endpoints", "example", NAMESPACE)
    assert mirrored() == []


def test_several_subsets_with_one_address_are_mirrored(e2e: E2E) -> None:
    vip = cluster_ip(
        e2e.service("example", {"name": "port80", "port": 80}, {"name": "port81", "port": 81}, selector=None)
    )
    e2e.pod(
        "server",
        "netexec",
        "--http-port=8090",
        "--udp-port=-1",
        initContainers=[
            {
                "name": "second",
                "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
                "args": ["netexec", "--http-port=9090", "--udp-port=-1"],
                "restartPolicy": "Always",
            }
        ],
    )
    e2e.pod("pause")
    ip = e2e.ip("server")
    made = endpoints(
        "example", (ip, {"name": "port80", "port": 8090}), (ip, {"name": "port81", "port": 9090})
    )
    e2e.cluster.create(made, NAMESPACE)
    assert (e2e.hostname("pause", vip, 80), e2e.hostname("pause", vip, 81)) == ("server", "server")
    e2e.cluster.delete("endpoints", "example", NAMESPACE)
    assert e2e.slices("example") == []


BACKEND: JSONObject = {"service": {"name": "default-backend", "port": {"number": 80}}}
OBJECTS: dict[str, JSONObject] = {
    "endpointslices.discovery.k8s.io": {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["1.2.3.4", "5.6.7.8"]}, {"addresses": ["2.2.3.4", "6.6.7.8"]}],
    },
    "ingresses.networking.k8s.io": {"spec": {"defaultBackend": BACKEND}},
    "ingressclasses.networking.k8s.io": {"spec": {"controller": "example.com/controller"}},
    "networkpolicies.networking.k8s.io": {"spec": {"podSelector": {"matchLabels": {"app": "web"}}}},
}


@pytest.mark.parametrize("resource", OBJECTS, ids=list(OBJECTS))
def test_api_operations(e2e: E2E, resource: str) -> None:
    """Discovery; create, get, list, watch, patch, update, delete, delete a collection; status where there is one."""
    plural, _, group = resource.partition(".")

    def raw(path: str) -> JSONObject:
        found = json.loads(e2e.cluster.kubectl(["get", "--raw", path], check=True).stdout)
        assert isinstance(found, dict)
        return found

    assert group in {g["name"] for g in raw("/apis")["groups"]}
    assert "v1" in {v["version"] for v in raw(f"/apis/{group}")["versions"]}
    listed = {r["name"]: r for r in raw(f"/apis/{group}/v1")["resources"]}
    kind, namespaced = listed[plural]["kind"], listed[plural]["namespaced"]
    where = NAMESPACE if namespaced else ""
    names = []
    for _ in range(3):
        body = {"apiVersion": f"{group}/v1", "kind": kind, **OBJECTS[resource]}
        body["metadata"] = {"generateName": "e2e-example-", "labels": {"special-label": "e2e"}}
        names.append(e2e.cluster.create(body, where or None)[0]["metadata"]["name"])

    def found(everywhere: bool = False) -> list[str]:
        items = e2e.cluster.list(
            resource, where, all_namespaces=everywhere, label_selector="special-label=e2e"
        )
        return sorted(i["metadata"]["name"] for i in items)

    assert found() == found(everywhere=True) == sorted(names)
    first = names[0]
    watch = ["get", resource, first, "-n", NAMESPACE, "-o", "name"]
    assert e2e.cluster.kubectl(watch, check=True).stdout == f"{kind.lower()}.{group}/{first}\n"
    patched = e2e.patch(resource, first, {"metadata": {"annotations": {"patched": "true"}}}, type="merge")
    assert patched["metadata"]["annotations"] == {"patched": "true"}
    updated = e2e.update(resource, first, lambda o: o["metadata"]["annotations"].update(updated="true"))
    assert updated["metadata"]["annotations"] == {"patched": "true", "updated": "true"}
    if f"{plural}/status" in listed:
        status = {"loadBalancer": {"ingress": [{"ip": "169.1.1.1"}]}}
        change = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": status}
        stored = e2e.patch(resource, first, change, type="merge", subresource="status")
        assert stored["status"] == status
        assert stored["metadata"]["annotations"]["patchedstatus"] == "true"
        assert e2e.cluster.get(resource, first, NAMESPACE, subresource="status")["status"] == status
    e2e.cluster.delete(resource, first, NAMESPACE)
    with pytest.raises(StatusError, match="not found"):
        e2e.get(resource, first)
    assert found() == sorted(names[1:])
    e2e.cluster.kubectl(["delete", resource, "-l", "special-label=e2e", "-n", NAMESPACE], check=True)
    assert found() == []
