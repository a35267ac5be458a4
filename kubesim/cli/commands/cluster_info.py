"""`cluster-info`: where the cluster answers."""

from __future__ import annotations

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.util.jsontypes import dig

SERVICES = GroupVersionResource("", "v1", "services")


def run(context: Context) -> int:
    """Name the control plane and the cluster's own Services."""
    if context.args:
        raise CLIError(
            f"unknown command \"{' '.join(context.args)}\"\nSee '{context.path} -h' for help and examples"
        )
    server = context.session.server_address
    context.out(f"Kubernetes control plane is running at {server}")
    found = context.session.client.list(
        SERVICES, "kube-system", label_selector="kubernetes.io/cluster-service=true"
    )
    for service in found.get("items", []):
        name = dig(service, "metadata", "labels", "kubernetes.io/name", default=name_of(service))
        port = dig(service, "spec", "ports", 0, "name")
        target = f"{name_of(service)}:{port}" if port else name_of(service)
        path = f"/api/v1/namespaces/{namespace_of(service)}/services/{target}/proxy"
        context.out(f"{name} is running at {server}{path}")
    context.out()
    program = context.streams.program
    context.out(f"To further debug and diagnose cluster problems, use '{program} cluster-info dump'.")
    return 0


COMMAND = Command(
    name="cluster-info",
    use="cluster-info",
    short="Show the addresses of the cluster",
    examples="kubesim cluster-info",
    run=run,
)
