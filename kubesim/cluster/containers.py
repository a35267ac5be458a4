"""What runs the containers of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubesim.runtime.container import ContainerRuntime

if TYPE_CHECKING:
    from kubesim.cluster.build import Parts


def make_runtime(parts: Parts) -> ContainerRuntime:
    """Simulated containers whose state lies in the cluster's store."""
    return ContainerRuntime(state=parts.state, clock=parts.clock)
