"""`curl`: the simulated curl, from a place in the simulated network."""

from __future__ import annotations

from collections.abc import Sequence

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.places import OUTSIDE, execute_at, machine_at

_OWN = ("--from", "--namespace")
_NOT_WRITTEN = 23


def run(context: Context) -> int:
    """Run it; its exit code is ours."""
    found, words = _split(context.args)
    if "--help" in words or not words:
        from kubesim.cli.help import render_command

        (context.streams.stdout if words else context.streams.stderr).write(
            render_command(context.path, COMMAND)
        )
        return 0 if words else 2
    namespace = found.get("--namespace") or context.session.namespace
    place = found.get("--from") or OUTSIDE
    code = execute_at(context, machine_at(context, place, namespace), ["curl", *words])
    if code == _NOT_WRITTEN:
        context.err(
            f"kubesim: curl writes to files of the simulated computer alone, where `kubesim ssh {place}` shows them; for a "
            "file of yours write `kubesim curl … > FILE`"
        )
    return code


def _split(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Our own options, and what is curl's. Raises CLIError."""
    found: dict[str, str] = {}
    rest: list[str] = []
    at = 0
    while at < len(words):
        name, equals, value = words[at].partition("=")
        at += 1
        if name not in _OWN:
            rest.append(words[at - 1])
            continue
        if not equals:
            if at == len(words):
                raise CLIError(f"flag needs an argument: {name}")
            value = words[at]
            at += 1
        found[name] = value
    return found, rest


COMMAND = Command(
    name="curl",
    use="curl [--from outside|node/NAME|pod/NAME] [--namespace NAMESPACE] [curl's options] URL",
    short="Run curl from outside of the cluster, or from a node or a Pod",
    long="Run the simulated curl from a place in the simulated network: from outside of the cluster (the default), from a "
    "node, or from where a Pod is, whatever its image has. Addresses of Services and Pods mean nothing outside; NODE-IP:"
    "NODE-PORT and the addresses of load balancers answer there. Options and exit codes are those of curl. "
    "Files (-o, -O, -D) are those of the simulated computer, never of this one: `kubesim ssh outside -- cat FILE`.",
    examples="""\
# A node port from outside
kubesim curl http://172.18.0.3:30080

# A cluster IP answers on a node, and times out from outside
kubesim curl --from node/node-1 http://10.96.0.1
kubesim curl -m 2 http://10.96.0.1

# With a Pod's address, policies and DNS
kubesim curl --from pod/web -sS http://other.default""",
    run=run,
    passthrough=True,
)
