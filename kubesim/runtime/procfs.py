"""What a machine's /proc and /sys say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubesim.runtime.machine import Machine

KERNEL = "6.1.0-28-cloud-amd64"
KERNEL_BUILD = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)"
CPUS = 2
MEMORY_KIB = 4018168


def files(machine: Machine) -> dict[str, Callable[[], bytes]]:
    """The texts of /proc by path below it."""

    def uptime() -> bytes:
        seconds = max(machine.clock() - machine.booted, 0.0) + 3600
        return f"{seconds:.2f} {seconds * CPUS * 0.97:.2f}\n".encode()

    def command_line() -> bytes:
        entry = machine.processes.get(1)
        return "".join(f"{word}\0" for word in (entry.argv if entry else ())).encode(
            "utf-8", "surrogateescape"
        )

    def name() -> bytes:
        entry = machine.processes.get(1)
        return ((entry.argv[0].rpartition("/")[2] if entry else "sh")[:15] + "\n").encode(
            "utf-8", "surrogateescape"
        )

    def environ() -> bytes:
        return "".join(f"{k}={v}\0" for k, v in machine.env.items()).encode("utf-8", "surrogateescape")

    def mounts() -> bytes:
        return mount_table(machine).encode()

    def text(value: str) -> Callable[[], bytes]:
        return value.encode

    return {
        "/version": text(
            f"Linux version {KERNEL} (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0, "
            f"GNU ld (GNU Binutils for Debian) 2.40) {KERNEL_BUILD}\n"
        ),
        "/uptime": uptime,
        "/loadavg": text("0.08 0.03 0.01 1/212 4242\n"),
        "/meminfo": text(
            f"MemTotal:       {MEMORY_KIB:8} kB\nMemFree:         1803244 kB\nMemAvailable:    3194368 kB\n"
            "Buffers:           81236 kB\nCached:          1436120 kB\nSwapCached:            0 kB\n"
            "SwapTotal:             0 kB\nSwapFree:              0 kB\n"
        ),
        "/cpuinfo": text(
            "".join(
                f"processor\t: {n}\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.20GHz\n"
                "cpu MHz\t\t: 2200.000\ncache size\t: 56320 KB\ncpu cores\t: 2\n\n"
                for n in range(CPUS)
            )
        ),
        "/mounts": mounts,
        "/self/mounts": mounts,
        "/1/cmdline": command_line,
        "/1/comm": name,
        "/1/environ": environ,
        "/1/status": lambda: (
            b"Name:\t" + name() + b"Umask:\t0022\nState:\tS (sleeping)\nTgid:\t1\nPid:\t1\nPPid:\t0\n"
        ),
        "/self/cgroup": text("0::/\n"),
        "/1/cgroup": text("0::/\n"),
        "/sys/kernel/hostname": f"{machine.hostname}\n".encode,
        "/sys/kernel/osrelease": text(f"{KERNEL}\n"),
        "/sys/net/ipv4/ip_forward": text("1\n"),
        "/sys/net/core/somaxconn": text("4096\n"),
    }


def mount_table(machine: Machine) -> str:
    """/proc/mounts."""
    rows = []
    for point in machine.fs.mounts.values():
        rights = "ro" if point.read_only or point.tree.read_only else "rw"
        options = {
            "overlay": f"{rights},relatime,lowerdir=/var/lib/containerd/io.containerd"
            ".snapshotter.v1.overlayfs/snapshots/1/fs",
            "proc": "rw,nosuid,nodev,noexec,relatime",
            "tmpfs": f"{rights},relatime,size={MEMORY_KIB}k,inode64",
        }.get(point.type, f"{rights},relatime")
        source = point.source if point.type in ("overlay", "proc", "tmpfs") else "/dev/vda1"
        rows.append(f"{source} {point.path} {point.type} {options} 0 0\n")
    return "".join(rows)
