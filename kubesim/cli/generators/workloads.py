"""`create deployment`, `create job`, `create cronjob` (pkg/cmd/create/create_{deployment,job,cronjob}.go)."""

from __future__ import annotations

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag
from kubesim.cli.generated import metadata
from kubesim.cli.generators.common import Target, generator, int32
from kubesim.util.jsontypes import JSONObject


def deployment_manifest(context: Context, name: str) -> JSONObject:
    """A Deployment with one container for each image; labels and selector are `app=NAME`."""
    images = context.flags.texts("image")
    command = context.args[1:]
    port, replicas = int32(context, "port"), int32(context, "replicas", "r")
    if len(images) > 1 and command:
        raise CLIError("cannot specify multiple --image options and command")
    containers = [_container(_container_name(context, image), image, command) for image in images]
    if port >= 0 and containers:
        containers[0]["ports"] = [{"containerPort": port}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(name, labels={"app": name}),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"creationTimestamp": None, "labels": {"app": name}},
                "spec": {"containers": containers},
            },
            "strategy": {},
        },
        "status": {},
    }


def _container(name: str, image: str, command: list[str]) -> JSONObject:
    found: JSONObject = {"name": name, "image": image, "resources": {}}
    if command:
        found["command"] = list(command)
    return found


def _container_name(context: Context, image: str) -> str:
    """The image's last part without tag and digest; where letters had to be replaced, made unlike others."""
    name = image.rsplit("/", 1)[-1].partition(":")[0].partition("@")[0]
    if "_" not in name and "." not in name:
        return name
    return f"{name.replace('_', '-').replace('.', '-')}-{_suffix(context)}"


def _suffix(context: Context) -> str:
    if context.session.remote:
        from kubesim.util.ids import SystemIdentities

        return SystemIdentities().suffix()
    return context.session.cluster.parts.identities.suffix()


def job_manifest(context: Context, name: str) -> JSONObject:
    """A Job from an image, or from a CronJob's template."""
    image, source, command = context.flags.text("image"), context.flags.text("from"), context.args[1:]
    if bool(image) == bool(source):
        raise CLIError("either --image or --from must be specified")
    if command and source:
        raise CLIError("cannot specify --from and command")
    if source:
        return _job_of_cron_job(name, _cron_job(context, source))
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name),
        "spec": _job_spec(_container(name, image, command), "Never"),
        "status": {},
    }


def _job_spec(container: JSONObject, restart_policy: str) -> JSONObject:
    return {
        "template": {
            "metadata": {"creationTimestamp": None},
            "spec": {"containers": [container], "restartPolicy": restart_policy},
        }
    }


def _cron_job(context: Context, source: str) -> JSONObject:
    """The CronJob that `--from` names. Raises CLIError, StatusError."""
    from kubesim.cli.builder import Builder

    builder = Builder(
        context.session, (source,), namespace=context.session.namespace, flatten=True, latest=True
    )
    infos, errors = builder.infos()
    if errors:
        raise errors[0]
    if len(infos) != 1:
        raise CLIError("from must be an existing cronjob")
    gvk = infos[0].mapping.gvk
    if (gvk.group, gvk.version, gvk.kind) != ("batch", "v1", "CronJob"):
        raise CLIError(f"unknown object type *{gvk.version}.{gvk.kind}")
    return infos[0].object or {}


def _job_of_cron_job(name: str, cron_job: JSONObject) -> JSONObject:
    """The Job that the CronJob would have made now, marked as made by hand.

    It is owned by the CronJob, without blockOwnerDeletion: that would need a right that users may not have.
    """
    template = cron_job["spec"]["jobTemplate"]
    about = template.get("metadata") or {}
    annotations = {"cronjob.kubernetes.io/instantiate": "manual", **(about.get("annotations") or {})}
    made = metadata(name, labels=about.get("labels"), annotations=annotations)
    made["ownerReferences"] = [
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "name": cron_job["metadata"]["name"],
            "uid": cron_job["metadata"].get("uid", ""),
            "controller": True,
        }
    ]
    spec = template["spec"]
    spec["template"].setdefault("metadata", {}).setdefault("creationTimestamp", None)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": made, "spec": spec, "status": {}}


def cron_job_manifest(context: Context, name: str) -> JSONObject:
    flags = context.flags
    container = _container(name, flags.text("image"), context.args[1:])
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(name),
        "spec": {
            "schedule": flags.text("schedule"),
            "jobTemplate": {
                "metadata": metadata(name),
                "spec": _job_spec(container, flags.text("restart") or "OnFailure"),
            },
        },
        "status": {},
    }


DEPLOYMENT = generator(
    "deployment",
    deployment_manifest,
    Target(GroupVersionResource("apps", "v1", "deployments"), failure="failed to create deployment: "),
    use="NAME --image=image -- [COMMAND] [args...]",
    short="Create a Deployment",
    examples="""\
# A Deployment of busybox
kubesim create deployment my-dep --image=busybox

# With a command of its own
kubesim create deployment my-dep --image=busybox -- date

# Three Pods with nginx, port 80 declared
kubesim create deployment my-dep --image=nginx --replicas=3 --port=80

# Pods with two containers
kubesim create deployment my-dep --image=busybox:latest --image=nginx""",
    flags=(
        Flag(
            "image", "The image to run; may be repeated, for several containers.", kind="slice", required=True
        ),
        Flag("port", "The port that the first container declares.", kind="int", default=-1),
        Flag("replicas", "How many Pods there shall be.", "r", "int", 1),
    ),
    aliases=("deploy",),
)
JOB = generator(
    "job",
    job_manifest,
    Target(GroupVersionResource("batch", "v1", "jobs"), failure="failed to create job: "),
    use="NAME --image=image [--from=cronjob/name] -- [COMMAND] [args...]",
    short="Create a Job",
    examples="""\
# A Job that runs busybox
kubesim create job my-job --image=busybox

# With a command of its own
kubesim create job my-job --image=busybox -- date

# What the CronJob a-cronjob would run, now
kubesim create job test-job --from=cronjob/a-cronjob""",
    flags=(
        Flag("image", "The image to run."),
        Flag("from", "A CronJob whose template is taken: cronjob/NAME."),
    ),
)
CRON_JOB = generator(
    "cronjob",
    cron_job_manifest,
    Target(GroupVersionResource("batch", "v1", "cronjobs"), failure="failed to create cronjob: "),
    use="NAME --image=image --schedule='0/5 * * * ?' -- [COMMAND] [args...] [flags]",
    short="Create a CronJob",
    examples="""\
# A Job every minute
kubesim create cronjob my-job --image=busybox --schedule="*/1 * * * *"

# With a command of its own
kubesim create cronjob my-job --image=busybox --schedule="*/1 * * * *" -- date""",
    flags=(
        Flag("image", "The image to run.", required=True),
        Flag("schedule", "When to run it, as cron has it.", required=True),
        Flag("restart", "Restart policy of the Pods: OnFailure (the default) or Never."),
    ),
    aliases=("cj",),
)
