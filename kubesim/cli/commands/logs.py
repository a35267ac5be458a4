"""`logs`: what containers have written (pkg/cmd/logs)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apimachinery.schema.gotime import parse_go_time
from kubesim.cli.builder import SELECTOR_FLAG, Builder, Info, collected
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.paths import resource_path
from kubesim.cli.podaccess import choose_container, container_names, find_infos, pods_of
from kubesim.util.jsontypes import JSONObject, dig

USAGE = "logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]"
SELECTED_TAIL = 10


@dataclass(slots=True)
class Source:
    """One container's log. While following: the time of the last line printed, and how many of that time were."""

    pod: JSONObject
    container: str
    prefix: str = ""
    last: str = ""
    count: int = 0


def run(context: Context) -> int:
    """Print the logs, and go on with them if asked to."""
    _validate(context)
    sources = list(_sources(context))
    query = _query(context)
    flags = context.flags
    if not flags.is_set("follow"):
        errors: list[Exception] = []
        for source in sources:
            try:
                _write(context, source, _read(context, source, query))
            except StatusError as error:
                if not flags.is_set("ignore-errors"):
                    errors.append(error)
                    break
                context.out(f"error: {error.message}")
        failure = collected(errors)
        if failure:
            raise failure
        return 0
    limit = flags.number("max-log-requests")
    if len(sources) > limit:
        raise CLIError(
            f"you are attempting to follow {len(sources)} log streams, but maximum allowed concurrency is {limit}, "
            "use --max-log-requests to increase the limit"
        )
    return _follow(context, sources, query)


def _validate(context: Context) -> None:
    flags = context.flags
    expected = f"expected '{USAGE}'.\nPOD or TYPE/NAME is a required argument for the logs command"
    selector = flags.text("selector")
    if not context.args and not selector:
        raise context.usage_error(expected)
    if selector and context.args:
        raise context.usage_error("only a selector (-l) or a POD name is allowed")
    if len(context.args) > 2:
        raise context.usage_error(expected)
    if flags.text("since-time") and flags.changed("since"):
        raise CLIError("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if flags.is_set("all-containers") and flags.text("container"):
        name = flags.text("container")
        raise CLIError(f"--all-containers=true should not be specified with container name {name}")
    if len(context.args) == 2 and flags.text("container"):
        raise CLIError("only one of -c or an inline [CONTAINER] arg is allowed")
    if flags.changed("limit-bytes") and flags.number("limit-bytes") < 1:
        raise CLIError("--limit-bytes must be greater than 0")
    if flags.changed("since") and flags.duration("since") <= timedelta(0):
        raise CLIError("--since must be greater than 0")
    if flags.number("tail") < -1:
        raise CLIError("--tail must be greater than or equal to -1")


def _sources(context: Context) -> Iterator[Source]:
    flags = context.flags
    if flags.text("selector"):
        builder = Builder(
            context.session,
            ["pods"],
            namespace=context.session.namespace,
            label_selector=flags.text("selector"),
            flatten=True,
        )
        pods = [i.object or {} for i in builder.visit() if isinstance(i, Info)]
        if not pods:
            context.err(f"No resources found in {context.session.namespace} namespace.")
        for pod in pods:
            yield from _containers(context, pod, prefix=flags.is_set("prefix"))
        return
    try:
        info = find_infos(context, context.args[:1])[0]
    except StatusError as error:
        if error.reason != "NotFound":
            raise
        namespace = context.session.namespace
        raise CLIError(f'error from server (NotFound): {error.message} in namespace "{namespace}"') from None
    if info.mapping.gvk.kind == "Pod":
        pods = [info.object or {}]
    else:
        pods = pods_of(context, info, verb="get the logs from")
        if not pods:
            raise CLIError("timed out waiting for the condition")
        if not flags.is_set("all-pods") and len(pods) > 1:
            context.err(f"Found {len(pods)} pods, using pod/{name_of(pods[0])}")
    prefix = flags.is_set("prefix") or flags.is_set("all-pods")
    for pod in pods if flags.is_set("all-pods") else pods[:1]:
        yield from _containers(context, pod, prefix=prefix)


def _containers(context: Context, pod: JSONObject, *, prefix: bool) -> Iterator[Source]:
    flags = context.flags
    wanted = flags.text("container") or (context.args[1] if len(context.args) == 2 else "")
    if flags.is_set("all-containers"):
        spec = pod.get("spec") or {}
        kinds = ("initContainers", "containers", "ephemeralContainers")
        names = [c["name"] for kind in kinds for c in spec.get(kind) or []]
    elif wanted:
        if wanted not in container_names(pod):
            raise CLIError(f"container {wanted} is not valid for pod {name_of(pod)}")
        names = [wanted]
    else:
        names = [choose_container(context, pod, "")]
    for name in names:
        yield Source(pod, name, f"[pod/{name_of(pod)}/{name}] " if prefix else "")


def _query(context: Context) -> dict[str, str]:
    flags = context.flags
    tail = flags.number("tail")
    if tail == -1 and flags.text("selector") and not flags.changed("tail") and not flags.is_set("follow"):
        tail = SELECTED_TAIL
    query = {
        "timestamps": "true" if flags.is_set("timestamps") else "",
        "previous": "true" if flags.is_set("previous") else "",
        "tailLines": str(tail) if tail >= 0 else "",
        "limitBytes": str(flags.number("limit-bytes")) if flags.changed("limit-bytes") else "",
        "sinceSeconds": "",
        "sinceTime": "",
    }
    if flags.changed("since"):
        query["sinceSeconds"] = str(max(1, round(flags.duration("since").total_seconds())))
    if flags.text("since-time"):
        try:
            parse_go_time(flags.text("since-time"))
        except ValueError as error:
            raise CLIError(str(error)) from None
        query["sinceTime"] = flags.text("since-time")
    return query


def _read(context: Context, source: Source, query: dict[str, str]) -> str:
    from kubesim.cli.podaccess import PODS

    path = resource_path(PODS, namespace_of(source.pod), name_of(source.pod), "log")
    body = context.session.client.request("GET", path, query=dict(query, container=source.container)).body
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")


def _write(context: Context, source: Source, text: str) -> None:
    if source.prefix:
        text = "".join(f"{source.prefix}{line}" for line in text.splitlines(keepends=True))
    context.streams.stdout.write(text)
    context.streams.stdout.flush()


def _follow(context: Context, sources: list[Source], query: dict[str, str]) -> int:
    """Print new lines as they come, until every container has ended."""
    following = dict(query)
    while sources:
        for source in list(sources):
            try:
                text = _read(context, source, dict(following, timestamps="true"))
            except StatusError:
                sources.remove(source)
                continue
            _write(context, source, _new_lines(source, text, timestamps=bool(query["timestamps"])))
            if _has_ended(context, source):
                sources.remove(source)
        following["tailLines"] = ""
        if sources:
            context.session.pause(1.0)
    return 0


def _new_lines(source: Source, text: str, *, timestamps: bool) -> str:
    """The lines after the last one that was printed. What a process writes in one go has one time stamp."""
    found = ""
    known = source.count
    for line in text.splitlines(keepends=True):
        stamp, _, rest = line.partition(" ")
        if stamp < source.last:
            continue
        if stamp == source.last and known:
            known -= 1
            continue
        source.count = source.count + 1 if stamp == source.last else 1
        source.last, known = stamp, 0
        found += line if timestamps else rest
    return found


def _has_ended(context: Context, source: Source) -> bool:
    from kubesim.cli.podaccess import PODS

    try:
        pod = context.session.client.get(PODS, name_of(source.pod), namespace_of(source.pod))
    except StatusError:
        return True
    statuses: list[JSONObject] = [
        s for k in ("containerStatuses", "initContainerStatuses") for s in dig(pod, "status", k, default=[])
    ]
    status: JSONObject = next((s for s in statuses if s.get("name") == source.container), {})
    return dig(status, "state", "terminated") is not None


COMMAND = Command(
    name="logs",
    use=USAGE,
    short="Print the log of a container",
    long="Print what a container has written: of a Pod, of one Pod of an object, or of all that a selector finds.",
    examples="""\
# The log of a Pod
kubesim logs web

# Go on with it
kubesim logs -f web

# The last lines of all Pods with a label
kubesim logs -l app=web --tail=3 --prefix""",
    flags=(
        boolean("all-containers", "All containers of the Pod."),
        boolean("all-pods", "All Pods of the object."),
        Flag("container", "The container.", "c"),
        boolean("follow", "Go on with new lines.", "f"),
        boolean("ignore-errors", "Errors of one log do not stop the others."),
        boolean("insecure-skip-tls-verify-backend", "Accepted for compatibility."),
        Flag("limit-bytes", "Print at most so many bytes.", kind="int"),
        Flag("max-log-requests", "How many logs to follow at once.", kind="int", default=5),
        Flag(
            "pod-running-timeout",
            "How long to wait for a Pod.",
            kind="duration",
            default=timedelta(seconds=20),
        ),
        boolean("prefix", "Put the source before each line."),
        boolean("previous", "The log of the run before this one.", "p"),
        Flag("since", "Only lines newer than this, such as 5s or 2m.", kind="duration"),
        Flag("since-time", "Only lines after this time (RFC 3339)."),
        Flag("tail", "Only the last lines; -1: all.", kind="int", default=-1),
        boolean("timestamps", "Put the time before each line."),
        SELECTOR_FLAG,
    ),
    run=run,
)
