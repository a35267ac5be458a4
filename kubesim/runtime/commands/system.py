"""Programs about the machine and its users."""

from __future__ import annotations

from kubesim.runtime.commands.common import human, program
from kubesim.runtime.commands.options import UsageError, missing_operand, parse
from kubesim.runtime.process import Process
from kubesim.runtime.procfs import CPUS, KERNEL, KERNEL_BUILD, MEMORY_KIB, mount_table
from kubesim.runtime.resolver import hosts_addresses, sorted_addresses


@program
def hostname(process: Process) -> int:
    opts = parse(
        process,
        "fsidIAayF:b",
        {"fqdn": "f", "long": "f", "short": "s", "ip-address": "i", "all-ip-addresses": "I", "domain": "d"},
    )
    machine = process.machine
    domain = str(machine.facts.get("domain") or "")
    addresses = [
        a.partition("/")[0]
        for i in machine.network.interfaces()
        if i.name != "lo"
        for a in i.addresses
        if not a.startswith("fe80")
    ]
    if opts.args:
        return process.fail(
            "you must be root to change the host name"
            if machine.fs.uid
            else "sethostname: Operation not permitted"
        )
    if "I" in opts:
        process.print(" ".join(addresses) + " ")
    elif "i" in opts:
        # Debian's asks getaddrinfo for its own name and prints all it hears; BusyBox's knows IPv4 alone.
        if machine.flavour == "busybox":
            addresses = [a for a in addresses if ":" not in a] or addresses
            addresses = addresses[:1]
        elif any(":" in a for a in addresses):
            addresses = sorted_addresses(machine, hosts_addresses(machine, machine.hostname) or addresses)
        else:
            addresses = addresses[:1]
        process.print(" ".join(addresses) or "127.0.0.1")
    elif "f" in opts:
        process.print(f"{machine.hostname}.{domain}" if domain else machine.hostname)
    elif "d" in opts:
        process.print(domain)
    elif "s" in opts:
        process.print(machine.hostname.partition(".")[0])
    else:
        process.print(machine.hostname)
    return 0


def dnsdomainname(process: Process) -> int:
    process.print(str(process.machine.facts.get("domain") or ""))
    return 0


def domainname(process: Process) -> int:
    process.print("(none)")
    return 0


def hostid(process: Process) -> int:
    process.print("007f0100")
    return 0


@program
def id(process: Process) -> int:  # noqa: A001 - the program's name
    opts = parse(process, "ugGnra", {"user": "u", "group": "g", "groups": "G", "name": "n"})
    machine = process.machine
    uid, gid, groups = machine.fs.uid, machine.fs.gid, sorted(machine.fs.groups)
    if opts.args:
        user = next(
            (u for u in machine.users() if u.name == opts.args[0] or str(u.uid) == opts.args[0]), None
        )
        if user is None:
            return process.fail(
                f"'{opts.args[0]}': no such user"
                if machine.flavour == "gnu"
                else f"unknown user {opts.args[0]}"
            )
        uid, gid, groups = user.uid, user.gid, [user.gid]
    names, group_names = {u.uid: u.name for u in machine.users()}, machine.groups()

    def both(number: int, table: dict[int, str]) -> str:
        return f"{number}({table[number]})" if number in table else str(number)

    if "u" in opts:
        process.print(names.get(uid, str(uid)) if "n" in opts else str(uid))
    elif "g" in opts:
        process.print(group_names.get(gid, str(gid)) if "n" in opts else str(gid))
    elif "G" in opts:
        process.print(" ".join(group_names.get(g, str(g)) if "n" in opts else str(g) for g in groups))
    else:
        shown = ",".join(both(g, group_names) for g in groups)
        process.print(f"uid={both(uid, names)} gid={both(gid, group_names)} groups={shown}")
    return 0


def whoami(process: Process) -> int:
    name = process.machine.user_name(process.machine.fs.uid)
    if name is None:
        if process.machine.flavour == "gnu":
            return process.fail(f"cannot find name for user ID {process.machine.fs.uid}")
        return process.fail(f"unknown uid {process.machine.fs.uid}")
    process.print(name)
    return 0


def groups(process: Process) -> int:
    names = process.machine.groups()
    process.print(" ".join(names.get(g, str(g)) for g in sorted(process.machine.fs.groups)))
    return 0


def who(process: Process) -> int:
    del process
    return 0


users = who


def w(process: Process) -> int:
    process.print(
        " 12:00:00 up 1:00,  0 users,  load average: 0.08, 0.03, 0.01\nUSER     TTY    "
        "  FROM             LOGIN@   IDLE   JCPU   PCPU WHAT"
    )
    return 0


@program
def uname(process: Process) -> int:
    opts = parse(
        process,
        "asnrvmpio",
        {
            "all": "a",
            "kernel-name": "s",
            "nodename": "n",
            "kernel-release": "r",
            "kernel-version": "v",
            "machine": "m",
            "operating-system": "o",
        },
    )
    system = "Linux" if process.machine.image.os == "alpine" else "GNU/Linux"
    parts = {
        "s": "Linux",
        "n": process.machine.hostname,
        "r": KERNEL,
        "v": KERNEL_BUILD,
        "m": "x86_64",
        "p": "unknown",
        "i": "unknown",
        "o": system,
    }
    wanted = "snrvmo" if "a" in opts else "".join(letter for letter in "snrvmpio" if letter in opts) or "s"
    process.print(" ".join(parts[letter] for letter in wanted))
    return 0


def arch(process: Process) -> int:
    process.print("x86_64")
    return 0


def nproc(process: Process) -> int:
    process.print(str(CPUS))
    return 0


def tty(process: Process) -> int:
    process.print("/dev/pts/0" if process.interactive else "not a tty")
    return int(not process.interactive)


def stty(process: Process) -> int:
    if not process.interactive:
        return process.fail(
            "'standard input': Inappropriate ioctl for device"
            if process.machine.flavour == "gnu"
            else "standard input: Inappropriate ioctl for device"
        )
    if process.args[:1] == ["size"]:
        process.print("24 80")
    return 0


def dmesg(process: Process) -> int:
    if process.machine.host_network and process.machine.image.key == "node":
        process.print("[    0.000000] Linux version " + KERNEL)
        return 0
    return process.fail(
        "read kernel buffer failed: Operation not permitted"
        if process.machine.flavour == "gnu"
        else "klogctl: Operation not permitted"
    )


def sync(process: Process) -> int:
    del process
    return 0


fsync = ldconfig = logger = sync


@program
def free(process: Process) -> int:
    opts = parse(process, "bkmghs:c:tw", {"human": "h", "mega": "m", "giga": "g", "bytes": "b", "total": "t"})
    numbers = [MEMORY_KIB, 742568, 1803244, 1544, 1472356, 3194368]

    def shown(kib: int) -> str:
        if "h" in opts:
            return human(kib * 1024) + (
                "i" if kib * 1024 >= 1024 and process.machine.flavour == "gnu" else ""
            )
        factor = (
            1 / 1024
            if "b" in opts
            else 1
            if "k" in opts
            else 1024
            if "m" in opts
            else 1 << 20
            if "g" in opts
            else 1
        )
        return str(int(kib / factor))

    title = f"{'':<14}" + "".join(
        f"{t:>{w}}"
        for t, w in zip(
            ("total", "used", "free", "shared", "buff/cache", "available"),
            (5, 12, 12, 12, 12, 12),
            strict=True,
        )
    )
    process.print(title)
    process.print(f"{'Mem:':<7}" + "".join(f"{shown(n):>12}" for n in numbers))
    process.print(f"{'Swap:':<7}" + "".join(f"{shown(0):>12}" for _ in range(3)))
    return 0


@program
def mount(process: Process) -> int:
    opts = parse(process, "t:o:avlnrw", {"types=": "t", "options=": "o"})
    if opts.args:
        if process.machine.flavour == "busybox":
            return process.fail("permission denied (are you root?)")
        return process.fail(f"{opts.args[-1]}: permission denied.", 32)
    for line in mount_table(process.machine).splitlines():
        source, path, kind, options, *_ = line.split()
        process.print(f"{source} on {path} type {kind} ({options})")
    return 0


def umount(process: Process) -> int:
    name = process.args[-1] if process.args else ""
    return process.fail(
        f"{name}: must be superuser to unmount."
        if process.machine.flavour == "gnu"
        else f"can't unmount {name}: Operation not permitted",
        32 if process.machine.flavour == "gnu" else 1,
    )


def findmnt(process: Process) -> int:
    process.print("TARGET SOURCE FSTYPE OPTIONS")
    for line in mount_table(process.machine).splitlines():
        source, path, kind, options, *_ = line.split()
        process.print(f"{path} {source} {kind} {options}")
    return 0


def lsblk(process: Process) -> int:
    process.print(
        "NAME   MAJ:MIN RM  SIZE RO TYPE MOUNTPOINTS\nvda    254:0    0  100G  0 "
        "disk \n└─vda1 254:1    0   96G  0 part /etc/hosts"
    )
    return 0


def getopt(process: Process) -> int:
    words = process.args
    if words[:1] == ["-o"] and len(words) > 1:
        words = words[2:]
    process.print(" " + " ".join(w if w == "--" else f"'{w}'" for w in words if w != "--") + " --")
    return 0


@program
def nohup(process: Process) -> int:
    if not process.args:
        return missing_operand(process, code=125)
    return process.become(process.args)


@program
def setsid(process: Process) -> int:
    args = [a for a in process.args if a not in ("-c", "-w", "-f")]
    return process.become(args)


@program
def su(process: Process) -> int:
    opts = parse(process, "c:lms:p-", {"command=": "c", "login": "l", "shell=": "s"}, stop=False)
    machine = process.machine
    name = next((a for a in opts.args if a != "-"), "root")
    user = next((u for u in machine.users() if u.name == name), None)
    if user is None:
        return process.fail(
            f"user {name} does not exist or the user entry does not contain all the required fields"
            if machine.flavour == "gnu"
            else f"unknown user {name}"
        )
    if machine.fs.uid != 0 and user.uid != machine.fs.uid:
        return process.fail(
            "must be suid to work properly" if machine.flavour == "busybox" else "Authentication failure"
        )
    if user.shell.endswith(("nologin", "false")) and "s" not in opts:
        process.print("This account is currently not available.")
        return 1
    kept = machine.fs.uid, machine.fs.gid, machine.fs.groups
    machine.fs.uid, machine.fs.gid, machine.fs.groups = user.uid, user.gid, {user.gid}
    try:
        env = process.env | {"HOME": user.home, "USER": user.name, "LOGNAME": user.name}
        shell = opts.get("s") or "sh"
        return process.run([shell, "-c", opts.get("c")] if "c" in opts else [shell], env=env)
    finally:
        machine.fs.uid, machine.fs.gid, machine.fs.groups = kept


@program
def sudo(process: Process) -> int:
    args = [a for a in process.args if not a.startswith("-")]
    if not args:
        raise UsageError("a command is needed")
    return process.run(args)


def ldd(process: Process) -> int:
    for _ in process.args:
        process.print(
            "\tlinux-vdso.so.1 (0x00007ffd7b5f2000)\n\tlibc.so.6 => "
            "/lib/x86_64-linux-gnu/libc.so.6 (0x00007f1c3a2f1000)\n"
            "\t/lib64/ld-linux-x86-64.so.2 (0x00007f1c3a4de000)"
        )
    return 0


def locale(process: Process) -> int:
    process.print(
        "\n".join(
            f"{name}={process.env.get(name, '')}" if name == "LANG" else f'{name}="POSIX"'
            for name in ("LANG", "LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MESSAGES", "LC_ALL")
        )
    )
    return 0


def sysctl(process: Process) -> int:
    for name in [a for a in process.args if not a.startswith("-")]:
        node = process.machine.fs.find("/proc/sys/" + name.partition("=")[0].replace(".", "/"))
        if node is None:
            return process.fail(f"cannot stat /proc/sys/{name.replace('.', '/')}: No such file or directory")
        process.print(f"{name} = {node.content().decode().strip()}")
    return 0
