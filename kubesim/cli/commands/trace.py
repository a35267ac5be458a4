"""`trace`: walk a request through the simulated network, and say at which hop and which field it breaks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag

if TYPE_CHECKING:
    from kubesim.diagnosis.tracing import Trace
    from kubesim.network.trip import Trip
    from kubesim.runtime.addressorder import Order
    from kubesim.runtime.application import TransportProtocol
    from kubesim.util.jsontypes import JSONObject

_BAD_INPUT = 2
_SEE = "See '{} --help' for usage."
_PROTOCOLS: dict[str, TransportProtocol | None] = {"": None, "TCP": "TCP", "UDP": "UDP", "SCTP": "SCTP"}


def run(context: Context) -> int:
    """Walk it, print the hops; 0 where it arrives."""
    flags = context.flags
    if len(context.args) != 2:
        raise CLIError(
            f"exactly two places are required: FROM and TO\n{_SEE.format(context.path)}", code=_BAD_INPUT
        )
    form, word = flags.text("output"), flags.text("protocol").upper()
    if form not in ("text", "json"):
        raise CLIError(f"--output must be one of text, json: {form!r}", code=_BAD_INPUT)
    if word not in _PROTOCOLS:
        raise CLIError(
            f"--protocol must be one of tcp, udp, sctp: {flags.text('protocol')!r}", code=_BAD_INPUT
        )
    place, to = context.args
    trace = _trace(context, place, to, _PROTOCOLS[word])
    if form == "json":
        context.out(json.dumps(trace.as_json(), indent=2, ensure_ascii=False))
    else:
        _show(context, trace)
    return 0 if trace.reached else 1


def _trace(context: Context, place: str, to: str, protocol: TransportProtocol | None) -> Trace:
    from kubesim.cli.commands.check import listening_of
    from kubesim.cli.diagnosing.targets import Targets
    from kubesim.cli.places import machine_at
    from kubesim.client.resources import PODS
    from kubesim.diagnosis.explaining import DNS_PORT, explain
    from kubesim.diagnosis.tracing import walk
    from kubesim.diagnosis.view import View
    from kubesim.network.views import FabricView
    from kubesim.runtime.resolver import resolver_config

    session = context.session
    machine = machine_at(context, place, session.namespace).machine
    network = machine.network
    if not isinstance(network, FabricView):
        raise CLIError(f"{place} has no place in the network")
    kind, _, name = place.partition("/")
    origin = session.client.get(PODS, name, session.namespace) if kind.startswith("po") else None
    target = Targets(session.client, session.namespace, place, protocol).target(to)
    trace = walk(machine, network, place, target, _order(context, origin) if origin is not None else None)

    def probe() -> Trip | None:
        servers = resolver_config(machine).nameservers
        return network.send(servers[0], DNS_PORT, "UDP") if servers else None

    cluster = session.cluster  # its own client: others cannot look addresses up
    view = View(
        cluster.client,
        listening_of(context),
        node_ports=cluster.config.node_port_range,
        since=cluster.storage.oldest_revision(),
    )
    trace.findings = explain(view, trace, origin, session.namespace, probe)
    return trace


def _order(context: Context, pod: JSONObject) -> Order | None:
    """In which order a program of the Pod tries the addresses of a name: its image's C library says."""
    from kubesim.apimachinery.meta import namespace_of
    from kubesim.kubelet.catalogues import Catalogues
    from kubesim.runtime.images import ImagePullError
    from kubesim.runtime.resolver import order_of

    cluster = context.session.cluster
    runtime = cluster.runtime
    if runtime is None:
        return None
    catalogues = Catalogues(cluster.client, lambda: runtime.catalogue, cluster.given_images, once=True)
    try:
        return order_of(catalogues.of(namespace_of(pod)).image(pod["spec"]["containers"][0]["image"]))
    except ImagePullError:
        return None


_MARKS = {True: "ok", False: "FAIL"}
_COLOURS = {True: "\x1b[32m", False: "\x1b[31m"}


def _show(context: Context, trace: Trace) -> None:
    from kubesim.cli.diagnosing.reports import lines_of

    coloured = context.streams.stdout_is_terminal and not context.streams.env.get("NO_COLOR")
    context.out(f"{trace.origin} -> {trace.target.shown}")
    for hop in trace.hops:
        mark = f"{_MARKS[hop.ok]:4}"
        if coloured:
            mark = f"{_COLOURS[hop.ok]}{mark}\x1b[0m"
        context.out(f"  {mark}  {hop.kind:8}  {hop.text}")
        for line in hop.details:
            context.out(f"                    {line}")
    context.out(_ending(trace))
    for finding in trace.findings:
        for line in lines_of(finding, coloured=coloured):
            context.out(f"  {line}")


def _ending(trace: Trace) -> str:
    if trace.reached:
        return "reachable"
    said = {
        "refused": "connection refused",
        "unreachable": "network is unreachable",
        "not resolved": "the name does not resolve",
    }
    return f"not reachable: {said.get(trace.outcome, trace.outcome)}"


COMMAND = Command(
    name="trace",
    use="trace FROM TO [-o text|json]",
    short="Walk a request through the network, and say where it breaks",
    long="Walk a request from a place to another, and print each hop: the name and what DNS says, the rules of kube-proxy "
    "that it takes, the nodes, the NetworkPolicies, and what listens at the end. Where it breaks, the object and the field "
    "at fault are named, with the reason code of docs/mistakes.md and the fix. Nothing is said to the application.\n\n"
    "HTTP that comes to the simulated ingress controller is walked on: to the rule that has its host and path, the "
    "certificate, and the endpoint. What is asked for from outside need not have a record in DNS if an Ingress has its "
    "host.\n\n"
    "FROM is pod/NAME, node/NAME or outside. TO is svc/NAME[.NAMESPACE][:PORT], pod/NAME:PORT, node/NAME:PORT, HOST:PORT, "
    "a URL, or ingress/NAME[.NAMESPACE]: all paths of it, up to the first that breaks. A PORT of a Service or Pod is a "
    "number or a name. Ends with 0 where the request arrives, 1 where it does not, 2 where the words cannot be understood.",
    examples="""\
# From a Pod to a Service
kubesim trace pod/client svc/web:80

# As the Pod would write it
kubesim trace pod/client http://web.other:8080/path

# A node port from outside
kubesim trace outside node/node-1:30227

# An Ingress, and one of its paths as a browser asks for it
kubesim trace outside ingress/shop
kubesim trace outside https://shop.example.com/cart

# For a program
kubesim trace pod/client svc/dns:53 --protocol udp -o json""",
    flags=(
        Flag("output", "One of: text, json.", "o", default="text"),
        Flag("protocol", "One of: tcp, udp, sctp; without it that of the Service's port.", shown="tcp"),
    ),
    run=run,
)
