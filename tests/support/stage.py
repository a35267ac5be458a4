"""Real programs in a simulated cluster's network: Linux namespaces in which the cluster's addresses are real ones.

Whoever enters the `Stage` must be root, in network and mount namespaces of their own: these become the cluster's end, with
the addresses of its Services and Pods, from which the edge leads every connection into the simulation. Each Pod
in which programs run gets namespaces too, with its own address, a link to the cluster's end and its own
/etc/resolv.conf and /etc/hosts. A packet that goes nowhere in the simulation is dropped here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from support.programs import ALPINE, BUSYBOX, CA, DEBIAN, OWN, Place, package_of, place_of
from support.transcripts import Shown

from kubesim import Cluster
from kubesim.apimachinery.meta import name_of
from kubesim.client.resources import PODS
from kubesim.dns.server import DNSServer
from kubesim.network.edge.dialling import Dialler
from kubesim.network.edge.exposures import Exposure
from kubesim.network.edge.reachable import find_reachable
from kubesim.network.edge.server import EdgeServer
from kubesim.network.places import Origin
from kubesim.network.views import view_beside
from kubesim.runtime.network_view import NetworkError, Refused
from kubesim.util.clock import SystemClock

DNS_ADDRESS: Final = "10.96.0.10"
GATEWAY: Final = "10.244.1.1"
SERVICES: Final = "10.96.0.0/12"
HOPS_LEFT: Final = 62
"""What a packet has that has come by way of two nodes."""
SECONDS: Final = 60.0
ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


class _Dialler(Dialler):
    """Connections come from the Pod whose turn it is."""

    caller: Origin

    def _node(self) -> Origin:
        return self.caller


class Stage:
    """See the module. `root` is where the programs' file system is, as debootstrap makes one; `busybox` is the program of
    that name, for the Pod that has no other.
    """

    def __init__(self, cluster: Cluster, root: Path, busybox: Path | None) -> None:
        self._cluster = cluster
        self._root = root
        self._busybox = busybox.read_bytes() if busybox is not None else b""
        self._fabric = cluster._cluster.network.fabric
        self._dialler = _Dialler(self._fabric, SystemClock().monotonic)
        self._callers: dict[Place, Origin] = {}
        self._pods: dict[Place, subprocess.Popen[bytes]] = {}

    def run(self, place: Place, line: str) -> tuple[str, str, int]:
        """A command line in a Pod's place: standard output, standard error, exit code."""
        self._dialler.caller = self._callers[place]
        path = f"{OWN}:{ENVIRONMENT['PATH']}" if place == BUSYBOX else ENVIRONMENT["PATH"]
        done = self._inside(place, "-m", "sh", "-c", line, path=path)
        return done.stdout.decode(), done.stderr.decode(), done.returncode

    def version(self, transcript: Path) -> str:
        """What the programs of a transcript are from."""
        if place_of(transcript) == BUSYBOX:
            return self.run(BUSYBOX, "busybox | head -1")[0].strip(".\n")
        words = ["dpkg-query", "-W", "-f", "${Package} ${Version}", package_of(transcript)]
        return self._inside(place_of(transcript), "-m", *words).stdout.decode()

    @contextmanager
    def entered(self) -> Iterator[Stage]:
        """Until the block ends everything is in place."""
        authority = self._cluster._cluster.authority
        edge = EdgeServer(
            self._dialler,
            "127.0.0.1",
            certificate=lambda _: authority.server_certificate(),
        )
        dns = DNSServer(self._cluster._cluster.dns, DNS_ADDRESS, 53)
        _run("ip", "link", "set", "lo", "up")
        Path("/proc/sys/net/ipv4/ip_default_ttl").write_text(str(HOPS_LEFT))
        try:
            for place in (DEBIAN, BUSYBOX, ALPINE):
                self._make_pod(place)
            _address(DNS_ADDRESS)
            dns.start()
            edge.start()
            self._open(edge)
            yield self
        finally:
            edge.stop()
            dns.stop()
            for pod in self._pods.values():
                pod.communicate()

    def _open(self, edge: EdgeServer) -> None:
        """Open what is reached in the simulation; of the rest Services refuse or drop, as their rules have it."""
        self._dialler.caller = self._callers[DEBIAN]
        wanted = [
            e for e in find_reachable(self._cluster._cluster.client, self._fabric) if ":" not in e.address
        ]
        for address in sorted({e.address for e in wanted} | set(self._pod_addresses())):
            _address(address)
        opened = []
        for exposure in wanted:
            try:
                self._dialler.connect(exposure.address, exposure.wanted, exposure.protocol, 40000, "node")
            except Refused:
                _rule(exposure, "REJECT")
            except NetworkError:
                _rule(exposure, "DROP")
            else:
                opened.append(replace(exposure, host=exposure.address, origin="node"))
                _rule(exposure, "ACCEPT")
        for protocol in ("tcp", "udp"):
            _run(
                "iptables",
                "-A",
                "INPUT",
                "-d",
                f"{DNS_ADDRESS}/32",
                "-p",
                protocol,
                "--dport",
                "53",
                "-j",
                "ACCEPT",
            )
        _run("iptables", "-A", "INPUT", "-d", SERVICES, "-j", "DROP")
        failures = edge.open(opened)
        if failures:
            raise OSError(f"not opened: {failures}")

    def _pod_addresses(self) -> list[str]:
        own = {DEBIAN, BUSYBOX, ALPINE}
        pods = self._cluster.list("pods")
        return [p["status"]["podIP"] for p in pods if name_of(p) not in own]

    def _make_pod(self, place: Place) -> None:
        pod = self._cluster._cluster.client.get(PODS, place, "default")
        self._callers[place] = view_beside(self._fabric, pod).origin
        address = pod["status"]["podIP"]
        # It ends when nobody holds the other end of its standard input any more.
        process = subprocess.Popen(
            ["unshare", "-n", "-m", "sh", "-c", "echo; read _"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._pods[place] = process
        assert process.stdout is not None
        process.stdout.readline()
        link = f"veth-{place}"
        _run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
        _run("ip", "addr", "add", f"{GATEWAY}/32", "dev", link)
        _run("ip", "link", "set", link, "up")
        _run("ip", "route", "add", address, "dev", link)
        for words in (
            "link set lo up",
            "link set eth0 up",
            f"addr add {address}/32 dev eth0",
            f"route add {GATEWAY} dev eth0 scope link src {address}",
            f"route add default via {GATEWAY} dev eth0",
        ):
            _check(self._inside(place, "", "ip", *words.split()))
        _check(self._inside(place, "-m", "mount", "-t", "tmpfs", "tmpfs", "/tmp"))
        ca = self._cluster.exec(DEBIAN, ["cat", CA], check=True).stdout.encode()
        _check(self._inside(place, "-m", "sh", "-c", f"mkdir {OWN}; cat > {OWN}/ca.crt", text=ca))
        for name in ("resolv.conf", "hosts"):
            text = self._cluster.exec(place, ["cat", f"/etc/{name}"], check=True).stdout
            _check(
                self._inside(
                    place,
                    "-m",
                    "sh",
                    "-c",
                    f"cat > {OWN}/{name}; touch /etc/{name}; mount --bind {OWN}/{name} /etc/{name}",
                    text=text.encode(),
                )
            )
        if place == BUSYBOX and self._busybox:
            install = f"cd {OWN}; cat > busybox; chmod +x busybox; {OWN}/busybox --install -s ."
            _check(self._inside(place, "-m", "sh", "-c", install, text=self._busybox))

    def _inside(
        self, place: Place, mounts: Literal["-m", ""], *words: str, text: bytes = b"", path: str = ""
    ) -> subprocess.CompletedProcess[bytes]:
        enter = ["nsenter", "-t", str(self._pods[place].pid), "-n", *([mounts] if mounts else [])]
        root = ["chroot", str(self._root)] if mounts else []
        environment = [f"{k}={v}" for k, v in {**ENVIRONMENT, "PATH": path or ENVIRONMENT["PATH"]}.items()]
        command = [*enter, *root, "env", "-i", *environment, *words]
        return subprocess.run(command, input=text, capture_output=True, timeout=SECONDS, check=False)


def play_really(stage: Stage, place: Place, recorded: Shown) -> Shown:
    """A command line with the real programs."""
    out, err, code = stage.run(place, recorded.line)
    return Shown(recorded.line, out, err, code, recorded.remarks)


def _run(*words: str) -> None:
    _check(subprocess.run(words, capture_output=True, check=False))


def _check(done: subprocess.CompletedProcess[bytes]) -> None:
    if done.returncode:
        raise OSError(f"{done.args}: {done.stderr.decode()}")


def _address(address: str) -> None:
    _run("ip", "addr", "add", f"{address}/32", "dev", "lo")


def _rule(exposure: Exposure, verdict: str) -> None:
    where = ["-d", f"{exposure.address}/32", "-p", exposure.protocol.lower(), "--dport", str(exposure.wanted)]
    _run("iptables", "-A", "INPUT", *where, "-j", verdict)


def missing() -> str:
    """Why there can be no stage here; empty where there can."""
    if os.name != "posix" or os.geteuid():
        return "only root can make network namespaces"
    absent = [
        p for p in ("unshare", "nsenter", "chroot", "mount", "ip", "iptables") if shutil.which(p) is None
    ]
    if absent:
        return f"not installed: {', '.join(absent)}"
    probe = (
        "ip link add link-a type veth peer name link-b && iptables -A INPUT -j ACCEPT && mount -t tmpfs t /tmp && "
        f"echo {HOPS_LEFT} > /proc/sys/net/ipv4/ip_default_ttl"
    )
    done = subprocess.run(["unshare", "-n", "-m", "sh", "-ec", probe], capture_output=True, check=False)
    return done.stderr.decode().strip() if done.returncode else ""
