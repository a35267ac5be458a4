"""The second half of a request's way: what an ingress controller does with it, up to the endpoint that answers.

The routes are those of the controller itself. It sends to endpoints, and not to the Service's address: kube-proxy's rules
have no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from kubesim.apis.meta import host_port
from kubesim.diagnosis.rules.virtualhosts import ref_of
from kubesim.network.ingress.controller import TRIES, IngressServer, normalized, redirects, rewritten
from kubesim.network.ingress.table import EVERY_HOST, Claim, Location, Routes, Site, Upstream
from kubesim.network.views import FabricView
from kubesim.runtime.network_view import Late
from kubesim.runtime.resolver import ResolveError, lookup

if TYPE_CHECKING:
    from kubesim.diagnosis.tracing import Hop, Visit
    from kubesim.network.trip import Trip

TLS_PORT: Final = 443
BAD_REQUEST: Final = "400 Bad Request"
NO_RULE: Final = "404 Not Found"
NO_ENDPOINTS: Final = "503 Service Temporarily Unavailable"
BAD_GATEWAY: Final = "502 Bad Gateway"
TIMED_OUT: Final = "504 Gateway Time-out"
NO_CERTIFICATE: Final = "the certificate is not for this host"
ANOTHER: Final = "another Ingress answers"

Problem = Literal["", "spoken", "rule", "double", "certificate", "upstream", "name", "packet", "tls"]


@dataclass(slots=True)
class Routed:
    """How far a request came. `problem` says where it ended, `outcome` in the words of who says so."""

    visit: Visit
    routes: Routes
    site: Site
    location: Location | None = None
    problem: Problem = ""
    outcome: str = "reached"
    trip: Trip | None = None
    """The packet to the endpoint, or the one to the port of TLS."""

    @property
    def claim(self) -> Claim | None:
        return self.location.claim if self.location is not None else None


@dataclass(slots=True)
class Routing:
    """One request on its way through a controller. `hops` are those of packets, as the trace shows them."""

    server: IngressServer
    onward: FabricView
    """The network as the controller sees it."""
    ingress: str
    """The key of the Ingress that was asked for; empty where a URL was."""
    again: Callable[[int], Trip]
    """Sends a packet from the client to another port of the controller's."""
    shown: Callable[[Trip], Iterator[Hop]]

    def route(self, visit: Visit) -> tuple[Routed, list[Hop]]:
        """Send it on. Nothing is said to the application that listens at the end."""
        routes = self.server.routes
        found = Routed(visit, routes, routes.site(visit.host))
        return found, list(self._hops(found))

    def _hops(self, found: Routed) -> Iterator[Hop]:
        if found.visit.tls != self.server.tls:
            yield self._misspoken(found)
            return
        found.location = self._choose(found)
        yield self._chosen(found)
        location = found.location
        if location is None or found.problem:
            return
        if not self.server.tls and redirects(found.site, location):
            yield from self._redirected(found)
            if found.problem:
                return
            yield self._certificate(found)
        elif self.server.tls:
            yield self._certificate(found)
        if not found.problem:
            yield from self._backend(found, location)

    def _misspoken(self, found: Routed) -> Hop:
        from kubesim.diagnosis.tracing import Hop

        found.problem, found.outcome = "spoken", BAD_REQUEST
        said = (
            "HTTP without TLS came to a port of TLS"
            if self.server.tls
            else "TLS came to a port of plain HTTP"
        )
        return Hop("ingress", f"{said}: {BAD_REQUEST}", ok=False)

    # The rule

    def _choose(self, found: Routed) -> Location | None:
        visit, site = found.visit, found.site
        if site.uses_regex and visit.field:  # an expression is no path that it matches
            own = (x for x in site.locations if self._is_asked(x.claim, visit))
            return next(own, None) or site.find(normalized(visit.path))
        return site.find(normalized(visit.path))

    def _is_asked(self, claim: Claim, visit: Visit) -> bool:
        return claim.ingress == self.ingress and claim.field == visit.field

    def _chosen(self, found: Routed) -> Hop:
        from kubesim.diagnosis.tracing import Hop

        visit, location = found.visit, found.location
        asked = f"{visit.host}{visit.path}"
        if location is None:
            found.problem, found.outcome = "rule", NO_RULE
            return Hop("ingress", f"no rule has {asked}: {NO_RULE}", ok=False, details=_offered(found))
        claim = location.claim
        text = f"{ref_of(claim.ingress).qualified} takes {asked}: {_said(claim)}"
        details = [claim.field, *_passed_over(found, location)]
        if (new := rewritten(location, normalized(visit.path), visit.path)) != visit.path:
            details.append(f"rewrite-target: the backend sees {new}")
        double = next(
            (x for x in found.routes.table.doubles if visit.field and self._is_asked(x, visit)), None
        )
        if double is not None and claim.ingress != self.ingress:
            found.problem, found.outcome = "double", ANOTHER
            details.append(f"{ref_of(self.ingress)} {visit.field} claims it too, and is younger")
        return Hop("ingress", text, not found.problem, tuple(details))

    # TLS

    def _redirected(self, found: Routed) -> Iterator[Hop]:
        from kubesim.diagnosis.tracing import Hop

        yield Hop("ingress", f"308 Permanent Redirect to https://{found.visit.host}{found.visit.path}")
        trip = self.again(TLS_PORT)
        if trip.outcome != "reached":
            found.problem, found.outcome, found.trip = "packet", trip.outcome, trip
            yield from self.shown(trip)

    def _certificate(self, found: Routed) -> Hop:
        from kubesim.diagnosis.tracing import Hop

        site = found.site
        where = f"Secret {'/'.join(site.secret)}" if site.secret else ""
        if found.routes.certificate(site) is not None:
            return Hop("tls", f"TLS with the certificate of {where}")
        found.problem, found.outcome = "certificate", NO_CERTIFICATE
        why = f"{where} has none" if where else f"no Ingress names a Secret for {found.visit.host}"
        return Hop(
            "tls", f"TLS with a certificate of the controller's own, for ingress.local: {why}", ok=False
        )

    # The backend

    def _backend(self, found: Routed, location: Location) -> Iterator[Hop]:
        from kubesim.diagnosis.tracing import Hop

        backend = location.backend
        name = f"service/{backend.service} in namespace {backend.namespace} port {backend.port or '(none)'}"
        upstream = found.routes.upstream(backend)
        if upstream is None or not upstream.endpoints:
            why = "has no ready endpoint" if upstream is not None else "is not there, or has no such port"
            found.problem, found.outcome = "upstream", NO_ENDPOINTS
            yield Hop("backend", f"{name} {why}: {NO_ENDPOINTS}", ok=False)
            return
        try:
            address = lookup(self.server.machine, upstream.host)[0] if upstream.host else ""
        except ResolveError:
            found.problem, found.outcome = "name", NO_ENDPOINTS
            yield Hop("backend", f"{name} is {upstream.host}, which does not resolve", ok=False)
            return
        trip, failed = self._connect(upstream, address)
        count = len(upstream.endpoints)
        among = f"one of {count} endpoints, in turn" if count > 1 else "the only endpoint"
        if upstream.host:
            among = f"{upstream.host}, by DNS"
        details = (*failed, "the controller chooses: kube-proxy's rules for the Service are not asked")
        yield Hop(
            "backend", f"{name} leads to {host_port(trip.address, trip.port)} ({among})", details=details
        )
        yield from self.shown(trip)
        found.trip = trip
        if trip.outcome != "reached":
            found.problem = "packet"
            found.outcome = TIMED_OUT if trip.outcome == "timed out" else BAD_GATEWAY
        elif trip.listener is not None and _speaks_tls(trip) != location.options.secure_backend:
            found.problem, found.outcome = "tls", BAD_GATEWAY
            wants = "TLS, and is sent plain HTTP" if _speaks_tls(trip) else "plain HTTP, and is sent TLS"
            yield Hop("listener", f"{trip.listener.process} speaks {wants}", ok=False)

    def _connect(self, upstream: Upstream, address: str) -> tuple[Trip, list[str]]:
        """One endpoint after the other, as nginx does; the turn stays whose it is."""
        failed: list[str] = []
        for n in range(min(TRIES, len(upstream.endpoints))):
            known, port = upstream.endpoints[(upstream.turn + n) % len(upstream.endpoints)]
            trip = self.onward.send(known or address, port)
            if trip.outcome == "reached":
                break
            failed.append(f"{host_port(trip.address, trip.port)}: {trip.outcome}")
        return trip, failed[:-1] if trip.outcome != "reached" else failed


def controller_of(application: object) -> tuple[IngressServer, FabricView] | None:
    """What listens, if it passes requests on by rules of Ingresses, and the network as it sees it."""
    if not isinstance(application, IngressServer):
        return None
    network = application.machine.network
    network = network.view if isinstance(network, Late) else network
    return (application, network) if isinstance(network, FabricView) else None


def _speaks_tls(trip: Trip) -> bool:
    application = trip.listener.application if trip.listener is not None else None
    return bool(application is not None and application.tls)


def _said(claim: Claim) -> str:
    host = f"host {claim.host}" if claim.host != EVERY_HOST else "any host"
    if not claim.path_type:
        return f"its default backend, for {host}"
    return f"{host}, path {claim.path} ({claim.path_type})"


def _passed_over(found: Routed, won: Location) -> Iterator[str]:
    """Why this one: of the hosts, and of the paths that match as well."""
    host = found.visit.host.partition(":")[0].lower()
    if found.site.host == EVERY_HOST and found.routes.table.hosts:
        yield f"no rule has host {host}: rules without a host take what is left"
    elif found.site.host.startswith("*."):
        yield f"no rule has host {host} itself: {found.site.host} stands for one label"
    path = normalized(found.visit.path)
    seen = {won.claim}
    for other in found.site.locations:
        if other.claim in seen or not other.matches(path):
            continue
        seen.add(other.claim)
        if found.site.uses_regex:
            why = "of expressions the longest comes first"
        elif won.kind == "exact":
            why = "the path itself comes first"
        else:
            why = "the longest prefix wins"
        yield f"before {_said(other.claim)} of {ref_of(other.claim.ingress)}: {why}"


def _offered(found: Routed) -> tuple[str, ...]:
    """What there is instead."""
    if found.site.locations:
        claims: Sequence[Claim] = list(dict.fromkeys(x.claim for x in found.site.locations))
        return tuple(f"{ref_of(c.ingress)} has {_said(c)}" for c in claims[:5])
    hosts = found.routes.table.hosts
    return (f"hosts that there are: {', '.join(hosts[:10]) or 'none'}",)
