"""What a user means by the TO of `trace`: a Service, a Pod, a node, a host with a port, or a URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from kubesim.apimachinery.meta import key_of
from kubesim.apis.core_v1.service import ingress_of
from kubesim.apis.podfacts import spec_of, status_of
from kubesim.cli.errors import CLIError
from kubesim.client.lister import items
from kubesim.client.resources import NODES, PODS, SERVICES
from kubesim.diagnosis.nearest import closest
from kubesim.diagnosis.rules.virtualhosts import addresses_of, covers
from kubesim.diagnosis.tracing import Target, Visit
from kubesim.diagnosis.view import INGRESSES
from kubesim.util.jsontypes import JSONObject, dig

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
        target = Target(host, port_number, self.protocol or "TCP", to)
        return self._visiting(target, url) if url.scheme in ("http", "https") else target

    def _visiting(self, target: Target, url: SplitResult) -> Target:
        """A URL of HTTP, with the Ingress that has its host, or one that is nearly spelt so."""
        visit = Visit(target.host, url.path or "/", tls=url.scheme == "https")
        ingress = _ingress_of(self.client, target.host)
        if ingress is None:
            return replace(target, visits=(visit,))
        served_at = next(iter(addresses_of(ingress)), "")
        return replace(target, visits=(visit,), ingress=key_of(ingress), served_at=served_at)

    def service(self, name: str, port: str, to: str) -> Target:
        bare, dot, namespace = name.partition(".")
        found = self.client.get(SERVICES, bare, namespace or self.namespace)
        spec = spec_of(found)
        one = _port_of(spec.get("ports") or (), port)
        number = int(one["port"]) if one is not None else _number(port, to, spec.get("ports") or (), "port")
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
        named = [p for p in declared if not port or p.get("name") == port]
        if named:
            protocol: TransportProtocol = self.protocol or named[0].get("protocol") or "TCP"
            return Target(address, int(named[0]["containerPort"]), protocol, to)
        return Target(address, _number(port, to, declared, "containerPort"), self.protocol or "TCP", to)

    def node(self, name: str, port: str, to: str) -> Target:
        found = self.client.get(NODES, name)
        addresses = status_of(found).get("addresses") or ()
        address = next((a["address"] for a in addresses if a.get("type") == "InternalIP"), "")
        return Target(address, _number(port, to), self.protocol or "TCP", to)

    def ingress(self, name: str, port: str, to: str) -> Target:
        """An Ingress at its address: each of its paths, as a request of a browser begins, without TLS."""
        if port:
            raise _bad(to)
        bare, _, namespace = name.partition(".")
        found = self.client.get(INGRESSES, bare, namespace or self.namespace)
        address = next(iter(addresses_of(found)), "")
        visits = tuple(_visits(found, address))
        return Target(address, PORTS["http"], "TCP", to, visits, key_of(found), address)


_Finder = Callable[[Targets, str, str, str], Target]
_KINDS: Final[dict[str, _Finder]] = {
    **dict.fromkeys(("svc", "service", "services"), Targets.service),
    **dict.fromkeys(("po", "pod", "pods"), Targets.pod),
    **dict.fromkeys(("no", "node", "nodes"), Targets.node),
    **dict.fromkeys(("ing", "ingress", "ingresses"), Targets.ingress),
}


def _port_of(ports: Sequence[JSONObject], word: str) -> JSONObject | None:
    """The Service's port that a number or a name means; the first without one."""
    found = (p for p in ports if not word or word in (str(p.get("port")), p.get("name")))
    return next(found, None)


def _visits(ingress: JSONObject, address: str) -> Iterator[Visit]:
    rules = spec_of(ingress).get("rules") or ()
    count = 0
    for at, rule in enumerate(rules):
        host = _sample(str(rule.get("host") or address))
        for i, path in enumerate(dig(rule, "http", "paths", default=None) or ()):
            count += 1
            yield Visit(host, str(path.get("path") or "/"), field=f"spec.rules[{at}].http.paths[{i}]")
    if not count:
        host = _sample(str(rules[0].get("host") or address)) if rules else address
        yield Visit(host, "/", field="spec.defaultBackend")


def _sample(host: str) -> str:
    """A host that a wildcard stands for."""
    return f"any{host[1:]}" if host.startswith("*.") else host


def _ingress_of(client: Client, host: str) -> JSONObject | None:
    """The Ingress with a rule for a host; a rule that is nearly so, where there is none."""
    found = [
        (str(rule["host"]).lower(), ingress)
        for ingress in items(client.list(INGRESSES))
        for rule in spec_of(ingress).get("rules") or ()
        if rule.get("host")
    ]
    exact = [i for h, i in found if h == host] or [i for h, i in found if covers(h, host)]
    if exact:  # rather one that is served
        return next((i for i in exact if addresses_of(i)), exact[0])
    deeper = (h for h, _ in found if h.startswith("*.") and host.endswith(h[1:]))
    meant = closest(host, [h for h, _ in found]) or next(deeper, "")
    return next((i for h, i in found if h == meant), None)


def _number(port: str, to: str, ports: Sequence[JSONObject] = (), field: str = "") -> int:
    """A port that is given as a number; `ports` are those that have names, for the message where it is none of these."""
    if port.isdigit() and 0 < int(port) < 65536:
        return int(port)
    named = [f"{p['name']} ({p[field]})" for p in ports if p.get("name")]
    if port and not port.isdigit() and ports:
        having = ", ".join(named) or "none of them has a name"
        raise CLIError(f'there is no port called "{port}" in "{to}": {having}', code=BAD_INPUT)
    raise _bad(to)


def _bad(to: str) -> CLIError:
    wanted = "svc/NAME:PORT, pod/NAME:PORT, node/NAME:PORT, ingress/NAME, HOST:PORT or a URL with a port"
    return CLIError(f'there is nothing to send to in "{to}": it should be {wanted}', code=BAD_INPUT)
