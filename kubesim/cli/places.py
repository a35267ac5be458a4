"""Running a command at a place in the simulated network: on a node, outside of the cluster, or where a Pod is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.cli.execution import terminal_streams
from kubesim.client.resources import NODES, PODS
from kubesim.runtime.spec import ExecError
from kubesim.util.jsontypes import JSONObject, dig

if TYPE_CHECKING:
    from kubesim.cluster.network import ClusterNetwork
    from kubesim.runtime.node import NodeMachine

OUTSIDE = "outside"


def node_machine(context: Context, name: str) -> NodeMachine:
    """The shell of a node. Raises StatusError where there is no such node, CLIError."""
    _check(context)
    context.session.client.get(NODES, name)  # settles first, and says in the usual words that there is none
    found = _network(context).machine(name)
    if found is None:
        raise CLIError(f'node "{name}" has no place in the network')
    return found


def machine_at(context: Context, place: str, namespace: str) -> NodeMachine:
    """The shell at a place: `outside`, `node/NAME`, `pod/NAME`. Raises CLIError, StatusError."""
    kind, slash, name = place.partition("/")
    if place == OUTSIDE:
        _check(context)
        context.session.client.list(NODES, limit=1)
        return _network(context).outside()
    if slash and name and kind in ("node", "nodes", "no"):
        return node_machine(context, name)
    if slash and name and kind in ("pod", "pods", "po"):
        _check(context)
        pod = context.session.client.get(PODS, name, namespace)
        return _network(context).beside(_with_address(pod, name))
    raise CLIError(f'there is no place "{place}" to look from: outside, node/NAME or pod/NAME')


def cluster_network(context: Context) -> ClusterNetwork:
    """The network of the command's cluster, after what was written has settled. Raises CLIError."""
    _check(context)
    context.session.client.list(NODES, limit=1)
    return _network(context)


def _with_address(pod: JSONObject, name: str) -> JSONObject:
    phase = dig(pod, "status", "phase", default="")
    if not dig(pod, "status", "podIP", default="") or phase in ("Succeeded", "Failed"):
        raise CLIError(f'pod "{name}" has no place in the network: its phase is {phase}')
    return pod


def _check(context: Context) -> None:
    if any(context.session.flags.text(f) for f in ("server", "kubeconfig", "context")):
        raise CLIError("this works with simulated clusters of this home alone, not with a server elsewhere")


def _network(context: Context) -> ClusterNetwork:
    cluster = context.session.cluster
    runtime = cluster.runtime
    if runtime is None:
        raise CLIError("the nodes of this cluster run nothing")
    runtime.look_anew()
    return cluster.network


def execute_at(
    context: Context, machine: NodeMachine, argv: Sequence[str], *, stdin: bool = True, tty: bool = False
) -> int:
    """Run a command there on the user's own streams; its exit code, as the shell has it for what cannot be started."""
    try:
        return machine.exec(list(argv), terminal_streams(context, stdin=stdin, tty=tty))
    except ExecError as error:
        problem = str(error).rpartition(": unknown")[0].rpartition(": ")[2]
        missing = "not found" in problem or "no such file" in problem
        text = "command not found" if "$PATH" in problem else problem
        context.err(f"bash: line 1: {argv[0]}: {text}")
        return 127 if missing else 126
    finally:
        context.session.touch()
