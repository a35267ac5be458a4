"""Another API server in the place of the simulated cluster, where the command line names one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubesim.cli import kubeconfig
from kubesim.cli.errors import CLIError, RawError
from kubesim.client.http import ConnectionRefused, Credentials, HTTPTransport, ServerUnreachable
from kubesim.client.transport import Transport
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, dig

if TYPE_CHECKING:
    from kubesim.cli.session import Session

DISCOVERY_TRIES = 5


def connect(session: Session) -> Transport:
    """A transport to the server that `--server`, `--kubeconfig` and `--context` name. Raises CLIError."""
    flags = session.flags
    config = _config(session)
    name = flags.text("context") or str(config.get("current-context") or "")
    context = kubeconfig.entries(config, "contexts").get(name, {})
    if flags.text("context") and not context:
        raise CLIError(f'context "{name}" does not exist')
    cluster = kubeconfig.entries(config, "clusters").get(
        flags.text("cluster") or str(context.get("cluster") or ""), {}
    )
    named = flags.value("user")  # a list where `create rolebinding --user` hides the global flag
    user_name = named if isinstance(named, str) and named else str(context.get("user") or "")
    user = kubeconfig.entries(config, "users").get(user_name, {})
    server = flags.text("server") or str(cluster.get("server") or "http://localhost:8080")
    if "://" not in server:
        server = f"http://{server}"
    return HTTPTransport(
        server,
        Credentials(
            token=flags.text("token") or str(user.get("token") or ""),
            ca_data=_data(session, cluster, "certificate-authority", flags.text("certificate-authority")),
            certificate_data=_data(session, user, "client-certificate", flags.text("client-certificate")),
            key_data=_data(session, user, "client-key", flags.text("client-key")),
            insecure=flags.is_set("insecure-skip-tls-verify")
            or bool(cluster.get("insecure-skip-tls-verify")),
            server_name=flags.text("tls-server-name") or str(cluster.get("tls-server-name") or ""),
        ),
        refused=lambda error: _refused(session, error),
    )


def _config(session: Session) -> JSONObject:
    name = session.flags.text("kubeconfig")
    if name:
        return kubeconfig.read(session.path(name))
    if session.flags.text("context") and session.home.kubeconfig.exists():
        return kubeconfig.read(session.home.kubeconfig)
    return kubeconfig.empty()


def _data(session: Session, entry: JSONObject, name: str, given: str) -> bytes:
    """A certificate or key: the file that a flag names, data in the kubeconfig, or a file that it names."""
    import base64

    if not given and entry.get(f"{name}-data"):
        return base64.b64decode(entry[f"{name}-data"])
    path = given or str(dig(entry, name, default=""))
    if not path:
        return b""
    try:
        return session.path(path).read_bytes()
    except OSError as error:
        raise CLIError(f"unable to read {name} {path}: {(error.strerror or str(error)).lower()}") from None


def _refused(session: Session, error: ServerUnreachable) -> Exception:
    """Kubectl asks for the server's groups five times, and logs each failure, before it says that nothing listens."""
    address = quote(f"{error.server}/api?timeout=32s")
    text = quote(f"couldn't get current server API group list: Get {address}: {error}")
    for _ in range(DISCOVERY_TRIES):
        session.klog("E", "memcache.go:265", f'"Unhandled Error" err={text}')
    if isinstance(error, ConnectionRefused):
        return RawError(
            f"The connection to the server {error.host} was refused - did you specify the right host or port?"
        )
    return RawError(f"Unable to connect to the server: {error}")
