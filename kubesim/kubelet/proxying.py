"""HTTP through the API server to what listens in a Pod, behind a Service or on a node: the subresource `proxy`.

Sources: pkg/registry/core/{pod/strategy.go,service/storage/storage.go} (where a request goes),
k8s.io/apimachinery pkg/util/proxy/{upgradeaware,transport}.go (what is changed on its way).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlencode, urlsplit

from kubesim.apimachinery.errors import StatusError, bad_request, status_error
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apimachinery.rest import Request, Response
from kubesim.apis.meta import host_port
from kubesim.kubelet.portforward import find_listener
from kubesim.runtime.application import HTTPApplication, Listener, Peer
from kubesim.runtime.http1 import BadMessage, HTTPRequest, HTTPResponse
from kubesim.runtime.network_view import Connection
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, dig, encode

if TYPE_CHECKING:
    from kubesim.client.client import Client
    from kubesim.runtime.container import ContainerRuntime

PODS: Final = GroupVersionResource("", "v1", "pods")
ENDPOINTS: Final = GroupVersionResource("", "v1", "endpoints")
_SCHEMES: Final = ("", "http", "https")
_HOP_BY_HOP: Final = (
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
)  # fmt: skip
_NOT_FOR_BACKENDS: Final = (*_HOP_BY_HOP, "content-length", "authorization", "accept-encoding")
_LINKS: Final = re.compile(
    rb"""(<[a-zA-Z][^<>]*?\s(?:href|src|action|data|poster|background|cite|longdesc|codebase)\s*=\s*["'])(/[^"']*)"""
)
_CLIENT_PORT: Final = 33_000


@dataclass(frozen=True, slots=True)
class ProxyTarget:
    """Where a request goes: `scheme:name:port` of the path."""

    scheme: str
    name: str
    port: str


class Proxy:
    """Carries requests to listeners. `client` reads the API."""

    def __init__(self, runtime: ContainerRuntime, client: Callable[[], Client]) -> None:
        self._runtime = runtime
        self._client = client

    def connect(self, obj: JSONObject, request: Request) -> Response:
        """Answer a request for an object's `proxy`. Raises StatusError."""
        prefix, name, rest = _split(request.path)
        target = split_name(name, str(obj.get("kind")).lower())
        if not rest and request.method in ("GET", "HEAD"):
            return _redirect(request)
        kind = str(obj.get("kind"))
        if kind == "Node":
            return self._node(obj, target, rest or "/")
        if kind == "Service":
            pod, port = self._backend(obj, name, target)
        else:
            pod, port = obj, _pod_port(obj, target)
        return self._carry(pod, port, target.scheme or "http", prefix, rest or "/", request)

    def _backend(self, service: JSONObject, name: str, target: ProxyTarget) -> tuple[JSONObject, int]:
        """A Pod behind a Service, and its port."""
        wanted = target.port
        service_name = name_of(service)
        if wanted.isdigit():
            ports = dig(service, "spec", "ports", default=[])
            found = next((p for p in ports if p.get("port") == int(wanted)), None)
            if found is None:
                raise _unavailable(f"no service port {wanted} found for service {quote(service_name)}")
            wanted = found.get("name") or ""
        endpoints = self._client().get(ENDPOINTS, service_name, namespace_of(service))
        subsets = endpoints.get("subsets") or []
        if not subsets:
            raise _unavailable(f"no endpoints available for service {quote(service_name)}")
        for subset in subsets:
            port = next((p for p in subset.get("ports") or [] if (p.get("name") or "") == wanted), None)
            if port is None:
                continue
            for address in subset.get("addresses") or []:
                pod = self._pod_of(address, namespace_of(service))
                if pod is not None:
                    return pod, int(port["port"])
        raise _unavailable(f"no endpoints available for service {quote(name)}")

    def _pod_of(self, address: JSONObject, namespace: str) -> JSONObject | None:
        """The Pod that an address names, if it has that address: isValidAddress."""
        reference = address.get("targetRef") or {}
        if reference.get("kind") != "Pod":
            return None
        try:
            pod = self._client().get(
                PODS, str(reference.get("name")), reference.get("namespace") or namespace
            )
        except StatusError:
            return None
        ips = [dig(pod, "status", "podIP", default="")]
        ips += [entry.get("ip") for entry in dig(pod, "status", "podIPs", default=[])]
        return pod if address.get("ip") in ips else None

    def _carry(
        self, pod: JSONObject, port: int, scheme: str, prefix: str, rest: str, request: Request
    ) -> Response:
        ip = str(dig(pod, "status", "podIP", default=""))
        if not ip:
            raise bad_request("address not allowed")
        where = host_port(ip, port)
        with self._runtime.lock:
            listener = find_listener(self._runtime, pod, port, (ip,))
            if listener is None:
                raise _unreachable(f"dial tcp {where}: connect: connection refused")
            try:
                answer = self._ask(listener, scheme, ip, port, prefix, rest, request)
            finally:
                self._runtime.flush()
        return _response(answer, prefix, where)

    def _ask(
        self, listener: Listener, scheme: str, ip: str, port: int, prefix: str, rest: str, request: Request
    ) -> HTTPResponse:
        application = listener.application
        if scheme == "https" and not application.tls:
            raise _unreachable("tls: first record does not look like a TLS handshake")
        message = HTTPRequest(
            request.method,
            rest + _query(request),
            _headers(request, prefix, rest, host_port(ip, port)),
            _body(request),
        )
        if scheme == "http" and application.tls:
            text = b"Client sent an HTTP request to an HTTPS server.\n"
            return HTTPResponse(400, [("Content-Type", "text/plain")], text)
        peer = Peer(_gateway(ip), _CLIENT_PORT, ip, port)
        if isinstance(application, HTTPApplication):
            return application.handle(message, peer)
        try:
            return Connection(application, peer, ip, port).http(message)
        except BadMessage as bad:
            if str(bad):
                raise _unreachable(
                    "net/http: HTTP/1.x transport connection broken: malformed HTTP response"
                ) from None
            raise _unreachable("EOF") from None

    def _node(self, node: JSONObject, target: ProxyTarget, rest: str) -> Response:
        """The little that a simulated node's kubelet tells over HTTP."""
        plain = {"content-type": "text/plain; charset=utf-8"}
        if target.port not in ("", "10250"):
            addresses = dig(node, "status", "addresses", default=[])
            ip = next((a["address"] for a in addresses if a.get("type") == "InternalIP"), name_of(node))
            raise _unreachable(f"dial tcp {host_port(ip, target.port)}: connect: connection refused")
        if rest.rstrip("/") == "/healthz":
            return Response(200, "ok", plain)
        if rest.rstrip("/") in ("/pods", "/runningpods"):
            found = self._client().list(PODS, field_selector=f"spec.nodeName={name_of(node)}")
            body: JSONObject = {
                "kind": "PodList",
                "apiVersion": "v1",
                "metadata": {},
                "items": found.get("items") or [],
            }
            return Response(200, body, {"content-type": "application/json"})
        return Response(404, "404 page not found\n", plain)


def _split(path: str) -> tuple[str, str, str]:
    """The path up to `proxy`, the name in it, and what lies behind, as it was written."""
    parts = path.split("/")
    at = 6 if len(parts) > 3 and parts[3] == "namespaces" else 4
    # "", api, v1, namespaces, NS, RESOURCE, NAME, proxy, …  or  "", api, v1, nodes, NAME, proxy, …
    rest = parts[at + 2 :]
    return "/".join(parts[: at + 2]), unquote(parts[at]), "/" + "/".join(rest) if rest else ""


def split_name(name: str, kind: str) -> ProxyTarget:
    """net.SplitSchemeNamePort. Raises StatusError."""
    parts = name.split(":")
    match parts:
        case [only]:
            target = ProxyTarget("", only, "")
        case [only, port]:
            target = ProxyTarget("", only, port)
        case [scheme, only, port]:
            target = ProxyTarget(scheme, only, port)
        case _:
            target = ProxyTarget("?", "", "")
    if not target.name or target.scheme not in _SCHEMES:
        raise bad_request(f"invalid {kind} request {quote(name)}")
    return target


def _gateway(ip: str) -> str:
    """The node's address on the Pods' side."""
    network = ip_network(f"{ip}/{64 if ':' in ip else 24}", strict=False)
    return str(network[1])


def _pod_port(pod: JSONObject, target: ProxyTarget) -> int:
    """The port that was asked for, or the first that the Pod declares."""
    if target.port:
        if not target.port.isdigit() or int(target.port) > 65_535:
            ip = dig(pod, "status", "podIP", default="")
            raise _unreachable(f"dial tcp: address {host_port(ip, target.port)}: invalid port")
        return int(target.port)
    for container in dig(pod, "spec", "containers", default=[]):
        for port in container.get("ports") or []:
            return int(port["containerPort"])
    return 443 if target.scheme == "https" else 80


def _redirect(request: Request) -> Response:
    """A relative link on the page would lead elsewhere without the slash: proxyRedirectsforRootPath."""
    return Response(301, "", {"location": f"{request.path}/{_query(request)}"})


def _query(request: Request) -> str:
    text = urlencode([(name, value) for name, values in request.query.items() for value in values])
    return f"?{text}" if text else ""


def _headers(request: Request, prefix: str, rest: str, where: str) -> list[tuple[str, str]]:
    headers = [
        (_canonical(name), value)
        for name, value in request.headers.items()
        if name not in _NOT_FOR_BACKENDS and name != "host"
    ]
    host = request.headers.get("host", where)
    headers.insert(0, ("Host", host))
    headers.append(("X-Forwarded-Uri", prefix + rest))
    if "host" in request.headers:
        headers += [("X-Forwarded-Host", host), ("X-Forwarded-Proto", "https")]
    body = _body(request)
    if body:
        headers.append(("Content-Length", str(len(body))))
    return headers


def _canonical(name: str) -> str:
    """textproto.CanonicalMIMEHeaderKey."""
    return "-".join(part[:1].upper() + part[1:] for part in name.split("-"))


def _body(request: Request) -> bytes:
    if request.body is None:
        return b""
    return request.body if isinstance(request.body, bytes) else encode(request.body)


def _response(answer: HTTPResponse, prefix: str, where: str) -> Response:
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        key = name.lower()
        if key in _HOP_BY_HOP or key in ("content-length", "date"):  # the server writes its own
            continue
        headers[key] = f"{headers[key]}, {value}" if key in headers and key != "set-cookie" else value
    if "location" in headers:
        headers["location"] = _rewritten(headers["location"], prefix, where)
    body = answer.body
    if headers.get("content-type", "").partition(";")[0].strip() == "text/html":
        path = prefix.encode()
        body = _LINKS.sub(lambda m: m[0] if m[2].startswith(b"//") else m[1] + path + m[2], body)
    return Response(answer.status, body, headers)


def _rewritten(location: str, prefix: str, where: str) -> str:
    """A redirect of the backend to itself leads through the proxy too."""
    url = urlsplit(location)
    if url.netloc and url.netloc != where:
        return location
    if not url.path.startswith("/"):
        return location
    query = f"?{url.query}" if url.query else ""
    return f"{prefix}{url.path}{query}"


def _unavailable(text: str) -> StatusError:
    return status_error(503, "ServiceUnavailable", text, details=False)


def _unreachable(text: str) -> StatusError:
    return _unavailable(f"error trying to reach service: {text}")
