"""What runs the containers of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubesim.cluster.build import Parts
    from kubesim.runtime.container import ContainerRuntime


def make_runtime(parts: Parts) -> ContainerRuntime:
    """Simulated containers whose state lies in the cluster's store."""
    from kubesim.runtime.container import ContainerRuntime

    return ContainerRuntime(state=parts.state, clock=parts.clock)
