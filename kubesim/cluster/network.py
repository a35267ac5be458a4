"""The network of a cluster, put together: what moves packets, who answers where, and the machines to look from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery.meta import key_of, name_of
from kubesim.cluster.config import API_PORT, CONTROL_PLANE, HOST
from kubesim.dns.upstream import Hosts
from kubesim.kubelet.config import KubeletConfig, resolv_conf_of
from kubesim.kubelet.names import hostname_and_domain, hosts_file, resolv_conf
from kubesim.network.entries import Entries
from kubesim.network.fabric import Fabric
from kubesim.network.nodeservices import NodeServices
from kubesim.network.places import Server
from kubesim.network.policy import Party
from kubesim.network.programs import rule_programs
from kubesim.network.resolving import PORT, DNSApplication, dns_listeners
from kubesim.network.views import FabricView, view_beside, view_of_node, view_of_outside, view_of_pod
from kubesim.network.world import World
from kubesim.proxy import Catalog, NodeProxy, ProxyConfig, SeededChance, StateAffinity
from kubesim.runtime.application import Application, Listener
from kubesim.runtime.machine import Program
from kubesim.runtime.node import NodeMachine
from kubesim.util.dnsmessage import DNSMessage
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.cluster.build import Parts
    from kubesim.dns.clusterdns import ClusterDNS
    from kubesim.dns.wire import Responder
    from kubesim.runtime.container import ContainerRuntime
    from kubesim.runtime.machine import Builder
    from kubesim.runtime.spec import ContainerSpec

_DNS_LABELS: Final = {"k8s-app": "kube-dns"}
_DNS_NAMESPACE: Final = {"kubernetes.io/metadata.name": "kube-system"}


class ClusterNetwork:
    """The network of one cluster. Made when somebody first looks at it."""

    def __init__(
        self,
        parts: Parts,
        runtime: ContainerRuntime,
        *,
        dns: ClusterDNS,
        revision: Callable[[], int],
        api: Application | None = None,
    ) -> None:
        self._parts = parts
        self._runtime = runtime
        self._revision = revision
        self._dns = dns
        self._api = api
        self._client = parts.client("kube-proxy")
        self._catalog = Catalog(self._client, revision)
        self._affinity = StateAffinity(parts.state, parts.clock)
        seed = parts.config.seed
        self._chance = parts.identities if seed is None else SeededChance(seed, parts.state)
        self._proxies: dict[str, NodeProxy] = {}
        self._ingress: Builder | None = None

    @cached_property
    def fabric(self) -> Fabric:
        """What moves packets."""
        parts, client = self._parts, self._client
        world = World(client, self._revision)
        return Fabric(
            world,
            self._runtime,
            proxies=self.proxy,
            servers=self._servers(),
            entries=Entries(client, world, parts.identities),
            node_listeners=NodeServices(parts.clock, lambda node, port: self.proxy(node).health_check(port)),
            outside=parts.config.addresses(HOST),
        )

    def start_over(self) -> None:
        """Forget what was read inside a transaction that was undone."""
        self._catalog.start_over()
        if "fabric" in self.__dict__:
            self.fabric.world.start_over()

    def proxy(self, node: str) -> NodeProxy:
        """kube-proxy of a node."""
        found = self._proxies.get(node)
        if found is None:
            parts = self._parts
            found = self._proxies[node] = NodeProxy(
                self._client,
                node_name=node,
                config=ProxyConfig(cluster_cidrs=parts.config.pod_cidrs),
                identities=self._chance,
                affinity=self._affinity,
                catalog=self._catalog,
            )
        return found

    def _servers(self) -> dict[tuple[str, int], Server]:
        config, upstream = self._parts.config, Hosts()

        def resolve(name: str, qtype: str, client: str) -> DNSMessage:
            return self._dns.resolve(name, qtype, client_address=client)

        coredns = dns_listeners(DNSApplication(resolve, self._respond), "coredns")
        resolver = dns_listeners(DNSApplication(lambda name, qtype, _: upstream(name, qtype)), "resolver")
        api = (Listener("TCP", API_PORT, "*", self._api, "kube-apiserver"),) if self._api is not None else ()

        def dns_at(address: str) -> Server:
            party = Party(address, "kube-system", "coredns", _DNS_LABELS, _DNS_NAMESPACE)
            return Server("cluster DNS", coredns, party, in_cluster=True)

        # In a cluster that shows the Service kube-dns, its rules lead to the control plane; else the address is DNS's own.
        found = {(config.dns_address, 0): dns_at(config.dns_address)}
        for address in config.addresses(HOST):
            found[address, 0] = Server("the resolver of the nodes", resolver, Party(address))
        for address in config.addresses(CONTROL_PLANE):
            found[address, 0] = Server("the API server", api, Party(address))
            if config.kube_dns:
                found[address, PORT] = dns_at(address)
        return found

    @cached_property
    def _responder(self) -> Responder:
        from kubesim.dns.wire import Responder  # simulated resolvers do without the wire format

        return Responder(self._dns)

    def _respond(self, message: bytes, /, *, stream: bool) -> bytes | None:
        return self._responder.respond(message, stream=stream)

    def ingress(self, certificate: Callable[[], tuple[bytes, bytes]]) -> Builder:
        """What makes the listeners of an ingress controller; `certificate` is for hosts without one of their own."""
        from kubesim.network.ingress.controller import builder
        from kubesim.network.ingress.table import Routes

        if self._ingress is None:
            routes = Routes(self._parts.client("nginx-ingress-controller"))
            identities, shown = self._parts.identities, cache(certificate)
            self._ingress = builder(
                lambda: routes.at(self.fabric.world.generation),
                request_id=lambda: identities.hex(32),
                default_certificate=shown,
            )
        return self._ingress

    # From where it is seen

    def view_of_pod(self, spec: ContainerSpec) -> FabricView:
        """The network of a container."""
        return view_of_pod(self.fabric, spec)

    def machine(self, name: str) -> NodeMachine | None:
        """The shell of a node; None where there is no such node."""
        view = view_of_node(self.fabric, name)
        if view is None:
            return None
        return self._machine(name, view, programs=rule_programs(self.proxy(name), self._parts.clock))

    def outside(self) -> NodeMachine:
        """The shell of a computer outside of the cluster."""
        return self._machine("outside", view_of_outside(self.fabric), place="outside")

    def beside(self, pod: JSONObject) -> NodeMachine:
        """A shell with a node's tools in the network of a Pod that has an address."""
        view = view_beside(self.fabric, pod)
        config = self._parts.config
        kubelet = KubeletConfig.of(config.dns_address, config.addresses(HOST)[0])
        hosts = hosts_file(pod, view.origin.addresses, *hostname_and_domain(pod, kubelet))
        place = f"beside/{key_of(pod)}"
        return self._machine(name_of(pod), view, place=place, resolver=resolv_conf(pod, kubelet), hosts=hosts)

    def _machine(
        self,
        name: str,
        view: FabricView,
        *,
        place: str = "",
        resolver: str = "",
        hosts: str = "",
        programs: Mapping[str, Program] | None = None,
    ) -> NodeMachine:
        parts = self._parts
        return NodeMachine(
            name,
            place=place,
            state=parts.state,
            clock=parts.clock,
            catalogue=self._runtime.catalogue,
            network=view,
            addresses=view.origin.addresses,
            resolv_conf=resolver or resolv_conf_of(parts.config.addresses(HOST)[0]),
            hosts=hosts,
            programs=programs,
            runtime=self._runtime,
        )
