"""The routes of ingress-nginx, from Ingresses: which backend a host and a path lead to.

Rules as in ingress-nginx' internal/ingress/controller: hosts are exact or `*.` before one label; the oldest Ingress has a
path that several ask for; a Prefix becomes the path itself and what is below it, an ImplementationSpecific path is a prefix
of the text; where an Ingress rewrites or uses regular expressions, all paths of its hosts are such expressions.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, key_of, name_of, namespace_of
from kubesim.apis.podfacts import spec_of
from kubesim.apis.servicespec import EXTERNAL_NAME, ports_of, type_of
from kubesim.client.client import Client
from kubesim.client.lister import by_label, get_or_none, items
from kubesim.client.resources import ENDPOINT_SLICES, SECRETS, SERVICES
from kubesim.util.boundedre import compile_bounded
from kubesim.util.jsontypes import JSONObject, dig

INGRESSES: Final = GroupVersionResource("networking.k8s.io", "v1", "ingresses")
INGRESS_CLASSES: Final = GroupVersionResource("networking.k8s.io", "v1", "ingressclasses")
CONTROLLER: Final = "k8s.io/ingress-nginx"
CLASS: Final = "nginx"
CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
PREFIX: Final = "nginx.ingress.kubernetes.io/"
SERVICE_NAME: Final = "kubernetes.io/service-name"
EVERY_HOST: Final = "_"
_DEFAULT_SIZE: Final = 1024 * 1024

Kind = Literal["exact", "prefix", "regex"]


@dataclass(frozen=True, slots=True)
class Backend:
    """A port of a Service, as an Ingress names it."""

    namespace: str
    service: str
    port: str
    """Its name or number."""

    @property
    def upstream(self) -> str:
        """As the log names it."""
        return f"{self.namespace}-{self.service}-{self.port}"


@dataclass(frozen=True, slots=True)
class Claim:
    """Where an Ingress asks for a path of a host: its key, the field, and what is written there.

    A default backend has no type of path; of an Ingress that has rules it stands for `/` of their hosts, and is `implied`.
    """

    ingress: str
    field: str
    host: str
    path: str = "/"
    path_type: str = ""
    implied: bool = False


@dataclass(frozen=True, slots=True)
class Location:
    """A path of a host, and where it leads."""

    path: str
    kind: Kind
    backend: Backend
    options: Options
    claim: Claim
    pattern: re.Pattern[str] | None = None

    def matches(self, path: str) -> bool:
        """Whether a path may be served here, whatever other locations there are."""
        if self.pattern is not None:
            try:
                return bool(self.pattern.search(path))
            except re.error:  # it takes too long: nginx gives up too
                return False
        return path == self.path if self.kind == "exact" else path.startswith(self.path)


@dataclass(frozen=True, slots=True)
class Options:
    """What annotations of an Ingress say."""

    rewrite: str = ""
    use_regex: bool = False
    ssl_redirect: bool = True
    force_ssl_redirect: bool = False
    body_size: int = _DEFAULT_SIZE
    secure_backend: bool = False


@dataclass(slots=True)
class Site:
    """A host."""

    host: str
    locations: list[Location] = field(default_factory=list)
    secret: tuple[str, str] | None = None
    """Namespace and name of the Secret with its certificate."""
    tls: bool = False
    uses_regex: bool = False

    def find(self, path: str) -> Location | None:
        """As nginx chooses a location: the path itself, then the first expression, then the longest prefix."""
        if self.uses_regex:
            return next((found for found in self.locations if found.matches(path)), None)
        best: Location | None = None
        for location in self.locations:
            if location.kind == "exact" and path == location.path:
                return location
            if best is None and location.kind == "prefix" and path.startswith(location.path):
                best = location
        return best

    def finish(self) -> None:
        """Once all locations are there: the longest first."""
        if self.uses_regex:
            self.locations = [_as_expression(found) for found in self.locations]
        self.locations.sort(key=lambda found: (-len(found.path), found.kind))


class Table:
    """Every host. Made from what is there now, and never changed.

    `doubles` are the claims that came to nothing, as an older Ingress has the path, each with the one that has it.
    """

    def __init__(self, ingresses: Iterable[JSONObject]) -> None:
        self._sites: dict[str, Site] = {EVERY_HOST: Site(EVERY_HOST)}
        self._seen: dict[tuple[str, str, str], Claim] = {}
        self.doubles: dict[Claim, Claim] = {}
        for ingress in sorted(ingresses, key=_age):
            self._add(ingress)
        for site in self._sites.values():
            site.finish()

    def site(self, host: str) -> Site:
        """The one for a host, which may have a port."""
        name = host.rpartition("]")[2].partition(":")[0].lower().rstrip(".")
        found = self._sites.get(name) or self._sites.get("*." + name.partition(".")[2])
        return found or self._sites[EVERY_HOST]

    @property
    def hosts(self) -> list[str]:
        """The hosts that have a site of their own, with wildcards as they are written."""
        return [host for host in self._sites if host != EVERY_HOST]

    def _add(self, ingress: JSONObject) -> None:
        spec, options = spec_of(ingress), _options(annotations_of(ingress))
        namespace, key = namespace_of(ingress), key_of(ingress)
        if annotations_of(ingress).get(PREFIX + "canary") == "true":
            return  # it never has a path of its own, only a share of another Ingress'
        default = _backend(spec.get("defaultBackend"), namespace)
        rules = spec.get("rules") or ()
        if default is not None and not rules:
            claim = Claim(key, "spec.defaultBackend", EVERY_HOST)
            self._locate(claim, "/", "prefix", default, options)
        for at, rule in enumerate(rules):
            host = str(rule.get("host") or EVERY_HOST).lower()
            for i, entry in enumerate(dig(rule, "http", "paths", default=None) or ()):
                backend = _backend(entry.get("backend"), namespace)
                if backend is not None:
                    where = f"spec.rules[{at}].http.paths[{i}]"
                    path, kind = str(entry.get("path") or "/"), str(entry.get("pathType") or "")
                    self._path(Claim(key, where, host, path, kind), backend, options)
            if default is not None:
                claim = Claim(key, "spec.defaultBackend", host, implied=True)
                self._locate(claim, "/", "prefix", default, options)
            self._encrypt(host, spec.get("tls") or (), namespace)

    def _encrypt(self, host: str, sections: Iterable[JSONObject], namespace: str) -> None:
        """Only a host that has a rule has a certificate: that of the first section that names it, or a wildcard of it."""
        named = [(str(h).lower(), part) for part in sections for h in part.get("hosts") or ()]
        for wanted in (host, "*." + host.partition(".")[2]):
            found = next((part for name, part in named if name == wanted), None)
            if found is not None:
                site = self._site(host)
                site.tls = True
                if site.secret is None and found.get("secretName"):
                    site.secret = namespace, str(found["secretName"])
                return

    def _path(self, claim: Claim, backend: Backend, options: Options) -> None:
        path = claim.path
        if claim.path_type == "Exact":
            self._locate(claim, path, "exact", backend, options)
        elif claim.path_type == "Prefix" and path.rstrip("/"):
            self._locate(claim, path.rstrip("/") + "/", "prefix", backend, options)
            self._locate(claim, path.rstrip("/"), "exact", backend, options)
        else:
            self._locate(claim, path, "prefix", backend, options)

    def _locate(self, claim: Claim, path: str, kind: Kind, backend: Backend, options: Options) -> None:
        first = self._seen.setdefault((claim.host, path, kind), claim)
        if first is not claim:
            if first.ingress != claim.ingress:
                self.doubles.setdefault(claim, first)
            return
        site = self._site(claim.host)
        site.uses_regex = site.uses_regex or options.use_regex or bool(options.rewrite)
        site.locations.append(Location(path, kind, backend, options, claim))

    def _site(self, host: str) -> Site:
        return self._sites.setdefault(host, Site(host))


class Routes:
    """The table as the cluster is now. `generation` tells that the network may have changed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._generation = -1
        self._table = Table(())
        self._upstreams: dict[Backend, Upstream | None] = {}

    def at(self, generation: int) -> Routes:
        """These, brought up to date."""
        if generation != self._generation:
            self._table = Table(accepted(self._client))
            self._upstreams = {}
            self._generation = generation
        return self

    @property
    def table(self) -> Table:
        return self._table

    def site(self, host: str) -> Site:
        return self._table.site(host)

    def upstream(self, backend: Backend) -> Upstream | None:
        """Who answers for a backend; None where there is no such Service or port."""
        if backend not in self._upstreams:
            self._upstreams[backend] = _upstream(self._client, backend)
        return self._upstreams[backend]

    def certificate(self, site: Site) -> tuple[bytes, bytes] | None:
        """What a host shows; None where there is no such Secret, or nothing of use in it."""
        if site.secret is None:
            return None
        namespace, name = site.secret
        secret = get_or_none(self._client, SECRETS, name, namespace)
        data = (secret or {}).get("data") or {}
        pair = _decoded(data.get("tls.crt")), _decoded(data.get("tls.key"))
        return pair if all(pair) else None


@dataclass(slots=True)
class Upstream:
    """Addresses and ports; `turn` counts the requests. `host` is the name of an ExternalName Service instead."""

    endpoints: tuple[tuple[str, int], ...]
    host: str = ""
    turn: int = 0


def accepted(client: Client) -> list[JSONObject]:
    """The Ingresses that are ours."""
    classes = {
        name_of(c) for c in items(client.list(INGRESS_CLASSES)) if spec_of(c).get("controller") == CONTROLLER
    }
    return [i for i in items(client.list(INGRESSES)) if is_accepted(i, classes)]


def is_accepted(ingress: JSONObject, classes: Container[Any]) -> bool:
    """Whether an Ingress is ours: the old annotation counts, too."""
    annotation = annotations_of(ingress).get(CLASS_ANNOTATION)
    if annotation is not None:
        return annotation == CLASS
    return spec_of(ingress).get("ingressClassName") in classes


def _age(ingress: JSONObject) -> tuple[str, str]:
    return ingress["metadata"].get("creationTimestamp") or "", key_of(ingress)


def _backend(backend: JSONObject | None, namespace: str) -> Backend | None:
    service = (backend or {}).get("service")
    if not service:
        return None  # resources are not served
    port = service.get("port") or {}
    return Backend(namespace, service.get("name") or "", str(port.get("name") or port.get("number") or ""))


def _options(annotations: Mapping[str, str]) -> Options:
    def said(name: str) -> str:
        return str(annotations.get(PREFIX + name) or "")

    size = said("proxy-body-size")
    return Options(
        rewrite=said("rewrite-target"),
        use_regex=said("use-regex") == "true",
        ssl_redirect=said("ssl-redirect") != "false",
        force_ssl_redirect=said("force-ssl-redirect") == "true",
        body_size=_size(size) if size else _DEFAULT_SIZE,
        secure_backend=said("backend-protocol").upper() in ("HTTPS", "GRPCS"),
    )


def _size(text: str) -> int:
    """`8m` as nginx reads it; 0 is no limit."""
    found = re.fullmatch(r"(\d+)([kKmMgG]?)", text.strip())
    if found is None:
        return _DEFAULT_SIZE
    return int(found[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[found[2].lower()]


def _as_expression(location: Location) -> Location:
    try:
        pattern = compile_bounded(f"^{location.path}", re.IGNORECASE)
    except re.error:
        pattern = re.compile(f"^{re.escape(location.path)}", re.IGNORECASE)
    return replace(location, kind="regex", pattern=pattern)


def _upstream(client: Client, backend: Backend) -> Upstream | None:
    service = get_or_none(client, SERVICES, backend.service, backend.namespace)
    if service is None:
        return None
    port = next((p for p in ports_of(service) if backend.port in (str(p["port"]), p.get("name"))), None)
    if type_of(service) == EXTERNAL_NAME:
        number = port["port"] if port is not None else backend.port
        if not str(number).isdigit():
            return None
        return Upstream((("", int(number)),), host=str(spec_of(service).get("externalName") or ""))
    if port is None:
        return None
    slices = by_label(client, ENDPOINT_SLICES, backend.namespace, SERVICE_NAME, [backend.service])
    return Upstream(tuple(dict.fromkeys(_endpoints(slices, str(port.get("name") or "")))))


def _endpoints(slices: Iterable[JSONObject], port_name: str) -> Iterable[tuple[str, int]]:
    for part in slices:
        if part.get("addressType") == "FQDN":
            continue
        numbers = [
            p["port"] for p in part.get("ports") or () if (p.get("name") or "") == port_name and p.get("port")
        ]
        for endpoint in part.get("endpoints") or ():
            if dig(endpoint, "conditions", "ready") is not False:
                for number in numbers:
                    yield endpoint["addresses"][0], number


def _decoded(text: str | None) -> bytes:
    from base64 import b64decode
    from binascii import Error

    try:
        return b64decode(text or "")
    except (Error, ValueError):
        return b""
