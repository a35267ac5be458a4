"""chmod, chown and chgrp: who may do what with a file."""

from __future__ import annotations

import errno
import re
from typing import Any

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import UsageError, missing_operand, parse
from kubesim.runtime.filesystem import DIRECTORY, LINK
from kubesim.runtime.process import Process

_CLAUSE = re.compile(r"([ugoa]*)([-+=])([rwxXst]*|[ugo])")


def new_mode(mode: int, text: str, *, directory: bool) -> int:  # noqa: C901 - a case for each thing there is
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
                fs.change(place, mode=new_mode(node.mode, args[0], directory=node.kind == DIRECTORY))
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
