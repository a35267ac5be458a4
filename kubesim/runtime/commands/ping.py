"""ping and traceroute."""

from __future__ import annotations

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import number, parse
from kubesim.runtime.commands.transfer import find_addresses
from kubesim.runtime.network_view import NetworkError, Unreachable, is_loopback
from kubesim.runtime.process import Interrupted, Process, Suspended
from kubesim.runtime.resolver import ResolveError, is_address


@program
def ping(process: Process) -> int:
    busybox = process.machine.flavour == "busybox" and "iputils" not in process.machine.packages
    opts = parse(process, "46c:i:I:s:t:W:w:qnvfaDOp:A", {}, code=2)
    if not opts.args:
        if busybox:
            process.error(
                "BusyBox v1.37.0 (2024-09-26 21:31:42 UTC) multi-call binary.\n\nUsage: "
                "ping [OPTIONS] HOST\n\nSend ICMP ECHO_REQUESTs to HOST"
            )
            return 1
        process.error("ping: usage error: Destination address required")
        return 1 if not process.args else 2
    host = opts.args[0]
    family = 6 if process.name == "ping6" or "6" in opts else 4 if "4" in opts else 0
    try:
        address = host if is_address(host) else find_addresses(process, host, family=family)[0]
    except ResolveError as error:
        if busybox:
            return process.fail(f"bad address '{host}'")
        reason = "Temporary failure in name resolution" if error.temporary else "Name or service not known"
        return process.fail(f"{host}: {reason}", 2)
    count = number(process, opts.get("c", "0"))
    size = number(process, opts.get("s", "56"))
    run = _Run(process, host, address, size, busybox=busybox, quiet="q" in opts)
    return run.go(count, float(opts.get("i", "1")), float(opts.get("W") or opts.get("w") or "10"))


class _Run:
    def __init__(
        self, process: Process, host: str, address: str, size: int, *, busybox: bool, quiet: bool
    ) -> None:
        self.process = process
        self.host = host
        self.address = address
        self.size = size
        self.busybox = busybox
        self.quiet = quiet
        self.times: list[float] = []
        self.sent = 0
        self.errors = 0
        self.began = process.timeline.now()

    def go(self, count: int, pause: float, timeout: float) -> int:
        process = self.process
        if process.resume:
            self.sent, self.times, self.errors, self.began = process.resume
            process.resume = None
        else:
            total = self.size + (48 if ":" in self.address else 28)
            process.print(
                f"PING {self.host} ({self.address}): {self.size} data bytes"
                if self.busybox
                else f"PING {self.host} ({self.address}) {self.size}({total}) bytes of data."
            )
        limit = count or (1 << 30 if process.timeline.wait or process.timeline.suspendable else 4)
        try:
            while self.sent < limit:
                self._one()
                if self.sent < limit:
                    process.sleep(pause)
        except (KeyboardInterrupt, Interrupted):
            pass
        except Suspended as wait:
            wait.frames = [self.sent, self.times, self.errors, self.began]
            wait.endless = count == 0
            raise
        if len(self.times) < self.sent and count:
            process.timeline.pass_by(timeout)
        return self._summary()

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
        ttl = (
            64
            if is_loopback(self.address) or self.address in (process.machine.facts.get("ips") or ())
            else 62
        )
        if self.busybox:
            process.print(
                f"{self.size + 8} bytes from {self.address}: seq={sequence} ttl={ttl} time={trip:.3f} ms"
            )
        else:
            shown = self.address if is_address(self.host) else f"{self.host} ({self.address})"
            process.print(
                f"{self.size + 8} bytes from {shown}: icmp_seq={sequence} ttl={ttl} time={_three(trip)} ms"
            )

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
        if self.times:
            mean = sum(self.times) / got
            deviation = (sum((t - mean) ** 2 for t in self.times) / got) ** 0.5
            process.print(
                f"rtt min/avg/max/mdev = {min(self.times):.3f}/{mean:.3f}/{max(self.times):.3f}"
                f"/{deviation:.3f} ms"
            )
        else:
            process.print()
        return int(got == 0)


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
