"""What the cluster has under a name: Services, endpoints, Pods, read through the client by name and by index.

Nothing is kept between calls, and a question costs what is found for it: the namespace, the Service, and where they
are asked for the slices of that Service. Sources: CoreDNS 1.11, plugin/kubernetes/{kubernetes,reverse}.go and object/.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kubesim.apimachinery.meta import labels_of, name_of, namespace_of
from kubesim.apis.serviceselectors import INDEX, entries_selecting
from kubesim.client.client import Client
from kubesim.client.lister import by_index, by_label, get_or_none, pods_at
from kubesim.client.resources import ENDPOINT_SLICES, NAMESPACES, SERVICES
from kubesim.dns import names
from kubesim.dns.names import Request, address_of_pod_name, endpoint_name, parse_address
from kubesim.util.jsontypes import JSONObject

NO_PORT: Final = -1
"""Stands for the port of what has none: such endpoints have addresses and no SRV record."""
SERVICE_NAME: Final = "kubernetes.io/service-name"
ADDRESS_INDEX: Final = "address"
"""Services by all their addresses; slices by those of their addresses that belong to no Pod."""


class NoSuchName(Exception):
    """Nothing of this name exists: NXDOMAIN."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing under a name: an address, or the name of something else, and a port of it."""

    host: str
    """An address, or for an alias a name."""
    owner: str = ""
    """The name in the domain whose address that is, without the domain: `web.default.svc`."""
    port: int = NO_PORT

    @property
    def family(self) -> int:
        """4, 6, or 0 for an alias."""
        address = parse_address(self.host)
        return address.version if address is not None else 0


class Records:
    """Finds what the domain's names stand for."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, request: Request | None) -> list[Found]:
        """What a name stands for; an empty list for one that exists and stands for nothing itself, as a namespace.

        Raises NoSuchName.
        """
        if request is None:
            raise NoSuchName
        if not request.kind:
            return []
        if not _is_label(request.namespace) or not get_or_none(self._client, NAMESPACES, request.namespace):
            raise NoSuchName
        if not request.service:
            return []
        return [_pod(request)] if request.kind == names.PODS else self._service(request)

    def pointing(self, address: str) -> list[str]:
        """The names, without the domain, that the reverse record of an address has."""
        service = self._with_cluster_ip(address)
        if service is not None:
            return [_owner(service)]
        return [
            f"{endpoint_name(address, hostname)}.{labels_of(found)[SERVICE_NAME]}.{namespace_of(found)}.svc"
            for found in self._slices_with(address)
            for ready, hostname in _ready_endpoints(found)
            if ready == address
        ]

    def service_addresses(self, name: str, namespace: str) -> list[str]:
        """The cluster IPs of a Service; empty where there is none, or it is headless."""
        service = get_or_none(self._client, SERVICES, name, namespace)
        return [] if service is None or is_headless(service) else cluster_ips(service)

    # Services.

    def _service(self, request: Request) -> list[Found]:
        service = None
        if _is_label(request.service):
            service = get_or_none(self._client, SERVICES, request.service, request.namespace)
        if service is None:
            raise NoSuchName
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            return [_external(service, request)]
        if is_headless(service) or request.endpoint:
            found = list(self._endpoints(service, request))
        else:
            owner = _owner(service)
            found = [
                Found(address, owner, port["port"])
                for port in spec.get("ports") or [{"port": NO_PORT}]
                if _is_asked(port, request)
                for address in cluster_ips(service)
            ]
        if not found:
            raise NoSuchName
        return found

    def _endpoints(self, service: JSONObject, request: Request) -> Iterator[Found]:
        owner = _owner(service)
        slices = by_label(self._client, ENDPOINT_SLICES, request.namespace, SERVICE_NAME, [name_of(service)])
        for found in slices:
            ports = found.get("ports") or [{}]
            for address, hostname in _ready_endpoints(found):
                label = endpoint_name(address, hostname)
                if request.endpoint and request.endpoint != label.lower():
                    continue
                for port in ports:
                    if _is_asked(port, request):
                        number = port.get("port")
                        yield Found(address, f"{label}.{owner}", NO_PORT if number is None else number)

    # The other way round.

    def _with_cluster_ip(self, address: str) -> JSONObject | None:
        first = by_index(self._client, SERVICES, "", "field", [f"spec.clusterIP={address}"])
        found = first or by_index(self._client, SERVICES, "", ADDRESS_INDEX, [address])
        return next((s for s in found if address in cluster_ips(s)), None)

    def _slices_with(self, address: str) -> list[JSONObject]:
        """The slices of Services that have an address: through its Pod, or for other addresses through the index."""
        found = by_index(self._client, ENDPOINT_SLICES, "", ADDRESS_INDEX, [address])
        for pod in pods_at(self._client, address):
            namespace = namespace_of(pod)
            entries = entries_selecting(labels_of(pod))
            services = [name_of(s) for s in by_index(self._client, SERVICES, namespace, INDEX, entries)]
            if services:
                found += by_label(self._client, ENDPOINT_SLICES, namespace, SERVICE_NAME, services)
        unique = {(namespace_of(s), name_of(s)): s for s in found if labels_of(s).get(SERVICE_NAME)}
        return [unique[key] for key in sorted(unique)]


def cluster_ips(service: JSONObject) -> list[str]:
    spec = service["spec"]
    return list(spec.get("clusterIPs") or [ip for ip in (spec.get("clusterIP"),) if ip])


def is_headless(service: JSONObject) -> bool:
    return cluster_ips(service)[:1] == ["None"]


def _owner(service: JSONObject) -> str:
    return f"{name_of(service)}.{namespace_of(service)}.svc"


def _pod(request: Request) -> Found:
    """A Pod's name says its address; whether there is such a Pod is not looked up: `pods insecure`. Raises NoSuchName."""
    address = address_of_pod_name(request.service)
    if address is None:
        raise NoSuchName
    return Found(str(address), f"{request.service}.{request.namespace}.pod")


def _external(service: JSONObject, request: Request) -> Found:
    """An alias has no endpoints and no ports; one to an address is none. Raises NoSuchName."""
    target = service["spec"].get("externalName") or ""
    if request.endpoint or request.port or request.protocol or not target or parse_address(target):
        raise NoSuchName
    return Found(target, _owner(service))


def _ready_endpoints(found: JSONObject) -> Iterator[tuple[str, str]]:
    """Addresses and host names. `publishNotReadyAddresses` has been seen to by who made the slice."""
    for endpoint in found.get("endpoints") or ():
        if (endpoint.get("conditions") or {}).get("ready") is not False:
            for address in endpoint.get("addresses") or ():
                yield address, endpoint.get("hostname") or ""


def _is_asked(port: JSONObject, request: Request) -> bool:
    name, protocol = port.get("name") or "", port.get("protocol") or ""
    return (not request.port or request.port == name.lower()) and (
        not request.protocol or request.protocol == protocol.lower()
    )


def _is_label(text: str) -> bool:
    """Whether a namespace or Service can have this name at all: nothing else is looked up."""
    return text.isascii() and text.replace("-", "").isalnum()
