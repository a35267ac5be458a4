"""From a process that serves to its listeners."""

from __future__ import annotations

from importlib import import_module

from kubesim.runtime.application import Listener
from kubesim.runtime.machine import Builder, Machine, ProcessEntry

_MODULES = {
    "nginx": "nginx", "httpd": "files", "python": "files", "busybox-httpd": "files", "unknown": "echo",
    "whoami": "echo", "echoserver": "echo", "ealen": "echo", "jmalloc": "echo", "http-echo": "echo",
    "hello-app": "echo", "redis": "redis", "postgres": "databases", "mysql": "databases", "netcat": "netcat",
    "netexec": "agnhost", "serve-hostname": "agnhost", "porter": "agnhost", "test-webserver": "files",
    "liveness": "agnhost", "grpc-health": "agnhost", "no-snat": "agnhost", "net": "agnhost", "guestbook": "agnhost",
    "tcp-reset": "agnhost", "port-forward-tester": "agnhost", "fake-gitserver": "agnhost", "nettest": "agnhost",
    "coredns": "coredns", "described": "described",
}  # fmt: skip
_OUTSIDE = ("ingress-nginx",)
"""Without a cluster around it, it serves nobody."""


def listeners(machine: Machine, entry: ProcessEntry) -> list[Listener]:
    """What a serving process listens on."""
    service = entry.service or {}
    given = machine.applications.get(service["application"])
    if given is not None:
        return given(machine, entry, service)
    if service["application"] in _OUTSIDE:
        return []
    module = import_module(f"kubesim.runtime.applications.{_MODULES[service['application']]}")
    builder: Builder = module.listeners
    return builder(machine, entry, service)
