"""`port-forward`: ports of this computer that lead to a Pod (pkg/cmd/portforward)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag
from kubesim.cli.paths import resource_path
from kubesim.cli.podaccess import PODS, find_infos, pod_for
from kubesim.util.jsontypes import JSONObject, dig


def run(context: Context) -> int:
    """Forward until Ctrl-C, which is no failure."""
    from kubesim.cli.forwarding import PortForwarder, parse_addresses, parse_ports, until_interrupted
    from kubesim.cli.tunnel import open_tunnel

    flags = context.flags
    if len(context.args) < 2:
        raise context.usage_error("TYPE/NAME and list of ports are required for port-forward")
    timeout = flags.duration("pod-running-timeout")
    if timeout <= timedelta(0):
        raise context.usage_error("--pod-running-timeout must be higher than zero")
    target, *words = context.args
    info = find_infos(context, [target])[0]
    pod = pod_for(context, info, timeout=timeout)
    words = translated(info.object or {}, pod, words)
    # The Pod may have been chosen while it was not yet there as a whole.
    pod = context.session.client.get(PODS, name_of(pod), namespace_of(pod))
    phase = dig(pod, "status", "phase", default="")
    if phase != "Running":
        raise CLIError(f"unable to forward port because pod is not running. Current status={phase}")
    addresses, ports = parse_addresses(flags.texts("address")), parse_ports(words)
    path = resource_path(PODS, namespace_of(pod), name_of(pod), "portforward")
    with until_interrupted(), context.session.connections() as transport:
        try:
            user = context.session.client.user
            tunnel = open_tunnel(transport, path, user_agent="kubectl-port-forward", user=user)
        except StatusError as error:
            raise CLIError(f"error upgrading connection: {error.message}") from None
        PortForwarder(context, tunnel, addresses, ports).run()
    return 0


def translated(obj: JSONObject, pod: JSONObject, words: Iterable[str]) -> list[str]:
    """`LOCAL:REMOTE` with numbers: names and ports of a Service become those of the Pod. Raises CLIError."""
    if obj.get("kind") == "Service":
        _refuse_udp(dig(obj, "spec", "ports", default=[]), "port", words, lambda n: _service_port(obj, n))
        return [_of_service(obj, pod, word) for word in words]
    containers = dig(pod, "spec", "containers", default=[])
    ports = [port for container in containers for port in container.get("ports") or ()]
    _refuse_udp(ports, "containerPort", words, lambda n: _container_port(pod, n))
    return [_of_pod(pod, word) for word in words]


def _split(word: str) -> tuple[str, str]:
    """What stands before and behind the colon; kubectl leaves words with several to be refused later."""
    parts = word.split(":")
    return (parts[0], parts[1]) if len(parts) == 2 else (parts[0], parts[0])


def _joined(local: str, remote: str) -> str:
    return remote if local == remote else f"{local}:{remote}"


def _refuse_udp(
    ports: list[JSONObject], key: str, words: Iterable[str], number_of: Callable[[str], int]
) -> None:
    udp = {p.get(key) for p in ports if p.get("protocol") == "UDP"}
    udp -= {p.get(key) for p in ports if p.get("protocol") == "TCP"}
    for word in words:
        remote = _split(word)[1]
        number = _number(remote)
        if (number_of(remote) if number is None else number) in udp:
            raise CLIError(f"UDP protocol is not supported for {remote}")


def _of_service(service: JSONObject, pod: JSONObject, word: str) -> str:
    local, remote = _split(word)
    number = _number(remote)
    if number is None:
        number = _service_port(service, remote)
        if local == remote:
            local = str(number)
    return _joined(local, str(_target_port(service, pod, number)))


def _of_pod(pod: JSONObject, word: str) -> str:
    local, remote = _split(word)
    number = remote if _number(remote) is not None else str(_container_port(pod, remote))
    return number if local == remote else f"{local}:{number}"


def _target_port(service: JSONObject, pod: JSONObject, number: int) -> int:
    """LookupContainerPortNumberByServicePort: behind a headless Service there is no other port."""
    if dig(service, "spec", "clusterIP") == "None":
        return number
    for port in dig(service, "spec", "ports", default=[]):
        if port.get("port") == number:
            target = port.get("targetPort") or number
            return target if isinstance(target, int) else _container_port(pod, str(target))
    raise CLIError(f"Service {name_of(service)} does not have a service port {number}")


def _service_port(service: JSONObject, name: str) -> int:
    for port in dig(service, "spec", "ports", default=[]):
        if (port.get("name") or "") == name:
            return int(port["port"])
    raise CLIError(f"Service '{name_of(service)}' does not have a named port '{name}'")


def _container_port(pod: JSONObject, name: str) -> int:
    for kind in ("containers", "initContainers"):
        for container in dig(pod, "spec", kind, default=[]):
            for port in container.get("ports") or ():
                if (port.get("name") or "") == name:
                    return int(port["containerPort"])
    raise CLIError(f"Pod '{name_of(pod)}' does not have a named port '{name}'")


def _number(text: str) -> int | None:
    """As strconv.Atoi reads it; None for what is no number."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    return int(text) if digits.isascii() and digits.isdigit() else None


COMMAND = Command(
    name="port-forward",
    use="port-forward TYPE/NAME [options] [LOCAL_PORT:]REMOTE_PORT [...[LOCAL_PORT_N:]REMOTE_PORT_N]",
    short="Forward one or more local ports to a Pod",
    long="Listen on ports of this computer, and carry what comes there to ports of a Pod, until Ctrl-C. A Service, "
    "Deployment or whatever else selects Pods stands for one of them; of a Service the ports are its own, by number or "
    "name, and lead to their target ports. Connections begin inside the Pod: neither kube-proxy's rules nor "
    "NetworkPolicies concern them. Only this computer can connect, unless --address says otherwise.",
    examples="""\
# Port 8080 here, port 80 in the Pod
kubesim port-forward web 8080:80

# The target port of a Service's port that is named http
kubesim port-forward svc/web 8080:http

# Several ports, the same here and there
kubesim port-forward deployment/web 5000 6000

# Any port that is free here
kubesim port-forward web :80

# At certain addresses of this computer
kubesim port-forward --address localhost,127.0.0.2 web 8080:80""",
    flags=(
        Flag(
            "address",
            "Addresses to listen on, separated by commas: IP addresses, or localhost, which is 127.0.0.1 and ::1, "
            "one of which must be free.",
            kind="slice",
            default=("localhost",),
            shown="[localhost]",
        ),
        Flag(
            "pod-running-timeout",
            "How long to wait for a Pod, such as 5s or 2m; higher than zero.",
            kind="duration",
            default=timedelta(minutes=1),
        ),
    ),
    run=run,
)
