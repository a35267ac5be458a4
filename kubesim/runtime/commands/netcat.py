"""nc (OpenBSD's and busybox'), telnet, tcpdump."""

from __future__ import annotations

from base64 import b64encode

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import Options, parse
from kubesim.runtime.commands.transfer import find_addresses
from kubesim.runtime.commands.usage import busybox_usage
from kubesim.runtime.network_view import Connection, NetworkError, Refused, TimedOut
from kubesim.runtime.process import Null, Process
from kubesim.runtime.resolver import ResolveError, in_order_of_busybox, in_system_order, is_address

_SERVICES = {
    80: "http",
    443: "https",
    22: "ssh",
    53: "domain",
    25: "smtp",
    3306: "mysql",
    5432: "postgresql",
    6379: "redis",
    8080: "http-alt",
}


_OPENBSD = """\
usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval] [-M ttl]
\t  [-m minttl] [-O length] [-P proxy_username] [-p source_port]
\t  [-q seconds] [-s sourceaddr] [-T keyword] [-V rtable] [-W recvlimit]
\t  [-w timeout] [-X proxy_protocol] [-x proxy_address[:port]]
\t  [destination] [port]"""


@program
def nc(process: Process) -> int:
    opts = _parse(process)
    if "l" in opts:
        return _listen(process, opts)
    busybox = process.machine.flavour == "busybox"
    if not opts.args or (busybox and len(opts.args) < 2 and not opts.get("w")):
        process.error(busybox_usage(process) if busybox else _OPENBSD)
        return 1
    if len(opts.args) < 2:
        return 1 if busybox else process.fail("missing port number")
    host, ports = opts.args[0], opts.args[1]
    problem = _port_problem(ports, busybox=busybox)
    if problem:
        return process.fail(problem)
    low, _, high = ports.partition("-")
    try:
        addresses = _addresses(process, opts, host, busybox=busybox)
    except ResolveError as error:
        if busybox:
            return process.fail(f"bad address '{host}'")
        reason = "Temporary failure in name resolution" if error.temporary else "Name or service not known"
        return process.fail(f'getaddrinfo for host "{host}" port {ports}: {reason}')
    code = 1
    for port in range(int(low), min(int(high or low), int(low) + 1000) + 1):
        code = min(code, _connect(process, opts, host, addresses, port))
    return code


def _port_problem(ports: str, *, busybox: bool) -> str:
    """What is wrong with a port, or a range of them; empty where nothing is."""
    for text in ports.split("-", 1):
        if busybox and not (text.isdigit() and 0 < int(text) < 65536):
            return f"bad port '{ports}'"
        if not text.isdigit():
            return f"port number invalid: {ports}"
        if not 0 < int(text) < 65536:
            return f"port number too {'large' if int(text) else 'small'}: {text}"
    return ""


def _addresses(process: Process, opts: Options, host: str, *, busybox: bool) -> list[str]:
    """Raises ResolveError."""
    if is_address(host):
        return [host]
    if "n" in opts:
        raise ResolveError(host)
    found = find_addresses(process, host, family=6 if "6" in opts else 4 if "4" in opts else 0)
    return in_order_of_busybox(found)[:1] if busybox else in_system_order(found)


ncat = netcat = nc


def _parse(process: Process) -> Options:
    opts = parse(process, "46bCcDdFhklLNnrStUuvzI:i:M:m:O:P:p:q:s:T:V:W:w:X:x:e:f:", {})
    if "L" in opts:
        opts.add("l")
        opts.add("k")
    if opts.count("l") > 1:
        opts.add("k")
    return opts


def _connect(process: Process, opts: Options, host: str, addresses: list[str], port: int) -> int:
    for address in addresses:
        connection = _try(process, opts, host, address, port)
        if connection is not None:
            return _converse(process, opts, connection)
    return 1


def _try(process: Process, opts: Options, host: str, address: str, port: int) -> Connection | None:
    """A connection, of which is told where that is asked for, and None with the reason."""
    udp, busybox = "u" in opts, process.machine.flavour == "busybox"
    kind = "udp" if udp else "tcp"
    shown = f"{host} ({address})" if not is_address(host) else host
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    try:
        connection = process.machine.network.connect(address, port, "UDP" if udp else "TCP")
    except NetworkError as error:
        if isinstance(error, TimedOut):
            process.timeline.pass_by(float(opts.get("w") or "130"))
        reason = _reason(process, error)
        if "v" not in opts or udp:
            return None
        if busybox:
            # That nobody listens is said of with `-vv` only.
            if not isinstance(error, Refused) or opts.count("v") > 1:
                process.error(f"nc: {host} ({where}): {reason}")
        elif isinstance(error, TimedOut) and opts.get("w"):
            process.error(f"nc: connect to {shown} port {port} ({kind}) timed out: Operation now in progress")
        else:
            process.error(f"nc: connect to {shown} port {port} ({kind}) failed: {reason}")
        return None
    if "v" in opts and busybox:
        process.error(f"{host} ({where}) open")
    elif "v" in opts:
        process.error(f"Connection to {shown} {port} port [{kind}/{_SERVICES.get(port, '*')}] succeeded!")
    return connection


def _reason(process: Process, error: NetworkError) -> str:
    if isinstance(error, TimedOut):
        return "Operation timed out" if process.machine.image.os == "alpine" else "Connection timed out"
    return "Connection refused" if isinstance(error, Refused) else "No route to host"


def _converse(process: Process, opts: Options, connection: Connection) -> int:
    if "z" in opts:
        return 0
    data = process.stdin.read() if not process.interactive else process.stdin.readline()
    if "u" in opts:
        answer = connection.datagram(data) if data else None
        if answer:
            process.write_bytes(answer)
        return 0
    if "e" in opts:
        return process.run([opts.get("e")], stdin=Null())
    _talk(process, connection, data)
    return 0


def _talk(process: Process, connection: Connection, data: bytes) -> None:
    """Send what standard input has, line by line at a terminal, and print what comes back until the server closes."""
    talk = connection.application.open(connection.peer)
    process.write_bytes(talk.greeting)
    while data:
        process.write_bytes(talk.receive(data))
        if talk.closed or not process.interactive:
            break
        data = process.stdin.readline()
    if not talk.closed:
        process.write_bytes(talk.end())


def _listen(process: Process, opts: Options) -> int:
    words = [a for a in opts.args if a.isdigit()]
    port = opts.get("p") or (words[-1] if words else "")
    if not port.isdigit() or not 0 < int(port) < 65536:
        return process.fail("missing port" if not port else f"port number invalid: {port}")
    if any(
        x.port == int(port) and x.protocol == ("UDP" if "u" in opts else "TCP")
        for x in process.machine.network.listeners()
    ):
        return process.fail(
            "bind: Address already in use"
            if process.machine.flavour == "busybox"
            else "Address already in use"
        )
    data = b"" if process.interactive or process.resume is not None else process.stdin.read()
    if "v" in opts and process.resume is None:
        process.error(
            f"listening on [::]:{port} ..."
            if process.machine.flavour == "busybox"
            else f"Listening on 0.0.0.0 {port}"
        )
    hosts = [a for a in opts.args if not a.isdigit()]
    service = {
        "application": "netcat", "port": int(port), "udp": "u" in opts, "keep": "k" in opts,
        "data": b64encode(data).decode(),
        "address": opts.get("s") or (hosts[0] if hosts and is_address(hosts[0]) else ""), "verbose": "v" in opts,
        "execute": opts.get("e").split() if opts.get("e") else [],
    }  # fmt: skip
    return process.machine.serve(process, service, exit_on=())


@program
def telnet(process: Process) -> int:
    args = [a for a in process.args if not a.startswith("-")]
    if not args:
        return process.fail("missing host")
    host, port = args[0], int(args[1]) if len(args) > 1 and args[1].isdigit() else 23
    busybox = process.machine.flavour == "busybox"
    try:
        address = host if is_address(host) else find_addresses(process, host)[0]
    except ResolveError:
        return process.fail(
            f"bad address '{host}'"
            if busybox
            else f"could not resolve {host}/{port}: Name or service not known"
        )
    if not busybox:
        process.print(f"Trying {address}...")
    try:
        connection = process.machine.network.connect(address, port)
    except NetworkError as error:
        if isinstance(error, TimedOut):
            process.timeline.pass_by(130.0)
        reason = (
            "Connection refused"
            if isinstance(error, Refused)
            else "Connection timed out"
            if isinstance(error, TimedOut)
            else "No route to host"
        )
        if busybox:
            return process.fail(f"can't connect to remote host ({address}): {reason}")
        return process.fail(f"Unable to connect to remote host: {reason}")
    process.print("Connected to " + (f"{host}.\nEscape character is '^]'." if not busybox else f"{host}\n"))
    data = process.stdin.read() if not process.interactive else process.stdin.readline()
    _talk(process, connection, data)
    process.error("Connection closed by foreign host" + ("." if not busybox else ""))
    return 1


def tcpdump(process: Process) -> int:
    process.error(
        "tcpdump: eth0: You don't have permission to perform this capture on "
        "that device\n(socket: Operation not permitted)"
    )
    return 1
