"""Any sequence of what users do to Services and Pods, with time passing and controllers run in any order: when
they have come to rest, the cluster is what Kubernetes promises. The expectation is computed here anew, Service by
Service and Pod by Pod, from nothing but the objects.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.cluster import START, make_cluster

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.resources import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES
from kubesim.cluster.containers import make_runtime
from kubesim.util.clock import FrozenClock

PROBE = {"readinessProbe": {"exec": {"command": ["test", "-e", "/ready"]}, "periodSeconds": 1}}
LABELS = st.sampled_from(
    [{"app": "a"}, {"app": "a"}, {"app": "b"}, {"app": "a", "tier": "x"}, {"app": "b", "tier": "x"}, {}]
)
NAMES = st.sampled_from(["one", "two", "three"])
TYPES = st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "headless"])
TARGETS = st.sampled_from([80, 8080, "web"])


def port_of(service: dict[str, Any], pod: dict[str, Any]) -> int | None:
    """The Pod's port for the only port of a Service; None where it has none of that name."""
    target = service["spec"]["ports"][0]["targetPort"]
    if isinstance(target, int):
        return target
    ports = pod["spec"]["containers"][0].get("ports") or ()
    return next((p["containerPort"] for p in ports if p.get("name") == target), None)


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions") or ()}
    return conditions.get("Ready") == "True"


class ClusterMachine(RuleBasedStateMachine):
    @initialize(eager=st.booleans())
    def begin(self, eager: bool) -> None:
        # Eager controllers run after every write, as they do between commands; the others when told to.
        self.eager = eager
        self.clock = FrozenClock(START)
        self.cluster = make_cluster(
            clock=self.clock,
            runtime=make_runtime,
            settle=True,
            service_cidrs=("10.0.0.0/28",),
            node_port_range=(30000, 30004),
        )
        self.client = self.cluster.client
        self.rested = True

    def change(self, action: Any, *args: Any) -> None:
        """What a user does; a refusal (the name is taken, the addresses have run out) changes nothing."""
        try:
            action(*args)
        except StatusError:
            return
        self.rested = False
        if self.eager:
            self.come_to_rest()

    @rule(name=NAMES, kind=TYPES, selector=LABELS, port=TARGETS, unready=st.booleans())
    def create_service(
        self, name: str, kind: str, selector: dict[str, str], port: int | str, unready: bool
    ) -> None:
        spec: dict[str, Any] = {"ports": [{"port": 80, "targetPort": port}], "selector": selector}
        spec |= {"clusterIP": "None"} if kind == "headless" else {"type": kind}
        spec["publishNotReadyAddresses"] = unready
        self.change(self.client.create, SERVICES, {"metadata": {"name": name}, "spec": spec}, "default")

    @rule(name=NAMES, selector=LABELS, kind=st.sampled_from(["ClusterIP", "NodePort"]))
    def change_service(self, name: str, selector: dict[str, str], kind: str) -> None:
        patch = {"spec": {"type": kind, "selector": {"app": None, "tier": None} | selector}}
        self.change(self.client.patch, SERVICES, name, patch, MERGE_PATCH, "default")

    @rule(name=NAMES)
    def delete_service(self, name: str) -> None:
        self.change(self.client.delete, SERVICES, name, "default")

    @rule(name=NAMES, labels=LABELS, named=st.booleans(), probed=st.booleans())
    def create_pod(self, name: str, labels: dict[str, str], named: bool, probed: bool) -> None:
        # Process 1 does not listen to TERM: a Pod that is deleted stays for its grace period.
        container: dict[str, Any] = {"name": "c", "image": "busybox", "command": ["sleep", "3600"]}
        container |= PROBE if probed else {}
        if named:
            container["ports"] = [{"name": "web", "containerPort": 8000}]
        pod = {
            "metadata": {"name": name, "labels": labels},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 5},
        }
        self.change(self.client.create, PODS, pod, "default")

    @rule(name=NAMES, labels=LABELS)
    def relabel_pod(self, name: str, labels: dict[str, str]) -> None:
        patch = {"metadata": {"labels": {"app": None, "tier": None} | labels}}
        self.change(self.client.patch, PODS, name, patch, MERGE_PATCH, "default")

    @rule(name=NAMES)
    def delete_pod(self, name: str) -> None:
        self.change(self.client.delete, PODS, name, "default")

    @rule(seconds=st.sampled_from([1, 7, 40]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        self.rested = False

    @rule(data=st.data())
    def run_one_controller(self, data: st.DataObject) -> None:
        self.cluster.settle(only=[data.draw(st.sampled_from(self.cluster.controllers))])

    @rule()
    def controllers_run(self) -> None:
        self.come_to_rest()

    def come_to_rest(self) -> None:
        self.cluster.settle()
        assert not self.cluster.settle().actions
        self.rested = True

    def objects(self, gvr: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.list(gvr, "default")["items"]
        return found

    @invariant()
    def no_address_is_two_services(self) -> None:
        services = self.objects(SERVICES)
        ips = [ip for s in services for ip in s["spec"].get("clusterIPs") or () if ip != "None"]
        ports = [p["nodePort"] for s in services for p in s["spec"]["ports"] if p.get("nodePort")]
        assert len(ips) == len(set(ips))
        assert len(ports) == len(set(ports))

    @invariant()
    def allocations_are_what_repair_would_rebuild(self) -> None:
        assert self.cluster.repair() == []

    @invariant()
    def pods_have_addresses_of_their_own(self) -> None:
        ips = [p["status"]["podIP"] for p in self.objects(PODS) if p["status"].get("podIP")]
        assert len(ips) == len(set(ips))

    @invariant()
    def endpoints_are_those_of_the_pods(self) -> None:
        if not self.rested:
            return
        pods, slices = self.objects(PODS), self.objects(ENDPOINT_SLICES)
        names = {s["metadata"]["name"] for s in self.objects(SERVICES)}
        assert {s["metadata"]["labels"]["kubernetes.io/service-name"] for s in slices} <= names
        assert {e["metadata"]["name"] for e in self.objects(ENDPOINTS)} <= names
        for service in self.objects(SERVICES):
            if service["spec"].get("selector"):
                self.check(service, pods, slices)

    def check(self, service: dict[str, Any], pods: list[Any], slices: list[Any]) -> None:
        name, selector = service["metadata"]["name"], service["spec"]["selector"]
        publish = bool(service["spec"].get("publishNotReadyAddresses"))
        wanted = {}
        for pod in pods:
            labels = pod["metadata"].get("labels") or {}
            if not selector.items() <= labels.items() or not pod["status"].get("podIP"):
                continue
            terminating = "deletionTimestamp" in pod["metadata"]
            serving = is_ready(pod)
            ready = publish or (serving and not terminating)
            wanted[pod["metadata"]["name"], port_of(service, pod)] = (ready, serving, terminating)
        found = {}
        for part in slices:
            if part["metadata"]["labels"]["kubernetes.io/service-name"] != name:
                continue
            # A Pod without the named port is in a slice without ports.
            port = part["ports"][0]["port"] if part.get("ports") else None
            for endpoint in part.get("endpoints") or ():
                c = endpoint["conditions"]
                key = (endpoint["targetRef"]["name"], port)
                assert key not in found
                found[key] = (c["ready"], c["serving"], c["terminating"])
        assert found.keys() == wanted.keys()
        for key, (ready, serving, terminating) in wanted.items():
            assert found[key][0] == ready, key
            assert found[key][2] == terminating, key
            assert publish or found[key][1] == serving, key

    def teardown(self) -> None:
        if hasattr(self, "cluster"):
            self.cluster.close()


TestCluster = ClusterMachine.TestCase
TestCluster.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
