"""The composition root: everything that a cluster is made of is constructed here, and nowhere else.

What only some commands need (controllers, containers, the first start) is imported where it is constructed: a
command that reads a settled cluster loads none of it (docs/decisions/0003-import-budget.md).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, partial
from math import inf
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from kubesim.admission.chain import Chain, default_plugins
from kubesim.apimachinery.rest import Request, Response
from kubesim.apimachinery.schema import Schema, load_schema
from kubesim.apimachinery.scheme import Scheme
from kubesim.apis import build_scheme
from kubesim.apis.lazy import lazy
from kubesim.apiserver.auth import Authorizer
from kubesim.apiserver.health import VersionInfo
from kubesim.apiserver.server import APIServer
from kubesim.client.client import Client
from kubesim.client.transport import InProcessTransport
from kubesim.cluster.config import API_PORT, CONTROL_PLANE, HOST, NOTE, ClusterConfig, decode_config
from kubesim.cluster.state import StorageState
from kubesim.controllers.settleclock import SettleClock
from kubesim.controllers.workstate import WorkState
from kubesim.registry.reader import StorageReader
from kubesim.registry.registry import Registry
from kubesim.registry.service.alloc import ServiceAllocator
from kubesim.storage.interface import Storage
from kubesim.util.clock import Clock, FrozenClock, SystemClock
from kubesim.util.ids import Identities, RevisionIdentities, SystemIdentities
from kubesim.util.jsontypes import JSONObject
from kubesim.util.state import StateStore

if TYPE_CHECKING:
    from kubesim.client.reconcile import Reconciler
    from kubesim.cluster.images import GivenImages
    from kubesim.cluster.network import ClusterNetwork
    from kubesim.cluster.pki import Authority
    from kubesim.controllers.manager import Manager, SettleReport
    from kubesim.dns.clusterdns import ClusterDNS
    from kubesim.kubelet.server import PodServer
    from kubesim.registry.service.repair import Repair
    from kubesim.registry.tokens import TokenKey
    from kubesim.runtime.application import Listener
    from kubesim.runtime.container import ContainerRuntime
    from kubesim.runtime.machine import Machine, ProcessEntry
    from kubesim.runtime.network_view import NetworkView
    from kubesim.runtime.spec import ContainerSpec


@dataclass(frozen=True, slots=True)
class Parts:
    """What those get who build a part of the cluster on top of the API: clocks, names, and where to keep
    small things.
    """

    config: ClusterConfig
    clock: Clock
    identities: Identities
    state: StateStore
    scheme: Scheme
    client: Callable[[str], Client]
    """Makes a client that writes under a name: `kubelet`."""


RuntimeFactory = Callable[[Parts], "ContainerRuntime"]
Kinds = Callable[[str], tuple[Scheme, Schema]]
"""The resources and the types of a Kubernetes version."""


def load_kinds(version: str, *, cache_dir: Path | None = None) -> tuple[Scheme, Schema]:
    """The kinds of a version, new ones. Nothing writes to them: clusters may share them."""
    return build_scheme(version), load_schema(version, cache_dir)


class Cluster:
    """A cluster in this process. Made by `build`; its threads may use it all at once.

    One thread settles at a time, the others wait for their turn; requests and commands in containers go on
    meanwhile, and wait for no more than the transaction of a few keys. What the manager and its reconcilers keep in
    memory belongs to the thread that settles, and is thrown away when that fails. Locks are taken in this order:
    the manager's turn, the lock among processes, the runtime's, the store's.
    """

    def __init__(
        self,
        *,
        parts: Parts,
        storage: Storage,
        schema: Schema,
        server: APIServer,
        allocator: ServiceAllocator,
        base_clock: Clock,
        settle_clock: SettleClock,
        lock: Callable[[], AbstractContextManager[object]],
        runtime: RuntimeFactory | None,
        images: Path | None = None,
    ) -> None:
        self._base_clock = base_clock
        self._images = images
        self.parts = parts
        self.config = parts.config
        self.scheme = parts.scheme
        self.clock = parts.clock
        self.state = parts.state
        self.storage = storage
        self.schema = schema
        self.server = server
        self._allocator = allocator
        self.transport = InProcessTransport(server)
        self._settle_clock = settle_clock
        self._lock = lock
        self._make_runtime = runtime
        self._making = RLock()
        self._runtime: ContainerRuntime | None = None
        self._network: ClusterNetwork | None = None
        self._manager: Manager | None = None
        self._moments: list[tuple[float, int]] = []
        self.on_controller_error: Callable[[str, str, Exception], object] | None = None
        """Is told of a controller, a key and what it raised by mistake; the key is tried again later. Without it,
        settling raises the same.
        """
        if runtime is not None:
            server.runtime = _Connections(self)

    @cached_property
    def client(self) -> Client:
        """Speaks to the cluster as its administrator."""
        return self.parts.client("kubesim")

    @cached_property
    def given_images(self) -> GivenImages:
        """The images that are given with the home and the configuration; those of ConfigMaps are the kubelet's matter."""
        from kubesim.cluster.images import GivenImages

        return GivenImages(self._images, self.config.images)

    @cached_property
    def authority(self) -> Authority:
        """The cluster's certificate authority."""
        from kubesim.cluster.pki import Authority

        return Authority.of(
            self.storage, self.parts.identities, self.config, made=lambda made: _publish(self, made)
        )

    @cached_property
    def token_key(self) -> TokenKey:
        """What signs and verifies the tokens of ServiceAccounts."""
        from kubesim.registry.tokens import TokenKey

        return TokenKey(self.authority.token_key_pem)

    @cached_property
    def dns(self) -> ClusterDNS:
        """The cluster's DNS, which remembers what it has answered until something changes."""
        from kubesim.dns.clusterdns import ClusterDNS

        return ClusterDNS(
            self.parts.client("coredns"),
            identities=self.parts.identities,
            clock=self.clock,
            address=self.config.dns_address,
            revision=self.storage.revision,
        )

    @property
    def runtime(self) -> ContainerRuntime | None:
        """What runs containers; None in a cluster whose nodes run nothing."""
        with self._making:
            if self._runtime is None and self._make_runtime is not None:
                runtime = self._runtime = self._make_runtime(self.parts)
                runtime.join(self._view)
                if self.config.ingress:
                    runtime.applications["ingress-nginx"] = self._ingress
                runtime.on_exit = self._ended
            return self._runtime

    def _view(self, spec: ContainerSpec) -> NetworkView:
        """The network of a container; nothing of it is loaded before somebody looks."""
        from kubesim.runtime.network_view import Late

        return Late(lambda: self.network.view_of_pod(spec), lambda: self._listening(spec))

    def _listening(self, spec: ContainerSpec) -> Iterable[Listener]:
        """What listens in a container's Pod, which a server asks before it takes a port."""
        runtime = self.runtime
        if runtime is None or spec.host_network or self._network is not None:
            return self.network.view_of_pod(spec).listeners()
        from kubesim.client.lister import get_or_none
        from kubesim.client.resources import PODS
        from kubesim.kubelet.portforward import running_containers

        pod = get_or_none(self.client, PODS, spec.pod_name, spec.pod_namespace)
        ids = dict.fromkeys([*runtime.containers_of(spec.pod_uid), spec.id])
        if pod is not None and pod["metadata"]["uid"] == spec.pod_uid:
            ids |= dict.fromkeys(running_containers(pod))
        return [listener for i in ids for listener in runtime.listeners(i)]

    def _ingress(self, machine: Machine, entry: ProcessEntry, service: JSONObject) -> list[Listener]:
        """What an ingress controller listens on."""
        return self.network.ingress(self._ingress_certificate)(machine, entry, service)

    def _ingress_certificate(self) -> tuple[bytes, bytes]:
        return self.authority.ingress_certificate()

    def _ended(self, container_id: str) -> None:
        """A container has ended through what somebody said to it: its kubelet looks at it."""
        key = self.runtime.pod_of(container_id) if self.runtime is not None else ""
        if key:
            WorkState(self.state).post(("kubelet", key), self.clock.now(), "a container of it ended")

    def _network_of(self, node: str) -> NetworkView | None:
        """The network as a node sees it."""
        from kubesim.network.views import view_of_node

        return view_of_node(self.network.fabric, node)

    @property
    def network(self) -> ClusterNetwork:
        """What moves packets between Pods, nodes and the outside. Raises RuntimeError in a cluster that runs nothing."""
        from kubesim.cluster.apiservice import APIApplication
        from kubesim.cluster.network import ClusterNetwork

        with self._making:
            runtime = self.runtime
            if runtime is None:
                raise RuntimeError("the nodes of this cluster run nothing")
            if self._network is None:
                self._network = ClusterNetwork(
                    self.parts,
                    runtime,
                    dns=self.dns,
                    api=APIApplication(self.server, self.clock),
                    revision=self.storage.revision,
                )
            return self._network

    @cached_property
    def pods(self) -> PodServer:
        """The kubelets' server: logs of containers, commands in them, connections to them, for any number of threads.

        Raises RuntimeError in a cluster that runs nothing.
        """
        from kubesim.kubelet.server import PodServer

        runtime, work = self.runtime, WorkState(self.state)
        if runtime is None:
            raise RuntimeError("the nodes of this cluster run nothing")
        return PodServer(
            runtime,
            clock=self.clock,
            changed=lambda key: work.post(("kubelet", key), self.clock.now(), "a command ran in it"),
            client=lambda: self.client,
            real_time=not isinstance(self._base_clock, FrozenClock),
        )

    @property
    def manager(self) -> Manager:
        """Runs the controllers."""
        from kubesim.controllers.manager import Manager

        with self._making:
            if self._manager is None:
                runtime = self.runtime  # its lock comes before the store's, everywhere
                self._manager = Manager(
                    self.parts.client("kube-controller-manager"),
                    self._reconcilers(),
                    scheme=self.scheme,
                    state=self.state,
                    clock=self._settle_clock,
                    lock=self._lock,
                    guard=lambda: runtime.lock if runtime is not None else nullcontext(),
                )
            return self._manager

    def is_settled(self) -> bool:
        """Whether the controllers have nothing to do now, as far as the store knows: they have seen every
        change, and no timer is due.

        No controller is loaded to find out.
        """
        state = WorkState(self.state)
        if state.common_checkpoint() != self.storage.revision():
            return False
        due = state.earliest()
        return due is None or due > self.clock.now()

    def time_to_next_timer(self) -> float:
        """Seconds until the first timer is due: infinite where there is none, or where the clock stands still."""
        if isinstance(self._base_clock, FrozenClock):
            return inf
        due = WorkState(self.state).earliest()
        return max(0.0, (due - self._base_clock.now()).total_seconds()) if due else inf

    def settle(
        self, *, only: Collection[str] | None = None, step: bool = False, budget: float | None = None
    ) -> SettleReport:
        """Run the controllers until nothing is left to do now; `only` some of them, or `step` until one did
        something, or for no more than `budget` seconds: then the next settle of any thread goes on.
        """
        manager = self.manager
        manager.on_error = self.on_controller_error
        try:
            return manager.settle(only=only, step=step, budget=budget)
        except BaseException:
            self._start_over(manager)
            raise

    def _start_over(self, manager: Manager) -> None:
        """What was in the middle of something may not agree with the store any more: begin anew from there, as a
        new process would.
        """
        with self._making:
            if self._manager is manager:
                self._manager = None
            runtime, network = self._runtime, self._network
        if runtime is not None:
            runtime.start_over()
        if network is not None:
            network.start_over()

    def compact(self, *, older_than: timedelta = timedelta(minutes=5), beyond: int = 10_000) -> int:
        """Drop what of the past is older than that *and* more than so many revisions behind, and that every
        controller has seen; the oldest revision that is left.

        To be called every minute or so: how old a revision is, is known from the calls before.
        """
        storage, now = self.storage, SystemClock().monotonic()
        newest = storage.revision()
        with self._making:
            self._moments.append((now, newest))
            known = [r for at, r in self._moments if at <= now - older_than.total_seconds()]
            del self._moments[: max(0, len(known) - 1)]
        target = min(known[-1] if known else 0, newest - beyond, WorkState(self.state).lowest_checkpoint())
        oldest = storage.oldest_revision()
        if target <= oldest:
            return oldest
        storage.compact(target)
        return target

    @property
    def controllers(self) -> tuple[str, ...]:
        """The names of the controllers, in the order in which they run."""
        return self.manager.names

    def resolve_controller(self, word: str) -> str | None:
        """The controller that a user means by a word, or None."""
        return self.manager.resolve(word)

    @property
    def server_address(self) -> str:
        """The URL under which the API server is known."""
        return "https://127.0.0.1:6443"

    def pause(self, limit: float, *, after: int | None = None, timers: bool = True) -> None:
        """Let time pass until something may have changed since the revision `after` (without one: since now): a
        write, or a timer; at most `limit` seconds.

        A clock that stands still moves on to the next timer, or by `limit`.
        """
        due = WorkState(self.state).earliest() if timers else None
        left = min(limit, max(0.0, (due - self.clock.now()).total_seconds())) if due else limit
        if isinstance(self._base_clock, FrozenClock):
            self._base_clock.advance(timedelta(seconds=left))
            return
        self.storage.wait(self.storage.revision() if after is None else after, left)

    @property
    def stands_still(self) -> bool:
        """Whether time passes only where a command lets it."""
        return isinstance(self._base_clock, FrozenClock)

    def rewind(self) -> None:
        """A clock that stands still shows again what it is set to: each command of a process of its own finds it so."""
        if isinstance(self._base_clock, FrozenClock) and self.config.frozen_at is not None:
            self._base_clock.set(self.config.frozen_at)

    def sleep(self, seconds: float) -> None:
        """Let so much time pass, whatever happens meanwhile; a clock that stands still moves on by it."""
        if isinstance(self._base_clock, FrozenClock):
            self._base_clock.advance(timedelta(seconds=seconds))
            return
        SystemClock().sleep(seconds)

    def repair(self) -> list[Repair]:
        """Make the allocations what the Services hold, as the API server's repair loops do; what differed."""
        from kubesim.registry.service.consistency import repair_allocations

        return repair_allocations(self.storage, self._allocator)

    def close(self) -> None:
        """Let go of the store."""
        self.storage.close()

    def _reconcilers(self) -> Sequence[Reconciler]:
        from kubesim import kubelet, scheduler
        from kubesim.client.recorder import EventBroadcaster
        from kubesim.controllers import standard
        from kubesim.util.ipnet import host_in

        parts = self.parts
        controllers = parts.client("kube-controller-manager")
        found = standard.reconcilers(
            client=controllers,
            clock=parts.clock,
            events=EventBroadcaster(controllers, clock=parts.clock),
            state=parts.state,
            scheme=parts.scheme,
            ca_certificate=self.authority.ca_pem.decode(),
            api_server=(self.config.addresses(CONTROL_PLANE)[0], API_PORT),
            kubernetes_ip=host_in(self.config.service_cidrs[0], 1),
            load_balancers=parts.client("cloud-controller-manager"),
            load_balancer_pool=self.config.load_balancer_pool,
        )
        if self.config.ingress:
            from kubesim.controllers.ingressnginx import IngressNginx

            client = parts.client("nginx-ingress-controller")
            events = EventBroadcaster(client, clock=parts.clock)
            found.append(
                IngressNginx(
                    client,
                    recorder=events.recorder("nginx-ingress-controller"),
                    state=parts.state,
                    has_load_balancers=bool(self.config.load_balancer_pool),
                )
            )
        client = parts.client("kube-scheduler")
        found += scheduler.reconcilers(
            client=client,
            clock=parts.clock,
            events=EventBroadcaster(client, clock=parts.clock),
            state=parts.state,
        )
        runtime = self.runtime
        if runtime is not None:
            client = parts.client("kubelet")
            found += kubelet.reconcilers(
                client=client,
                clock=parts.clock,
                identities=parts.identities,
                events=EventBroadcaster(client, clock=parts.clock),
                state=parts.state,
                runtime=runtime,
                nodes=self.config.node_names(),
                config=kubelet.KubeletConfig.of(self.config.dns_address, self.config.addresses(HOST)[0]),
                network=self._network_of,
                given_images=self.given_images,
            )
        return standard.in_order(found)


class _Connections:
    """Leads connected subresources to the kubelets' server, which comes into being when it is first asked."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def connect(self, obj: JSONObject, subresource: str, rest: str, request: Request) -> Response:
        return self._cluster.pods.connect(obj, subresource, rest, request)


def build(
    config: ClusterConfig,
    storage: Storage,
    *,
    clock: Clock | None = None,
    identities: Identities | None = None,
    cache_dir: Path | None = None,
    authorizer: Authorizer | None = None,
    lock: Callable[[], AbstractContextManager[object]] = nullcontext,
    runtime: RuntimeFactory | None = None,
    kinds: Kinds | None = None,
    admission: Chain | None = None,
    images: Path | None = None,
) -> Cluster:
    """Put a cluster together on a store; in an empty store it is made, in another one `config` is what the
    store says.

    `clock` and `identities` stand in for those that the configuration asks for. `cache_dir` keeps compiled
    schemas. `lock` keeps other processes from settling at the same time. `kinds` gives the kinds of a version
    where several clusters share them, `admission` takes the place of the plugins that are on by default. `images` is
    a directory with descriptions of images, which need not be there.
    Raises ConfigError, StorageError.
    """
    kept = storage.get_note(NOTE)
    if kept is not None:
        config = decode_config(kept)
    else:
        config.validate()
    scheme, schema = (kinds or partial(load_kinds, cache_dir=cache_dir))(config.kubernetes_version)
    base = clock or (FrozenClock(config.frozen_at) if config.frozen_at else SystemClock())
    cluster = _assemble(
        config,
        storage,
        clock=SettleClock(base),
        base_clock=base,
        identities=identities or _identities(config, storage),
        scheme=scheme,
        schema=schema,
        authorizer=authorizer,
        lock=lock,
        runtime=runtime,
        admission=admission or Chain(lambda: default_plugins(identities=cluster.parts.identities)),
        images=images,
    )
    if kept is None:
        _make(cluster, base)
    return cluster


def _identities(config: ClusterConfig, storage: Storage) -> Identities:
    if config.seed is None:
        return SystemIdentities()
    return RevisionIdentities(config.seed, storage.revision)


def _assemble(
    config: ClusterConfig,
    storage: Storage,
    *,
    clock: SettleClock,
    base_clock: Clock,
    identities: Identities,
    scheme: Scheme,
    schema: Schema,
    authorizer: Authorizer | None,
    lock: Callable[[], AbstractContextManager[object]],
    runtime: RuntimeFactory | None,
    admission: Chain,
    images: Path | None,
) -> Cluster:
    allocator = ServiceAllocator(
        service_cidrs=config.service_cidrs, node_port_range=config.node_port_range, identities=identities
    )
    registry = Registry(
        scheme=scheme,
        schema=schema,
        storage=storage,
        admission=admission,
        reader=StorageReader(storage),
        clock=clock,
        identities=identities,
        allocator=allocator,
        advice={
            "Service": lazy("kubesim.diagnosis.advice", "advise_service"),
            "Ingress": lazy("kubesim.diagnosis.advice", "advise_ingress"),
            "ConfigMap": lazy("kubesim.diagnosis.imageadvice", "advise_config_map"),
        },
    )
    server = APIServer(
        scheme=scheme,
        schema=schema,
        storage=storage,
        registry=registry,
        clock=clock,
        identities=identities,
        version=VersionInfo(config.git_version),
        token_key=lambda: cluster.token_key,
        address=config.api_address,
        authorizer=authorizer,
    )
    transport = InProcessTransport(server)
    parts = Parts(
        config=config,
        clock=clock,
        identities=identities,
        state=StorageState(storage),
        scheme=scheme,
        client=lambda name: Client(transport, user_agent=name),
    )
    cluster = Cluster(
        parts=parts,
        storage=storage,
        schema=schema,
        server=server,
        allocator=allocator,
        base_clock=base_clock,
        settle_clock=clock,
        lock=lock,
        runtime=runtime,
        images=images,
    )
    return cluster


def _make(cluster: Cluster, clock: Clock) -> None:
    """The first start. Two processes may come here at once: one of them makes the cluster, the other finds it
    made.
    """
    from kubesim.cluster.bootstrap import bootstrap
    from kubesim.cluster.pki import Authority

    with cluster.storage.transaction() as tx:
        if tx.get_note(NOTE) is not None:
            return
        config = cluster.config
        created = config.created or clock.now()
        tx.set_note(NOTE, replace(config, created=created).encode())
        authority = Authority.of(cluster.storage, cluster.parts.identities, config)
        client = cluster.parts.client("kube-apiserver")
        bootstrap(client, config, cluster.clock, ca_certificate=authority.ca_pem.decode())


def _publish(cluster: Cluster, authority: Authority) -> None:
    """A cluster that an older kubesim made has got an authority: whoever holds the certificate gets the new one."""
    from kubesim.apimachinery.meta import name_of
    from kubesim.client.lister import get_or_none, items
    from kubesim.client.resources import CONFIG_MAPS, NAMESPACES
    from kubesim.cluster.bootstrap import AUTHENTICATION, CLIENT_CA
    from kubesim.controllers.namespacedefaults import RootCACertPublisher

    client = cluster.parts.client("kube-apiserver")
    found = get_or_none(client, CONFIG_MAPS, AUTHENTICATION, "kube-system")
    if found is not None:
        data = (found.get("data") or {}) | {CLIENT_CA: authority.ca_pem.decode()}
        client.update(CONFIG_MAPS, found | {"data": data}, "kube-system")
    work = WorkState(cluster.state)
    for namespace in items(client.list(NAMESPACES)):
        item = (RootCACertPublisher.name, name_of(namespace))
        work.post(item, cluster.clock.now(), "another certificate authority")
