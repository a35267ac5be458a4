"""`service`: what of a Service can be opened from this computer now, with a browser or the real curl."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apis.podfacts import status_of
from kubesim.apis.servicespec import EXTERNAL_NAME, LOAD_BALANCER, is_headless, ports_of, spec_of, type_of
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import boolean
from kubesim.cli.printers.tabwriter import Tabwriter
from kubesim.client.resources import ENDPOINT_SLICES, NODES, SERVICES
from kubesim.util.jsontypes import JSONObject, dig

if TYPE_CHECKING:
    from kubesim.client.client import Client
    from kubesim.network.edge.server import Opening

NOT_SERVED = "the cluster is not served: `kubesim up` opens this on your computer"


@dataclass(frozen=True, slots=True)
class _Row:
    """A way to a port of a Service: where it leads in the simulation, and where it is open on this computer."""

    namespace: str
    name: str
    kind: str
    port: str
    inside: str
    outside: str


def run(context: Context) -> int:
    """Print URLs; 1 where there is none."""
    flags, session = context.flags, context.session
    if len(context.args) > 1:
        raise context.usage_error("at most one NAME may be given")
    if session.remote:
        raise CLIError("this works with simulated clusters of this home alone, not with a server elsewhere")
    everywhere = flags.is_set("all-namespaces")
    if context.args:
        services = [session.client.get(SERVICES, context.args[0].removeprefix("service/"), session.namespace)]
    else:
        services = session.client.list(SERVICES, "" if everywhere else session.namespace)["items"]
    nodes = session.client.list(NODES)["items"]
    edge = session.edge
    openings: Sequence[Opening] = ()
    if edge is not None:
        edge.catch_up()
        openings = edge.openings
    rows = [
        row
        for service in services
        for row in _rows(service, _at_best(session.client, service, nodes), openings)
    ]
    if context.args and not rows:
        raise CLIError(_nowhere(services[0]))
    if flags.is_set("url"):
        return _print_urls(context, rows)
    if not rows:
        context.err("No Services that are reached from outside found.")
        return 0
    _print_table(context, rows)
    if edge is None:
        context.err(f"Note: {NOT_SERVED}")
    return 0


def _at_best(client: Client, service: JSONObject, nodes: Sequence[JSONObject]) -> Sequence[JSONObject]:
    """The nodes, those first that answer at the Service's node ports."""
    if spec_of(service).get("externalTrafficPolicy") != "Local":
        return nodes
    of_it = f"kubernetes.io/service-name={name_of(service)}"
    slices = client.list(ENDPOINT_SLICES, namespace_of(service), label_selector=of_it)["items"]
    ready = {
        endpoint.get("nodeName")
        for one in slices
        for endpoint in one.get("endpoints") or ()
        if dig(endpoint, "conditions", "ready") is not False
    }
    return sorted(nodes, key=lambda node: name_of(node) not in ready)


def _rows(service: JSONObject, nodes: Sequence[JSONObject], openings: Sequence[Opening]) -> Iterable[_Row]:
    namespace, name = namespace_of(service), name_of(service)
    mine = [
        o
        for o in openings
        if (o.exposure.namespace, o.exposure.name) == (namespace, name) and o.exposure.kind != "PodIP"
    ]
    # Node ports are at the nodes' addresses of the Service's own families.
    families = spec_of(service).get("ipFamilies") or ["IPv4"]
    places = [next((a for n in nodes if (a := _address(n, family))), "") for family in families]
    for port in ports_of(service):
        protocol = port.get("protocol") or "TCP"
        shown = f"{port['port']}/{protocol}"
        ways = [("NodePort", place, port["nodePort"]) for place in places if place and port.get("nodePort")]
        if type_of(service) == LOAD_BALANCER:
            points = dig(service, "status", "loadBalancer", "ingress", default=[])
            ways += [("LoadBalancer", p["ip"], port["port"]) for p in points if p.get("ip")]
        ways += [
            ("HostPort", target, port["port"])
            for o in mine
            if (o.exposure.kind, o.exposure.port) == ("HostPort", port["port"])
            for target in o.exposure.targets[:1]
        ]
        ways += [
            (o.exposure.kind, o.exposure.address, o.exposure.target_port)
            for o in mine
            if o.exposure.kind == "ClusterIP"
            and (o.exposure.port, o.exposure.protocol) == (port["port"], protocol)
        ]
        for kind, address, number in ways:
            opening = next(
                (
                    o
                    for o in mine
                    if (o.exposure.kind, o.exposure.protocol, o.exposure.target_port)
                    == (kind, protocol, number)
                    and o.exposure.address in ("", address)
                    and (o.exposure.family == "IPv6") == (":" in address)
                ),
                None,
            )
            outside = _url(port, opening.host, opening.port) if opening is not None else ""
            yield _Row(namespace, name, kind, shown, _url(port, address, number), outside)


def _address(node: JSONObject, family: str) -> str:
    found = [a["address"] for a in status_of(node).get("addresses") or () if a.get("type") == "InternalIP"]
    return next((a for a in found if (":" in a) == (family == "IPv6")), "")


def _url(port: JSONObject, host: str, number: int) -> str:
    """As a browser has it: the scheme is guessed as people name ports."""
    protocol = port.get("protocol") or "TCP"
    if host in ("0.0.0.0", "::"):  # noqa: S104  nobody can connect to those
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    where = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    if protocol != "TCP":
        return f"{protocol.lower()}://{where}"
    said = str(port.get("appProtocol") or port.get("name") or "").lower()
    secure = said.startswith("https") or (port["port"] in (443, 8443) and not said.startswith("http"))
    return f"{'https' if secure else 'http'}://{where}"


def _nowhere(service: JSONObject) -> str:
    """Why nothing outside leads to a Service, and what does."""
    name, namespace = name_of(service), namespace_of(service)
    start = f'service "{name}" has no node port and no address of a load balancer: '
    if type_of(service) == EXTERNAL_NAME:
        return f'service "{name}" is a name alone, of {spec_of(service).get("externalName")}: open that'
    if type_of(service) == LOAD_BALANCER:
        return start + "there is no pool of addresses; see `kubesim sim create --load-balancer-pool`"
    first = next(iter(ports_of(service)), {"port": 80})
    port = first["port"]
    local = port if port > 1024 else port + 8000
    where = f" --namespace {namespace}" if namespace != "default" else ""
    if is_headless(service):
        return (
            start
            + f"it is headless; `kubectl port-forward{where} service/{name} {local}:{port}` leads to one Pod"
        )
    ip = str(spec_of(service).get("clusterIP") or "")
    return start + (
        f"nodes and Pods reach it at {ip} (`kubesim curl --from node/node-1 {_url(first, ip, port)}`), and "
        f"`kubectl port-forward{where} service/{name} {local}:{port}` opens it here"
    )


def _print_urls(context: Context, rows: Sequence[_Row]) -> int:
    found = dict.fromkeys(row.outside for row in rows if row.outside)
    for url in found:
        context.out(url)
    if found:
        return 0
    if context.session.edge is None:
        raise CLIError(NOT_SERVED)
    raise CLIError("its ports could not be opened on this computer: see `kubesim status`")


def _print_table(context: Context, rows: Sequence[_Row]) -> None:
    writer = Tabwriter(context.streams.stdout, 6, 4, 3)
    writer.write("NAMESPACE\tNAME\tTYPE\tPORT\tIN THE SIMULATION\tON THIS COMPUTER\n")
    for row in rows:
        cells = (row.namespace, row.name, row.kind, row.port, row.inside, row.outside or "<none>")
        writer.write("\t".join(cells) + "\n")
    writer.flush()


COMMAND = Command(
    name="service",
    use="service [NAME] [--url] [-n NAMESPACE]",
    short="Say what of a Service can be opened in a browser or with curl",
    long="Say where a Service is reached from outside of the cluster: in the simulation (with `kubesim curl`), and, while "
    "the cluster is served, on this computer, with any program. A node port is opened at its own number, a port of a load "
    "balancer at its own number or, where that is taken or needs rights, at another one. Exit code 1: nothing outside "
    "leads to it. Without a NAME, all Services of the namespace.",
    examples="""\
# Everything that leads into the namespace
kubesim service

# Open it
curl "$(kubesim service web --url)\"""",
    flags=(
        boolean("url", "Print URLs that can be opened on this computer, and nothing else."),
        boolean("all-namespaces", "The Services of all namespaces.", "A"),
    ),
    run=run,
)
