"""`ssh`: a shell, or one command, on a simulated node or at another place in the network."""

from __future__ import annotations

from kubesim.cli.command import Command, Context
from kubesim.cli.flags import boolean
from kubesim.cli.places import OUTSIDE, execute_at, machine_at, node_machine

SHELL = "/bin/bash"


def run(context: Context) -> int:
    """Run the command, or a shell; its exit code is ours."""
    if not context.args:
        raise context.usage_error("exactly one NODE is required")
    name, *argv = context.args
    if name == OUTSIDE or "/" in name:
        machine = machine_at(context, name, context.session.namespace)
    else:
        machine = node_machine(context, name)
    if len(argv) == 1 and any(c in argv[0] for c in " ;|&<>$\n"):
        argv = [SHELL, "-c", argv[0]]  # a whole command line, as sshd hands it to the shell
    tty = context.streams.stdin_is_terminal and (not argv or context.flags.is_set("tty"))
    return execute_at(context, machine, argv or [SHELL], tty=tty)


COMMAND = Command(
    name="ssh",
    use="ssh (NODE | outside | pod/NAME) [-- COMMAND [args...]]",
    short="Open a shell on a node, or run a command there",
    long="Open a shell on a simulated node, or run one command there. Nodes have the usual tools: curl, ip, ss, ping, dig, "
    "nslookup, nc and iptables-save, which prints kube-proxy's rules. From a node a Service is reached at its cluster IP. "
    "`outside` is the computer outside of the cluster, pod/NAME one that shares the network of a Pod, with the files that "
    "`curl --from` of the same place has. The exit code is that of the command.",
    examples="""\
# A Service from a node
kubesim ssh node-1 -- curl -k https://10.96.0.1/version

# The rules of kube-proxy
kubesim ssh node-1 -- iptables-save -t nat

# A shell
kubesim ssh node-1

# What `kubesim curl -o page.html URL` has written
kubesim ssh outside -- cat page.html""",
    flags=(boolean("tty", "Run the command at a terminal.", "t"),),
    run=run,
)
