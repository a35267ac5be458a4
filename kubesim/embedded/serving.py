"""A cluster of this program behind HTTPS on loopback, for client libraries and other programs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubesim.cluster.build import Cluster
from kubesim.cluster.controlplane import LOOPBACK, ControlPlane
from kubesim.cluster.home import DEFAULT_SIM, Home
from kubesim.cluster.kubeconfig import write_kubeconfig


@dataclass(frozen=True, slots=True)
class Served:
    """How to reach a served cluster. The files are the owner's alone, and go when serving ends."""

    url: str
    kubeconfig: Path
    """With the administrator's certificate, for KUBECONFIG and for the `config_file` of client libraries."""
    ca: Path
    """The certificate of the authority that the server's certificate is signed by."""


@contextmanager
def serve(cluster: Cluster, host: str = LOOPBACK, port: int = 0) -> Iterator[Served]:
    """Answer requests until the block ends, and run the controllers meanwhile. Raises OSError."""
    authority = cluster.authority
    plane = ControlPlane(cluster)
    with tempfile.TemporaryDirectory(prefix="kubesim-", ignore_cleanup_errors=True) as name:
        home = Home(Path(name))
        home.sim_kubeconfig(DEFAULT_SIM).parent.mkdir(parents=True)
        plane.start()
        try:
            url = plane.serve(
                host,
                port,
                authenticator=cluster.server.authenticator,
                context=authority.server_context([host]),
            )
            ca = Path(name, "ca.crt")
            ca.write_bytes(authority.ca_pem)
            yield Served(url, write_kubeconfig(home, DEFAULT_SIM, url, authority), ca)
        finally:
            plane.stop()
