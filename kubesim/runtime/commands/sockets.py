"""ss and netstat: what listens here."""

from __future__ import annotations

from kubesim.runtime.application import Listener
from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.interfaces import route_rows
from kubesim.runtime.commands.options import Options, parse
from kubesim.runtime.process import Process

_SERVICES = {
    80: "http",
    443: "https",
    22: "ssh",
    53: "domain",
    8080: "http-alt",
    3306: "mysql",
    5432: "postgresql",
    6379: "redis",
}


def _rows(process: Process, opts: Options) -> list[Listener]:
    """The listeners that are asked for, in the order of protocol and port."""
    found = sorted(process.machine.network.listeners(), key=lambda x: (x.protocol, x.address == "::", x.port))
    kinds = {k for k, letter in (("TCP", "t"), ("UDP", "u"), ("SCTP", "S")) if letter in opts} or {
        "TCP",
        "UDP",
    }
    return [x for x in found if x.protocol in kinds]


def _address(listener: Listener) -> tuple[str, bool]:
    """The local address as text, and whether it is IPv6."""
    if listener.address in ("*", "", "::"):
        return "::" if listener.address != "0.0.0.0" else "0.0.0.0", listener.address != "0.0.0.0"  # noqa: S104
    return listener.address, ":" in listener.address


def _port(listener: Listener, opts: Options) -> str:
    return str(listener.port) if "n" in opts else _SERVICES.get(listener.port, str(listener.port))


@program
def netstat(process: Process) -> int:
    opts = parse(
        process,
        "tulnpaersiWcgvo46",
        {"tcp": "t", "udp": "u", "listening": "l", "numeric": "n", "program": "p", "all": "a", "route": "r"},
    )
    if "r" in opts:
        process.print(
            "Kernel IP routing table\nDestination     Gateway         "
            "Genmask         Flags   MSS Window  irtt Iface"
        )
        for row in route_rows(process):
            process.print(f"{row[0]:<15} {row[1]:<15} {row[2]:<15} {row[3]:<9} 0 0          0 {row[4]}")
        return 0
    title = (
        "(only servers)" if "l" in opts else "(servers and established)" if "a" in opts else "(w/o servers)"
    )
    process.print(f"Active Internet connections {title}")
    program_title = "PID/Program name    " if "p" in opts else ""
    process.print(
        f"Proto Recv-Q Send-Q Local Address           Foreign Address         State       {program_title}"
    )
    if "l" in opts or "a" in opts:
        for listener in _rows(process, opts):
            address, six = _address(listener)
            protocol = listener.protocol.lower() + ("6" if six and process.machine.flavour == "gnu" else "")
            local = f"{address}:{_port(listener, opts)}"
            foreign = ":::*" if six else "0.0.0.0:*"
            state = "LISTEN" if listener.protocol == "TCP" else ""
            owner = f"{listener.pid}/{listener.process}"[:19] if "p" in opts else ""
            process.print(
                f"{protocol:<5} {0:>6} {0:>6} {local:<23} {foreign:<23} {state:<11} {owner:<20}"
                if owner
                else f"{protocol:<5} {0:>6} {0:>6} {local:<23} {foreign:<23} {state:<12}"
            )
    if process.machine.flavour == "gnu" and not {"t", "u"} & set(opts.values) and "l" not in opts:
        process.print(
            "Active UNIX domain sockets (w/o servers)\nProto RefCnt Flags   "
            "    Type       State         I-Node   Path"
        )
    return 0


@program
def ss(process: Process) -> int:
    opts = parse(
        process,
        "tulnpaHsm46oeixw",
        {
            "tcp": "t",
            "udp": "u",
            "listening": "l",
            "numeric": "n",
            "processes": "p",
            "all": "a",
            "no-header": "H",
        },
        code=255,
    )
    listeners = _rows(process, opts) if {"l", "a"} & set(opts.values) else []
    if "s" in opts:
        count = len(_rows(process, opts))
        process.print(
            f"Total: {count + 2}\nTCP:   {count} (estab 0, closed 0, orphaned 0, timewait 0)\n\n"
            "Transport Total     IP        IPv6\nRAW\t  0         0         0        \nUDP\t  "
            f"0         0         0        \nTCP\t  {count:<9} {count:<9} 0        \nINET\t  "
            f"{count:<9} {count:<9} 0        \nFRAG\t  0         0         0        \n"
        )
        return 0
    many = len({x for x in ("t", "u") if x in opts}) != 1
    rows = []
    for listener in listeners:
        address, six = _address(listener)
        udp = listener.protocol == "UDP"
        local = "*" if listener.address in ("*", "") else f"[{address}]" if six else address
        peer = "*" if listener.address in ("*", "") else "[::]" if six else "0.0.0.0"  # noqa: S104
        users = f'users:(("{listener.process}",pid={listener.pid},fd=6))' if "p" in opts else ""
        rows.append(
            ([listener.protocol.lower()] if many else [])
            + [
                "UNCONN" if udp else "LISTEN",
                "0",
                "0" if udp else "511",
                local,
                _port(listener, opts),
                peer,
                "*",
                users,
            ]
        )
    _table(process, rows, many=many, header="H" not in opts)
    return 0


def _table(process: Process, rows: list[list[str]], *, many: bool, header: bool) -> None:
    titles = (["Netid"] if many else []) + ["State", "Recv-Q", "Send-Q"]
    lead = len(titles)
    widths = [max([len(titles[n]), *(len(row[n]) for row in rows)]) for n in range(lead)]
    local = max([len("Local Address"), *(len(row[lead]) for row in rows)])
    port = max([len("Port"), *(len(row[lead + 1]) for row in rows)])
    peer = max([len("Peer Address"), *(len(row[lead + 2]) for row in rows)])
    if header:
        cells = " ".join(f"{t:<{w}}" for t, w in zip(titles, widths, strict=True))
        process.print(
            f"{cells} {'Local Address':>{local}}:{'Port':<{port}} {'Peer Address':>{peer}}:PortProcess"
        )
    for row in rows:
        cells = " ".join(f"{c:<{w}}" for c, w in zip(row[:lead], widths, strict=True))
        process.print(
            f"{cells} {row[lead]:>{local}}:{row[lead + 1]:<{port}} "
            f"{row[lead + 2]:>{peer}}:{row[lead + 3]:<4}{row[lead + 4]}"
        )
