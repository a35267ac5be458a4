"""ping and traceroute."""

from __future__ import annotations

import math
from ipaddress import ip_address, ip_network

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import Options, UsageError, number, parse
from kubesim.runtime.commands.transfer import find_addresses
from kubesim.runtime.commands.usage import busybox_usage
from kubesim.runtime.network_view import NetworkError, Unreachable, is_loopback
from kubesim.runtime.process import Interrupted, Process, Suspended
from kubesim.runtime.resolver import (
    ResolveError,
    ask,
    canonical_name,
    hosts_addresses,
    hosts_entries,
    in_order_of_busybox,
    in_system_order,
    is_address,
    resolver_config,
    search_names,
)

_ABOUT = """\
ping from iputils 20221126
libcap: yes, IDN: yes, NLS: no, error.h: yes, getrandom(): yes, __fpending(): yes"""
_LARGEST = 9223372036854775807
_STAMP = 16
"""From so many bytes of data on there is room for the time at which it was sent."""


@program
def ping(process: Process) -> int:
    busybox = process.machine.flavour == "busybox" and "iputils" not in process.machine.packages
    if not busybox and "-V" in process.args:
        process.print(_ABOUT)
        return 0
    opts = parse(process, "46c:i:I:s:t:W:w:qnvfaDOp:A", {}, code=2)
    if not opts.args:
        if busybox:
            process.error(busybox_usage(process))
            return 1
        process.error("ping: usage error: Destination address required")
        return 1 if not process.args else 2
    count = _count(process, opts, busybox=busybox)
    # Of several the last one is meant, and those before are the way.
    host = opts.args[-1]
    family = 6 if process.name == "ping6" or "6" in opts else 4 if "4" in opts else 0
    try:
        found = [host] if is_address(host) else find_addresses(process, host, family=family)
    except ResolveError as error:
        if busybox:
            return process.fail(f"bad address '{host}'")
        reason = "Temporary failure in name resolution" if error.temporary else "Name or service not known"
        return process.fail(f"{host}: {reason}", 2)
    address = (in_order_of_busybox(found) if busybox else in_system_order(found))[0]
    run = _Run(process, host, address, opts, busybox=busybox)
    return run.go(count)


def _count(process: Process, opts: Options, *, busybox: bool) -> int:
    """How many are to be sent; 0 for as many as there is time for."""
    text = opts.get("c", "0")
    if busybox:
        return number(process, text)
    if not text.lstrip("-").isdigit():
        raise UsageError(f"invalid argument: '{text}'", 1)
    if "c" in opts and not 1 <= int(text) <= _LARGEST:
        raise UsageError(f"invalid argument: '{text}': out of range: 1 <= value <= {_LARGEST}", 1)
    return int(text)


class _Run:
    def __init__(self, process: Process, host: str, address: str, opts: Options, *, busybox: bool) -> None:
        self.process = process
        self.address = address
        self.busybox = busybox
        self.size = number(process, opts.get("s", "56"))
        self.quiet = "q" in opts
        self.pause = float(opts.get("i", "1"))
        self.deadline = float(opts.get("w") or 0)
        self.patience = float(opts.get("W") or opts.get("w") or 10)
        self.host, self.shown = host, address
        if not busybox:
            self._find_names(numeric="n" in opts)
        self.times: list[float] = []
        self.sent = 0
        self.errors = 0
        self.began = process.timeline.now()

    def _find_names(self, *, numeric: bool) -> None:
        """Iputils shows the name that the resolver found, and of who answers the one that its address has."""
        if is_address(self.host):
            return
        machine, config = self.process.machine, resolver_config(self.process.machine)
        local = bool(hosts_addresses(machine, self.host))
        for name in () if local else search_names(self.host, config):
            answer = ask(machine, name, "AAAA" if ":" in self.address else "A", config)
            if answer is not None and answer.answers:
                self.host = canonical_name(answer, name).rstrip(".")
                break
        if numeric:
            return
        names = [names[0] for a, names in hosts_entries(machine) if a == self.address]
        if not names:
            answer = ask(machine, f"{ip_address(self.address).reverse_pointer}.", "PTR", config)
            names = [r.data.rstrip(".") for r in answer.answers if r.type == "PTR"] if answer else []
        if names:
            self.shown = f"{names[0]} ({self.address})"

    def go(self, count: int) -> int:
        process = self.process
        if process.resume:
            self.sent, self.times, self.errors, self.began = process.resume
            process.resume = None
        else:
            process.print(self._title())
        limit = count or (1 << 30 if process.timeline.wait or process.timeline.suspendable else 4)
        if self.deadline:
            room = max(math.ceil(self.deadline / max(self.pause, 0.002)), 1)
            limit = min(count or room, room)
        try:
            while self.sent < limit:
                self._one()
                if self.sent < limit:
                    process.sleep(self.pause)
        except (KeyboardInterrupt, Interrupted):
            pass
        except Suspended as wait:
            wait.frames = [self.sent, self.times, self.errors, self.began]
            wait.endless = count == 0
            raise
        if len(self.times) < self.sent and (count or self.deadline):
            process.timeline.pass_by(self.patience)
        return self._summary()

    def _title(self) -> str:
        if self.busybox:
            return f"PING {self.host} ({self.address}): {self.size} data bytes"
        if ":" in self.address:
            return f"PING {self.host}({self.shown}) {self.size} data bytes"
        return f"PING {self.host} ({self.address}) {self.size}({self.size + 28}) bytes of data."

    def _one(self) -> None:
        process = self.process
        sequence = self.sent if self.busybox else self.sent + 1
        self.sent += 1
        process.budget.step(10)
        try:
            trip = process.machine.network.ping(self.address)
        except (Unreachable, NetworkError):
            self.errors += 1
            own = next((str(ip) for ip in process.machine.facts.get("ips") or ()), "127.0.0.1")
            if self.busybox:
                process.error("ping: sendto: Network unreachable")
            else:
                process.print(f"From {own} icmp_seq={sequence} Destination Host Unreachable")
            return
        if trip is None:
            return
        trip = round(trip * (1 + (sequence * 37 % 11 - 5) / 50), 3)  # no two echoes take the same time
        self.times.append(trip)
        if self.quiet:
            return
        lead = f"{self.size + 8} bytes from"
        ttl = f"ttl={_hops_left(process, self.address)}"
        if self.busybox:
            process.print(f"{lead} {self.address}: seq={sequence} {ttl} time={trip:.3f} ms")
        else:
            took = f" time={_three(trip)} ms" if self.size >= _STAMP else ""
            process.print(f"{lead} {self.shown}: icmp_seq={sequence} {ttl}{took}")

    def _summary(self) -> int:
        process, got = self.process, len(self.times)
        lost = 100 - round(100 * got / self.sent) if self.sent else 0
        process.print(f"\n--- {self.host} ping statistics ---")
        if self.busybox:
            process.print(f"{self.sent} packets transmitted, {got} packets received, {lost}% packet loss")
            if self.times:
                process.print(
                    f"round-trip min/avg/max = {min(self.times):.3f}/{sum(self.times) / got:.3f}"
                    f"/{max(self.times):.3f} ms"
                )
            return int(got == 0)
        spent = int((process.timeline.now() - self.began) * 1000)
        errors = f" +{self.errors} errors," if self.errors else ""
        process.print(
            f"{self.sent} packets transmitted, {got} received,{errors} {lost}% packet loss, time {spent}ms"
        )
        if self.times and self.size >= _STAMP:
            mean = sum(self.times) / got
            deviation = (sum((t - mean) ** 2 for t in self.times) / got) ** 0.5
            process.print(
                f"rtt min/avg/max/mdev = {min(self.times):.3f}/{mean:.3f}/{max(self.times):.3f}"
                f"/{deviation:.3f} ms"
            )
        else:
            process.print()
        return int(got == 0)


def _hops_left(process: Process, address: str) -> int:
    """The TTL of an answer: 64, less each node on the way."""
    if is_loopback(address) or address in (process.machine.facts.get("ips") or ()):
        return 64
    routes = process.machine.network.routes()
    if any(route.gateway == address for route in routes):
        return 64
    target = ip_address(address)
    for route in routes:
        if route.destination != "default" and target in ip_network(route.destination, strict=False):
            return 63 if route.gateway else 64
    return 62


def _three(value: float) -> str:
    """Three significant digits, as iputils prints times below a second."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


ping6 = ping


@program
def traceroute(process: Process) -> int:
    opts = parse(process, "46nm:q:w:p:IT", {})
    if not opts.args:
        return process.fail("missing host", 2)
    host = opts.args[0]
    try:
        address = host if is_address(host) else find_addresses(process, host)[0]
    except ResolveError:
        return process.fail(
            f"bad address '{host}'"
            if process.machine.flavour == "busybox"
            else f"{host}: Name or service not known"
        )
    hops = int(opts.get("m", "30"))
    size = "46 byte" if process.machine.flavour == "busybox" else "60 byte"
    process.print(f"traceroute to {host} ({address}), {hops} hops max, {size} packets")
    try:
        trip = process.machine.network.ping(address)
    except NetworkError:
        trip = None
    if trip is None:
        for hop in range(1, min(hops, 5) + 1):
            process.print(f"{hop:2d}  *  *  *")
        process.timeline.pass_by(15.0 * hops)
        return 0
    process.print(f" 1  {address}  {trip:.3f} ms  {trip * 0.6:.3f} ms  {trip * 0.5:.3f} ms")
    return 0
