"""`proxy`: the API of a cluster at an address of this computer, for whoever can reach it (pkg/cmd/proxy)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError, SilentExit
from kubesim.cli.flags import Flag, boolean

if TYPE_CHECKING:
    import socket

    from kubesim.cli.apiproxy import Filter

PORT = 8001
FATAL = 255
"""How klog's Fatal ends a program."""
HOSTS = r"^localhost$,^127\.0\.0\.1$,^\[::1\]$"
REJECTED = "^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach"


def run(context: Context) -> int:
    """Serve until Ctrl-C."""
    from kubesim.cli.apiproxy import Server, Settings

    flags = context.flags
    chosen = _filter(context)
    if flags.number("port") != PORT and flags.text("unix-socket"):
        raise CLIError("cannot set --unix-socket and --port at the same time")
    folder = flags.text("www")
    _look_at(context, folder)

    def complain(text: str) -> None:
        context.session.klog("E", "proxy_server.go:147", text)
        context.streams.stderr.flush()

    with context.session.connections() as transport:
        settings = Settings(
            transport,
            context.session.client.user,
            api_prefix=_with_slash(flags.text("api-prefix")),
            filter=chosen,
            files=context.session.path(folder) if folder else None,
            files_prefix=_with_slash(flags.text("www-prefix")),
            with_server_path=flags.is_set("append-server-path"),
            keepalive=flags.duration("keepalive").total_seconds(),
            complain=complain,
            check=context.streams.check,
        )
        listener, address = _listener(context)
        with Server(listener, settings) as server:
            context.out(f"Starting to serve on {address}")
            context.streams.stdout.flush()
            server.serve_forever(poll_interval=0.2)
    return 0


def _with_slash(prefix: str) -> str:
    return prefix if prefix.endswith("/") else f"{prefix}/"


def _filter(context: Context) -> Filter | None:
    from kubesim.cli.apiproxy import Filter

    flags = context.flags
    if flags.is_set("disable-filter"):
        if not flags.text("unix-socket"):
            text = "Request filter disabled, your proxy is vulnerable to XSRF attacks, please be cautious"
            context.session.klog("W", "proxy.go:177", text)
        return None
    names = ("accept-paths", "reject-paths", "accept-hosts", "reject-methods")
    return Filter(*(_expressions(context, flags.text(name)) for name in names))


def _expressions(context: Context, text: str) -> list[re.Pattern[str]]:
    try:
        return [re.compile(part) for part in text.split(",")] if text else []
    except re.error as error:
        what = "missing closing )" if "unterminated subpattern" in error.msg else error.msg
        shown = error.pattern if isinstance(error.pattern, str) else ""
        told = f"Error compiling re: error parsing regexp: {what}: `{shown}`"
        context.session.klog("F", "proxy_server.go:83", told)
        raise SilentExit(FATAL) from None


def _look_at(context: Context, folder: str) -> None:
    """A directory that is not there is a warning: it may come to be."""
    if not folder:
        return
    try:
        is_folder = (context.session.path(folder).stat().st_mode & 0o170000) == 0o040000
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        text = f"Failed to stat static file directory {folder}: stat {folder}: {why}"
        context.session.klog("W", "proxy.go:200", text)
        return
    if not is_folder:
        context.session.klog("W", "proxy.go:202", f"Static file directory {folder} is not a directory")


def _listener(context: Context) -> tuple[socket.socket, str]:
    """What listens, and its address as Go shows it. Raises CLIError."""
    path = context.flags.text("unix-socket")
    if path:
        return _unix_listener(context, path), path
    host, port = context.flags.text("address"), context.flags.number("port")
    return _tcp_listener(host, port)


def _tcp_listener(host: str, port: int) -> tuple[socket.socket, str]:
    import socket

    shown = f"{host}:{port}"
    if not 0 <= port <= 65_535:
        raise CLIError(f"listen tcp: address {port}: invalid port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise CLIError(f"listen tcp: address {shown}: too many colons in address")
    try:
        if host:
            family, _, _, _, name = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = socket.create_server(name[:2], family=family, backlog=1024)
        else:
            both = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if both else socket.AF_INET
            listener = socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=1024)
    except socket.gaierror:
        raise CLIError(f"listen tcp: lookup {host}: no such host") from None
    except OSError as error:
        import os

        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise CLIError(f"listen tcp {shown}: bind: {why}") from None
    found, chosen = listener.getsockname()[:2]
    return listener, f"[{found}]:{chosen}" if ":" in found else f"{found}:{chosen}"


def _unix_listener(context: Context, name: str) -> socket.socket:
    """A socket for the user alone; one that was left behind makes way, another file does not."""
    import os
    import socket

    path = context.session.path(name)
    if path.is_socket():
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o077)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise CLIError(f"listen unix {name}: bind: {why}") from None
    finally:
        os.umask(mask)
    listener.listen(1024)
    return listener


COMMAND = Command(
    name="proxy",
    use="proxy [--port=PORT] [--www=static-dir] [--www-prefix=prefix] [--api-prefix=prefix]",
    short="Run a proxy to the Kubernetes API server",
    long="Serve the cluster's API over plain HTTP at an address of this computer, until Ctrl-C. Whoever can reach it "
    "acts as you do, without a certificate or token: it is one of loopback unless --address says otherwise, and requests "
    "for other host names, and those that run commands in containers, are refused. Files can be served beside it.",
    examples="""\
# The whole API: curl localhost:8001/api/v1/pods
kubesim proxy

# At any port that is free; it is printed
kubesim proxy --port=0

# Pages of your own beside it, at localhost:8011/static/
kubesim proxy --port=8011 --www=./local/www/

# Below another path: curl localhost:8001/custom/api/v1/pods
kubesim proxy --api-prefix=/custom/

# At a socket that only you can open
kubesim proxy --unix-socket=/tmp/api.sock""",
    flags=(
        Flag("accept-hosts", "Regular expression for hosts that are accepted.", default=HOSTS),
        Flag("accept-paths", "Regular expression for paths that are accepted.", default="^.*"),
        Flag("address", "The IP address to serve at.", default="127.0.0.1"),
        Flag("api-prefix", "Where the API is served.", default="/"),
        boolean("append-server-path", "Put the path of the server's URL before the path of each request."),
        boolean(
            "disable-filter",
            "Refuse nothing. Any page in a browser on this computer may then act in your name.",
        ),
        Flag(
            "keepalive",
            "How often to look whether an upgraded connection is alive; 0 for never.",
            kind="duration",
            default=timedelta(0),
        ),
        Flag("port", "The port; 0 for any that is free.", "p", kind="int", default=PORT),
        Flag(
            "reject-methods",
            "Regular expression for methods that are refused, such as POST,PUT,PATCH.",
            default="^$",
        ),
        Flag(
            "reject-paths",
            "Regular expression for paths that are refused, accepted or not.",
            default=REJECTED,
        ),
        Flag("unix-socket", "A Unix socket to serve at instead.", "u"),
        Flag("www", "A directory with files to serve too.", "w"),
        Flag("www-prefix", "Where the files are served.", "P", default="/static/"),
    ),
    run=run,
)
