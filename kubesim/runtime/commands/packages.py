"""apt, apk and dpkg: what can be installed, and what that prints.

Installing makes the package's commands available in this container, as files in its file system. Nothing is downloaded.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from kubesim.runtime.commands.options import parse
from kubesim.runtime.filesystem import FILE, Node
from kubesim.runtime.images import read_commands
from kubesim.runtime.process import Process

Packages = dict[str, dict[str, Any]]

_LISTS = "/var/lib/apt/lists"
_BASE_COUNT = 88  # packages in Debian's slim image


@lru_cache(maxsize=1)
def _tables() -> dict[str, Packages]:
    text = resources.files(__package__).joinpath("packages.yaml").read_text("utf-8")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Packages] = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    return found


def _repository(process: Process) -> Packages:
    return _tables()["alpine" if process.machine.image.os == "alpine" else "debian"]


def _with_needs(packages: Packages, names: list[str], installed: list[str]) -> list[str]:
    """What has to be installed, needs first, each once."""
    found: list[str] = []

    def add(name: str) -> None:
        if name in found or name in installed or name not in packages:
            return
        for need in packages[name].get("needs") or ():
            add(need)
        if name not in found:
            found.append(name)

    for name in names:
        add(name)
    return found


def _put_commands(process: Process, text: str) -> None:
    fs = process.machine.fs
    for name, path in read_commands(text, "").items():
        if fs.find(path) is None:
            fs.put_node(path, Node(FILE, 0o755, b"\x7fELF", mtime=process.timeline.now(), program=name))


def _remove_commands(process: Process, text: str) -> None:
    fs = process.machine.fs
    for path in read_commands(text, "").values():
        if fs.find(path) is not None:
            fs.remove(path)


# apt


def apt(process: Process) -> int:
    words = [w for w in process.args if not w.startswith("-")]
    flags = {w for w in process.args if w.startswith("-")}
    for option in ("-o", "-c", "-t"):  # options with a value
        if option in process.args:
            value = process.args[process.args.index(option) + 1 : process.args.index(option) + 2]
            words = [w for w in words if w not in value]
    quiet = bool({"-qq", "--quiet=2"} & flags)
    if not words:
        process.print(
            "apt 2.6.1 (amd64)\nUsage: apt [options] command\n\napt is a commandline package "
            "manager and provides commands for\nsearching and managing as well as querying "
            "information about packages."
        )
        return 0 if process.name == "apt" else 1
    if process.name == "apt" and words[0] in (
        "update",
        "install",
        "upgrade",
        "remove",
        "purge",
        "autoremove",
        "full-upgrade",
    ):
        process.error("\nWARNING: apt does not have a stable CLI interface. Use with caution in scripts.\n")
    match words[0]:
        case "update":
            return _apt_update(process, quiet=quiet)
        case "install":
            return _apt_install(process, words[1:], flags, quiet=quiet)
        case "remove" | "purge":
            return _apt_remove(process, words[1:])
        case "clean" | "autoclean":
            return 0
        case "upgrade" | "dist-upgrade" | "full-upgrade" | "autoremove":
            process.write(
                "Reading package lists... Done\nBuilding dependency tree... "
                "Done\nReading state information... Done\n"
                + ("Calculating upgrade... Done\n" if "upgrade" in words[0] else "")
            )
            process.print("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.")
            return 0
        case "list":
            return _apt_list(process, words[1:], installed="--installed" in flags)
        case "search" | "show" | "policy":
            return _apt_show(process, words[0], words[1:])
    process.error(f"E: Invalid operation {words[0]}")
    return 100


apt_get = apt_cache = apt


def _root_only(process: Process, path: str) -> int:
    process.error(f"E: Could not open lock file {path} - open (13: Permission denied)")
    if "lists" in path:
        process.error(f"E: Unable to lock directory {_LISTS}/")
    else:
        process.error(
            "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?"
        )
    return 100


def _suites(process: Process) -> list[tuple[str, str, str]]:
    if process.machine.image.os == "ubuntu":
        base = "http://archive.ubuntu.com/ubuntu"
        return [
            (base, "noble", "256 kB"),
            (base, "noble-updates", "126 kB"),
            (base, "noble-backports", "126 kB"),
            ("http://security.ubuntu.com/ubuntu", "noble-security", "126 kB"),
        ]
    base = "http://deb.debian.org/debian"
    return [
        (base, "bookworm", "151 kB"),
        (base, "bookworm-updates", "55.4 kB"),
        (f"{base}-security", "bookworm-security", "48.0 kB"),
    ]


def _apt_update(process: Process, *, quiet: bool) -> int:
    fs = process.machine.fs
    if fs.uid != 0:
        process.print("Reading package lists... Done")
        return _root_only(process, f"{_LISTS}/lock")
    suites = _suites(process)
    lines = [f"Get:{n} {base} {suite} InRelease [{size}]" for n, (base, suite, size) in enumerate(suites, 1)]
    lines += [
        f"Get:{n} {base} {suite}/main amd64 Packages [{size}]"
        for n, ((base, suite, _), size) in enumerate(
            zip(suites, ("8789 kB", "13.5 kB", "252 kB", "300 kB"), strict=False), len(suites) + 1
        )
    ]
    if not fs.is_directory(_LISTS):
        process.run(["mkdir", "-p", _LISTS])
    for base, suite, _ in suites:
        name = base.removeprefix("http://").replace("/", "_")
        fs.write(f"{_LISTS}/{name}_dists_{suite}_InRelease", b"Origin: Debian\n")
    process.timeline.pass_by(2.0)
    if not quiet:
        process.write("".join(f"{line}\n" for line in lines))
        process.print("Fetched 9309 kB in 2s (5214 kB/s)")
        process.print("Reading package lists... Done")
        if process.name == "apt":
            process.print(
                "Building dependency tree... Done\nReading state "
                "information... Done\nAll packages are up to date."
            )
    return 0


def _have_lists(process: Process) -> bool:
    fs = process.machine.fs
    return fs.is_directory(_LISTS) and any(name.endswith("InRelease") for name in fs.list(_LISTS))


def _apt_install(process: Process, names: list[str], flags: set[str], *, quiet: bool) -> int:
    machine = process.machine
    if machine.fs.uid != 0:
        return _root_only(process, "/var/lib/dpkg/lock-frontend")
    packages = _repository(process) if _have_lists(process) else {}
    names = [re.split(r"[=/:]", name)[0] for name in names]
    if not quiet:
        process.write(
            "Reading package lists... Done\nBuilding dependency tree... "
            "Done\nReading state information... Done\n"
        )
    missing = [n for n in names if n not in packages and n not in machine.packages]
    for name in missing:
        process.error(f"E: Unable to locate package {name}")
    if missing:
        return 100
    for name in names:
        virtual = packages.get(name, {}).get("virtual")
        if virtual:
            process.print(f"Package {name} is a virtual package provided by:")
            for provider in virtual:
                process.print(f"  {provider} {packages[provider]['version']}")
            process.print("You should explicitly select one to install.\n")
            process.error(f"E: Package '{name}' has no installation candidate")
            return 100
    present = [n for n in names if n in machine.packages]
    wanted = _with_needs(packages, names, machine.packages)
    for name in present:
        process.print(
            f"{name} is already the newest version ({packages.get(name, {}).get('version', '1.0')})."
        )
    if not wanted:
        if not quiet:
            process.print("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.")
        return 0
    return _apt_unpack(process, names, wanted, packages, flags, quiet=quiet)


def _apt_unpack(
    process: Process, names: list[str], wanted: list[str], packages: Packages, flags: set[str], *, quiet: bool
) -> int:
    machine = process.machine
    extra = [n for n in wanted if n not in names]
    archive = sum(packages[n]["size"][0] for n in wanted)
    installed = sum(packages[n]["size"][1] for n in wanted)
    yes = bool(flags & {"-y", "--yes", "--assume-yes", "-qq"}) or any(
        re.fullmatch(r"-[a-z]*y[a-z]*", f) for f in flags
    )
    if not quiet:
        if extra:
            process.print("The following additional packages will be installed:\n" + _wrapped(sorted(extra)))
        process.print("The following NEW packages will be installed:\n" + _wrapped(sorted(wanted)))
        process.print(f"0 upgraded, {len(wanted)} newly installed, 0 to remove and 0 not upgraded.")
        process.print(
            f"Need to get {_kilo(archive)} of archives.\nAfter this operation, "
            f"{_kilo(installed)} of additional disk space will be used."
        )
        if not yes and (extra or process.interactive):
            process.write("Do you want to continue? [Y/n] ")
            answer = process.stdin.readline().decode("utf-8", "replace").strip().lower()
            if answer not in ("y", "yes", "") or (answer == "" and not process.interactive):
                process.print("Abort.")
                return 1
    base, suite, _ = _suites(process)[0]
    if not quiet:
        for n, name in enumerate(wanted, 1):
            process.print(
                f"Get:{n} {base} {suite}/main amd64 {name} amd64 "
                f"{packages[name]['version']} [{_kilo(packages[name]['size'][0])}]"
            )
        process.print(f"Fetched {_kilo(archive)} in 0s (12.9 MB/s)")
    process.error("debconf: delaying package configuration, since apt-utils is not installed")
    process.timeline.pass_by(3.0)
    for n, name in enumerate(wanted):
        version = packages[name]["version"]
        file = f"{name}_{version.replace(':', '%3a')}_amd64.deb"
        process.print(f"Selecting previously unselected package {name}.")
        if n == 0:
            process.print("(Reading database ... 7590 files and directories currently installed.)")
        process.print(f"Preparing to unpack .../{file} ...\nUnpacking {name} ({version}) ...")
    for name in wanted:
        process.print(f"Setting up {name} ({packages[name]['version']}) ...")
        _put_commands(process, packages[name].get("commands") or "")
        machine.packages.append(name)
    process.print("Processing triggers for libc-bin (2.36-9+deb12u9) ...")
    return 0


def _wrapped(names: list[str]) -> str:
    lines = [" "]
    for name in names:
        if len(lines[-1]) + 1 + len(name) > 79:
            lines.append(" ")
        lines[-1] += f" {name}"
    return "\n".join(lines)


def _kilo(kilobytes: int) -> str:
    return f"{kilobytes / 1000:.1f} MB" if kilobytes >= 10_000 else f"{kilobytes} kB"


def _apt_remove(process: Process, names: list[str]) -> int:
    machine = process.machine
    packages = _repository(process)
    process.write(
        "Reading package lists... Done\nBuilding dependency tree... Done\nReading state information... Done\n"
    )
    gone = [n for n in names if n in machine.packages]
    for name in [n for n in names if n not in machine.packages]:
        if name not in packages:
            process.error(f"E: Unable to locate package {name}")
            return 100
        process.print(f"Package '{name}' is not installed, so not removed")
    if gone:
        process.print("The following packages will be REMOVED:\n" + _wrapped(gone))
    process.print(f"0 upgraded, 0 newly installed, {len(gone)} to remove and 0 not upgraded.")
    for name in gone:
        process.print(f"Removing {name} ({packages.get(name, {}).get('version', '1.0')}) ...")
        _remove_commands(process, packages.get(name, {}).get("commands") or "")
        machine.packages.remove(name)
    return 0


def _apt_list(process: Process, names: list[str], *, installed: bool) -> int:
    machine = process.machine
    packages = _repository(process) if _have_lists(process) else {}
    process.print("Listing... Done")
    for name in sorted({*machine.packages, *(() if installed else packages)}):
        if names and name not in names:
            continue
        version = packages.get(name, {}).get("version", "1.0")
        process.print(
            f"{name}/stable,now {version} amd64 [installed]"
            if name in machine.packages
            else f"{name}/stable {version} amd64"
        )
    return 0


def _apt_show(process: Process, what: str, names: list[str]) -> int:
    packages = _repository(process) if _have_lists(process) else {}
    if what == "search":
        for name in sorted(n for n in packages if all(w in n for w in names)):
            process.print(f"{name}/stable {packages[name].get('version', '')} amd64\n")
        return 0
    for name in names:
        if name not in packages:
            process.error(
                f"N: Unable to locate package {name}" if what == "policy" else "E: No packages found"
            )
            return 0 if what == "policy" else 100
        version = packages[name]["version"]
        if what == "policy":
            now = version if name in process.machine.packages else "(none)"
            process.print(
                f"{name}:\n  Installed: {now}\n  Candidate: {version}\n  Version table:\n     "
                f"{version} 500\n        500 http://deb.debian.org/debian bookworm/main amd64 "
                "Packages"
            )
        else:
            process.print(
                f"Package: {name}\nVersion: {version}\nPriority: optional\nSection: net\n"
                f"Installed-Size: {packages[name]['size'][1]} kB\n"
            )
    return 0


def dpkg(process: Process) -> int:
    machine = process.machine
    packages = _repository(process)
    if process.args[:1] in (["-l"], ["--list"]):
        wanted = process.args[1:]
        process.print(
            "Desired=Unknown/Install/Remove/Purge/Hold\n| "
            "Status=Not/Inst/Conf-files/Unpacked/halF-conf/Half-inst/trig-aWait/Trig-pend\n|/ "
            "Err?=(none)/Reinst-required (Status,Err: uppercase=bad)\n||/ Name           "
            "Version      Architecture Description\n+++-==============-============-==========="
            "=-================================="
        )
        rows = [n for n in sorted(machine.packages) if not wanted or n in wanted]
        for name in rows:
            process.print(
                f"ii  {name:<14} {packages.get(name, {}).get('version', '1.0'):<12} amd64        {name}"
            )
        if not rows:
            return process.fail(f"no packages found matching {' '.join(wanted)}")
        return 0
    if process.args[:1] in (["-s"], ["--status"]) and len(process.args) > 1:
        name = process.args[1]
        if name not in machine.packages:
            return process.fail(f"package '{name}' is not installed and no information is available")
        process.print(
            f"Package: {name}\nStatus: install ok installed\nVersion: "
            f"{packages.get(name, {}).get('version', '1.0')}"
        )
        return 0
    if process.args[:1] == ["--print-architecture"]:
        process.print("amd64")
        return 0
    return process.fail("error: need an action option", 2)


dpkg_query = dpkg


# apk


def apk(process: Process) -> int:  # noqa: C901 - a case for each thing there is
    machine = process.machine
    opts = parse(
        process,
        "qvUt:X:",
        {
            "no-cache": "n",
            "update-cache": "U",
            "update": "U",
            "virtual=": "t",
            "quiet": "q",
            "no-progress": "p",
            "repository=": "X",
            "upgrade": "u",
            "installed": "I",
        },
    )
    if not opts.args:
        process.print(
            "apk-tools 2.14.6, compiled for x86_64.\n\nusage: apk [<OPTIONS>...] COMMAND [<ARGUMENTS>...]"
        )
        return 1
    command, *names = opts.args
    repositories = "https://dl-cdn.alpinelinux.org/alpine/v3.21"
    if command in ("add", "del", "update", "upgrade") and machine.fs.uid != 0:
        process.error(
            "ERROR: Unable to lock database: Permission denied\nERROR: "
            "Failed to open apk database: Permission denied"
        )
        return 99
    quiet = "q" in opts
    match command:
        case "update":
            _apk_fetch(process, repositories, quiet=quiet)
            machine.fs.write("/var/cache/apk/APKINDEX.main.tar.gz", b"index")
            if not quiet:
                process.print(
                    "v3.21.0-62-g0d2a9a0b9a0 [https://dl-cdn.alpinelinux.org/alpine/v3.21/main]"
                    "\nv3.21.0-63-g5d1c5f8f5a1 [https://dl-cdn.alpinelinux.org/alpine/v3.21/com"
                    "munity]\nOK: 25389 distinct packages available"
                )
            return 0
        case "add":
            return _apk_add(process, names, repositories, quiet=quiet, fetch="n" in opts or "U" in opts)
        case "del":
            return _apk_del(process, names)
        case "info" | "list":
            packages = _repository(process)
            for name in sorted(machine.packages):
                process.print(
                    name
                    if command == "info"
                    else f"{name}-{packages.get(name, {}).get('version', '1.0-r0')}"
                    f" x86_64 {{{name}}} [installed]"
                )
            return 0
        case "search":
            for name, entry in sorted(_repository(process).items()):
                if all(n in name for n in names):
                    process.print(f"{name}-{entry['version']}")
            return 0
        case "upgrade" | "fix" | "cache":
            process.print("OK: 7 MiB in 15 packages")
            return 0
        case "--version" | "version":
            process.print("apk-tools 2.14.6, compiled for x86_64.")
            return 0
    process.error(f"ERROR: '{command}' is not an apk command. See 'apk --help'.")
    return 1


def _apk_fetch(process: Process, repositories: str, *, quiet: bool) -> None:
    process.timeline.pass_by(1.0)
    if not quiet:
        for name in ("main", "community"):
            process.print(f"fetch {repositories}/{name}/x86_64/APKINDEX.tar.gz")


def _apk_add(process: Process, names: list[str], repositories: str, *, quiet: bool, fetch: bool) -> int:  # noqa: C901 - a case for each thing there is
    machine = process.machine
    packages = _repository(process)
    cached = machine.fs.find("/var/cache/apk/APKINDEX.main.tar.gz") is not None
    known: Packages = packages if fetch or cached else {}
    if fetch:
        _apk_fetch(process, repositories, quiet=quiet)
    elif not cached:
        for name in ("main", "community"):
            process.error(f"WARNING: opening from cache {repositories}/{name}: No such file or directory")
    names = [re.split(r"[=<>~@]", n)[0] for n in names]
    missing = [n for n in names if n not in known and n not in machine.packages]
    if missing:
        process.error("ERROR: unable to select packages:")
        for name in missing:
            process.error(f"  {name} (no such package):\n    required by: world[{name}]")
        return len(missing)
    wanted = _with_needs(known, names, machine.packages)
    for n, name in enumerate(wanted, 1):
        if not quiet:
            process.print(f"({n}/{len(wanted)}) Installing {name} ({known[name]['version']})")
        text = known[name].get("commands") or ""
        _put_commands(process, text)
        for command, path in read_commands(text, "").items():
            node = machine.fs.find(path)
            if node is not None and node.program != command:
                machine.fs.put_node(
                    machine.fs.resolve(path),
                    Node(FILE, 0o755, b"\x7fELF", mtime=process.timeline.now(), program=command),
                )
        machine.packages.append(name)
    if not quiet:
        if wanted:
            process.print("Executing busybox-1.37.0-r8.trigger")
        if "ca-certificates" in wanted:
            process.print("Executing ca-certificates-20241010-r0.trigger")
        size = (
            7 + sum(_repository(process).get(n, {}).get("size", [0, 0])[1] for n in machine.packages) // 1024
        )
        process.print(f"OK: {size} MiB in {len(machine.packages)} packages")
    return 0


def _apk_del(process: Process, names: list[str]) -> int:
    machine = process.machine
    packages = _repository(process)
    gone = [n for n in names if n in machine.packages]
    for n, name in enumerate(gone, 1):
        process.print(f"({n}/{len(gone)}) Purging {name} ({packages.get(name, {}).get('version', '1.0-r0')})")
        _remove_commands(process, packages.get(name, {}).get("commands") or "")
        machine.packages.remove(name)
    process.print(f"OK: 7 MiB in {len(machine.packages)} packages")
    return 0


def pip(process: Process) -> int:
    if process.args[:1] == ["--version"]:
        process.print("pip 24.3.1 from /usr/local/lib/python3.13/site-packages/pip (python 3.13)")
        return 0
    if process.args[:1] == ["list"]:
        process.print("Package    Version\n---------- -------\npip        24.3.1")
        return 0
    if process.args[:1] == ["install"]:
        names = [a for a in process.args[1:] if not a.startswith("-")]
        for name in names:
            process.error(
                f"ERROR: Could not find a version that satisfies the requirement {name} (from "
                f"versions: none)\nERROR: No matching distribution found for {name}"
            )
        return 1
    process.print("\nUsage:   \n  pip <command> [options]")
    return 0


pip3 = pip
