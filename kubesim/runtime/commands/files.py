"""Programs that make, copy, move, change and remove files."""

from __future__ import annotations

import errno
import posixpath
import re
from dataclasses import replace
from typing import Any

from kubesim.runtime.commands.common import cannot_open, inputs, lines_of, program
from kubesim.runtime.commands.options import UsageError, missing_operand, parse
from kubesim.runtime.filesystem import DIRECTORY, FILE, LINK, Node
from kubesim.runtime.process import Process

BLOCK = 65536


@program
def cat(process: Process) -> int:
    opts = parse(
        process,
        "AbeEnstTuv",
        {
            "number": "n",
            "number-nonblank": "b",
            "show-all": "A",
            "squeeze-blank": "s",
            "show-ends": "E",
            "show-tabs": "T",
        },
    )
    plain = not opts.values
    code, number, blank = 0, 0, False
    for name in opts.args or ["-"]:
        try:
            reader = process.open_reader(name)
            if plain:
                while data := reader.read(BLOCK):
                    process.write_bytes(data)
                    process.budget.step()
                continue
            lines = lines_of(reader.read())
        except OSError as error:
            code = process.fail(cannot_open(process, name, error))
            continue
        for text in lines:
            line = text
            if "s" in opts and not line and blank:
                continue
            blank = not line
            if "n" in opts or ("b" in opts and line):
                number += 1
                line = f"{number:6d}\t{line}"
            if "T" in opts or "A" in opts or "t" in opts:
                head, tab, rest = line.partition("\t") if "n" in opts or "b" in opts else ("", "", line)
                line = head + tab + rest.replace("\t", "^I")
            process.print(line + ("$" if {"A", "E", "e"} & set(opts.values) else ""))
    return code


def _target(process: Process, names: list[str], directory: str) -> tuple[list[str], str, bool]:
    """Sources, target, and whether the target is a directory into which they go."""
    if directory:
        return names, directory, True
    if len(names) < 2:
        if process.machine.flavour == "busybox":
            raise UsageError(f"missing operand\nUsage: {process.name} [OPTIONS] SOURCE... DEST")
        lead = f"missing destination file operand after '{names[0]}'" if names else "missing file operand"
        raise UsageError(f"{lead}\nTry '{process.name} --help' for more information.")
    *sources, target = names
    into = process.machine.fs.is_directory(process.path(target))
    if len(sources) > 1 and not into:
        raise UsageError(
            f"target '{target}'{'' if process.machine.flavour == 'gnu' else ' is not a directory'}"
            ": No such file or directory"
            if process.machine.fs.find(process.path(target)) is None
            else f"target '{target}' is not a directory"
        )
    return sources, target, into


@program
def cp(process: Process) -> int:
    opts = parse(
        process,
        "aRrfpivdPLHTt:unsl",
        {
            "recursive": "r",
            "archive": "a",
            "force": "f",
            "verbose": "v",
            "preserve": "p",
            "no-clobber": "n",
            "target-directory=": "t",
        },
    )
    sources, target, into = _target(process, opts.args, opts.get("t"))
    fs = process.machine.fs
    recursive = bool({"a", "r", "R"} & set(opts.values))
    code = 0
    for source in sources:
        goal = (
            f"{target.rstrip('/')}/{posixpath.basename(source.rstrip('/'))}"
            if into and "T" not in opts
            else target
        )
        try:
            node = fs.stat(
                process.path(source), follow="a" not in opts and "d" not in opts and "P" not in opts
            )
        except OSError as error:
            text = f"cannot stat '{source}'" if process.machine.flavour == "gnu" else f"can't stat '{source}'"
            code = process.fail(f"{text}: {error.strerror}")
            continue
        if node.kind == DIRECTORY and not recursive:
            code = process.fail(
                f"-r not specified; omitting directory '{source}'"
                if process.machine.flavour == "gnu"
                else f"omitting directory '{source}'"
            )
            continue
        if "n" in opts and fs.find(process.path(goal)) is not None:
            continue
        try:
            _copy(
                process,
                process.path(source),
                process.path(goal),
                keep=bool({"a", "p"} & set(opts.values)),
                follow="a" not in opts,
            )
        except OSError as error:
            text = (
                f"cannot create regular file '{goal}'"
                if process.machine.flavour == "gnu"
                else f"can't create '{goal}'"
            )
            code = process.fail(f"{text}: {error.strerror}")
            continue
        if "v" in opts:
            process.print(f"'{source}' -> '{goal}'")
    return code


def _copy(process: Process, source: str, goal: str, *, keep: bool, follow: bool) -> None:
    fs = process.machine.fs
    top = fs.resolve(source, follow=follow)
    now = process.timeline.now()
    if fs.resolve(goal).startswith(top + "/") and fs.is_directory(top):
        raise OSError(errno.EINVAL, "Invalid argument")
    for path, node in list(fs.walk(top)):
        process.budget.step()
        place = goal + path[len(top) :]
        there = fs.find(place)
        if node.kind == DIRECTORY:
            if there is None:
                fs.make_directory(place, mode=node.mode)
        elif node.kind == FILE:
            if there is not None and there.kind == FILE and not keep:
                fs.write(place, fs.read(path))
                fs.put_node(fs.resolve(place), replace(fs.stat(place), program=node.program))
            else:
                data = fs.read(path)
                owner = (node.uid, node.gid) if keep and fs.uid == 0 else (fs.uid, fs.gid)
                made = Node(
                    FILE,
                    node.mode,
                    data,
                    uid=owner[0],
                    gid=owner[1],
                    mtime=node.mtime if keep else now,
                    program=node.program,
                )
                fs.put_node(place, made)
        elif node.kind == LINK:
            if there is not None:
                fs.remove(place)
            fs.make_link(node.link, place)


@program
def mv(process: Process) -> int:
    opts = parse(
        process, "finvTt:u", {"force": "f", "verbose": "v", "no-clobber": "n", "target-directory=": "t"}
    )
    sources, target, into = _target(process, opts.args, opts.get("t"))
    fs = process.machine.fs
    code = 0
    for source in sources:
        goal = f"{target.rstrip('/')}/{posixpath.basename(source.rstrip('/'))}" if into else target
        gnu = process.machine.flavour == "gnu"
        if fs.find(process.path(source), follow=False) is None:
            code = process.fail(
                f"cannot stat '{source}': No such file or directory"
                if gnu
                else f"can't rename '{source}': No such file or directory"
            )
            continue
        if "n" in opts and fs.find(process.path(goal)) is not None:
            continue
        try:
            fs.rename(process.path(source), process.path(goal))
        except OSError as error:
            text = f"cannot move '{source}' to '{goal}'" if gnu else f"can't rename '{source}'"
            code = process.fail(f"{text}: {error.strerror}")
            continue
        if "v" in opts:
            process.print(f"renamed '{source}' -> '{goal}'")
    return code


@program
def rm(process: Process) -> int:
    opts = parse(
        process,
        "fiIrRdv",
        {
            "force": "f",
            "recursive": "r",
            "verbose": "v",
            "dir": "d",
            "no-preserve-root": "N",
            "preserve-root": "K",
            "one-file-system": "o",
        },
    )
    fs = process.machine.fs
    gnu = process.machine.flavour == "gnu"
    if not opts.args:
        return 0 if "f" in opts else missing_operand(process)
    code = 0
    recursive = "r" in opts or "R" in opts
    for name in opts.args:
        path = process.path(name)
        if gnu and recursive and "N" not in opts and posixpath.normpath(path) == "/":
            process.error(
                "rm: it is dangerous to operate recursively on '/'\nrm: use "
                "--no-preserve-root to override this failsafe"
            )
            code = 1
            continue
        if posixpath.basename(name.rstrip("/")) in (".", ".."):
            code = process.fail(
                f"refusing to remove '.' or '..' directory: skipping '{name}'"
                if gnu
                else "can't remove '.' or '..'"
            )
            continue
        node = fs.find(path, follow=False)
        if node is None:
            if "f" not in opts:
                code = process.fail(
                    f"cannot remove '{name}': No such file or directory"
                    if gnu
                    else f"can't remove '{name}': No such file or directory"
                )
            continue
        if node.kind == DIRECTORY and not recursive:
            if "d" in opts:
                fs.remove_directory(path)
                continue
            code = process.fail(
                f"cannot remove '{name}': Is a directory" if gnu else f"'{name}' is a directory"
            )
            continue
        code = _remove(process, name, path, verbose="v" in opts) or code
    return code


def _remove(process: Process, name: str, path: str, *, verbose: bool) -> int:
    """Remove a tree; what cannot be removed is told and left."""
    fs = process.machine.fs
    code = 0
    for place, node in reversed(list(fs.walk(path))):
        process.budget.step()
        shown = name + place[len(path) :]
        try:
            if node.kind == DIRECTORY:
                if code and fs.list(place):
                    continue
                fs.remove_directory(place)
            else:
                fs.remove(place)
        except OSError as error:
            text = (
                f"cannot remove '{shown}'" if process.machine.flavour == "gnu" else f"can't remove '{shown}'"
            )
            if error.errno != errno.ENOTEMPTY or not code:
                code = process.fail(f"{text}: {error.strerror}")
            continue
        if verbose:
            process.print(f"removed {'directory ' if node.kind == DIRECTORY else ''}'{shown}'")
    process.machine.listening_changed()
    return code


@program
def unlink(process: Process) -> int:
    if len(process.args) != 1:
        return missing_operand(process)
    try:
        process.machine.fs.remove(process.path(process.args[0]))
    except OSError as error:
        return process.fail(f"cannot unlink '{process.args[0]}': {error.strerror}")
    return 0


@program
def mkdir(process: Process) -> int:
    opts = parse(process, "pm:v", {"parents": "p", "mode=": "m", "verbose": "v"})
    if not opts.args:
        return missing_operand(process)
    fs = process.machine.fs
    mode = _new_mode(0o777, opts.get("m"), directory=True) if "m" in opts else 0o755
    code = 0
    for name in opts.args:
        path = process.path(name)
        try:
            if "p" in opts:
                made = ""
                for part in [p for p in path.split("/") if p]:
                    made += f"/{part}"
                    if not fs.is_directory(made):
                        fs.make_directory(made, mode=mode)
            else:
                fs.make_directory(path.rstrip("/") or "/", mode=mode)
        except OSError as error:
            text = (
                f"cannot create directory '{name}'"
                if process.machine.flavour == "gnu"
                else f"can't create directory '{name}'"
            )
            code = process.fail(f"{text}: {error.strerror}")
            continue
        if "v" in opts:
            process.print(f"mkdir: created directory '{name}'")
    return code


@program
def rmdir(process: Process) -> int:
    opts = parse(process, "pv", {"parents": "p", "ignore-fail-on-non-empty": "i", "verbose": "v"})
    if not opts.args:
        return missing_operand(process)
    code = 0
    for name in opts.args:
        try:
            process.machine.fs.remove_directory(process.path(name))
        except OSError as error:
            if "i" in opts and error.errno == errno.ENOTEMPTY:
                continue
            text = f"failed to remove '{name}'" if process.machine.flavour == "gnu" else f"'{name}'"
            code = process.fail(f"{text}: {error.strerror}")
    return code


@program
def touch(process: Process) -> int:
    opts = parse(process, "acmd:t:r:h", {"no-create": "c", "date=": "d", "reference=": "r"})
    if not opts.args:
        if process.machine.flavour == "gnu":
            return process.fail("missing file operand\nTry 'touch --help' for more information.")
        return missing_operand(process)
    fs = process.machine.fs
    at = process.timeline.now()
    if "d" in opts or "r" in opts:
        from datetime import UTC, datetime

        from kubesim.runtime.commands.clocks import _parse_date

        now = datetime.fromtimestamp(at, UTC)
        at = (
            fs.stat(process.path(opts.get("r"))).mtime
            if "r" in opts
            else _parse_date(process, opts.get("d"), now).timestamp()
        )
    code = 0
    for name in opts.args:
        path = process.path(name)
        try:
            if fs.find(path) is None:
                if "c" in opts:
                    continue
                fs.write(path, b"")
            if not fs.may(path, 2):
                raise OSError(errno.EACCES, "Permission denied")
            fs.put_node(fs.resolve(path), replace(fs.stat(path), mtime=at))
        except OSError as error:
            text = f"cannot touch '{name}'" if process.machine.flavour == "gnu" else name
            code = process.fail(f"{text}: {error.strerror}")
    return code


@program
def ln(process: Process) -> int:
    opts = parse(
        process,
        "sfnvrT",
        {"symbolic": "s", "force": "f", "no-dereference": "n", "verbose": "v", "relative": "r"},
    )
    if not opts.args:
        return missing_operand(process)
    fs = process.machine.fs
    names = opts.args if len(opts.args) > 1 else [opts.args[0], posixpath.basename(opts.args[0])]
    *sources, target = names
    into = fs.is_directory(process.path(target)) and not (
        "n" in opts and (fs.find(process.path(target), follow=False) or Node(FILE)).kind == LINK
    )
    code = 0
    for source in sources:
        goal = f"{target.rstrip('/')}/{posixpath.basename(source.rstrip('/'))}" if into else target
        path = process.path(goal)
        try:
            if "f" in opts and fs.find(path, follow=False) is not None:
                fs.remove(path)
            if "s" in opts:
                fs.make_link(source, path)
            else:
                if fs.find(path, follow=False) is not None:
                    raise OSError(errno.EEXIST, "File exists")
                fs.put_node(path, replace(fs.stat(process.path(source))))
        except OSError as error:
            kind = "symbolic link" if "s" in opts else "hard link"
            text = f"failed to create {kind} '{goal}'" if process.machine.flavour == "gnu" else goal
            code = process.fail(f"{text}: {error.strerror}")
    return code


link = ln


_CLAUSE = re.compile(r"([ugoa]*)([-+=])([rwxXst]*|[ugo])")


def _new_mode(mode: int, text: str, *, directory: bool) -> int:  # noqa: C901 - a case for each thing there is
    """A mode after `chmod TEXT`. Raises UsageError."""
    if re.fullmatch(r"[0-7]{1,4}", text):
        return int(text, 8)
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise UsageError(f"invalid mode: '{text}'\nTry 'chmod --help' for more information.")
        who, op, rights = match.groups()
        who = who or "a"
        bits = 0
        for name, shift in (("u", 6), ("g", 3), ("o", 0)):
            if name not in who and "a" not in who:
                continue
            part = 0
            for right in rights:
                if right in "rwx":
                    part |= {"r": 4, "w": 2, "x": 1}[right]
                elif right == "X" and (directory or mode & 0o111):
                    part |= 1
                elif right in "ugo":
                    part |= mode >> {"u": 6, "g": 3, "o": 0}[right] & 7
            bits |= part << shift
            if op == "=":
                mode &= ~(7 << shift)
        if "t" in rights:
            bits |= 0o1000
        if "s" in rights:
            bits |= (0o4000 if "u" in who or "a" in who else 0) | (0o2000 if "g" in who or "a" in who else 0)
        mode = mode & ~bits if op == "-" else mode | bits
    return mode


@program
def chmod(process: Process) -> int:
    args = list(process.args)
    recursive = False
    while args and args[0].startswith("-") and not re.match(r"-[rwxXst]+$|--?\w*=", args[0]):
        recursive = recursive or "R" in args[0] or args[0] == "--recursive"
        args.pop(0)
    if len(args) < 2:
        return missing_operand(process)
    fs = process.machine.fs
    code = 0
    for name in args[1:]:
        path = process.path(name)
        try:
            places = [p for p, n in fs.walk(fs.resolve(path)) if n.kind != LINK] if recursive else [path]
            for place in places:
                node = fs.stat(place)
                fs.change(place, mode=_new_mode(node.mode, args[0], directory=node.kind == DIRECTORY))
        except OSError as error:
            gnu = process.machine.flavour == "gnu"
            text = (
                (
                    f"cannot access '{name}'"
                    if error.errno == errno.ENOENT
                    else f"changing permissions of '{name}'"
                )
                if gnu
                else name
            )
            code = process.fail(f"{text}: {error.strerror}")
    return code


@program
def chown(process: Process) -> int:
    opts = parse(process, "Rhvfc", {"recursive": "R", "no-dereference": "h"})
    if len(opts.args) < 2:
        return missing_operand(process)
    owner, *names = opts.args
    user, colon, group = owner.partition(":") if process.name == "chown" else ("", ":", owner)
    changes: dict[str, Any] = {}
    machine = process.machine
    if user:
        found = next((u for u in machine.users() if u.name == user), None)
        if found is None and not user.isdigit():
            raise UsageError(
                f"invalid user: '{owner}'" if machine.flavour == "gnu" else f"unknown user {user}"
            )
        changes["uid"] = found.uid if found else int(user)
        if colon and not group and found:
            changes["gid"] = found.gid
    if group:
        gid = next((g for g, name in machine.groups().items() if name == group), None)
        if gid is None and not group.isdigit():
            raise UsageError(
                f"invalid group: '{owner}'" if machine.flavour == "gnu" else f"unknown group {group}"
            )
        changes["gid"] = gid if gid is not None else int(group)
    code = 0
    for name in names:
        path = process.path(name)
        try:
            if machine.fs.uid != 0 and changes:
                machine.fs.stat(path)
                raise OSError(errno.EPERM, "Operation not permitted")
            for place in [p for p, _ in machine.fs.walk(path)] if "R" in opts else [path]:
                machine.fs.change(place, follow="h" not in opts, **changes)
        except OSError as error:
            text = (
                f"changing ownership of '{name}'"
                if machine.flavour == "gnu" and error.errno == errno.EPERM
                else f"cannot access '{name}'"
                if machine.flavour == "gnu"
                else name
            )
            code = process.fail(f"{text}: {error.strerror}")
    return code


chgrp = chown


@program
def tee(process: Process) -> int:
    opts = parse(process, "ai", {"append": "a", "ignore-interrupts": "i"})
    code = 0
    writers = []
    for name in opts.args:
        try:
            writers.append(process.open_writer(name, append="a" in opts))
        except OSError as error:
            code = process.fail(f"{name}: {error.strerror}")
    while data := process.stdin.read(BLOCK):
        process.budget.step()
        process.write_bytes(data)
        for writer in writers:
            writer.write(data)
    return code


_SIZE = {
    "": 1,
    "c": 1,
    "w": 2,
    "b": 512,
    "k": 1024,
    "K": 1024,
    "M": 1 << 20,
    "G": 1 << 30,
    "kB": 1000,
    "MB": 10**6,
}


def size(text: str) -> int:
    """A size such as 512, 4k, 1M. Raises UsageError."""
    match = re.fullmatch(r"(\d+)(\w*)", text)
    if match is None or match.group(2) not in _SIZE:
        raise UsageError(f"invalid number: '{text}'")
    return int(match.group(1)) * _SIZE[match.group(2)]


@program
def dd(process: Process) -> int:
    words = dict(word.partition("=")[::2] for word in process.args)
    block = size(words.get("bs") or words.get("ibs") or "512")
    count = size(words["count"]) if "count" in words else None
    reader = process.open_reader(words.get("if", "-")) if "if" in words else process.stdin
    writer = process.open_writer(words["of"]) if "of" in words else process.out
    if words.get("skip"):
        reader.read(size(words["skip"]) * block)
    whole = part = total = 0
    while count is None or whole + part < count:
        process.budget.step()
        data = reader.read(block)
        if not data:
            break
        total += len(data)
        whole, part = (whole + 1, part) if len(data) == block else (whole, part + 1)
        process.budget.wrote(len(data))
        writer.write(data)
    if words.get("status") != "none":
        process.error(f"{whole}+{part} records in\n{whole}+{part} records out")
        if process.machine.flavour == "gnu":
            people = f" ({_people(total)})" if total >= 1000 else ""
            process.error(
                f"{total} byte{'s' if total != 1 else ''}{people} copied, "
                f"0.0001 s, {_people(total * 10000)}/s"
            )
        else:
            process.error(f"{total} bytes copied, 0.000100 seconds, {_people(total * 10000)}/s")
    return 0


def _people(count: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 1000)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


@program
def mktemp(process: Process) -> int:
    opts = parse(process, "dqtp:u", {"directory": "d", "quiet": "q", "tmpdir=": "p", "dry-run": "u"})
    template = (
        opts.args[0] if opts.args else "tmp.XXXXXXXXXX" if process.machine.flavour == "gnu" else "tmp.XXXXXX"
    )
    count = len(template) - len(template.rstrip("X"))
    if count < 3:
        raise UsageError(f"too few X's in template '{template}'")
    if not opts.args or "p" in opts or "t" in opts:
        template = f"{opts.get('p') or process.env.get('TMPDIR') or '/tmp'}/{template}"  # noqa: S108 - of the simulation
    fs = process.machine.fs
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    seed = process.pid * 2654435761 + 40503
    while True:
        process.budget.step()
        seed = (seed * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        text = "".join(letters[(seed >> (5 * n)) % 62] for n in range(count))
        path = template[: len(template) - count] + text
        if fs.find(process.path(path)) is None:
            break
    if "u" not in opts:
        try:
            if "d" in opts:
                fs.make_directory(process.path(path), mode=0o700)
            else:
                fs.write(process.path(path), b"", mode=0o600)
        except OSError as error:
            kind = "directory" if "d" in opts else "file"
            return process.fail(f"failed to create {kind} via template '{template}': {error.strerror}")
    process.print(path)
    return 0


@program
def truncate(process: Process) -> int:
    opts = parse(process, "s:c", {"size=": "s", "no-create": "c"})
    wanted = opts.get("s")
    for name in opts.args:
        path = process.path(name)
        node = process.machine.fs.find(path)
        data = node.content() if node else b""
        sign = wanted[:1] if wanted[:1] in "+-" else ""
        length = size(wanted.lstrip("+-"))
        length = len(data) + length if sign == "+" else max(len(data) - length, 0) if sign == "-" else length
        if length > 32 << 20:
            raise OSError(errno.EFBIG, "File too large", name)
        process.machine.fs.write(path, data[:length].ljust(length, b"\0"))
    return 0


@program
def install(process: Process) -> int:
    opts = parse(process, "dm:o:g:Dv", {"directory": "d", "mode=": "m", "owner=": "o", "group=": "g"})
    mode = _new_mode(0, opts.get("m", "755"), directory=False)
    if "d" in opts:
        return process.run(["mkdir", "-p", "-m", f"{mode:o}", *opts.args])
    code = process.run(["cp", *opts.args])
    return code or process.run(["chmod", f"{mode:o}", opts.args[-1]])


@program
def split(process: Process) -> int:
    opts = parse(process, "l:b:a:d", {"lines=": "l", "bytes=": "b"})
    _, data = next(inputs(process, opts.args[:1]))
    if data is None:
        return 1
    prefix = opts.args[1] if len(opts.args) > 1 else "x"
    if "b" in opts:
        step = size(opts.get("b"))
        pieces = [data[n : n + step] for n in range(0, len(data), step)]
    else:
        lines, step = data.splitlines(keepends=True), int(opts.get("l", "1000"))
        pieces = [b"".join(lines[n : n + step]) for n in range(0, len(lines), step)]
    for n, piece in enumerate(pieces):
        suffix = f"{n:02d}" if "d" in opts else chr(97 + n // 26) + chr(97 + n % 26)
        process.machine.fs.write(process.path(prefix + suffix), piece)
    return 0


@program
def mkfifo(process: Process) -> int:
    for name in process.args:
        process.machine.fs.write(process.path(name), b"")
    return 0
