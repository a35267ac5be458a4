"""Which clusters of a home are to be served over HTTPS, and where: `HOME/run/served.json`.

What `up` has asked for outlives the process that does it: the next one of the home serves the same at the same addresses.
`down` ends it.
"""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kubesim.apis.meta import host_port
from kubesim.cluster.controlplane import LOOPBACK
from kubesim.cluster.home import Home, replace_file
from kubesim.cluster.kubeconfig import write_kubeconfig
from kubesim.util.clock import SystemClock

if TYPE_CHECKING:
    from kubesim.cluster.openclusters import OpenCluster

FILE: Final = "served.json"
USUAL_PORT: Final = 6443
"""An API server's own; another one where it is taken."""
DNS_PORT: Final = 10053
"""Where names are answered; another one where it is taken."""
_TRIES, _PAUSE = 100, 0.05  # the process that is being replaced lets go of its addresses meanwhile

logger = logging.getLogger("kubesim.served")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a cluster is to be served. No port: the usual one, or where that is taken any other."""

    host: str = LOOPBACK
    port: int | None = None
    reachable: bool = False
    """Whether Pods, Services and nodes are opened inside of 127.0.0.0/8."""


def serve(home: Home, lent: OpenCluster, address: Address, *, again: bool = False) -> str:
    """Serve a cluster at an address, and write the kubeconfig for it; the URL. A cluster that is served already stays where
    it is. `again`: it was served there before, and the address may still be taken for a moment.

    Raises OSError, HomeError.
    """
    if lent.plane.urls:
        if address.reachable and lent.plane.edge is not None:
            lent.plane.edge.make_reachable()
        return lent.plane.urls[0]
    url = _listen(lent, address, tries=_TRIES if again else 1)
    _serve_network(lent, address)
    shown = url.replace("0.0.0.0", LOOPBACK).replace("[::]", "[::1]")  # noqa: S104  nobody can connect to those
    write_kubeconfig(home, lent.name, shown, lent.cluster.authority)
    return url


def _serve_network(lent: OpenCluster, address: Address) -> None:
    """The ports of Services, and names. Without them the API is of use, too."""
    plane, host = lent.plane, address.host
    try:
        edge = plane.serve_edge(host)
        if address.reachable:
            edge.make_reachable()
    except (OSError, RuntimeError):
        logger.exception("sim/%s: the ports of Services cannot be opened", lent.name)
    with contextlib.suppress(OSError):
        plane.serve_dns(host, DNS_PORT)
        return
    with contextlib.suppress(OSError):
        plane.serve_dns(host)


def describe(lent: OpenCluster) -> dict[str, Any]:
    """What of a cluster is served, for `status`."""
    from kubesim.network.edge.server import describe as why

    plane = lent.plane
    edge = plane.edge
    openings = sorted(edge.openings, key=lambda o: o.port) if edge is not None else ()
    return {
        "urls": list(plane.urls),
        "dns": plane.dns_address,
        "reachable": edge is not None and edge.is_reachable,
        "ports": [
            {
                "namespace": o.exposure.namespace,
                "service": o.exposure.name,
                "kind": o.exposure.kind,
                "protocol": o.exposure.protocol,
                "address": host_port(o.host, o.port),
            }
            for o in openings
        ],
        "warnings": [
            f"service {f.exposure.namespace}/{f.exposure.name}: {why(f)}"
            for f in (edge.failures if edge is not None else ())
        ],
    }


def _listen(lent: OpenCluster, address: Address, *, tries: int) -> str:
    if address.port is None:
        with contextlib.suppress(OSError):
            return lent.plane.serve(address.host, USUAL_PORT)
        return lent.plane.serve(address.host, 0)
    for _ in range(tries - 1):
        with contextlib.suppress(OSError):
            return lent.plane.serve(address.host, address.port)
        SystemClock().sleep(_PAUSE)
    return lent.plane.serve(address.host, address.port)


def read(directory: Path) -> dict[str, Address]:
    """What is to be served, by the clusters' names."""
    found: dict[str, Address] = {}
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        for name, kept in json.loads((directory / FILE).read_text("utf-8")).items():
            found[name] = Address(str(kept["host"]), int(kept["port"]), bool(kept.get("reachable")))
    return found


def write(directory: Path, wanted: dict[str, Address]) -> None:
    """Keep what is to be served. Raises HomeError."""
    if wanted:
        replace_file(directory / FILE, json.dumps({n: asdict(a) for n, a in wanted.items()}) + "\n")
    else:
        (directory / FILE).unlink(missing_ok=True)
