"""The programs that serve: each reads its arguments and configuration, says what the real one says, and listens."""

from __future__ import annotations

import posixpath
import re
import time
from typing import Any

from kubesim.runtime.applications.base import parse_port
from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import parse
from kubesim.runtime.process import Process
from kubesim.runtime.procfs import KERNEL

TERM = (2, 3, 15)


def _version(process: Process, variable: str, default: str) -> str:
    return process.env.get(variable) or process.machine.image.version or default


def _port_taken(process: Process, port: int, protocol: str = "TCP") -> bool:
    return any(x.port == port and x.protocol == protocol for x in process.machine.network.listeners())


def _go_time(process: Process) -> str:
    return time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(process.timeline.now()))


# nginx


@program
def nginx(process: Process) -> int:
    opts = parse(process, "vVtTqs:p:e:c:g:h?", {})
    version = _version(process, "NGINX_VERSION", "1.27.3")
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
        taken = [port for s in servers for _, port, *_ in s["listen"] if _port_taken(process, port)]
        if taken:
            at = _go_time(process)
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
                f'{_go_time(process)} [warn] {process.pid}#{process.pid}: the "user" directive '
                "makes sense only if the master process runs with super-user privileges, "
                f"ignored in {path}:2"
            )
        _nginx_notices(process, version)
    service = {"application": "nginx", "version": version, "servers": servers, "config": path}
    daemon = "daemon off" not in " ".join(opts.all("g"))
    if daemon:
        return _daemonize(process, service)
    return process.machine.serve(process, service, exit_on=TERM)


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
        at = _go_time(process)
        process.error(f"{at} [emerg] {process.pid}#{process.pid}: {error}\nnginx: [emerg] {error}")
        if testing:
            process.error(f"nginx: configuration file {path} test failed")
        return None
    return servers


def _nginx_notices(process: Process, version: str) -> None:
    at, pid = _go_time(process), process.pid
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
            f"{_go_time(process)} [error] {process.pid}#{process.pid}: open() "
            '"/run/nginx.pid" failed (2: No such file or directory)'
        )
        process.error('nginx: [error] open() "/run/nginx.pid" failed (2: No such file or directory)')
        return 1
    process.error(f"{_go_time(process)} [notice] {process.pid}#{process.pid}: signal process started")
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
        problem = _uninitialised(process, key)
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
    version = _version(process, "HTTPD_VERSION", "2.4.62")
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
            if _port_taken(process, port):
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
    if _port_taken(process, port):
        return process.fail("bind: Address already in use")
    root = process.path(opts.get("h", "."))
    if not process.machine.fs.is_directory(root):
        return process.fail(f"can't change directory to '{opts.get('h')}': No such file or directory")
    service = {"application": "busybox-httpd", "listen": [[address, port]], "root": posixpath.normpath(root)}
    if "f" not in opts:
        return _daemonize(process, service)
    return process.machine.serve(process, service, exit_on=())


# Databases


@program
def redis_server(process: Process) -> int:
    version = _version(process, "REDIS_VERSION", "7.4.1")
    settings = {"port": "6379", "requirepass": "", "bind": ""}
    args = list(process.args)
    if args[:1] in (["--version"], ["-v"]):
        process.print(
            f"Redis server v={version} sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=8f2d1e0a5c4b3f21"
        )
        return 0
    if args and not args[0].startswith("-"):
        try:
            text = process.read_file(args.pop(0)).decode("utf-8", "replace")
        except OSError:
            process.print(
                f"{process.pid}:C {_redis_time(process)} # Fatal error, can't open config file "
                f"'{process.path(process.args[0])}': No such file or directory"
            )
            return 1
        for line in text.splitlines():
            words = line.split()
            if len(words) > 1 and not words[0].startswith("#"):
                settings[words[0].lower()] = " ".join(words[1:])
    for word in args:
        if word.startswith("--"):
            name = word[2:].lower()
            settings[name] = ""
        elif args:
            settings[name] = f"{settings[name]} {word}".strip()
    port = int(settings["port"]) if settings["port"].isdigit() else 6379
    if process.resume is None:
        if _port_taken(process, port):
            process.print(
                f"{process.pid}:M {_redis_time(process)} # Warning: Could not create server TCP "
                f"listening socket *:{port}: bind: Address already in use"
            )
            process.print(
                f"{process.pid}:M {_redis_time(process)} # Failed listening on port {port} (tcp), aborting."
            )
            return 1
        _redis_banner(process, version, port)
    binds = [b.lstrip("-") for b in settings["bind"].split() if b not in ("*", "-::*", "0.0.0.0")]  # noqa: S104 - of the simulation
    service = {
        "application": "redis",
        "version": version,
        "port": port,
        "password": settings["requirepass"].strip("\"'"),
        "bind": binds,
    }
    return process.machine.serve(process, service, exit_on=TERM)


def _redis_time(process: Process) -> str:
    now = process.timeline.now()
    return time.strftime("%d %b %Y %H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}"


def _redis_banner(process: Process, version: str, port: int) -> None:
    pid, at = process.pid, _redis_time(process)
    process.print(f"{pid}:C {at} * oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo")
    process.print(
        f"{pid}:C {at} * Redis version={version}, bits=64, "
        f"commit=00000000, modified=0, pid={pid}, just started"
    )
    if not process.args:
        process.print(
            f"{pid}:C {at} # Warning: no config file specified, using the default config. In "
            "order to specify a config file use redis-server /path/to/redis.conf"
        )
    else:
        process.print(f"{pid}:C {at} * Configuration loaded")
    process.print(f"{pid}:M {at} * monotonic clock: POSIX clock_gettime")
    process.print(f"{pid}:M {at} * Running mode=standalone, port={port}.")
    process.print(f"{pid}:M {at} * Server initialized")
    process.print(f"{pid}:M {at} * Ready to accept connections tcp")


@program
def redis_cli(process: Process) -> int:
    from kubesim.runtime.network_view import NetworkError, Refused
    from kubesim.runtime.resolver import ResolveError, lookup

    opts = parse(process, "h:p:a:n:c", {"raw": "r", "no-auth-warning": "w"}, stop=True)
    host, port = opts.get("h", "127.0.0.1"), int(opts.get("p", "6379"))
    try:
        address = lookup(process.machine, host)[0]
        connection = process.machine.network.connect(address, port)
    except ResolveError:
        process.error(f"Could not connect to Redis at {host}:{port}: Name or service not known")
        return 1
    except NetworkError as error:
        process.error(
            f"Could not connect to Redis at {host}:{port}: "
            f"{'Connection refused' if isinstance(error, Refused) else 'Connection timed out'}"
        )
        return 1
    talk = connection.application.open(connection.peer)
    lines = (
        [opts.args]
        if opts.args
        else [line.split() for line in process.read_text().splitlines() if line.split()]
    )
    if opts.get("a"):
        talk.receive(_resp(["AUTH", opts.get("a")]))
    code = 0
    for words in lines:
        answer = talk.receive(_resp(words)).decode("utf-8", "surrogateescape")
        if not answer:
            process.error("Error: Server closed the connection")
            return 1
        process.print(_shown(answer)[0])
        code = 1 if answer.startswith("-") else code
    return code


def _resp(words: list[str]) -> bytes:
    from kubesim.runtime.applications.redis import array

    return array(words).encode("utf-8", "surrogateescape")


def _shown(text: str) -> tuple[str, str]:
    """An answer as redis-cli prints it when its output is no terminal, and what follows it."""
    head, _, rest = text.partition("\r\n")
    if head[:1] in "+:":
        return head[1:], rest
    if head[:1] == "-":
        return f"{head[1:]}\n", rest
    if head[:1] == "$":
        size = int(head[1:])
        if size < 0:
            return "", rest
        data = rest.encode("utf-8", "surrogateescape")
        return data[:size].decode("utf-8", "surrogateescape"), data[size + 2 :].decode(
            "utf-8", "surrogateescape"
        )
    items = []
    for _ in range(int(head[1:] or 0)):
        item, rest = _shown(rest)
        items.append(item)
    return "\n".join(items), rest


def _uninitialised(process: Process, key: str) -> str:
    """What the database images say when no password is given; empty where one is."""
    env = process.env
    if key == "postgres":
        if (
            env.get("POSTGRES_PASSWORD")
            or env.get("POSTGRES_HOST_AUTH_METHOD") == "trust"
            or env.get("POSTGRES_PASSWORD_FILE")
        ):
            return ""
        return (
            "Error: Database is uninitialized and superuser password is not specified.\n"
            "       You must specify POSTGRES_PASSWORD to a non-empty value for the\n"
            '       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".\n\n'
            '       You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all\n'
            "       connections without a password. This is *not* recommended.\n\n"
            '       See PostgreSQL documentation about "trust":\n'
            "       https://www.postgresql.org/docs/current/auth-trust.html\n"
        )
    prefix = ("MARIADB", "MYSQL") if key == "mariadb" else ("MYSQL",)
    names = [
        f"{p}_{n}"
        for p in prefix
        for n in (
            "ROOT_PASSWORD",
            "ALLOW_EMPTY_PASSWORD",
            "ALLOW_EMPTY_ROOT_PASSWORD",
            "RANDOM_ROOT_PASSWORD",
            "ROOT_PASSWORD_FILE",
        )
    ]
    if any(env.get(name) for name in names):
        return ""
    at = time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime(process.timeline.now()))
    kind = prefix[0]
    return (
        f"{at} [ERROR] [Entrypoint]: Database is uninitialized and password option is not specified\n"
        "    You need to specify one of the following as an "
        f"environment variable:\n    - {kind}_ROOT_PASSWORD\n"
        f"    - {kind}_ALLOW_EMPTY_PASSWORD\n    - {kind}_RANDOM_ROOT_PASSWORD\n"
    )


@program
def postgres(process: Process) -> int:
    opts = parse(process, "c:p:h:D:k:", {"config-file=": "f"})
    port = int(opts.get("p") or "5432")
    if process.resume is None:
        now = process.timeline.now()
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d} UTC"
        version = process.machine.image.version or "17.2"
        process.print("\nPostgreSQL init process complete; ready for start up.\n")
        for text in (
            f"starting PostgreSQL {version} on x86_64-pc-linux-gnu, compiled by gcc, 64-bit",
            f'listening on IPv4 address "0.0.0.0", port {port}',
            f'listening on IPv6 address "::", port {port}',
            "database system is ready to accept connections",
        ):
            process.error(f"{at} [{process.pid}] LOG:  {text}")
    return process.machine.serve(process, {"application": "postgres", "ports": [port]}, exit_on=TERM)


@program
def pg_isready(process: Process) -> int:
    from kubesim.runtime.network_view import NetworkError
    from kubesim.runtime.resolver import ResolveError, lookup

    opts = parse(
        process,
        "h:p:U:d:t:q",
        {"host=": "h", "port=": "p", "username=": "U", "dbname=": "d", "timeout=": "t", "quiet": "q"},
    )
    host, port = (
        opts.get("h") or process.env.get("PGHOST", ""),
        int(opts.get("p") or process.env.get("PGPORT", "5432")),
    )
    shown = f"{host or '/var/run/postgresql'}:{port}"
    try:
        process.machine.network.connect(lookup(process.machine, host or "127.0.0.1")[0], port)
    except (NetworkError, ResolveError):
        process.print(f"{shown} - no response")
        return 2
    if "q" not in opts:
        process.print(f"{shown} - accepting connections")
    return 0


@program
def mysqld(process: Process) -> int:
    version = process.machine.image.version or "9.1.0"
    mariadb = process.machine.image.key == "mariadb"
    port = next((int(a.partition("=")[2]) for a in process.args if a.startswith("--port=")), 3306)
    if process.resume is None:
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(process.timeline.now()))
        if mariadb:
            process.error(
                f"{at[:10]} {at[11:19]} 0 [Note] mariadbd: ready for connections.\nVersion: "
                f"'{version}-MariaDB-ubu2404'  socket: '/run/mysqld/mysqld.sock'  port: {port}  "
                "mariadb.org binary distribution"
            )
        else:
            process.error(f"{at} 0 [System] [MY-015015] [Server] MySQL Server - start.")
            process.error(
                f"{at} 0 [System] [MY-010931] [Server] /usr/sbin/mysqld: ready for connections. "
                f"Version: '{version}'  socket: '/var/run/mysqld/mysqld.sock'  port: {port}  "
                "MySQL Community Server - GPL."
            )
    shown = f"5.5.5-{version}-MariaDB" if mariadb else version
    ports = [port] if mariadb else [port, 33060]
    return process.machine.serve(
        process, {"application": "mysql", "version": shown, "ports": ports}, exit_on=TERM
    )


mariadbd = mysqld


@program
def mysqladmin(process: Process) -> int:
    from kubesim.runtime.network_view import NetworkError
    from kubesim.runtime.resolver import ResolveError, lookup

    host, port = "127.0.0.1", 3306
    words = []
    for word in process.args:
        if word.startswith(("-h", "--host=")):
            host = word.partition("=")[2] or word[2:] or host
        elif word.startswith(("-P", "--port=")):
            port = int(word.partition("=")[2] or word[2:] or port)
        elif not word.startswith("-"):
            words.append(word)
    if "ping" not in words:
        return process.fail("unknown command: '" + " ".join(words) + "'")
    try:
        process.machine.network.connect(lookup(process.machine, host)[0], port)
    except (NetworkError, ResolveError):
        process.error(
            f"{process.name}: connect to server at '{host}' failed\nerror: 'Can't "
            f"connect to MySQL server on '{host}:{port}' (111)'"
        )
        return 1
    process.print("mysqld is alive")
    return 0


mariadb_admin = mysqladmin


# Echoes and others


@program
def http_echo(process: Process) -> int:
    args = {}
    for word in process.args:
        name, _, value = word.lstrip("-").partition("=")
        args[name] = value
    words = list(process.args)
    for n, word in enumerate(words[:-1]):  # -text hello
        if word.lstrip("-") in ("text", "listen", "status-code") and word.startswith("-"):
            args[word.lstrip("-")] = words[n + 1]
    version = process.machine.image.version or "1.0.0"
    if "version" in args:
        process.error(f"http-echo v{version} (kubesim)")
        return 0
    text = args.get("text") or process.env.get("ECHO_TEXT", "")
    if not text:
        process.error("Missing -text option!")
        return 127
    listen = args.get("listen") or ":5678"
    if process.resume is None:
        process.print(f"{_go_time(process)} [INFO] server is listening on {listen}")
    service = {
        "application": "http-echo",
        "version": version,
        "text": text,
        "listen": listen,
        "status": args.get("status-code") or 200,
    }
    return process.machine.serve(process, service, exit_on=TERM)


def _go_flags(process: Process) -> dict[str, str]:
    """Flags as Go's flag package reads them: -name=value, --name value, -name."""
    found: dict[str, str] = {}
    words = list(process.args)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals and words and not words[0].startswith("-"):
            value = words.pop(0)
        found[name] = value
    return found


def whoami_server(process: Process) -> int:
    flags = _go_flags(process)
    port = flags.get("port") or process.env.get("WHOAMI_PORT_NUMBER") or "80"
    if process.resume is None:
        process.error(f"{_go_time(process)} Starting up on port {port}")
    service = {
        "application": "whoami",
        "listen": port,
        "name": flags.get("name") or process.env.get("WHOAMI_NAME", ""),
    }
    return process.machine.serve(process, service | {"exit_code": 2}, exit_on=TERM)


def echo_server(process: Process) -> int:
    port = process.env.get("PORT", "8080")
    if process.resume is None:
        process.print(f"Echo server listening on port {port}.")
    return process.machine.serve(
        process, {"application": "jmalloc", "listen": port, "exit_code": 2}, exit_on=TERM
    )


def hello_app(process: Process) -> int:
    port = process.env.get("PORT", "8080")
    if process.resume is None:
        process.error(f"{_go_time(process)} Server listening on port {port}")
    version = process.machine.image.version or "1.0"
    return process.machine.serve(
        process,
        {"application": "hello-app", "listen": port, "version": version, "exit_code": 2},
        exit_on=TERM,
    )


def echoserver(process: Process) -> int:
    version = process.machine.image.version or "1.10"
    if process.resume is None and not version.startswith("1.4"):
        process.print("Generating self-signed cert\nStarting nginx")
    return process.machine.serve(
        process, {"application": "echoserver", "listen": "8080", "version": version}, exit_on=TERM
    )


@program
def node(process: Process) -> int:
    if process.args[:1] in (["-v"], ["--version"]):
        process.print("v" + process.env.get("NODE_VERSION", "20.11.0"))
        return 0
    if not process.args or not process.args[0].endswith("webserver.js"):
        return process.fail("this simulated machine runs no JavaScript other than the image's own server")
    port = process.env.get("PORT", "80")
    if process.resume is None:
        process.print(f"Listening on port {port}.")
    return process.machine.serve(process, {"application": "ealen", "listen": port}, exit_on=TERM)


def pause(process: Process) -> int:
    if process.resume is not None:
        return process.machine.take_woken()
    entry = process.machine.enter(process)
    entry.service = {"application": "unknown", "ports": []}
    entry.exit_on = [2, 15]
    process.machine.wait_for_ever(process)
    return 0


def curl_entrypoint(process: Process) -> int:
    """curlimages/curl: arguments that name no program are curl's."""
    args = process.args
    if args and (
        args[0].startswith("-") or process.machine.which(args[0], process.env.get("PATH", "")) is None
    ):
        args = ["curl", *args]
    return process.become(args or ["curl"])
