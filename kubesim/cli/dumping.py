"""`cluster-info dump`: what is in the cluster, and what its containers wrote, for someone else to look at.

Source: pkg/cmd/clusterinfo/clusterinfo_dump.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from io import TextIOBase
from typing import TextIO

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import name_of
from kubesim.cli.builder import ALL_NAMESPACES_FLAG
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag
from kubesim.cli.options import PRINT_FLAGS
from kubesim.cli.paths import resource_path
from kubesim.cli.podaccess import PODS
from kubesim.cli.printers import ALL_COMMANDS, Printer, get_printer, print_options
from kubesim.util.jsontypes import JSONObject, dig

_NODES = GroupVersionResource("", "v1", "nodes")
_NAMESPACES = GroupVersionResource("", "v1", "namespaces")
# File, and what stands in it, of each namespace.
_DUMPED = (
    ("events", GroupVersionResource("", "v1", "events")),
    ("replication-controllers", GroupVersionResource("", "v1", "replicationcontrollers")),
    ("services", GroupVersionResource("", "v1", "services")),
    ("daemonsets", GroupVersionResource("apps", "v1", "daemonsets")),
    ("deployments", GroupVersionResource("apps", "v1", "deployments")),
    ("replicasets", GroupVersionResource("apps", "v1", "replicasets")),
    ("pods", PODS),
)


def _run(context: Context) -> int:
    output = context.flags.text("output") or ("" if context.flags.text("template") else "json")
    printer = get_printer(output, print_options(context, struct_order=True), ALL_COMMANDS)
    if output == "name":
        raise CLIError("list types are not supported by name printing: *v1.NodeList")
    extension = f".{output}" if output in ("json", "yaml") else ".txt"
    _print(context, printer, _list(context, _NODES, ""), f"nodes{extension}")
    for namespace in _namespaces(context):
        found: JSONObject = {}
        for name, gvr in _DUMPED:
            found = _list(context, gvr, namespace)
            _print(context, printer, found, f"{namespace}/{name}{extension}")
        for pod in found.get("items") or []:
            _logs(context, namespace, pod)
    directory = _directory(context)
    if directory:
        context.out(f"Cluster info dumped to {directory}")
    return 0


def _namespaces(context: Context) -> Sequence[str]:
    if context.flags.is_set("all-namespaces"):
        return [name_of(n) for n in _list(context, _NAMESPACES, "").get("items", [])]
    return context.flags.texts("namespaces") or ("kube-system", context.session.namespace)


def _list(context: Context, gvr: GroupVersionResource, namespace: str) -> JSONObject:
    body = context.session.client.request("GET", resource_path(gvr, namespace)).body
    return body if isinstance(body, dict) else {}


def _directory(context: Context) -> str:
    """Where the files go; empty for standard output."""
    name = context.flags.text("output-directory")
    return "" if name == "-" else name


def _print(context: Context, printer: Printer, found: JSONObject, file: str) -> None:
    with _open(context, file) as stream:
        printer.print_object(found, stream)


def _logs(context: Context, namespace: str, pod: JSONObject) -> None:
    """What each container of a Pod has written, in one file."""
    containers = [
        c["name"] for k in ("initContainers", "containers") for c in dig(pod, "spec", k, default=[])
    ]
    with _open(context, f"{namespace}/{name_of(pod)}/logs.txt") as stream:
        for container in containers:
            where = f"logs for container {container} of pod {namespace}/{name_of(pod)}"
            log = _log(context, namespace, name_of(pod), container)
            stream.write(f"==== START {where} ====\n{log}==== END {where} ====\n")


def _log(context: Context, namespace: str, pod: str, container: str) -> str:
    path = resource_path(PODS, namespace, pod, "log")
    try:
        body = context.session.client.request("GET", path, query={"container": container}).body
    except StatusError as error:
        return f"Request log error: {error.message}\n"
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")


def _open(context: Context, file: str) -> AbstractContextManager[TextIO | TextIOBase]:
    directory = _directory(context)
    if not directory:
        return nullcontext(context.streams.stdout)
    path = context.session.path(directory) / file
    try:
        context.streams.make_directory(path.parent)
        return context.streams.create(path)
    except OSError as error:
        raise CLIError(f"open {path}: {(error.strerror or str(error)).lower()}") from None


DUMP = Command(
    "dump",
    "dump",
    "Show what is in the cluster, for looking into a problem",
    long="Show nodes, events, Services, Pods, what makes Pods, and the logs of containers: of the namespace of the "
    "call and of kube-system, or of those that --namespaces names.",
    examples="kubesim cluster-info dump\n\n# Into files\nkubesim cluster-info dump -A --output-directory=state",
    flags=(
        ALL_NAMESPACES_FLAG,
        Flag("namespaces", "The namespaces to look at.", kind="slice"),
        Flag("output-directory", "Where the files go; empty or -: standard output."),
        *PRINT_FLAGS,
    ),
    run=_run,
)
