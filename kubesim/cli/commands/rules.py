"""`rules`: kube-proxy's rules of a Service on a node, with what each of them does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag

if TYPE_CHECKING:
    from kubesim.diagnosis.rulebook import Chain
    from kubesim.util.jsontypes import JSONObject

_SERVICES = ("svc", "service", "services")


def run(context: Context) -> int:
    """Print the rules, or say why there are none."""
    from kubesim.client.resources import SERVICES
    from kubesim.diagnosis.rulebook import chains_of

    flags, session = context.flags, context.session
    if len(context.args) != 1:
        raise context.usage_error("exactly one Service is required: svc/NAME")
    kind, slash, name = context.args[0].partition("/")
    if not slash:
        name = kind
    elif kind not in _SERVICES:
        raise CLIError(f'kube-proxy has rules for Services alone: svc/NAME, and not "{context.args[0]}"')
    form = flags.text("output")
    if form not in ("text", "json"):
        raise CLIError(f"--output must be one of text, json: {form!r}")
    service = session.client.get(SERVICES, name, session.namespace)
    node = _node(context)
    from kubesim.cli.places import cluster_network

    proxy = cluster_network(context).proxy(node)
    ports = [
        (rules.port, chains_of(rules))
        for family in ("IPv4", "IPv6")
        for rules in proxy.rules_of(session.namespace, name, family)
    ]
    if form == "json":
        found = [
            {"port": p.name, "protocol": p.protocol, "chains": [_plain(c) for c in cs]} for p, cs in ports
        ]
        context.out(json.dumps({"node": node, "service": name, "ports": found}, indent=2))
        return 0
    if not ports:
        context.out(_why_none(service))
        return 0
    context.out(f"service/{name} on node {node}")
    for port, chains in ports:
        context.out(f"\n{port.name} {port.protocol.upper()} {port.port}")
        for chain in chains:
            _show(context, chain)
    return 0


def _node(context: Context) -> str:
    """The node that is named, else the first. Raises CLIError, StatusError."""
    from kubesim.apimachinery.meta import name_of
    from kubesim.client.lister import items
    from kubesim.client.resources import NODES

    client, name = context.session.client, context.flags.text("node").removeprefix("node/")
    if name:
        return name_of(client.get(NODES, name))
    nodes = items(client.list(NODES))
    if not nodes:
        raise CLIError("there are no nodes, and so no kube-proxy")
    return name_of(nodes[0])


def _why_none(service: JSONObject) -> str:
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return "kube-proxy has no rules for it: an ExternalName is an alias in DNS"
    if spec.get("clusterIP") in (None, "", "None"):
        return (
            "kube-proxy has no rules for it: the Service is headless, its name leads to the Pods themselves"
        )
    return "kube-proxy has no rules for it: it has no ports, or another proxy is to serve it"


def _plain(chain: Chain) -> dict[str, Any]:
    rules = [{"rule": line.text, "meaning": line.meaning} for line in chain.lines]
    return {"table": chain.table, "name": chain.name, "meaning": chain.meaning, "rules": rules}


def _show(context: Context, chain: Chain) -> None:
    coloured = context.streams.stdout_is_terminal and not context.streams.env.get("NO_COLOR")
    context.out(f"\n  {chain.table} {chain.name}" + (f": {chain.meaning}" if chain.meaning else ""))
    for line in chain.lines:
        context.out(f"    {line.text}")
        if line.meaning:
            text = f"      # {line.meaning}"
            context.out(f"\x1b[2m{text}\x1b[0m" if coloured else text)


COMMAND = Command(
    name="rules",
    use="rules svc/NAME [--node NODE] [-o text|json]",
    short="Show kube-proxy's rules of a Service, and what each does",
    long="Show the rules that kube-proxy of a node has for a Service, as iptables-save prints them there, and beneath each "
    "one what it does: who gets to which endpoint, with which share, and who is masqueraded. Packets in the simulation go "
    "by these very rules; `kubesim trace` shows which of them one request takes.",
    examples="""\
# On the first node, and on another
kubesim rules svc/web
kubesim rules svc/web --node node-2""",
    flags=(
        Flag("node", "The node; without it the first.", default=""),
        Flag("output", "One of: text, json.", "o", default="text"),
    ),
    run=run,
)
