"""nc (OpenBSD's and busybox'), telnet, tcpdump."""

from __future__ import annotations

from base64 import b64encode

from kubesim.runtime.addressorder import one_of_each
from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import Options, parse
from kubesim.runtime.commands.transfer import find_addresses
from kubesim.runtime.network_view import Connection, NetworkError, Refused, TimedOut
from kubesim.runtime.process import Null, Process
from kubesim.runtime.resolver import ResolveError, is_address

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


@program
def nc(process: Process) -> int:
    opts = _parse(process)
    if "l" in opts:
        return _listen(process, opts)
    busybox = process.machine.flavour == "busybox"
    if len(opts.args) < 2:
        if busybox:
            process.error(
                "BusyBox v1.37.0 (2024-09-26 21:31:42 UTC) multi-call binary.\n\nUsage: nc "
                "[OPTIONS] HOST PORT  - connect\nnc [OPTIONS] -l -p PORT [HOST] [PORT]  - "
                "listen"
            )
        else:
            process.error(
                "usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval] [-M ttl]\n\t  [-m "
                "minttl] [-O length] [-P proxy_username] [-p source_port]\n\t  [-q seconds] "
                "[-s sourceaddr] [-T keyword] [-V rtable] [-W recvlimit]\n\t  [-w timeout] [-X "
                "proxy_protocol] [-x proxy_address[:port]]\n\t  [destination] [port]"
            )
        return 1
    host, ports = opts.args[0], opts.args[1]
    low, _, high = ports.partition("-")
    if not low.isdigit() or (high and not high.isdigit()) or not 0 < int(low) < 65536:
        return process.fail(
            f"bad port '{ports}'"
            if busybox
            else f"port number invalid: {ports}"
            if low.isdigit()
            else f'getaddrinfo for host "{host}" port {ports}: Servname not supported for ai_socktype'
            if "n" not in opts
            else f"port number invalid: {ports}"
        )
    family = 6 if "6" in opts else 4 if "4" in opts else 0
    try:
        addresses = [host] if is_address(host) else one_of_each(find_addresses(process, host, family=family))
    except ResolveError as error:
        if busybox:
            return process.fail(f"bad address '{host}'")
        reason = "Temporary failure in name resolution" if error.temporary else "Name or service not known"
        return process.fail(f'getaddrinfo for host "{host}" port {ports}: {reason}')
    code = 1
    for port in range(int(low), min(int(high or low), int(low) + 1000) + 1):
        # BusyBox's takes the first address alone.
        for address in addresses[:1] if busybox else addresses:
            found = _connect(process, opts, host, address, port)
            code = min(code, found)
            if found == 0:
                break
    return code


ncat = netcat = nc


def _parse(process: Process) -> Options:
    opts = parse(process, "46bCcDdFhklLNnrStUuvzI:i:M:m:O:P:p:q:s:T:V:W:w:X:x:e:f:", {})
    if "L" in opts:
        opts.add("l")
        opts.add("k")
    if opts.count("l") > 1:
        opts.add("k")
    return opts


def _connect(process: Process, opts: Options, host: str, address: str, port: int) -> int:  # noqa: C901 - a case for each thing there is
    udp = "u" in opts
    busybox = process.machine.flavour == "busybox"
    timeout = float(opts.get("w", "0") or "0")
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    try:
        connection = process.machine.network.connect(address, port, "UDP" if udp else "TCP")
    except NetworkError as error:
        if isinstance(error, TimedOut):
            process.timeline.pass_by(timeout or 130.0)
        if udp and isinstance(error, TimedOut):
            return 1
        if isinstance(error, TimedOut):
            reason = (
                "Connection timed out"
                if not busybox
                else "Operation timed out"
                if process.machine.image.os == "alpine"
                else "Connection timed out"
            )
            if not busybox and timeout:
                reason = "Operation now in progress"
        else:
            reason = "Connection refused" if isinstance(error, Refused) else "No route to host"
        if busybox:
            if "v" in opts or "z" not in opts:
                process.error(
                    f"nc: {address} ({where}): {reason}"
                    if "v" in opts
                    else f"nc: can't connect to remote host ({address}): {reason}"
                )
        elif "v" in opts:
            shown = f"{host} ({address})" if not is_address(host) else host
            process.error(f"nc: connect to {shown} port {port} ({'udp' if udp else 'tcp'}) failed: {reason}")
        return 1
    if "v" in opts:
        if busybox:
            process.error(f"{host} ({where}) open")
        else:
            shown = f"{host} ({address})" if not is_address(host) else host
            process.error(
                f"Connection to {shown} {port} port "
                f"[{'udp' if udp else 'tcp'}/{_SERVICES.get(port, '*')}] "
                "succeeded!"
            )
    if "z" in opts:
        return 0
    data = process.stdin.read() if not process.interactive else process.stdin.readline()
    if udp:
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
