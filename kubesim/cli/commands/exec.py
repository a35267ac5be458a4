"""`exec`: a command in a container (pkg/cmd/exec)."""

from __future__ import annotations

from datetime import timedelta

from kubesim.apimachinery.errors import bad_request
from kubesim.apimachinery.meta import name_of
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.execution import end_with, execute
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.podaccess import choose_container, container_names, find_infos, pod_for
from kubesim.util.jsontypes import dig


def run(context: Context) -> int:
    """Run the command; its exit code is ours."""
    flags = context.flags
    words, argv = _split(context)
    files = flags.texts("filename")
    if not words and not files:
        raise CLIError("pod, type/name or --filename must be specified")
    if not argv:
        raise CLIError("you must specify at least one command for the container")
    infos = find_infos(context, words, files)
    if len(infos) != 1:
        raise CLIError("cannot exec into multiple objects at a time")
    pod = pod_for(context, infos[0])
    phase = dig(pod, "status", "phase", default="")
    if phase in ("Succeeded", "Failed"):
        raise CLIError(f"cannot exec into a container in a completed pod; current phase is {phase}")
    wanted = flags.text("container")
    if wanted and wanted not in container_names(pod):
        # kubectl leaves a name that it is given to the API server.
        raise bad_request(f"container {wanted} is not valid for pod {name_of(pod)}")
    container = choose_container(context, pod, wanted, quiet=flags.is_set("quiet"))
    tty = flags.is_set("tty")
    if tty and not (flags.is_set("stdin") and context.streams.stdin_is_terminal):
        if flags.is_set("stdin"):
            context.err("Unable to use a TTY - input is not a terminal or the right kind of file")
        tty = False
    return end_with(context, execute(context, pod, container, argv, stdin=flags.is_set("stdin"), tty=tty))


def _split(context: Context) -> tuple[list[str], list[str]]:
    """What names the Pod, and the command."""
    args, dash = context.args, context.dash
    if dash == -1:
        if len(args) > 1:
            raise context.usage_error(
                "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead"
            )
        return args, []
    return args[:dash], args[dash:]


COMMAND = Command(
    name="exec",
    use="exec (POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]",
    short="Run a command in a container",
    long="Run a command in a container of a Pod. Containers are simulated: shells and commands live inside the "
    "simulation and never touch this computer.",
    examples="""\
# The environment of a container
kubesim exec web -- env

# A shell
kubesim exec -it web -- sh

# In a certain container
kubesim exec web -c sidecar -- cat /etc/hosts""",
    flags=(
        Flag("container", "The container; without it, the first one.", "c"),
        Flag("filename", "File that names the object.", "f", "slice"),
        Flag(
            "pod-running-timeout",
            "How long to wait for the Pod.",
            kind="duration",
            default=timedelta(minutes=1),
        ),
        boolean("quiet", "Print only what the command prints.", "q"),
        boolean("stdin", "Give the command our standard input.", "i"),
        boolean("tty", "Standard input is a terminal.", "t"),
    ),
    run=run,
)
