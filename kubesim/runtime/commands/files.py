"""Programs that make, copy, move, change and remove files."""

from __future__ import annotations

import errno
import posixpath
from dataclasses import replace

from kubesim.runtime.commands.common import cannot_open, lines_of, program
from kubesim.runtime.commands.options import UsageError, missing_operand, parse
from kubesim.runtime.commands.rights import new_mode
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
    mode = new_mode(0o777, opts.get("m"), directory=True) if "m" in opts else 0o755
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
