"""The handlers of `lifecycle`: commands, requests and pauses when a container starts, and before it ends.

Rules and texts as in pkg/kubelet/lifecycle/handlers.go of Kubernetes 1.32: whatever a server answers is good, and only
a request that gets no answer fails. The text of a failure is for the container's state: Events do not repeat it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kubesim.kubelet.config import KubeletConfig
from kubesim.kubelet.probes import Prober, Target, container_port
from kubesim.runtime.http1 import BadMessage, HTTPRequest
from kubesim.runtime.network_view import Connection, NetworkError, NetworkView, Refused, TimedOut
from kubesim.runtime.spec import ExecError, Streams
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.runtime.container import ContainerRuntime

NetworkOf = Callable[[str], NetworkView | None]
"""The network as a node sees it, by the node's name."""
_GIVES_UP: Final = (
    127.0  # seconds; net.ipv4.tcp_syn_retries of 6, as the kubelet's client itself has no limit
)
_AGENT: Final = "kube-lifecycle/1.32"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a handler ended: an empty `error` is success. `seconds` is how long it took."""

    error: str = ""
    seconds: float = 0.0
    fell_back: str = ""
    """The host and port that speak HTTP, where HTTPS was asked for."""


class Hooks:
    """Carries out handlers. `network` is for requests to anybody but the Pod itself; without it nobody else answers."""

    def __init__(
        self, runtime: ContainerRuntime, *, config: KubeletConfig, network: NetworkOf | None = None
    ) -> None:
        self._runtime = runtime
        self._config = config
        self._network = network
        self._prober = Prober(runtime)

    def run(self, handler: JSONObject, target: Target, node: str, title: str) -> Outcome:
        """Run one; `title` is the Pod's. A handler of a kind that this version has not does nothing."""
        name = target.container["name"]
        if handler.get("exec"):
            command = [str(word) for word in handler["exec"].get("command") or ()]
            error, seconds = self._exec(target, command)
            said = f"Exec lifecycle hook ([{' '.join(command)}])"
        elif handler.get("httpGet"):
            action = handler["httpGet"]
            error, seconds, fell_back = self._http(target, action, node)
            if not error:
                return Outcome(seconds=seconds, fell_back=fell_back)
            said = f"HTTP lifecycle hook ({action.get('path') or ''})"
        else:
            return Outcome(seconds=float((handler.get("sleep") or {}).get("seconds") or 0))
        if not error:
            return Outcome(seconds=seconds)
        return Outcome(
            f"{said} for Container {quote(name)} in Pod {quote(title)} failed - error: {error}", seconds
        )

    def _exec(self, target: Target, command: list[str]) -> tuple[str, float]:
        took: list[float] = []
        streams, out, err = Streams.captured(b"")
        try:
            code = self._runtime.exec(target.container_id, command, streams, took=took.append)
        except ExecError as error:
            text = f"failed to exec in container: failed to start exec: {error}"
            return f'rpc error: code = Unknown desc = {text}, message: ""', sum(took)
        if code == 0:
            return "", sum(took)
        said = f"command '{' '.join(command)}' exited with {code}: {bytes(err).decode('utf-8', 'replace')}"
        return f"{said}, message: {quote(bytes(out + err).decode('utf-8', 'replace'))}", sum(took)

    # Requests

    def _http(self, target: Target, action: JSONObject, node: str) -> tuple[str, float, str]:
        host = action.get("host") or target.pod_ip
        try:
            port = container_port(target.container, action.get("port"))
        except ValueError as error:
            return str(error), 0.0, ""
        path = action.get("path") or "/"
        path = path if path.startswith("/") else f"/{path}"
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        scheme = str(action.get("scheme") or "HTTP").lower()
        try:
            connection = self._connect(target, host, port, node)
        except NetworkError as error:
            seconds = _GIVES_UP if isinstance(error, TimedOut) else 0.0
            return f'Get "{scheme}://{where}{path}": {_dialled(error, where)}', seconds, ""
        # A server without TLS is asked once more without it: so it was before the scheme was heeded.
        fell_back = where if scheme == "https" and not connection.tls else ""
        try:
            connection.http(HTTPRequest("GET", path, _headers(action, where)))
        except BadMessage:
            return f'Get "{scheme}://{where}{path}": EOF', 0.0, ""
        return "", 0.0, fell_back

    def _connect(self, target: Target, host: str, port: int, node: str) -> Connection:
        """Raises NetworkError."""
        if host == target.pod_ip:
            listener = self._prober.listener(target, host, port)
            if listener is None:
                raise Refused(host)
            return Connection(listener.application, self._prober.peer(target, host, port), host, port)
        network = self._network(node) if self._network is not None else None
        if network is None:
            raise TimedOut(host)
        return network.connect(self._resolve(network, host), port)

    def _resolve(self, network: NetworkView, host: str) -> str:
        """As the kubelet does on its node, which does not ask the cluster's DNS. Raises NetworkError."""
        if host == "localhost":
            return "127.0.0.1"
        if ":" in host or host.replace(".", "").isdigit():
            return host
        line = next(x for x in self._config.node_resolv_conf.splitlines() if x.startswith("nameserver"))
        server = line.split()[1]
        answer = network.query(host, "A", server)
        found = next((r.data for r in answer.answers if r.type == "A"), "")
        if not found:
            raise _NoSuchHost(f"lookup {host} on {server}:53: no such host")
        return found


class _NoSuchHost(NetworkError):
    """Its text is all that there is to say."""


def _dialled(error: NetworkError, where: str) -> str:
    if isinstance(error, _NoSuchHost):
        return f"dial tcp: {error}"
    words = {Refused: "connection refused", TimedOut: "connection timed out"}
    return f"dial tcp {where}: connect: {words.get(type(error), 'network is unreachable')}"


def _headers(action: JSONObject, where: str) -> list[tuple[str, str]]:
    given = [(str(h["name"]), str(h.get("value") or "")) for h in action.get("httpHeaders") or ()]
    named = {name.lower() for name, _ in given}
    standard = [("Host", where), ("User-Agent", _AGENT), ("Accept", "*/*"), ("Accept-Encoding", "gzip")]
    return [
        *(h for h in standard if h[0].lower() not in named),
        *(h for h in given if h[1] or h[0].lower() != "accept"),
    ]
