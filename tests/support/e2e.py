"""What Kubernetes' own network tests are driven with: a cluster of two nodes, agnhost Pods, Services, and the shell in
the Pods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubesim import Cluster
from kubesim.embedded.commandline import Result
from kubesim.util.jsontypes import JSONObject

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.53"
DNSUTILS = "registry.k8s.io/e2e-test-images/jessie-dnsutils:1.7"
NAMESPACE = "e2e"
NODE_1, NODE_2 = "node-1", "node-2"
START = "2026-01-01T09:00:00Z"
SERVERS = {"app": "server"}
"""The labels of Pods that stand behind a Service, unless a test says others."""


class E2E:
    """A cluster, and a namespace in it that is not `default`, as each of Kubernetes' tests gets one."""

    def __init__(self, nodes: int = 2, **config: Any) -> None:
        self.cluster = Cluster(nodes=nodes, seed=1, clock=START, **config)
        self.cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": NAMESPACE, "labels": {"e2e": "yes"}},
            }
        )

    # Pods

    def pod(
        self,
        name: str,
        *args: str,
        node: str = "",
        labels: Mapping[str, str] | None = None,
        ports: tuple[JSONObject, ...] = (),
        container: JSONObject | None = None,
        ready: bool = True,
        **spec: Any,
    ) -> JSONObject:
        """Make an agnhost Pod and wait until it is ready, or (`ready=False`) runs."""
        made: JSONObject = {"name": "agnhost-container", "image": AGNHOST}
        if args:
            made["args"] = list(args)
        if ports:
            made["ports"] = list(ports)
        body: JSONObject = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": dict(labels or {})},
            "spec": {"containers": [made | (container or {})], **spec},
        }
        if node:
            body["spec"]["nodeName"] = node
        return self.start(body, ready=ready)

    def start(self, body: JSONObject, *, ready: bool = True) -> JSONObject:
        """Create a Pod and wait for it."""
        self.cluster.create(body, NAMESPACE)
        condition = "condition=Ready" if ready else "jsonpath={.status.phase}=Running"
        return self.cluster.wait(f"pod/{body['metadata']['name']}", condition, 120, NAMESPACE)

    def netexec(self, name: str, port: int = 80, **more: Any) -> JSONObject:
        """A Pod behind a Service: HTTP on a port, UDP on the same."""
        more.setdefault("labels", SERVERS)
        extra = more.pop("extra", ())
        return self.pod(name, "netexec", f"--http-port={port}", f"--udp-port={port}", *extra, **more)

    def servers(self, count: int = 3, port: int = 80, **more: Any) -> list[str]:
        """Pods behind a Service, on all nodes by turns; their names."""
        return [
            self.netexec(f"server-{i}", port, node=(NODE_1, NODE_2)[i % 2], **more)["metadata"]["name"]
            for i in range(count)
        ]

    def delete_pod(self, name: str, grace: int | None = 0, *, wait: bool = True) -> None:
        self.cluster.delete("pod", name, NAMESPACE, grace_period=grace, wait=wait)

    def ip(self, pod: str, family: str = "") -> str:
        """A Pod's primary address, or that of a family."""
        status = self.get("pod", pod)["status"]
        return of_family([e["ip"] for e in status["podIPs"]], family) if family else str(status["podIP"])

    def node_ip(self, node: str, family: str = "") -> str:
        """A node's primary address, or that of a family."""
        addresses = self.cluster.get("node", node)["status"]["addresses"]
        return of_family([a["address"] for a in addresses if a["type"] == "InternalIP"], family)

    # Services

    def service(
        self,
        name: str,
        *ports: JSONObject,
        selector: Mapping[str, str] | None = SERVERS,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> JSONObject:
        """Make a Service: port 80, for the Pods of `servers`, unless something else is said."""
        body: JSONObject = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "labels": dict(labels or {}), "annotations": dict(annotations or {})},
            "spec": {"ports": list(ports) or [{"name": "http", "port": 80}], **spec},
        }
        if selector is not None:
            body["spec"]["selector"] = dict(selector)
        return self.cluster.create(body, NAMESPACE)[0]

    def get(self, kind: str, name: str) -> JSONObject:
        return self.cluster.get(kind, name, NAMESPACE)

    def patch(self, kind: str, name: str, patch: Any, **more: Any) -> JSONObject:
        return self.cluster.patch(kind, name, patch, NAMESPACE, **more)

    def update(self, kind: str, name: str, change: Callable[[JSONObject], None]) -> JSONObject:
        """Read an object, change it, and write the whole back."""
        found = self.get(kind, name)
        change(found)
        self.cluster.kubectl(["replace", "-n", NAMESPACE, "-f", "-"], stdin=dump(found), check=True)
        return self.get(kind, name)

    def slices(self, service: str) -> list[JSONObject]:
        return self.cluster.list(
            "endpointslices", NAMESPACE, label_selector=f"kubernetes.io/service-name={service}"
        )

    def served(self, service: str) -> dict[str, list[int]]:
        """The ready ports of each Pod behind a Service: Endpoints and slices must say the same."""
        by_endpoints: dict[str, list[int]] = {}
        for subset in self.get("endpoints", service).get("subsets") or ():
            for address in subset.get("addresses") or ():
                ports = by_endpoints.setdefault(address["targetRef"]["name"], [])
                ports += [p["port"] for p in subset.get("ports") or ()]
        by_slices: dict[str, list[int]] = {}
        for part in self.slices(service):
            for endpoint in part.get("endpoints") or ():
                if endpoint["conditions"]["ready"]:
                    ports = by_slices.setdefault(endpoint["targetRef"]["name"], [])
                    ports += [p["port"] for p in part.get("ports") or ()]
        found = {name: sorted(ports) for name, ports in by_endpoints.items()}
        assert {name: sorted(ports) for name, ports in by_slices.items()} == found
        return found

    # Asking

    def sh(self, pod: str, command: str, container: str = "") -> Result:
        """Run a command line in a Pod's shell."""
        return self.cluster.exec(pod, ["/bin/sh", "-c", command], NAMESPACE, container=container)

    def ssh(self, node: str, command: str) -> Result:
        """Run a command line on a node."""
        return self.cluster.kubectl(["ssh", node, "--", "/bin/bash", "-c", command])

    def outside(self, url: str, *flags: str) -> Result:
        """Ask with curl from outside of the cluster."""
        return self.cluster.kubectl(["curl", "-s", "-m", "5", *flags, url])

    def hostname(self, pod: str, address: str, port: int = 80) -> str:
        """Who answers a Pod at an address."""
        return (
            self.sh(pod, f"curl -q -g -s --connect-timeout 5 http://{bracketed(address)}:{port}/hostname")
            .check()
            .stdout
        )

    def hostnames(self, pod: str, address: str, port: int = 80, times: int = 30) -> set[str]:
        """Who answers a Pod at an address, asked many times."""
        command = (
            f"for i in $(seq 1 {times}); do curl -q -g -s --connect-timeout 5 http://{bracketed(address)}:{port}/hostname "
            "|| echo failed; echo; done"
        )
        return set(self.sh(pod, command).check().stdout.split())

    def udp(self, pod: str, address: str, port: int, message: str = "hostname", source: int = 0) -> str:
        """What a UDP server answers a Pod; empty where nobody does."""
        own = f"-p {source} " if source else ""
        return self.sh(pod, f"echo {message} | nc -u -w 2 {own}{address} {port}").stdout

    def connect(self, pod: str, address: str, port: int = 80, protocol: str = "tcp") -> str:
        """How a connection fares: `ok`, or the word of `agnhost connect` (REFUSED, TIMEOUT, …)."""
        kind = "" if protocol == "tcp" else f" --protocol={protocol}"
        result = self.sh(pod, f"/agnhost connect --timeout=3s{kind} {bracketed(address)}:{port}")
        return "ok" if result.exit_code == 0 else result.stderr.strip()


def dump(obj: JSONObject) -> str:
    """An object as a manifest."""
    import json

    return json.dumps(obj)


def node_port(service: JSONObject, index: int = 0) -> int:
    found = service["spec"]["ports"][index]["nodePort"]
    assert isinstance(found, int)
    return found


def cluster_ip(service: JSONObject, family: str = "") -> str:
    """A Service's primary address, or that of a family."""
    return of_family(service["spec"]["clusterIPs"], family) if family else str(service["spec"]["clusterIP"])


def of_family(addresses: Sequence[str], family: str) -> str:
    """The first address of a family, or of any."""
    return next(a for a in addresses if not family or (":" in a) == (family == "IPv6"))


def bracketed(address: str) -> str:
    """An address as URLs and `address:port` have it."""
    return f"[{address}]" if ":" in address else address
