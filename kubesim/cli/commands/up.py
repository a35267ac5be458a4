"""`up`: serve the API of a cluster from the background process, for kubectl and every other client."""

from __future__ import annotations

import shlex
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cluster.controlplane import LOOPBACK
from kubesim.cluster.home import HomeError

if TYPE_CHECKING:
    from kubesim.cluster.served import Address

ADDRESS_FLAGS = (
    boolean(
        "reachable",
        "Linux: let Pods, Services and nodes be reached on this computer at their own addresses with 127 as the first "
        "number, 10.96.0.1 at 127.96.0.1.",
    ),
    Flag(
        "bind-address",
        "The address to listen at; others than loopback can be reached from other computers, with the certificate of the "
        "kubeconfig or a token.",
        default=LOOPBACK,
    ),
    Flag(
        "port",
        "The port; without it 6443, or another where that is taken.",
        kind="int",
        default=0,
        shown="6443",
    ),
)


def run(context: Context) -> int:
    """Serve it, unless it is served already, and say where."""
    from kubesim.cli.warm.session import WarmSession

    flags, session = context.flags, context.session
    if context.args:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    if not isinstance(session, WarmSession):
        raise CLIError(
            "the background process cannot be started here; `kubesim serve` serves the API from the foreground"
        )
    idle = flags.duration("idle-timeout") if flags.changed("idle-timeout") else timedelta(0)
    if idle < timedelta(0):
        raise CLIError("--idle-timeout must not be below 0")
    address = address_of(context)
    try:
        session.background.serve(session.sim, address)
    except (OSError, HomeError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        raise CLIError(f"cannot serve at {address.host}:{address.port or 6443}: {why}") from None
    session.background.stay(idle.total_seconds() or None)
    state = session.background.state_of(session.sim)
    show(context, session.sim, state, env_only=flags.is_set("print-env"))
    return 0


def address_of(context: Context) -> Address:
    """Where it is to be served. Raises CLIError."""
    from kubesim.cluster.served import Address

    flags = context.flags
    if flags.is_set("reachable") and sys.platform != "linux":
        raise CLIError(
            "--reachable works on Linux alone: there all of 127.0.0.0/8 belongs to the computer itself"
        )
    port = flags.number("port") if flags.changed("port") else None
    return Address(flags.text("bind-address"), port, flags.is_set("reachable"))


def show(context: Context, sim: str, state: dict[str, Any], *, env_only: bool) -> None:
    """Where a cluster is served, and how others find it."""
    for warning in state["warnings"]:
        context.err(f"Warning: {warning}")
    line = f"export KUBECONFIG={shlex.quote(str(context.session.home.sim_kubeconfig(sim).absolute()))}"
    if env_only:
        context.out(line)
        return
    context.out(f"sim/{sim} is served at {state['urls'][0]}")
    if state["dns"]:
        context.out(f"Its names are answered at {state['dns']}")
    if state["reachable"]:
        context.out(
            "Its Pods, Services and nodes are reached at their addresses with 127 first: 10.96.0.1 at 127.96.0.1"
        )
    if state["ports"]:
        context.out("Services that can be opened from here: kubesim service")
    context.out(f"For kubectl and other clients:\n\n  {line}")


COMMAND = Command(
    name="up",
    use="up [--port PORT] [--bind-address ADDRESS] [--reachable] [--print-env]",
    short="Serve the API of a cluster over HTTPS in the background",
    long="Serve the API of a cluster over HTTPS from the background process of this home, for kubectl and every other "
    "client, and write a kubeconfig for it. The process then stays until `kubesim down`. A cluster that is served "
    "already stays where it is. Node ports and the ports of load balancers are opened on this computer as long as the "
    "cluster is served (see `service`), and its names are answered over UDP and TCP.",
    examples="""\
# Serve the cluster, and point kubectl at it
kubesim up
eval "$(kubesim up --print-env)"
kubectl get nodes

# Another cluster, at any free port
kubesim up --sim other --port 0""",
    flags=(
        *ADDRESS_FLAGS,
        boolean("print-env", "Print only the line of shell code that points kubectl at the cluster."),
        Flag(
            "idle-timeout",
            "Leave after so long without a command and without a client; 0: stay until `down`.",
            kind="duration",
            default=timedelta(0),
        ),
    ),
    run=run,
)
