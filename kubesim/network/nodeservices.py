"""What the processes of a node listen on: kubelet, kube-proxy, containerd, sshd.

They say what their ports say to a stranger: the kubelet wants a certificate or a token, the health checks are open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kubesim.network.world import NodePlace
from kubesim.proxy import HealthCheck
from kubesim.runtime.application import Application, HTTPApplication, Listener, Peer, Silence
from kubesim.runtime.applications.base import http_date
from kubesim.runtime.http1 import HTTPRequest, HTTPResponse
from kubesim.util.clock import Clock, format_time

KUBELET_PORT, KUBELET_HEALTH_PORT = 10250, 10248
PROXY_HEALTH_PORT, PROXY_METRICS_PORT = 10256, 10249


class _Answers(HTTPApplication):
    """A server in Go that knows a few paths."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def text(self, status: int, body: str, content_type: str = "text/plain; charset=utf-8") -> HTTPResponse:
        headers = [("Content-Type", content_type), ("Date", http_date(self._clock.now().timestamp()))]
        if status == 404:
            headers.insert(1, ("X-Content-Type-Options", "nosniff"))
        return HTTPResponse(status, [*headers, ("Content-Length", str(len(body)))], body.encode())

    def missing(self) -> HTTPResponse:
        return self.text(404, "404 page not found\n")


class KubeletAPI(_Answers):
    """Port 10250: nobody gets in without a certificate or a token (pkg/kubelet/server, InstallAuthFilter)."""

    tls = True

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del request, peer
        return self.text(401, "Unauthorized")


class KubeletHealth(_Answers):
    """Port 10248, on the node itself: /healthz."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        return self.text(200, "ok") if request.path == "/healthz" else self.missing()


class ProxyHealth(_Answers):
    """Port 10256: whether kube-proxy lives; load balancers ask it (pkg/proxy/healthcheck)."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        if request.path not in ("/healthz", "/livez"):
            return self.missing()
        now = format_time(self._clock.now())
        body = f'{{"lastUpdated": "{now}","currentTime": "{now}", "nodeEligible": true}}'
        return self.text(200, body, "application/json")


class ProxyMetrics(_Answers):
    """Port 10249, on the node itself: in which mode kube-proxy works."""

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del peer
        known = {"/healthz": "ok", "/proxyMode": "iptables"}
        return self.text(200, known[request.path]) if request.path in known else self.missing()


class SSH(Application):
    """Port 22: says that it is there."""

    def open(self, peer: Peer) -> Silence:
        del peer
        return Silence(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")


class HealthChecks(HTTPApplication):
    """A Service's healthCheckNodePort: whether the node has endpoints of it."""

    def __init__(self, found: HealthCheck, clock: Clock) -> None:
        self._found = found
        self._clock = clock

    def handle(self, request: HTTPRequest, peer: Peer) -> HTTPResponse:
        del request, peer
        body = self._found.body
        headers = [*self._found.headers.items(), ("Date", http_date(self._clock.now().timestamp()))]
        return HTTPResponse(self._found.status, [*headers, ("Content-Length", str(len(body)))], body)


class NodeServices:
    """The listeners of the nodes. All nodes have the same ones, and those on health check ports, which are found by
    `health_check(node, port)` where somebody comes to them.
    """

    def __init__(self, clock: Clock, health_check: Callable[[str, int], HealthCheck | None]) -> None:
        self._clock = clock
        self._health_check = health_check
        proxy_health, kubelet = ProxyHealth(clock), KubeletAPI(clock)
        self._listeners = (
            Listener("TCP", 22, "*", SSH(), "sshd", 612),
            Listener("TCP", KUBELET_HEALTH_PORT, "127.0.0.1", KubeletHealth(clock), "kubelet", 720),
            Listener("TCP", PROXY_METRICS_PORT, "127.0.0.1", ProxyMetrics(clock), "kube-proxy", 1105),
            Listener("TCP", KUBELET_PORT, "*", kubelet, "kubelet", 720),
            Listener("TCP", PROXY_HEALTH_PORT, "*", proxy_health, "kube-proxy", 1105),
        )

    def __call__(self, node: NodePlace, port: int) -> Sequence[Listener]:
        """Those that listen always, and what listens on a port (0: on none in particular)."""
        found = self._health_check(node.name, port) if port else None
        if found is None:
            return self._listeners
        checks = HealthChecks(found, self._clock)
        return (*self._listeners, Listener("TCP", port, "*", checks, "kube-proxy", 1105))
