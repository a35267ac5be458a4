"""What the programs that serve share."""

from __future__ import annotations

import time

from kubesim.runtime.process import Process

TERM = (2, 3, 15)


def version_of(process: Process, variable: str, default: str) -> str:
    """The version that an image's variable tells, or its tag."""
    return process.env.get(variable) or process.machine.image.version or default


def port_taken(process: Process, port: int, protocol: str = "TCP") -> bool:
    """Whether something listens there already."""
    return any(x.port == port and x.protocol == protocol for x in process.machine.network.listeners())


def go_time(process: Process) -> str:
    """The time as Go's log package writes it."""
    return time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(process.timeline.now()))
