"""coredns, which agnhost has beside it: a name server with the names that its Corefile lists."""

from __future__ import annotations

from kubesim.runtime.applications.coredns import inline_hosts
from kubesim.runtime.commands.common import program
from kubesim.runtime.process import Process

_BANNER = "CoreDNS-1.6.2\nlinux/amd64, go1.12.8, 795a3eb"


@program
def coredns(process: Process) -> int:
    words, path, port = list(process.args), "Corefile", "53"
    while words:
        name, equals, value = words.pop(0).lstrip("-").partition("=")
        if name == "version":
            process.print(_BANNER)
            return 0
        if name not in ("conf", "dns.port", "p"):
            process.error(f"flag provided but not defined: -{name}")
            return 2
        value = value if equals else (words.pop(0) if words else "")
        if name == "conf":
            path = value
        elif value.isdigit():
            port = value
    if process.resume is None:
        try:
            text = process.machine.fs.read(process.path(path)).decode("utf-8", "replace")
        except OSError:
            process.error(f"loading Caddyfile via flag: open {path}: no such file or directory")
            return 1
        process.print(f".:{port}\n{_BANNER}")
    else:
        text = ""
    service: dict[str, object] = {
        "application": "coredns",
        "port": int(port),
        "hosts": inline_hosts(text),
        "exit_code": 0,
    }
    return process.machine.serve(process, service, exit_on=(2, 15))
