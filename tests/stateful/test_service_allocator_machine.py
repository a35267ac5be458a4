"""Any sequence of writes to Services: no address or port is ever two Services', and the allocations are what repair
would rebuild. The ranges are small, so that they fill up and what is given back is drawn again.
"""

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.services import Services

from kubesim.apimachinery.errors import StatusError
from kubesim.registry.service.repair import find_repairs
from kubesim.storage.interface import Storage
from kubesim.storage.memory import MemoryStorage
from kubesim.storage.sql import SQLStorage

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
ADDRESSES = st.sampled_from(
    [None, None, None, "None", "10.0.0.1", "10.0.0.2", "10.0.0.14", "10.0.0.15", "10.9.9.9", "fd00::1"]
)
NODE_PORTS = st.sampled_from([None, None, 30000, 30001, 30002, 30003, 30009])
PORT = st.builds(
    lambda number, protocol, node_port: (
        {"port": number, "protocol": protocol} | ({"nodePort": node_port} if node_port else {})
    ),
    st.sampled_from([53, 80]),
    st.sampled_from(["TCP", "UDP"]),
    NODE_PORTS,
)


@st.composite
def specs(draw):
    kind = draw(st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]))
    spec = {
        "type": kind,
        "ports": [p | {"name": f"p{n}"} for n, p in enumerate(draw(st.lists(PORT, min_size=1, max_size=2)))],
    }
    if draw(st.booleans()):
        spec["selector"] = {"app": "web"}
    if kind == "ExternalName":
        spec["externalName"] = "example.com"
    if ip := draw(ADDRESSES):
        spec["clusterIP"] = ip
    if policy := draw(st.sampled_from([None, None, "SingleStack", "PreferDualStack", "RequireDualStack"])):
        spec["ipFamilyPolicy"] = policy
    if families := draw(st.sampled_from([None, None, None, ["IPv4"], ["IPv6"], ["IPv6", "IPv4"]])):
        spec["ipFamilies"] = families
    if kind == "LoadBalancer":
        spec["externalTrafficPolicy"] = draw(st.sampled_from(["Cluster", "Local"]))
        spec["allocateLoadBalancerNodePorts"] = draw(st.booleans())
    return spec


class AllocatorMachine(RuleBasedStateMachine):
    def open(self) -> Storage:
        return MemoryStorage()

    @initialize(seed=st.integers(0, 3))
    def begin(self, seed) -> None:
        self.services = Services(
            ("10.0.0.0/28", "fd00::/120"), (30000, 30003), storage=self.open(), seed=seed
        )
        self.names: set[str] = set()

    @rule(name=NAMES, spec=specs(), dry_run=st.booleans())
    def create(self, name, spec, dry_run) -> None:
        if name in self.names:
            return
        self.attempt(
            lambda: self.services.create(name, dry_run=dry_run, **spec),
            lambda: None if dry_run else self.names.add(name),
        )

    @precondition(lambda self: self.names)
    @rule(data=st.data(), spec=specs(), dry_run=st.booleans())
    def put(self, data, spec, dry_run) -> None:
        name = data.draw(st.sampled_from(sorted(self.names)))
        self.attempt(lambda: self.services.update(name, dry_run=dry_run, **spec))

    @precondition(lambda self: self.names)
    @rule(
        data=st.data(),
        change=st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
                "ipFamilyPolicy": st.sampled_from(
                    [None, "SingleStack", "PreferDualStack", "RequireDualStack"]
                ),
                "externalTrafficPolicy": st.sampled_from(["Cluster", "Local"]),
                "externalName": st.just("example.com"),
                "clusterIP": ADDRESSES,
            },
        ),
    )
    def patch(self, data, change) -> None:
        name = data.draw(st.sampled_from(sorted(self.names)))
        self.attempt(lambda: self.services.patch(name, **change))

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def delete(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.names)))
        self.services.delete(name)
        self.names.discard(name)

    def attempt(self, write, done=lambda: None) -> None:
        """A refused write changes nothing."""
        before = self.services.allocations()
        try:
            write()
        except StatusError:
            assert self.services.allocations() == before
        else:
            done()

    @invariant()
    def nothing_is_given_twice(self) -> None:
        if not hasattr(self, "services"):
            return
        held: Counter[object] = Counter()
        for service in self.services.all():
            spec = service["spec"]
            if spec["type"] == "ExternalName":
                continue
            held.update(ip for ip in spec["clusterIPs"] if ip != "None")
            held.update(
                {p["nodePort"] for p in spec.get("ports") or [] if p.get("nodePort")}
                | {spec.get("healthCheckNodePort")} - {None}
            )
        assert set(held.values()) <= {1}

    @invariant()
    def the_table_is_what_repair_would_rebuild(self) -> None:
        if hasattr(self, "services"):
            self.services.check()
            assert (
                find_repairs(self.services.all(), self.services.allocations(), self.services.allocator) == []
            )

    def teardown(self) -> None:
        if hasattr(self, "services"):
            self.services.storage.close()


class SQLAllocatorMachine(AllocatorMachine):
    def open(self) -> Storage:
        self.directory = tempfile.TemporaryDirectory()
        return SQLStorage(Path(self.directory.name) / "cluster.db")

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "directory"):
            self.directory.cleanup()


TestAllocator = AllocatorMachine.TestCase
TestAllocator.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestSQLAllocator = SQLAllocatorMachine.TestCase
TestSQLAllocator.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
