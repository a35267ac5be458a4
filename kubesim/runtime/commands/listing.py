"""Programs that show what files there are: ls, stat, du, df, tree."""

from __future__ import annotations

import posixpath
import re
from datetime import UTC, datetime

from kubesim.runtime.commands.clocks import strftime
from kubesim.runtime.commands.common import human, program
from kubesim.runtime.commands.options import Options, missing_operand, parse
from kubesim.runtime.filesystem import DEVICE, DIRECTORY, FILE, LINK, Node
from kubesim.runtime.process import Process

_TYPE = {FILE: "-", DIRECTORY: "d", LINK: "l", DEVICE: "c"}


def mode_text(node: Node) -> str:
    """drwxr-xr-x."""
    bits = "".join(c if node.mode >> (8 - n) & 1 else "-" for n, c in enumerate("rwxrwxrwx"))
    text = list(_TYPE[node.kind] + bits)
    for place, bit, letter in ((3, 0o4000, "s"), (6, 0o2000, "s"), (9, 0o1000, "t")):
        if node.mode & bit:
            text[place] = letter if text[place] == "x" else letter.upper()
    return "".join(text)


@program
def ls(process: Process) -> int:
    long = {
        "all": "a",
        "almost-all": "A",
        "human-readable": "h",
        "recursive": "R",
        "reverse": "r",
        "color=": "z",
        "color": "Z",
        "directory": "d",
        "inode": "i",
        "classify": "F",
        "full-time": "e",
        "time-style=": "y",
        "group-directories-first": "Y",
    }
    opts = parse(process, "1aACcdFgGhHiklLmnopqQrRsStTuUvwxXZ", long, code=2)
    fs = process.machine.fs
    code = 0
    files: list[tuple[str, Node]] = []
    directories: list[str] = []
    for name in opts.args or ["."]:
        path = process.path(name)
        follow = not ({"l", "F", "d"} & set(opts.values)) or name.endswith("/") or "L" in opts
        try:
            node = fs.stat(path, follow=follow)
        except OSError as error:
            text = f"cannot access '{name}'" if process.machine.flavour == "gnu" else name
            process.fail(f"{text}: {error.strerror}")
            code = 2 if process.machine.flavour == "gnu" else 1
            continue
        if node.kind == DIRECTORY and "d" not in opts:
            directories.append(name)
        else:
            files.append((name, node))
    _show(process, opts, _sorted(opts, files), "")
    many = len(opts.args) > 1 or "R" in opts
    first = not files
    for name in sorted(directories):
        code = _list_directory(process, opts, name, titled=many, first=first) or code
        first = False
    return code


def _list_directory(process: Process, opts: Options, name: str, *, titled: bool, first: bool) -> int:
    fs = process.machine.fs
    path = process.path(name)
    if titled:
        process.print(("" if first else "\n") + f"{name}:")
    try:
        names = fs.list(path)
    except OSError as error:
        text = (
            f"cannot open directory '{name}'" if process.machine.flavour == "gnu" else f"can't open '{name}'"
        )
        process.fail(f"{text}: {error.strerror}")
        return 2 if process.machine.flavour == "gnu" else 1
    process.budget.step(1 + len(names) // 16)
    if "a" not in opts:
        names = [n for n in names if not n.startswith(".") or "A" in opts]
    rows = [(n, fs.stat(f"{path.rstrip('/')}/{n}", follow=False)) for n in names]
    if "a" in opts:
        rows = [(".", fs.stat(path)), ("..", fs.stat(path + "/..")), *rows]
    rows = _sorted(opts, rows)
    if "l" in opts or "n" in opts or "g" in opts or "o" in opts or "s" in opts:
        process.print(f"total {sum(_blocks(node) for _, node in rows)}")
    _show(process, opts, rows, path)
    if "R" in opts:
        for inner, node in rows:
            if node.kind == DIRECTORY and inner not in (".", ".."):
                _list_directory(process, opts, f"{name.rstrip('/')}/{inner}", titled=True, first=False)
    return 0


def _blocks(node: Node) -> int:
    if node.kind == DIRECTORY:
        return 4
    return 0 if node.kind != FILE else (node.size + 4095) // 4096 * 4


def _sorted(opts: Options, rows: list[tuple[str, Node]]) -> list[tuple[str, Node]]:
    if "t" in opts:
        rows = sorted(rows, key=lambda row: (-row[1].mtime, row[0]))
    elif "S" in opts:
        rows = sorted(rows, key=lambda row: (-row[1].size, row[0]))
    elif "U" not in opts:
        rows = sorted(rows)
    return list(reversed(rows)) if "r" in opts else rows


def _show(process: Process, opts: Options, rows: list[tuple[str, Node]], directory: str) -> None:
    if not rows:
        return
    if {"l", "n", "g", "o"} & set(opts.values):
        _show_long(process, opts, rows)
        return
    names = [_decorated(process, opts, name, node, directory) for name, node in rows]
    if "1" in opts or not (process.writes_to_terminal or "C" in opts or "x" in opts):
        process.write("".join(f"{name}\n" for name in names))
        return
    process.write(columns(names))


def columns(names: list[str], width: int = 80) -> str:
    """Names in columns, as `ls` at a terminal."""
    for rows in range(1, len(names) + 1):
        groups = [names[n : n + rows] for n in range(0, len(names), rows)]
        widths = [max(map(len, group)) + 2 for group in groups]
        if sum(widths) - 2 <= width or rows == len(names):
            out = []
            for row in range(rows):
                cells = [(group[row], w) for group, w in zip(groups, widths, strict=True) if row < len(group)]
                out.append("".join(f"{text:<{w}}" for text, w in cells).rstrip())
            return "\n".join(out) + "\n"
    return ""


def _decorated(process: Process, opts: Options, name: str, node: Node, directory: str) -> str:
    del process, directory
    if "F" in opts or "p" in opts:
        if node.kind == DIRECTORY:
            return name + "/"
        if "F" in opts:
            return name + ("@" if node.kind == LINK else "*" if node.mode & 0o111 else "")
    return name


def _show_long(process: Process, opts: Options, rows: list[tuple[str, Node]]) -> None:
    machine = process.machine
    users = {u.uid: u.name for u in machine.users()}
    groups = machine.groups()
    numeric = "n" in opts
    table = []
    for name, node in rows:
        links = "1" if node.kind != DIRECTORY else "2" if machine.flavour == "busybox" else "1"
        owner = str(node.uid) if numeric else users.get(node.uid, str(node.uid))
        group = str(node.gid) if numeric else groups.get(node.gid, str(node.gid))
        length = human(node.size) if "h" in opts else str(node.size)
        if node.kind == DEVICE:
            length = "1,   3"
        shown = _decorated(process, opts, name, node, "")
        if node.kind == LINK:
            shown = f"{name} -> {node.link}"
        table.append((mode_text(node), links, owner, group, length, _time(process, node.mtime, opts), shown))
    busybox = machine.flavour == "busybox"
    widths = [max(len(row[n]) for row in table) for n in range(5)]
    if busybox:
        widths = [widths[0], max(widths[1], 5), max(widths[2], 8), max(widths[3], 8), max(widths[4], 9)]
    for mode, links, owner, group, length, at, shown in table:
        cells = [mode, f"{links:>{widths[1]}}"]
        if "g" not in opts:
            cells.append(f"{owner:<{widths[2]}}")
        if "o" not in opts and "G" not in opts:
            cells.append(f"{group:<{widths[3]}}")
        process.print(" ".join([*cells, f"{length:>{widths[4]}}", at, shown]))


def _time(process: Process, mtime: float, opts: Options) -> str:
    at = datetime.fromtimestamp(mtime, UTC)
    if "e" in opts and process.machine.flavour == "gnu":
        return strftime(at, "%Y-%m-%d %H:%M:%S.%N +0000")
    old = not -3600 < process.timeline.now() - mtime < 15778476  # half a year, as coreutils
    return strftime(at, "%b %e  %Y" if old else "%b %e %H:%M")


def pwd(process: Process) -> int:
    process.print(process.cwd)
    return 0


@program
def readlink(process: Process) -> int:
    opts = parse(process, "femnqsvz", {"canonicalize": "f", "no-newline": "n"})
    if not opts.args:
        return missing_operand(process)
    code = 0
    fs = process.machine.fs
    for name in opts.args:
        if {"f", "e", "m"} & set(opts.values):
            try:
                text = fs.resolve(process.path(name))
            except OSError:
                code = 1
                continue
        else:
            node = fs.find(process.path(name), follow=False)
            if node is None or node.kind != LINK:
                code = 1
                continue
            text = node.link
        process.write(text + ("" if "n" in opts else "\n"))
    return code


@program
def realpath(process: Process) -> int:
    opts = parse(process, "emsqz", {"canonicalize-missing": "m", "no-symlinks": "s"})
    code = 0
    for name in opts.args:
        try:
            path = process.machine.fs.resolve(process.path(name))
            if "e" in opts:
                process.machine.fs.stat(path)
            process.print(path)
        except OSError as error:
            code = process.fail(f"{name}: {error.strerror}")
    return code


@program
def stat(process: Process) -> int:
    opts = parse(process, "c:fLt", {"format=": "c", "printf=": "p", "dereference": "L"})
    if not opts.args:
        return missing_operand(process)
    machine = process.machine
    code = 0
    for name in opts.args:
        try:
            node = machine.fs.stat(process.path(name), follow="L" in opts)
        except OSError as error:
            text = f"cannot statx '{name}'" if machine.flavour == "gnu" else f"can't stat '{name}'"
            code = process.fail(f"{text}: {error.strerror}")
            continue
        fields = _stat_fields(process, name, node)
        if "c" in opts or "p" in opts:
            template = opts.get("c") or opts.get("p").replace("\\n", "\n")
            text = re.sub(r"%(.)", lambda m: fields.get(m.group(1), "?"), template)  # noqa: B023
            process.write(text + ("\n" if "c" in opts else ""))
            continue
        link = f"{name} -> {node.link}" if node.kind == LINK else name
        process.print(f"  File: {link}")
        process.print(f"  Size: {fields['s']:<10}\tBlocks: {fields['b']:<10} IO Block: 4096   {fields['F']}")
        process.print(f"Device: 0,36\tInode: {fields['i']:<11} Links: 1")
        process.print(
            f"Access: ({int(fields['a']):04d}/{fields['A']})  Uid: "
            f"({node.uid:5d}/{fields['U']:>8})   Gid: ({node.gid:5d}/{fields['G']:>8})"
        )
        for label in ("Access", "Modify", "Change"):
            process.print(f"{label}: {fields['y']}")
        process.print(" Birth: -")
    return code


def _stat_fields(process: Process, name: str, node: Node) -> dict[str, str]:
    kinds = {
        FILE: "regular file" if node.size else "regular empty file",
        DIRECTORY: "directory",
        LINK: "symbolic link",
        DEVICE: "character special file",
    }
    at = strftime(datetime.fromtimestamp(node.mtime, UTC), "%Y-%m-%d %H:%M:%S.%N +0000")
    inode = sum(ord(c) * 31**n for n, c in enumerate(process.path(name))) % 4_000_000
    return {
        "n": name, "N": f"'{name}'", "s": str(node.size), "b": str(_blocks(node) * 2), "F": kinds[node.kind],
        "a": f"{node.mode:o}", "A": mode_text(node), "u": str(node.uid), "g": str(node.gid), "i": str(inode),
        "U": process.machine.user_name(node.uid) or "UNKNOWN", "G": process.machine.groups().get(node.gid, "UNKNOWN"),
        "y": at, "x": at, "z": at, "Y": str(int(node.mtime)), "X": str(int(node.mtime)), "Z": str(int(node.mtime)),
        "h": "1", "B": "512", "f": f"{node.mode:x}", "d": "36", "%": "%",
    }  # fmt: skip


@program
def du(process: Process) -> int:
    opts = parse(
        process,
        "achsd:kmbxH",
        {"human-readable": "h", "summarize": "s", "max-depth=": "d", "all": "a", "bytes": "b"},
    )
    code = 0
    for name in opts.args or ["."]:
        path = process.path(name)
        try:
            nodes = list(process.machine.fs.walk(path))
        except OSError as error:
            text = f"cannot access '{name}'" if process.machine.flavour == "gnu" else name
            code = process.fail(f"{text}: {error.strerror}")
            continue
        process.budget.step(len(nodes))
        totals: dict[str, int] = {}
        for place, node in nodes:
            blocks = node.size if "b" in opts else _blocks(node) * 1024
            at = place
            while True:
                totals[at] = totals.get(at, 0) + blocks
                if at == path:
                    break
                at = posixpath.dirname(at)
        depth = 0 if "s" in opts else int(opts.get("d", "999"))
        for place, node in reversed(nodes):
            level = place[len(path.rstrip("/")) :].count("/")
            if level <= depth and (node.kind == DIRECTORY or "a" in opts or place == path):
                amount = totals[place]
                text = human(amount) if "h" in opts else str(amount if "b" in opts else amount // 1024)
                process.print(f"{text}\t{name.rstrip('/') + place[len(path.rstrip('/')) :] or '/'}")
    return code


@program
def df(process: Process) -> int:
    opts = parse(process, "hHkmTPaBit:x:", {"human-readable": "h", "print-type": "T"})
    fs = process.machine.fs
    wanted = [fs.resolve(process.path(a)) for a in opts.args]
    rows = [
        [
            "Filesystem",
            *(["Type"] if "T" in opts else []),
            "Size" if "h" in opts else "1K-blocks",
            "Used",
            "Avail" if "h" in opts else "Available",
            "Use%",
            "Mounted on",
        ]
    ]
    for point in fs.mounts.values():
        if point.type == "proc" or (
            wanted and not any(w.startswith(point.path.rstrip("/") + "/") or w == point.path for w in wanted)
        ):
            continue
        total, used = (65536, 0) if point.type == "tmpfs" else (98831908, 21470164 + fs.usage() // 1024)
        cells = [total, used, total - used]
        shown = [human(c * 1024) if "h" in opts else str(c) for c in cells]
        name = point.source if point.type in ("overlay", "tmpfs") else "/dev/vda1"
        rows.append(
            [
                name,
                *([point.type] if "T" in opts else []),
                *shown,
                f"{round(100 * used / total)}%",
                point.path,
            ]
        )
    if wanted and len(rows) > 2:
        rows = [rows[0], max(rows[1:], key=lambda row: len(row[-1]))]
    _df_table(process, rows)
    return 0


def _df_table(process: Process, rows: list[list[str]]) -> None:
    if process.machine.flavour == "busybox":
        for row in rows:
            *cells, use, place = row[1:]
            wide = "".join(
                f"{cell.replace('Avail', 'Available') if cell == 'Avail' else cell:>10}" for cell in cells
            )
            process.print(f"{row[0]:<20}{wide} {use:>4} {place}")
        return
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [f"{c:>{w}}" for c, w in zip(row[1:-1], widths[1:], strict=True)]
        process.print(" ".join([f"{row[0]:<{max(widths[0], 14)}}", *cells, row[-1]]))


@program
def tree(process: Process) -> int:
    name = process.args[0] if process.args else "."
    process.print(name)
    counts = [0, 0]

    def show(path: str, lead: str) -> None:
        names = [n for n in process.machine.fs.list(path) if not n.startswith(".")]
        for n, inner in enumerate(names):
            process.budget.step()
            last = n == len(names) - 1
            place = f"{path.rstrip('/')}/{inner}"
            node = process.machine.fs.stat(place, follow=False)
            process.print(f"{lead}{'`-- ' if last else '|-- '}{inner}")
            counts[node.kind != DIRECTORY] += 1
            if node.kind == DIRECTORY:
                show(place, lead + ("    " if last else "|   "))

    show(process.path(name), "")
    process.print(f"\n{counts[0]} directories, {counts[1]} files")
    return 0


@program
def file(process: Process) -> int:
    for name in process.args:
        node = process.machine.fs.find(process.path(name))
        if node is None:
            text = f"cannot open `{name}' (No such file or directory)"
        elif node.kind == DIRECTORY:
            text = "directory"
        elif node.program:
            text = "ELF 64-bit LSB pie executable, x86-64, version 1 (SYSV), dynamically linked, stripped"
        else:
            data = node.content()
            text = (
                "empty"
                if not data
                else "data"
                if b"\0" in data
                else "POSIX shell script, ASCII text executable"
                if data.startswith(b"#!")
                else "ASCII text"
            )
        process.print(f"{name}: {text}")
    return 0
