"""`sim`: the simulated clusters of this home."""

from __future__ import annotations

from typing import Annotated

import typer

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.own import application, run_application
from kubesim.cli.printers.tabwriter import Tabwriter
from kubesim.cli.progress import working
from kubesim.cluster.config import MAX_NODES, ConfigError
from kubesim.cluster.home import DEFAULT_SIM, HomeError
from kubesim.cluster.open import parse_config
from kubesim.storage.interface import StorageError

app = application("sim", "Create, list, choose, reset and delete simulated clusters.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The cluster's name.", show_default=False)]
Nodes = Annotated[int, typer.Option(help="How many nodes: node-1, node-2, …", min=0, max=MAX_NODES)]
Version = Annotated[str, typer.Option(help="The Kubernetes version, 1.25 to 1.37.")]
ServiceCIDR = Annotated[
    str,
    typer.Option(help="Addresses of Services; two, with a comma, for dual stack, the primary family first."),
]
PodCIDR = Annotated[
    str,
    typer.Option(
        help="Addresses of Pods, with a comma where Services have two families; each node gets a /24 of them, or a /64. "
        "Without any they are of 10.244.0.0/16 and fd00:10:244::/56."
    ),
]
NodePorts = Annotated[str, typer.Option(help="The node ports, FIRST-LAST.")]
Pool = Annotated[
    str,
    typer.Option(
        help="Addresses for Services of type LoadBalancer: FIRST-LAST or a CIDR, several with commas, such as "
        "172.18.255.200-172.18.255.250. Without any their address stays <pending>."
    ),
]
Seed = Annotated[str, typer.Option(help="With a seed, random values come out the same each time.")]
KubeDNS = Annotated[bool, typer.Option("--kube-dns", help="With the Service kube-dns in kube-system.")]
Images = Annotated[
    list[str] | None,
    typer.Option(
        help="A file with descriptions of images of your own (docs/images.md); may be repeated.",
        metavar="FILE",
        show_default=False,
    ),
]
Clock = Annotated[str, typer.Option(help="`system`, or a time in RFC 3339 at which the clock stands still.")]


def _context(context: typer.Context) -> Context:
    found = context.obj
    if not isinstance(found, Context):
        raise TypeError("the application was started without a command's context")
    return found


def _document(context: Context, name: str) -> tuple[str, str]:
    """A description of images, with the name that the user knows it by."""
    try:
        return name, context.session.path(name).read_text("utf-8")
    except UnicodeDecodeError:
        raise CLIError(f"cannot read {name}: want text in UTF-8") from None
    except OSError as error:
        raise CLIError(f"cannot read {name}: {(error.strerror or str(error)).lower()}") from None


@app.command("list")
def list_clusters(context: typer.Context) -> None:
    """List the clusters of this home."""
    own = _context(context)
    home, current = own.session.home, own.session.sim
    names = home.sims()
    if not names:
        own.err("No simulated clusters found.")
        return
    writer = Tabwriter(own.streams.stdout, 6, 4, 3)
    writer.write("CURRENT\tNAME\tVERSION\tNODES\n")
    for name in names:
        config = own.session.read_config(name)
        mark = "*" if name == current else ""
        writer.write(f"{mark}\t{name}\tv{config.kubernetes_version}\t{config.nodes}\n")
    writer.flush()


@app.command()
def create(
    context: typer.Context,
    name: Name = DEFAULT_SIM,
    nodes: Nodes = 2,
    kubernetes_version: Version = "1.32",
    service_cidr: ServiceCIDR = "10.96.0.0/12",
    pod_cidr: PodCIDR = "",
    node_port_range: NodePorts = "30000-32767",
    load_balancer_pool: Pool = "",
    seed: Seed = "",
    clock: Clock = "system",
    *,
    kube_dns: KubeDNS = False,
    images: Images = None,
    ingress: Annotated[
        bool, typer.Option("--ingress", help="With a simulated ingress-nginx, and its IngressClass nginx.")
    ] = False,
    use: Annotated[bool, typer.Option(help="Work with the new cluster from now on.")] = True,
) -> None:
    """Make a cluster."""
    own = _context(context)
    try:
        config = parse_config(
            name=name,
            nodes=nodes,
            kubernetes_version=kubernetes_version,
            service_cidr=service_cidr,
            pod_cidr=pod_cidr,
            node_port_range=node_port_range,
            load_balancer_pool=load_balancer_pool,
            ingress=ingress,
            seed=seed,
            clock=clock,
            kube_dns=kube_dns,
            images=[_document(own, name) for name in images or ()],
        )
        with working(own.streams, f"Making {name} …"):
            own.session.create_cluster(config)
        if use:
            own.session.home.use(name)
    except (HomeError, StorageError, ConfigError) as error:
        raise CLIError(str(error)) from None
    own.out(f"sim/{name} created")


@app.command()
def delete(context: typer.Context, name: Name) -> None:
    """Delete a cluster and everything in it."""
    own = _context(context)
    try:
        own.session.delete_cluster(name)
    except HomeError as error:
        raise CLIError(str(error)) from None
    own.out(f"sim/{name} deleted")


@app.command()
def use(context: typer.Context, name: Name) -> None:
    """Choose the cluster that commands work with."""
    own = _context(context)
    try:
        own.session.home.use(name)
    except HomeError as error:
        raise CLIError(str(error)) from None
    own.out(f'Switched to sim "{name}".')


@app.command()
def reset(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(show_default=False, help="The cluster; without it, the one in use.")
    ] = "",
) -> None:
    """Make a cluster as it was when it was created."""
    own = _context(context)
    name = name or own.session.sim
    try:
        if not own.session.home.exists(name):
            raise CLIError(f'simulated cluster "{name}" not found')
        with working(own.streams, f"Making {name} anew …"):
            own.session.create_cluster(own.session.read_config(name), instead=True)
    except (HomeError, StorageError, ConfigError) as error:
        raise CLIError(str(error)) from None
    own.out(f"sim/{name} reset")


COMMAND = Command(
    name="sim",
    use="sim COMMAND",
    short="Create, list, choose, reset and delete simulated clusters",
    run=lambda context: run_application(app, context),
    passthrough=True,
)
