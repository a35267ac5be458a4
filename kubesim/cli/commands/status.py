"""`status`: whether the background process of this home runs, and what it serves."""

from __future__ import annotations

import json
from typing import Any

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag

NOT_RUNNING = 3  # as service scripts have it


def run(context: Context) -> int:
    """0: it runs; 3: it does not."""
    from kubesim.cli.warm.control import status

    output = context.flags.text("output")
    if context.args:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    if output not in ("", "json"):
        raise CLIError("--output must be 'json'")
    found = status(context.session.home.path)
    if output:
        context.out(json.dumps({"running": found is not None, **(found or {})}, indent=2))
    elif found is None:
        context.out("not running")
    else:
        _show(context, found)
    return 0 if found is not None else NOT_RUNNING


def _show(context: Context, found: dict[str, Any]) -> None:
    context.out(
        f"running: pid {found.get('pid')}, kubesim {found.get('version')}, since {found.get('since')}"
    )
    idle = found.get("idleSeconds")
    if found.get("foreground"):
        context.out("leaves: when `kubesim serve` is ended")
    else:
        context.out(
            "leaves: with `kubesim down`"
            if idle is None
            else f"leaves: after {idle:g} seconds without a command"
        )
    for sim in found.get("sims") or []:
        urls = ", ".join(sim.get("urls") or []) or "commands alone"
        kubeconfig = f", kubeconfig {sim['kubeconfig']}" if sim.get("kubeconfig") else ""
        context.out(f"sim/{sim.get('name')}: {urls}{kubeconfig}")
        if sim.get("dns"):
            context.out(f"  names: {sim['dns']}")
        ports = sim.get("ports") or []
        own = [port for port in ports if port["kind"] in ("NodePort", "LoadBalancer", "HostPort")]
        if sim.get("reachable"):
            context.out(f"  {len(ports) - len(own)} ports of Pods, Services and nodes inside of 127.0.0.0/8")
        for port in own:
            context.out(
                f"  {port['address']}/{port['protocol']}: {port['kind']} of service {port['namespace']}/{port['service']}"
            )
        for warning in sim.get("warnings") or []:
            context.out(f"  warning: {warning}")


COMMAND = Command(
    name="status",
    use="status [-o json]",
    short="Say whether the background process of this home runs",
    long="Say whether the background process of this home runs, which clusters it holds open and where it serves their "
    "API. Exit code 0: it runs; 3: it does not.",
    examples="kubesim status\n\n# For a script\nkubesim status -o json",
    flags=(Flag("output", "Output: json.", "o"),),
    run=run,
)
