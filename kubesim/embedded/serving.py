"""A cluster of this program behind HTTPS on loopback, for client libraries and other programs, with its ports if wanted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kubesim.cluster.build import Cluster
from kubesim.cluster.controlplane import LOOPBACK, ControlPlane
from kubesim.cluster.home import DEFAULT_SIM, Home
from kubesim.cluster.kubeconfig import write_kubeconfig

if TYPE_CHECKING:
    from kubesim.cluster.edge import Edge
    from kubesim.network.edge.server import Opening

_ANY = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104  nobody can connect to those


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A port of the cluster that is open on this computer, at `host` and `host_port`.

    `kind` is NodePort, LoadBalancer or HostPort (80 and 443 of an ingress), and with `reachable` also ClusterIP,
    LoadBalancerIP, NodeIP and PodIP. `port` and `port_name` are the Service's own, `target` is the number in the cluster:
    that of the node port, for instance. `name` is that of the Service, the node or the Pod.
    """

    kind: str
    namespace: str
    name: str
    port: int
    port_name: str
    target: int
    protocol: str
    host: str
    host_port: int

    @property
    def address(self) -> str:
        """What to connect to: `127.0.0.1:30080`."""
        host = _ANY.get(self.host, self.host)
        return f"[{host}]:{self.host_port}" if ":" in host else f"{host}:{self.host_port}"


@dataclass(frozen=True, slots=True)
class Served:
    """How to reach a served cluster. The files are the owner's alone, and go when serving ends."""

    url: str
    kubeconfig: Path
    """With the administrator's certificate, for KUBECONFIG and for the `config_file` of client libraries."""
    ca: Path
    """The certificate of the authority that the server's certificate is signed by."""
    dns: str = ""
    """Where names of the cluster are answered, over UDP and TCP: `127.0.0.1:41053`. Empty without `edge`."""
    _edge: Edge | None = field(default=None, repr=False, compare=False)

    @property
    def ports(self) -> list[OpenPort]:
        """The ports that are open at this moment; none without `edge`."""
        if self._edge is None:
            return []
        self._edge.catch_up()
        return sorted(map(_open_port, self._edge.openings), key=lambda p: (p.namespace, p.name, p.host_port))

    @property
    def failures(self) -> list[str]:
        """What could not be opened, and why: ports that other programs of this computer have."""
        from kubesim.network.edge.server import describe

        return [describe(f) for f in self._edge.failures] if self._edge is not None else []

    def address(
        self,
        service: str,
        port: int | str | None = None,
        namespace: str = "default",
        *,
        protocol: str = "TCP",
    ) -> str:
        """Where a Service is reached from this computer: `127.0.0.1:30080`.

        `port` is one of the Service's own, by number or name, or a node port; without it any. Where the Service has both,
        the address of the load balancer comes first. Raises LookupError where nothing of it is open.
        """
        if self._edge is None:
            raise LookupError("no ports are open: serve(edge=True) opens them")
        mine = [
            p for p in self.ports if (p.namespace, p.name) == (namespace, service) and p.kind in _OF_SERVICES
        ]
        for found in sorted(mine, key=lambda p: (_OF_SERVICES.index(p.kind), p.host_port)):
            if found.protocol == protocol and port in (None, found.port, found.port_name, found.target):
                return found.address
        shown = ", ".join(f"{p.port}/{p.protocol}" for p in mine) or "none"
        said = f"service {namespace}/{service} is not open on this computer; its ports that are: {shown}"
        raise LookupError("\n".join([said, *self.failures]))


_OF_SERVICES = ("LoadBalancer", "HostPort", "NodePort")


@contextmanager
def serve(
    cluster: Cluster, host: str = LOOPBACK, port: int = 0, *, edge: bool = False, reachable: bool = False
) -> Iterator[Served]:
    """Answer requests until the block ends, and run the controllers meanwhile. `edge` opens ports of Services and DNS, too,
    `reachable` all addresses of the cluster. Raises OSError.
    """
    authority = cluster.authority
    plane = ControlPlane(cluster)
    with tempfile.TemporaryDirectory(prefix="kubesim-", ignore_cleanup_errors=True) as name:
        home = Home(Path(name))
        home.sim_kubeconfig(DEFAULT_SIM).parent.mkdir(parents=True)
        plane.start()
        try:
            url = plane.serve(
                host,
                port,
                authenticator=cluster.server.authenticator,
                context=authority.server_context([host]),
            )
            ca = Path(name, "ca.crt")
            ca.write_bytes(authority.ca_pem)
            kubeconfig = write_kubeconfig(home, DEFAULT_SIM, url, authority)
            opened = plane.serve_edge(host) if edge or reachable else None
            if opened is not None:
                plane.serve_dns(host)
                if reachable:
                    opened.make_reachable()
            yield Served(url, kubeconfig, ca, plane.dns_address, opened)
        finally:
            plane.stop()


def _open_port(opening: Opening) -> OpenPort:
    found = opening.exposure
    return OpenPort(
        found.kind,
        found.namespace,
        found.name,
        found.port,
        found.port_name,
        found.target_port,
        found.protocol,
        opening.host,
        opening.port,
    )
