"""`run`: one Pod from an image, with a Service if asked for (pkg/cmd/run/run.go)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

from kubesim.apimachinery.errors import StatusError
from kubesim.cli.builder import Info, filename_flags
from kubesim.cli.command import Command, Context
from kubesim.cli.commands.delete import DELETE_FLAGS, PROPAGATION
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.generated import (
    OVERRIDE_FLAGS,
    SAVE_CONFIG_FLAG,
    metadata,
    parse_environment,
    parse_labels,
    parse_pairs,
    submit,
    with_overrides,
)
from kubesim.cli.generators.common import check_output
from kubesim.cli.options import DRY_RUN_FLAG, PRINT_FLAGS, WriteOptions, field_manager_flag, print_result
from kubesim.cli.recording import RECORD_FLAG, record
from kubesim.cli.structorder import in_struct_order
from kubesim.util.jsontypes import JSONObject

# distribution/reference: ReferenceRegexp, without the bounds on lengths.
_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_HOST}(?:\.{_HOST})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
IMAGE_REFERENCE = re.compile(
    rf"(?:{_DOMAIN}/)?{_NAME}(?:/{_NAME})*(?::[\w][\w.-]{{0,127}})?"
    r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?"
)
RESTART_POLICIES = ("Always", "OnFailure", "Never")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")


def run(context: Context) -> int:
    """Make the Pod, then the Service; a Service that fails does not take the Pod away."""
    options = WriteOptions.of(context)
    check_output(context)
    _check(context, options)
    name = context.args[0]
    pod = with_overrides(context, pod_manifest(context, name))
    record(context, pod)
    made = [_made(context, pod, options)]
    failures: list[StatusError] = []
    if context.flags.is_set("expose"):
        try:
            body = service_manifest(context, name)
            record(context, body)
            service = _made(context, body, options)
            print_result(context, service, "created", options)
            if context.flags.text("output") == "yaml":
                context.out("---")
            made.append(service)
        except StatusError as error:
            failures.append(error)
    if _attached(context):
        from kubesim.cli.attaching import attach_created

        return attach_created(context, made, restart_policy=context.flags.text("restart") or "OnFailure")
    print_result(context, made[0], "created", options)
    if failures:
        raise failures[0]
    return 0


def _made(context: Context, obj: JSONObject, options: WriteOptions) -> Info:
    """What the server, or the client alone, made of an object, as a typed client holds it."""
    info = submit(context, in_struct_order(obj), options)
    info.object = in_struct_order(info.object or {})
    return info


def _attached(context: Context) -> bool:
    flags = context.flags
    return flags.is_set("attach") if flags.changed("attach") else flags.is_set("stdin")


def _check(context: Context, options: WriteOptions) -> None:
    """What is refused before anything is made, in run.go's order."""
    flags = context.flags
    if not context.args or context.dash == 0:
        raise context.usage_error("NAME is required for run")
    if flags.duration("pod-running-timeout") <= timedelta(0):
        raise context.usage_error("--pod-running-timeout must be higher than zero")
    image = flags.text("image")
    if not image:
        raise CLIError("--image is required")
    if not IMAGE_REFERENCE.fullmatch(image):
        raise CLIError(f'Invalid image name "{image}": invalid reference format')
    if flags.is_set("tty") and not flags.is_set("stdin"):
        raise context.usage_error("-i/--stdin is required for containers with -t/--tty=true")
    if flags.is_set("expose") and not flags.text("port"):
        raise context.usage_error("--port must be set when exposing a service")
    if flags.text("restart") not in ("", *RESTART_POLICIES):
        raise context.usage_error(f"invalid restart policy: {flags.text('restart')}")
    if flags.is_set("rm") and not _attached(context):
        raise context.usage_error("--rm should only be used for attached containers")
    if _attached(context) and options.dry_run != "none":
        raise context.usage_error(
            "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)"
        )
    if flags.text("cascade") not in PROPAGATION:
        raise CLIError(
            f"invalid cascade value ({flags.text('cascade')}). "
            'Must be "background", "foreground", or "orphan".'
        )
    if flags.text("image-pull-policy") not in ("", *PULL_POLICIES):
        raise context.usage_error(f"invalid image pull policy: {flags.text('image-pull-policy')}")


def pod_manifest(context: Context, name: str) -> JSONObject:
    """The Pod that the flags describe."""
    flags = context.flags
    container: JSONObject = {"name": name, "image": flags.text("image"), "resources": {}}
    if len(context.args) > 1:
        container["command" if flags.is_set("command") else "args"] = context.args[1:]
    env = parse_environment(flags.texts("env"))
    if env:
        container["env"] = env
    if flags.text("image-pull-policy"):
        container["imagePullPolicy"] = flags.text("image-pull-policy")
    if flags.text("port"):
        container["ports"] = [{"containerPort": port_number(flags.text("port"))}]
    if flags.is_set("privileged"):
        container["securityContext"] = {"privileged": True}
    if flags.is_set("stdin"):
        container["stdin"] = True
        if not flags.is_set("leave-stdin-open"):
            container["stdinOnce"] = True
    if flags.is_set("tty"):
        container["tty"] = True
    labels = parse_labels(flags.text("labels")) if flags.text("labels") else {"run": name}
    annotations = parse_pairs(flags.texts("annotations"), "annotations")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(name, labels=labels, annotations=annotations),
        "spec": {
            "containers": [container],
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": flags.text("restart") or ("OnFailure" if flags.is_set("stdin") else "Always"),
        },
        "status": {},
    }


def service_manifest(context: Context, name: str) -> JSONObject:
    """The Service of `--expose`: the Pod's labels select, the Pod's port is the port."""
    labels = context.flags.text("labels")
    port = port_number(context.flags.text("port"))
    made: JSONObject = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, labels=parse_labels(labels) if labels else None),
        "spec": {
            "ports": [{"port": port, "protocol": "TCP", "targetPort": port}],
            "selector": parse_labels(labels) if labels else {"run": name},
        },
        "status": {"loadBalancer": {}},
    }
    return made


def port_number(text: str) -> int:
    """A port as strconv.Atoi reads it. Raises CLIError with its text."""
    try:
        return int(text)
    except ValueError:
        raise CLIError(f'strconv.Atoi: parsing "{text}": invalid syntax') from None


COMMAND = Command(
    name="run",
    use='run NAME --image=image [--env="key=value"] [--port=port] [--dry-run=server|client] '
    "[--overrides=inline-json] [--command] -- [COMMAND] [args...]",
    short="Run an image in a Pod",
    long="Make a Pod that runs one container from an image.",
    examples="""\
# A Pod with nginx
kubesim run nginx --image=nginx

# A Pod with nginx, its port declared, and a Service before it
kubesim run my-pod --image=nginx --port=80 --expose

# Print what would be made
kubesim run nginx --image=nginx --dry-run=client -o yaml

# A Pod that sleeps, with its own command
kubesim run box --image=busybox --command -- sleep 1000

# A shell in a Pod that goes when the shell ends
kubesim run -it --rm box --image=busybox --restart=Never -- sh""",
    flags=(
        RECORD_FLAG,
        Flag("annotations", "Annotations of the Pod, key=value.", kind="list"),
        boolean("attach", "Wait for the Pod, then attach to it; the default with --stdin."),
        boolean("command", "Use the further arguments as the container's command, not as its args."),
        Flag("env", "Environment variables of the container, NAME=value.", kind="list"),
        boolean("expose", "Make a ClusterIP Service for the Pod. Needs --port."),
        Flag("image", "The image to run.", required=True),
        Flag("image-pull-policy", "When the image is pulled: Always, IfNotPresent or Never."),
        Flag("labels", "Labels of the Pod, key=value separated by commas, in the place of run=NAME.", "l"),
        boolean("leave-stdin-open", "Leave stdin open after the first attachment has ended."),
        Flag(
            "pod-running-timeout",
            "How long to wait for the Pod.",
            kind="duration",
            default=timedelta(minutes=1),
        ),
        Flag("port", "The port that the container declares."),
        boolean("privileged", "Run the container privileged."),
        boolean("quiet", "Say nothing that is not asked for.", "q"),
        Flag("restart", "Restart policy: Always, OnFailure or Never.", default="Always"),
        boolean("rm", "Delete the Pod when the attached container has ended."),
        boolean("stdin", "Keep stdin open.", "i"),
        boolean("tty", "Give the container a terminal.", "t"),
        DRY_RUN_FLAG,
        SAVE_CONFIG_FLAG,
        *(replace(flag, default=False) if flag.name == "wait" else flag for flag in DELETE_FLAGS),
        *filename_flags("of what --rm is to delete; accepted for compatibility."),
        field_manager_flag("kubectl-run"),
        *OVERRIDE_FLAGS,
        *PRINT_FLAGS,
    ),
    run=run,
)
