"""`attach`: meet a process that is running in a container (pkg/cmd/attach)."""

from __future__ import annotations

from datetime import timedelta

from kubesim.cli.attaching import COMPLETED, DEFAULT_TIMEOUT, AttachOptions, attach_to
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.podaccess import find_infos, pod_for
from kubesim.util.jsontypes import dig


def run(context: Context) -> int:
    """Attach; the process's exit code is not ours, as kubectl has it."""
    flags, words = context.flags, context.args
    if flags.duration("pod-running-timeout") <= timedelta(0):
        raise context.usage_error("--pod-running-timeout must be higher than zero")
    if not words:
        raise CLIError("at least 1 argument is required for attach")
    if len(words) > 2:
        shown = f"[{' '.join(words)}]"
        raise CLIError(
            f"expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw {len(words)}: {shown}"
        )
    infos = find_infos(context, ["/".join(words)])
    pod = pod_for(context, infos[0])
    phase = dig(pod, "status", "phase", default="")
    if phase in COMPLETED:
        raise CLIError(f"cannot attach a container in a completed pod; current phase is {phase}")
    options = AttachOptions(
        container=flags.text("container"),
        stdin=flags.is_set("stdin"),
        tty=flags.is_set("tty"),
        quiet=flags.is_set("quiet"),
    )
    attach_to(context, pod, options)
    return 0


COMMAND = Command(
    name="attach",
    use="attach (POD | TYPE/NAME) -c CONTAINER",
    short="Attach to a process that runs in a container",
    long="Attach to the main process of a running container: see what it writes, and with -i give it input. "
    "Nothing of what it wrote before is shown; that is in its log.",
    examples="""\
# See what a Pod writes, until Ctrl-C
kubesim attach web

# A certain container of it
kubesim attach web -c sidecar

# Go on in a shell that waits for input at a terminal
kubesim attach box -c box -i -t

# The first Pod of a ReplicaSet
kubesim attach rs/web""",
    flags=(
        Flag(
            "container",
            "The container; without it, the one that the annotation kubectl.kubernetes.io/default-container names, "
            "or the first.",
            "c",
        ),
        Flag(
            "pod-running-timeout",
            "How long to wait for a Pod that runs, such as 5s or 2m; higher than zero.",
            kind="duration",
            default=DEFAULT_TIMEOUT,
        ),
        boolean("quiet", "Print only what the process prints.", "q"),
        boolean("stdin", "Give the process our standard input.", "i"),
        boolean("tty", "Standard input is a terminal.", "t"),
    ),
    run=run,
)
