"""The databases' programs: servers that want their settings, and the clients that ask whether they live."""

from __future__ import annotations

import time

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import parse
from kubesim.runtime.commands.serving import TERM, port_taken, version_of
from kubesim.runtime.process import Process


@program
def redis_server(process: Process) -> int:
    version = version_of(process, "REDIS_VERSION", "7.4.1")
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
        if port_taken(process, port):
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


def uninitialised(process: Process, key: str) -> str:
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
