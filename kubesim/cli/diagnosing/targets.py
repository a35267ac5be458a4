"""What a user means by the TO of `trace`: a Service, a Pod, a node, a host with a port, or a URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kubesim.apis.core_v1.service import ingress_of
from kubesim.apis.podfacts import spec_of, status_of
from kubesim.cli.errors import CLIError
from kubesim.client.resources import NODES, PODS, SERVICES
from kubesim.diagnosis.tracing import Target
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.client.client import Client
    from kubesim.runtime.application import TransportProtocol

BAD_INPUT: Final = 2
PORTS: Final = {"http": 80, "https": 443, "redis": 6379, "postgres": 5432, "mysql": 3306}
"""The ports of URLs that name none."""


@dataclass(frozen=True, slots=True)
class Targets:
    """`place` is the FROM: a Service is called by its name where cluster DNS is asked, and by its address elsewhere."""

    client: Client
    namespace: str
    place: str
    protocol: TransportProtocol | None
    """As the command line has it; None: as the Service has it, or TCP."""

    def target(self, to: str) -> Target:
        """Raises CLIError, StatusError."""
        kind, slash, rest = to.partition("/")
        if slash and "://" not in to:
            finder = _KINDS.get(kind)
            if finder is None:
                raise _bad(to)
            name, _, port = rest.partition(":")
            return finder(self, name, port, to)
        try:
            url = urlsplit(to if "://" in to else f"//{to}")
            host, port_number = url.hostname, url.port or PORTS.get(url.scheme)
        except ValueError:
            raise _bad(to) from None
        if not host or not port_number:
            raise _bad(to)
        return Target(host, port_number, self.protocol or "TCP", to)

    def service(self, name: str, port: str, to: str) -> Target:
        bare, dot, namespace = name.partition(".")
        found = self.client.get(SERVICES, bare, namespace or self.namespace)
        spec = spec_of(found)
        one = _port_of(spec.get("ports") or (), port)
        number = int(one["port"]) if one is not None else _number(port, to)
        protocol: TransportProtocol = self.protocol or (one or {}).get("protocol") or "TCP"
        if self.place.startswith(("pod", "po/")) or spec.get("clusterIP") in (None, "", "None"):
            return Target(f"{bare}{dot}{namespace}", number, protocol, to)
        balanced = sorted(ingress_of(found))
        host = balanced[0] if self.place == "outside" and balanced else str(spec["clusterIP"])
        return Target(host, number, protocol, to)

    def pod(self, name: str, port: str, to: str) -> Target:
        bare, _, namespace = name.partition(".")
        found = self.client.get(PODS, bare, namespace or self.namespace)
        address = status_of(found).get("podIP")
        if not address:
            raise CLIError(f'pod "{bare}" has no address yet: its phase is {status_of(found).get("phase")}')
        declared = [p for c in spec_of(found).get("containers") or () for p in c.get("ports") or ()]
        if not port and declared:
            return Target(address, int(declared[0]["containerPort"]), self.protocol or "TCP", to)
        return Target(address, _number(port, to), self.protocol or "TCP", to)

    def node(self, name: str, port: str, to: str) -> Target:
        found = self.client.get(NODES, name)
        addresses = status_of(found).get("addresses") or ()
        address = next((a["address"] for a in addresses if a.get("type") == "InternalIP"), "")
        return Target(address, _number(port, to), self.protocol or "TCP", to)


_Finder = Callable[[Targets, str, str, str], Target]
_KINDS: Final[dict[str, _Finder]] = {
    **dict.fromkeys(("svc", "service", "services"), Targets.service),
    **dict.fromkeys(("po", "pod", "pods"), Targets.pod),
    **dict.fromkeys(("no", "node", "nodes"), Targets.node),
}


def _port_of(ports: Sequence[JSONObject], word: str) -> JSONObject | None:
    """The Service's port that a number or a name means; the first without one."""
    found = (p for p in ports if not word or word in (str(p.get("port")), p.get("name")))
    return next(found, None)


def _number(port: str, to: str) -> int:
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise _bad(to)
    return int(port)


def _bad(to: str) -> CLIError:
    wanted = "svc/NAME:PORT, pod/NAME:PORT, node/NAME:PORT, HOST:PORT or a URL with a port"
    return CLIError(f'there is nothing to send to in "{to}": it should be {wanted}', code=BAD_INPUT)
