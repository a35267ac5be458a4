"""Finding the Pod and the container that a command is about: exec, attach, logs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.labels import selector_from_label_selector
from kubesim.apimachinery.meta import annotations_of, name_of, namespace_of
from kubesim.cli.builder import Builder, Info
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.util.jsontypes import JSONObject, dig

PODS = GroupVersionResource("", "v1", "pods")
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def find_infos(context: Context, words: Sequence[str], filenames: Sequence[str] = ()) -> list[Info]:
    """The objects that `POD`, `TYPE/NAME` or `-f` name; a bare word is a Pod. Raises CLIError or StatusError."""
    arguments = [w if "/" in w else f"pods/{w}" for w in words]
    builder = Builder(
        context.session,
        arguments,
        filenames,
        namespace=context.session.namespace,
        enforce_namespace=context.session.explicit_namespace,
    )
    return [item for item in builder.visit() if isinstance(item, Info)]


def pod_for(context: Context, info: Info, *, timeout: timedelta = timedelta(0)) -> JSONObject:
    """The Pod of an object: itself, or one that its selector finds (AttachablePodForObject), waited for. Raises CLIError."""
    obj = info.object or {}
    if info.mapping.gvk.kind == "Pod":
        return obj
    pods = pods_of(context, info)
    if not pods and timeout:
        from kubesim.cli.waiting import Deadline, wait_until

        def look() -> bool:
            pods.extend(pods_of(context, info))
            return bool(pods)

        if not wait_until(context.session, look, Deadline(context.session, timeout)):
            raise CLIError("timed out waiting for the condition")
    if not pods:
        name = f"{info.mapping.gvr.resource}/{info.name}"
        raise CLIError(f"no pods found for {name}")
    return pods[0]


def pods_of(context: Context, info: Info, *, verb: str = "attach to") -> list[JSONObject]:
    """The Pods that an object's selector finds, the best to talk to first. Raises CLIError.

    `verb` is what could not be done with an object that selects none (SelectorsForObject).
    """
    obj = info.object or {}
    kind = info.mapping.gvk.kind
    if kind in ("Service", "ReplicationController"):
        selector = dig(obj, "spec", "selector", default={})
        if not selector:
            problem = f"invalid service '{info.name}': Service is defined without a selector"
            raise CLIError(f"cannot {verb} *v1.{kind}: {problem}")
        text = ",".join(f"{k}={v}" for k, v in selector.items())
    elif dig(obj, "spec", "selector"):
        text = str(selector_from_label_selector(obj["spec"]["selector"]))
    else:
        raise CLIError(f"cannot {verb} *v1.{kind}: selector for *v1.{kind} not implemented")
    found = context.session.client.list(PODS, namespace_of(obj), label_selector=text).get("items", [])
    return sorted(found, key=_rank)


def _rank(pod: JSONObject) -> tuple[bool, bool, str, str]:
    """Bound before unbound, ready before not, older before younger: podutils.ByLogging, turned round."""
    conditions = dig(pod, "status", "conditions", default=[])
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    return (
        not dig(pod, "spec", "nodeName"),
        not ready,
        str(dig(pod, "metadata", "creationTimestamp", default="")),
        name_of(pod),
    )


def choose_container(context: Context, pod: JSONObject, name: str, *, quiet: bool = False) -> str:
    """The container meant: the one named, the annotated one, or the first, with a word about it. Raises CLIError."""
    every = container_names(pod)
    if name:
        if name not in every:
            raise CLIError(f"container {name} not found in pod {name_of(pod)}")
        return name
    containers = [c["name"] for c in dig(pod, "spec", "containers", default=[])]
    if not containers:
        raise CLIError(f"pod {namespace_of(pod)}/{name_of(pod)} does not have any containers")
    annotated = annotations_of(pod).get(DEFAULT_CONTAINER, "")
    if annotated in every:
        return annotated
    if not quiet and len(every) > 1:
        context.err(defaulted(pod))
    return str(containers[0])


def defaulted(pod: JSONObject) -> str:
    """What is said where the first of several containers was taken."""
    return f'Defaulted container "{pod["spec"]["containers"][0]["name"]}" out of: {listed_containers(pod)}'


def find_container(pod: JSONObject, name: str) -> JSONObject | None:
    """A container of whatever kind by its name."""
    spec = pod.get("spec") or {}
    kinds = ("containers", "initContainers", "ephemeralContainers")
    return next((c for kind in kinds for c in spec.get(kind) or [] if c.get("name") == name), None)


def container_names(pod: JSONObject) -> list[str]:
    """All containers, of every kind."""
    spec = pod.get("spec") or {}
    kinds = ("containers", "ephemeralContainers", "initContainers")
    return [c["name"] for kind in kinds for c in spec.get(kind) or []]


def listed_containers(pod: JSONObject) -> str:
    """`a, b (ephem), c (init)`."""
    spec = pod.get("spec") or {}
    kinds = (("containers", ""), ("ephemeralContainers", " (ephem)"), ("initContainers", " (init)"))
    return ", ".join(f"{c['name']}{word}" for kind, word in kinds for c in spec.get(kind) or [])
