"""Any sequence of making and deleting things that belong to others: what is to go goes, what is to stay stays.

Namespaces, owners and finalizers on a dual-stack cluster of two nodes, one of which may be closed to new Pods.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.cluster import START, make_cluster
from support.consistency import inconsistencies

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.client.resources import NAMESPACES, NODES, PODS, SERVICES
from kubesim.cluster.containers import make_runtime
from kubesim.util.clock import FrozenClock

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
DEPENDENTS = (CONFIG_MAPS, PODS, SERVICES)
SPACES = st.sampled_from(["default", "red", "blue"])
NAMES = st.sampled_from(["a", "b", "c"])
APPS = st.sampled_from(["x", "y"])
FINALIZER = "example.com/keep"

SERVICE_SPECS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
        "ipFamilyPolicy": st.sampled_from(["SingleStack", "PreferDualStack", "RequireDualStack"]),
        "publishNotReadyAddresses": st.booleans(),
        "headless": st.booleans(),
        "app": APPS,
    }
)


def service_spec(drawn: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {"type": drawn["type"], "ports": [{"port": 80}], "selector": {"app": drawn["app"]}}
    if drawn["type"] == "ExternalName":
        return spec | {"externalName": "example.com"}
    spec |= {k: drawn[k] for k in ("ipFamilyPolicy", "publishNotReadyAddresses")}
    return spec | ({"clusterIP": "None"} if drawn["headless"] and drawn["type"] == "ClusterIP" else {})


class LifecycleMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.clock = FrozenClock(START)
        self.cluster = make_cluster(
            clock=self.clock,
            runtime=make_runtime,
            settle=True,
            nodes=2,
            service_cidrs=("10.0.0.0/27", "fd00::/120"),
            node_port_range=(30000, 30009),
        )
        self.client = self.cluster.client
        self.rested = True
        self.open_nodes = {"node-1", "node-2"}  # open to new Pods at some time since the cluster was at rest
        self.bound: dict[str, str] = {}
        self.create_namespace("red")
        for space in ("default", "red"):
            self.create_family(space, "a", "b", "x", keep=space == "red")

    def change(self, action: Callable[..., Any], *args: Any, **more: Any) -> None:
        """What a user does; a refusal changes nothing."""
        try:
            action(*args, **more)
        except StatusError:
            return
        self.rested = False

    @rule(space=st.sampled_from(["red", "blue"]))
    def create_namespace(self, space: str) -> None:
        self.change(self.client.create, NAMESPACES, {"metadata": {"name": space}})
        self.rest()  # for its ServiceAccount

    @rule(space=st.sampled_from(["red", "blue"]))
    def delete_namespace(self, space: str) -> None:
        self.change(self.client.delete, NAMESPACES, space)

    @rule(
        space=SPACES, name=NAMES, owners=st.sets(NAMES, max_size=2), keep=st.booleans(), block=st.booleans()
    )
    def create_config_map(self, space: str, name: str, owners: set[str], keep: bool, block: bool) -> None:
        metadata = self.metadata(space, name, owners, block=block)
        if keep:
            metadata["finalizers"] = [FINALIZER]
        self.change(self.client.create, CONFIG_MAPS, {"metadata": metadata}, space)

    @rule(space=SPACES, name=NAMES, app=APPS, owners=st.sets(NAMES, max_size=1), probed=st.booleans())
    def create_pod(self, space: str, name: str, app: str, owners: set[str], probed: bool) -> None:
        container: dict[str, Any] = {"name": "c", "image": "nginx"}
        if probed:
            container["readinessProbe"] = {"exec": {"command": ["test", "-e", "/ready"]}, "periodSeconds": 1}
        metadata = self.metadata(space, name, owners) | {"labels": {"app": app}}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 2}
        self.change(self.client.create, PODS, {"metadata": metadata, "spec": spec}, space)

    @rule(space=SPACES, name=NAMES, drawn=SERVICE_SPECS, owners=st.sets(NAMES, max_size=1))
    def create_service(self, space: str, name: str, drawn: dict[str, Any], owners: set[str]) -> None:
        body = {"metadata": self.metadata(space, name, owners), "spec": service_spec(drawn)}
        self.change(self.client.create, SERVICES, body, space)

    @rule(space=SPACES, owner=NAMES, name=NAMES, app=APPS, keep=st.booleans())
    def create_family(self, space: str, owner: str, name: str, app: str, keep: bool) -> None:
        """A ConfigMap and what belongs to it."""
        drawn = {"type": "ClusterIP", "ipFamilyPolicy": "PreferDualStack", "app": app}
        self.create_config_map(space, owner, set(), keep=False, block=False)
        self.create_config_map(space, name, {owner}, keep=keep, block=True)
        self.create_pod(space, name, app, {owner}, probed=False)
        self.create_service(
            space, name, drawn | {"publishNotReadyAddresses": False, "headless": False}, {owner}
        )

    def metadata(self, space: str, name: str, owners: set[str], *, block: bool = False) -> dict[str, Any]:
        """Metadata whose owners are ConfigMaps of the namespace."""
        found = {o["metadata"]["name"]: o for o in self.client.list(CONFIG_MAPS, space)["items"]}
        references = [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": owner,
                "uid": found[owner]["metadata"]["uid"],
                "blockOwnerDeletion": block,
            }
            for owner in sorted(owners & found.keys())
        ]
        return {"name": name} | ({"ownerReferences": references} if references else {})

    @rule(
        space=SPACES,
        name=NAMES,
        gvr=st.sampled_from(DEPENDENTS),
        how=st.sampled_from(["Background", "Foreground", "Orphan"]),
    )
    def delete(self, space: str, name: str, gvr: GroupVersionResource, how: str) -> None:
        if gvr is SERVICES and how == "Orphan":
            return  # its slices would stay for ever, as they do in Kubernetes
        self.change(self.client.delete, gvr, name, space, delete_options={"propagationPolicy": how})

    @rule(space=SPACES, name=NAMES)
    def let_go(self, space: str, name: str) -> None:
        """Whoever set the finalizer takes it back."""
        try:
            held = self.client.get(CONFIG_MAPS, name, space)
        except StatusError:
            return
        left = [f for f in held["metadata"].get("finalizers") or () if f != FINALIZER]
        patch = {"metadata": {"finalizers": left or None}}
        self.change(self.client.patch, CONFIG_MAPS, name, patch, MERGE_PATCH, space)

    @rule(node=st.sampled_from(["node-1", "node-2"]), closed=st.booleans())
    def cordon(self, node: str, closed: bool) -> None:
        patch = {"spec": {"unschedulable": closed or None}}
        self.change(self.client.patch, NODES, node, patch, MERGE_PATCH)
        if not closed:
            self.open_nodes.add(node)

    @rule(seconds=st.sampled_from([1, 30]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        self.rested = False

    @rule()
    def rest(self) -> None:
        """Run the controllers, and let the grace periods of Pods and the retries of namespaces pass."""
        for _ in range(12):
            self.cluster.settle()
            self.clock.advance(timedelta(seconds=5))
        self.cluster.settle()
        self.rested = True

    @invariant()
    def nothing_is_inconsistent(self) -> None:
        if self.rested:
            assert inconsistencies(self.cluster) == []

    @invariant()
    def what_is_to_go_has_gone(self) -> None:
        if not self.rested:
            return
        spaces = {n["metadata"]["name"]: n["metadata"] for n in self.client.list(NAMESPACES)["items"]}
        objects = [o for gvr in DEPENDENTS for o in self.client.list(gvr)["items"]]
        uids = {o["metadata"]["uid"] for o in objects}
        held = set()
        for obj in objects:
            meta = obj["metadata"]
            references = meta.get("ownerReferences") or []
            waits = bool(meta.get("finalizers"))
            if "deletionTimestamp" in meta:
                assert waits, f"{meta['name']} should be gone"
            if references and not any(r["uid"] in uids for r in references):
                assert waits, f"{meta['name']} has outlived its owners"
                assert "deletionTimestamp" in meta, f"{meta['name']} should be on its way"
            if "deletionTimestamp" in spaces[meta["namespace"]]:
                assert waits, f"{meta['name']} is left in a namespace that goes"
                held.add(meta["namespace"])
        for name, meta in spaces.items():
            assert "deletionTimestamp" not in meta or name in held, f"namespace {name} should be gone"

    @invariant()
    def closed_nodes_get_no_pods(self) -> None:
        if not self.rested:
            return
        pods = {p["metadata"]["uid"]: p for p in self.client.list(PODS)["items"]}
        placed = {uid: pod["spec"]["nodeName"] for uid, pod in pods.items() if pod["spec"].get("nodeName")}
        for uid, node in placed.items():
            assert self.bound.get(uid, node) == node, "a Pod has moved"
            assert uid in self.bound or node in self.open_nodes, f"{node} was closed"
        now_open = {
            n["metadata"]["name"]
            for n in self.client.list(NODES)["items"]
            if not n["spec"].get("unschedulable")
        }
        waiting = [p["metadata"]["name"] for uid, p in pods.items() if uid not in placed]
        assert not (waiting and now_open), f"{waiting} could run"
        self.bound, self.open_nodes = placed, now_open

    def teardown(self) -> None:
        if hasattr(self, "cluster"):
            self.cluster.close()


TestLifecycle = LifecycleMachine.TestCase
TestLifecycle.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
