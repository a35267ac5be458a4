"""`cluster-info`: where the cluster answers (pkg/cmd/clusterinfo)."""

from __future__ import annotations

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.cli.command import Command, Context
from kubesim.cli.dumping import DUMP
from kubesim.util.jsontypes import JSONObject, dig

SERVICES = GroupVersionResource("", "v1", "services")


def run(context: Context) -> int:
    """Name the control plane and the cluster's own Services."""
    server = context.session.server_address
    context.out(f"Kubernetes control plane is running at {server}")
    namespace = context.flags.text("namespace") or "kube-system"
    found = context.session.client.list(
        SERVICES, namespace, label_selector="kubernetes.io/cluster-service=true"
    )
    for service in found.get("items", []):
        name = dig(service, "metadata", "labels", "kubernetes.io/name", default=name_of(service))
        context.out(f"{name} is running at {_link(server, service)}")
    context.out()
    program = context.streams.program
    context.out(f"To further debug and diagnose cluster problems, use '{program} cluster-info dump'.")
    return 0


def _link(server: str, service: JSONObject) -> str:
    """The address of the load balancer, or of the server's proxy."""
    ports = dig(service, "spec", "ports", default=[])
    ingress = dig(service, "status", "loadBalancer", "ingress", default=[])
    if ingress:
        host = ingress[0].get("ip") or ingress[0].get("hostname") or ""
        return "".join(f"http://{host}:{port['port']} " for port in ports)
    target = name_of(service)
    if ports:
        port = ports[0].get("name") or ""
        secure = port == "https" or ports[0]["port"] == 443
        target = f"https:{target}:{port}" if secure else f"{target}:{port}" if port else target
    return f"{server}/api/v1/namespaces/{namespace_of(service)}/services/{target}/proxy"


COMMAND = Command(
    name="cluster-info",
    use="cluster-info",
    short="Show the addresses of the cluster",
    examples="kubesim cluster-info",
    run=run,
    subcommands=(DUMP,),
)
