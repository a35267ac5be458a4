"""`expose`: a Service for something that runs Pods (pkg/cmd/expose/expose.go)."""

from __future__ import annotations

from kubesim.apimachinery.meta import labels_of
from kubesim.cli.builder import Builder, Info, collected, filename_flags
from kubesim.cli.command import Command, Context
from kubesim.cli.commands.run import port_number
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag
from kubesim.cli.generated import (
    OVERRIDE_FLAGS,
    SAVE_CONFIG_FLAG,
    create_generated,
    metadata,
    parse_labels,
    with_overrides,
)
from kubesim.cli.options import DRY_RUN_FLAG, PRINT_FLAGS, WriteOptions, field_manager_flag
from kubesim.cli.recording import RECORD_FLAG, record
from kubesim.util.jsontypes import JSONObject, dig

EXPOSABLE = (
    ("", "ReplicationController"),
    ("", "Service"),
    ("", "Pod"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("extensions", "Deployment"),
    ("extensions", "ReplicaSet"),
)
Ports = list[tuple[int, str]]


def run(context: Context) -> int:
    """Make a Service for each object named."""
    options = WriteOptions.of(context)
    builder = Builder.of(
        context,
        context.args,
        label_selector="",  # the flag is the new Service's selector
        continue_on_error=True,
        flatten=True,
    )
    errors: list[Exception] = []
    for item in builder.visit():
        if isinstance(item, Exception):
            errors.append(item)
            continue
        try:
            service = with_overrides(context, service_for(context, item))
            record(context, service)
            create_generated(context, service, options, operation="exposed")
        except CLIError as error:
            errors.append(error)
    failure = collected(errors)
    if failure:
        raise failure
    return 0


def service_for(context: Context, info: Info) -> JSONObject:
    """The Service that would expose an object. Raises CLIError with kubectl's reasons."""
    flags = context.flags
    gvk = info.mapping.gvk
    if (gvk.group, gvk.kind) not in EXPOSABLE:
        kind = f"{gvk.kind}.{gvk.group}" if gvk.group else gvk.kind
        raise CLIError(f"cannot expose a {kind}")
    obj = info.object or {}
    selector = flags.text("selector") or _selector_of(gvk.kind, obj)
    found = _ports_of(gvk.kind, obj)
    spec: JSONObject = {}
    ports = _service_ports(context, found)
    if ports:
        spec["ports"] = ports
    if not selector:
        raise CLIError("selector must be specified")
    spec["selector"] = parse_labels(selector)
    labels = parse_labels(flags.text("labels")) if flags.text("labels") else dict(labels_of(obj))
    _add_options(context, spec)
    name = flags.text("name") or info.name[:63]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, labels=labels),
        "spec": spec,
        "status": {"loadBalancer": {}},
    }


def _selector_of(kind: str, obj: JSONObject) -> str:
    """The labels by which the Pods of an object are found."""
    prefix = "couldn't retrieve selectors via --selector flag or introspection: "
    if kind == "Pod":
        labels = labels_of(obj)
        if not labels:
            raise CLIError(prefix + "the pod has no labels and cannot be exposed")
        return _joined(labels)
    if kind in ("Service", "ReplicationController"):
        selector = dig(obj, "spec", "selector", default={})
        if not selector and kind == "Service":
            raise CLIError(prefix + "the service has no pod selector set")
        return _joined(selector)
    selector = dig(obj, "spec", "selector", default={})
    if not selector:
        raise CLIError(prefix + "invalid deployment: no selectors, therefore cannot be exposed")
    if selector.get("matchExpressions"):
        raise CLIError(
            prefix + "couldn't convert expressions - "
            f"{selector['matchExpressions']} to map-based selector format"
        )
    return _joined(selector.get("matchLabels") or {})


def _joined(labels: JSONObject) -> str:
    return ",".join(f"{k}={v}" for k, v in labels.items())


def _ports_of(kind: str, obj: JSONObject) -> Ports:
    """The ports of an object with their protocols, in order."""
    if kind == "Service":
        return [(p["port"], p.get("protocol") or "TCP") for p in dig(obj, "spec", "ports", default=[])]
    spec = dig(obj, "spec", default={}) if kind == "Pod" else dig(obj, "spec", "template", "spec", default={})
    containers = spec.get("containers") or []
    return [
        (p["containerPort"], p.get("protocol") or "TCP") for c in containers for p in c.get("ports") or []
    ]


def _service_ports(context: Context, found: Ports) -> list[JSONObject]:
    flags = context.flags
    protocols: dict[int, list[str]] = {}
    for number, protocol in found:
        protocols.setdefault(number, []).append(protocol)
    if flags.text("port"):
        numbers = [port_number(text) for text in flags.text("port").split(",")]
    else:
        numbers = list(dict.fromkeys(number for number, _ in found))
        if not numbers and flags.text("cluster-ip") != "None":
            raise CLIError("couldn't find port via --port flag or introspection")
    made: list[JSONObject] = []
    for position, number in enumerate(numbers, 1):
        name = f"port-{position}" if len(numbers) > 1 else ""
        known = protocols.get(number, [])
        if not flags.text("protocol") and len(known) > 1:
            made += [_port(f"port-{position}-{p.lower()}", number, p) for p in known]
        else:
            made.append(_port(name, number, flags.text("protocol") or (known[0] if known else "TCP")))
    target = flags.text("target-port")
    for port in made:
        port["targetPort"] = (int(target) if target.isdigit() else target) if target else port["port"]
    return made


def _port(name: str, number: int, protocol: str) -> JSONObject:
    return (
        {"name": name, "port": number, "protocol": protocol}
        if name
        else {"port": number, "protocol": protocol}
    )


def _add_options(context: Context, spec: JSONObject) -> None:
    flags = context.flags
    if flags.text("external-ip"):
        spec["externalIPs"] = [flags.text("external-ip")]
    if flags.text("type"):
        spec["type"] = flags.text("type")
        if spec["type"] == "LoadBalancer" and flags.text("load-balancer-ip"):
            spec["loadBalancerIP"] = flags.text("load-balancer-ip")
    affinity = flags.text("session-affinity")
    if affinity:
        if affinity not in ("None", "ClientIP"):
            raise CLIError(f"unknown session affinity: {affinity}")
        spec["sessionAffinity"] = affinity
    if flags.text("cluster-ip"):
        spec["clusterIP"] = flags.text("cluster-ip")


COMMAND = Command(
    name="expose",
    use="expose (-f FILENAME | TYPE NAME) [--port=port] [--protocol=TCP|UDP|SCTP] [--target-port=number-or-name] "
    "[--name=name] [--external-ip=external-ip-of-service] [--type=type]",
    short="Make a Service for a Pod, Service, Deployment, ReplicaSet or ReplicationController",
    long="Make a Service that selects the Pods of an object. Selector, labels and ports are taken from the object "
    "where the flags do not give them.",
    examples="""\
# A Service for a Pod; the Pod's own port is taken
kubesim expose pod my-pod

# Port 8000 of the Service leads to port 80 of the Pod
kubesim expose pod my-pod --port=8000 --target-port=80 --name=web

# A second Service, reachable on every node
kubesim expose service web --name=web-outside --type=NodePort""",
    flags=(
        RECORD_FLAG,
        Flag("cluster-ip", "Cluster IP of the Service; None makes it headless, nothing has one allocated."),
        Flag("external-ip", "A further address at which the Service answers."),
        Flag("labels", "Labels of the Service, key=value separated by commas.", "l"),
        Flag("load-balancer-ip", "Address for the load balancer."),
        Flag("name", "Name of the Service; without it, that of the object."),
        Flag("port", "Port of the Service; without it, that of the object."),
        Flag("protocol", "TCP, UDP or SCTP; without it, that of the object's port."),
        Flag(
            "selector",
            "Selector of the Service, key=value separated by commas; without it, that of the object.",
        ),
        Flag("session-affinity", "None or ClientIP."),
        Flag("target-port", "Number or name of the container's port; without it, the port of the Service."),
        Flag("type", "ClusterIP, NodePort, LoadBalancer or ExternalName."),
        DRY_RUN_FLAG,
        SAVE_CONFIG_FLAG,
        field_manager_flag("kubectl-expose"),
        *OVERRIDE_FLAGS,
        *PRINT_FLAGS,
        *filename_flags("with the object to expose."),
    ),
    run=run,
)
