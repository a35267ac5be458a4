"""The programs that serve: each reads its arguments and configuration, says what the real one says, and listens."""

from __future__ import annotations

import posixpath
import re
import time
from typing import Any

from kubesim.runtime.applications.base import parse_port
from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import parse
from kubesim.runtime.commands.serving import TERM, go_time, port_taken, version_of
from kubesim.runtime.commands.stores import uninitialised
from kubesim.runtime.process import Process
from kubesim.runtime.procfs import KERNEL

# nginx


@program
def nginx(process: Process) -> int:
    opts = parse(process, "vVtTqs:p:e:c:g:h?", {})
    version = version_of(process, "NGINX_VERSION", "1.27.3")
    if "v" in opts or "V" in opts:
        process.error(f"nginx version: nginx/{version}")
        return 0
    path = opts.get("c", "/etc/nginx/nginx.conf")
    if opts.get("s"):
        return _nginx_signal(process, opts.get("s"), path, version)
    servers = _nginx_config(process, path, testing="t" in opts)
    if servers is None:
        return 1
    if "t" in opts or "T" in opts:
        process.error(
            f"nginx: the configuration file {path} syntax is ok\nnginx: "
            f"configuration file {path} test is successful"
        )
        return 0
    if process.resume is None:
        taken = [port for s in servers for _, port, *_ in s["listen"] if port_taken(process, port)]
        if taken:
            at = go_time(process)
            for port in dict.fromkeys(taken):
                process.error(
                    f"{at} [emerg] {process.pid}#{process.pid}: bind() to 0.0.0.0:"
                    f"{port} failed (98: Address already in use)"
                )
                process.error(f"nginx: [emerg] bind() to 0.0.0.0:{port} failed (98: Address already in use)")
            process.error("nginx: [emerg] still could not bind()")
            return 1
        if process.machine.fs.uid != 0:
            process.error(
                f'{go_time(process)} [warn] {process.pid}#{process.pid}: the "user" directive '
                "makes sense only if the master process runs with super-user privileges, "
                f"ignored in {path}:2"
            )
        _nginx_notices(process, version)
    service = {"application": "nginx", "version": version, "servers": servers, "config": path}
    daemon = "daemon off" not in " ".join(opts.all("g"))
    if daemon:
        return _daemonize(process, service)
    return process.machine.serve(process, service, exit_on=TERM)


@program
def nginx_ingress_controller(process: Process) -> int:
    if process.resume is None:
        rule = "-" * 79
        version = version_of(process, "INGRESS_NGINX_VERSION", "v1.12.1")
        process.error(
            f"{rule}\nNGINX Ingress controller\n  Release:       {version}\n  Build:         51c2b8196\n"
            f"  Repository:    https://github.com/kubernetes/ingress-nginx\n  nginx version: nginx/1.25.5\n\n{rule}\n"
        )
    return process.machine.serve(process, {"application": "ingress-nginx"}, exit_on=TERM)


def _daemonize(process: Process, service: dict[str, Any]) -> int:
    """Go on in the background; the caller gets 0 at once."""
    child = process.child(process.argv)
    entry = process.machine.enter(child)
    entry.service = service
    entry.exit_on = list(TERM)
    entry.ppid = 1
    entry.logs = process.timeline.suspendable
    process.machine.listening_changed()
    return 0


def _nginx_config(process: Process, path: str, *, testing: bool) -> list[dict[str, Any]] | None:
    from kubesim.runtime.applications.nginx_config import ConfigError, load, proxied_hosts
    from kubesim.runtime.resolver import ResolveError, lookup

    try:
        servers = load(process.machine.fs, path)
        for host, where in proxied_hosts(servers) if process.resume is None else ():
            try:
                lookup(process.machine, host)
            except ResolveError:
                raise ConfigError(f'host not found in upstream "{host}" in {where}') from None
    except ConfigError as error:
        at = go_time(process)
        process.error(f"{at} [emerg] {process.pid}#{process.pid}: {error}\nnginx: [emerg] {error}")
        if testing:
            process.error(f"nginx: configuration file {path} test failed")
        return None
    return servers


def _nginx_notices(process: Process, version: str) -> None:
    at, pid = go_time(process), process.pid
    built = (
        "gcc 14.2.0 (Alpine 14.2.0)"
        if process.machine.image.os == "alpine"
        else "gcc 12.2.0 (Debian 12.2.0-14)"
    )
    notices = [("using the \"epoll\" event "
        "method"), f"nginx/{version}", f"built by {built} ", f"OS: Linux {KERNEL}",
               ("getrlimit(RLIMIT_NOFILE): "
                   "1048576:1048576"), "start worker processes", ("start worker process "
                       f"{pid + 28}"), f"start worker process {pid + 29}"]  # fmt: skip
    for notice in notices:
        process.error(f"{at} [notice] {pid}#{pid}: {notice}")


def _nginx_signal(process: Process, name: str, path: str, version: str) -> int:
    machine = process.machine
    entry = next(
        (e for e in machine.processes.values() if (e.service or {}).get("application") == "nginx"), None
    )
    if name not in ("stop", "quit", "reopen", "reload"):
        return process.fail(f'invalid option: "-s {name}"')
    if entry is None:
        process.error(
            f"{go_time(process)} [error] {process.pid}#{process.pid}: open() "
            '"/run/nginx.pid" failed (2: No such file or directory)'
        )
        process.error('nginx: [error] open() "/run/nginx.pid" failed (2: No such file or directory)')
        return 1
    process.error(f"{go_time(process)} [notice] {process.pid}#{process.pid}: signal process started")
    if name in ("stop", "quit"):
        machine.kill(entry.pid, 15)
    elif name == "reload":
        servers = _nginx_config(process, path, testing=False)
        if servers is None:
            return 1
        entry.service = {"application": "nginx", "version": version, "servers": servers, "config": path}
        machine.listening_changed()
    return 0


@program
def docker_entrypoint(process: Process) -> int:
    """The entry points of the official images, by image."""
    args = process.args
    if not args:
        return 0
    key = process.machine.image.key
    if args[0].startswith("-"):
        args = [
            {"redis": "redis-server", "postgres": "postgres", "mysql": "mysqld", "mariadb": "mariadbd"}.get(
                key, "nginx"
            ),
            *args,
        ]
    if key.startswith("nginx") and args[0] in ("nginx", "nginx-debug"):
        _nginx_entrypoint(process)
    elif key in ("postgres", "mysql", "mariadb") and args[0] in ("postgres", "mysqld", "mariadbd"):
        problem = uninitialised(process, key)
        if problem:
            process.write(problem) if key != "postgres" else process.err.write(problem.encode())
            return 1
    return process.become(args)


def _nginx_entrypoint(process: Process) -> None:
    lead = "/docker-entrypoint.sh"
    fs = process.machine.fs
    names = fs.list("/docker-entrypoint.d") if fs.is_directory("/docker-entrypoint.d") else []
    if not names:
        process.print(f"{lead}: No files found in /docker-entrypoint.d/, skipping configuration")
        return
    process.print(f"{lead}: /docker-entrypoint.d/ is not empty, will attempt to perform configuration")
    process.print(f"{lead}: Looking for shell scripts in /docker-entrypoint.d/")
    for name in names:
        path = f"/docker-entrypoint.d/{name}"
        if name.endswith(".envsh"):
            process.print(f"{lead}: Sourcing {path}")
        elif not name.endswith(".sh"):
            process.print(f"{lead}: Ignoring {path}")
        elif not fs.may(path, 1):
            process.print(f"{lead}: Ignoring {path}, not executable")
        else:
            process.print(f"{lead}: Launching {path}")
            if name == "10-listen-on-ipv6-by-default.sh":
                _ipv6_by_default(process)
            elif name == "20-envsubst-on-templates.sh":
                _templates(process)
            elif name != "30-tune-worker-processes.sh":
                process.run([path])
    process.print(f"{lead}: Configuration complete; ready for start up")


def _ipv6_by_default(process: Process) -> None:
    name, path = "10-listen-on-ipv6-by-default.sh", "/etc/nginx/conf.d/default.conf"
    fs = process.machine.fs
    if fs.find(path) is None:
        process.print(f"{name}: info: {path} is not a file or does not exist")
    elif not fs.may(path, 2):
        process.print(f"{name}: info: can not modify {path} (read-only file system?)")
    else:
        process.print(f"{name}: info: Getting the checksum of {path}")
        original = "listen  [::]:80;" in fs.read(path).decode("utf-8", "replace")
        process.print(
            f"{name}: info: Enabled listen on IPv6 in {path}"
            if original
            else f"{name}: info: {path} differs from the packaged version"
        )


def _templates(process: Process) -> None:
    fs = process.machine.fs
    folder = "/etc/nginx/templates"
    for name in fs.list(folder) if fs.is_directory(folder) else ():
        if name.endswith(".template"):
            text = fs.read(f"{folder}/{name}").decode("utf-8", "replace")
            target = f"/etc/nginx/conf.d/{name.removesuffix('.template')}"
            process.print(f"20-envsubst-on-templates.sh: Running envsubst on {folder}/{name} to {target}")
            fs.write(target, _substitute(text, process.env, keep=True).encode())


def _substitute(text: str, env: dict[str, str], *, keep: bool) -> str:
    def one(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        return env.get(name, match.group() if keep else "")

    return re.sub(r"\$\{(\w+)\}|\$([A-Za-z_]\w*)", one, text)


def envsubst(process: Process) -> int:
    process.write(_substitute(process.read_text(), process.env, keep=False))
    return 0


# Apache, busybox httpd


@program
def httpd(process: Process) -> int:
    if process.machine.flavour == "busybox" and process.machine.image.key != "httpd":
        return _busybox_httpd(process)
    opts = parse(process, "D:d:f:C:c:e:E:k:vVlLtTSMX", {})
    version = version_of(process, "HTTPD_VERSION", "2.4.62")
    if "v" in opts:
        process.print(f"Server version: Apache/{version} (Unix)\nServer built:   Nov 12 2024 00:38:28")
        return 0
    path = opts.get("f") or "/usr/local/apache2/conf/httpd.conf"
    text = process.machine.fs.read(process.path(path)).decode("utf-8", "replace")
    ports = [parse_port(m.group(1), 80) for m in re.finditer(r"^\s*Listen\s+(\S+)", text, re.MULTILINE)]
    root = re.search(r'^\s*DocumentRoot\s+"?([^"\n]+)"?', text, re.MULTILINE)
    if "t" in opts:
        process.error("Syntax OK")
        return 0
    own = next((a for a in _own_addresses(process) if a), "127.0.0.1")
    if process.resume is None:
        if not ports:
            process.error(
                "(22)Invalid argument: AH00072: make_sock: could not bind to address\nno "
                "listening sockets available, shutting down\nAH00015: Unable to open logs"
            )
            return 1
        if "ServerName" not in text:
            for _ in range(2):
                process.error(
                    "AH00558: httpd: Could not reliably determine the server's fully qualified "
                    f"domain name, using {own}. Set the 'ServerName' directive globally to "
                    "suppress this message"
                )
        for _, port in ports:
            if port_taken(process, port):
                process.error(
                    "(98)Address already in use: AH00072: make_sock: could not bind to address "
                    f"[::]:{port}\n(98)Address already in use: AH00072: make_sock: could not "
                    f"bind to address 0.0.0.0:{port}\nno listening sockets available, shutting "
                    "down\nAH00015: Unable to open logs"
                )
                return 1
        at = time.strftime("%a %b %d %H:%M:%S", time.gmtime(process.timeline.now()))
        year = time.gmtime(process.timeline.now()).tm_year
        process.error(
            f"[{at}.000000 {year}] [mpm_event:notice] [pid {process.pid}:tid {process.pid}] "
            f"AH00489: Apache/{version} (Unix) configured -- resuming normal operations"
        )
        process.error(
            f"[{at}.000000 {year}] [core:notice] [pid {process.pid}:tid "
            f"{process.pid}] AH00094: Command line: 'httpd -D FOREGROUND'"
        )
    service = {
        "application": "httpd",
        "version": version,
        "listen": [list(p) for p in ports],
        "root": root.group(1).strip() if root else "",
    }
    if opts.get("D") != "FOREGROUND" and "X" not in opts:
        return _daemonize(process, service)
    return process.machine.serve(process, service, exit_on=(15, 28))


def _own_addresses(process: Process) -> list[str]:
    return [str(ip) for ip in process.machine.facts.get("ips") or ()]


def httpd_foreground(process: Process) -> int:
    return process.become(["httpd", "-DFOREGROUND"])


@program
def apachectl(process: Process) -> int:
    args = process.args
    if args[:1] in (["configtest"], ["-t"]):
        process.error("Syntax OK")
        return 0
    if args[:1] in (["graceful"], ["restart"]):
        process.machine.listening_changed()
        return 0
    return process.become(["httpd", *args])


def _busybox_httpd(process: Process) -> int:
    opts = parse(process, "fivp:h:u:c:r:e:d:m:", {})
    address, port = parse_port(opts.get("p"), 80)
    if port_taken(process, port):
        return process.fail("bind: Address already in use")
    root = process.path(opts.get("h", "."))
    if not process.machine.fs.is_directory(root):
        return process.fail(f"can't change directory to '{opts.get('h')}': No such file or directory")
    service = {"application": "busybox-httpd", "listen": [[address, port]], "root": posixpath.normpath(root)}
    if "f" not in opts:
        return _daemonize(process, service)
    return process.machine.serve(process, service, exit_on=())


# Databases


# Echoes and others
