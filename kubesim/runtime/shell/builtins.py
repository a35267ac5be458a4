"""The shell's built-in commands. Each gets the shell and its argv, and gives its exit status."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from kubesim.runtime.process import Suspended
from kubesim.runtime.shell.builtins_common import (
    KEYWORDS,
    SPECIAL,
    Builtin,
    echo_text,
    fail,
)
from kubesim.runtime.shell.builtins_input import getopts, mapfile, read
from kubesim.runtime.shell.builtins_jobs import foreground, jobs, kill, trap, wait_builtin
from kubesim.runtime.shell.builtins_variables import (
    declare,
    export,
    let,
    local,
    readonly,
    set_options,
    shift,
    unset,
)
from kubesim.runtime.shell.conditions import TestProblem, evaluate, problem_text
from kubesim.runtime.shell.control import Exit, LoopControl, Return
from kubesim.runtime.shell.expansion import ExpansionFailed
from kubesim.runtime.shell.flavours import Flavour

if TYPE_CHECKING:
    from kubesim.runtime.shell.interpreter import Shell


def _colon(shell: Shell, argv: list[str]) -> int:
    del shell, argv
    return 0


def _false(shell: Shell, argv: list[str]) -> int:
    del shell, argv
    return 1


def _echo(shell: Shell, argv: list[str]) -> int:
    name = shell.flavour.name
    text = echo_text(argv[1:], escapes=name == "dash", options="n" if name == "dash" else "neE")
    shell.write(text)
    return 0


def _printf(shell: Shell, argv: list[str]) -> int:
    from kubesim.runtime.commands.printing import format_printf

    args = argv[1:]
    variable = ""
    if shell.flavour.bash and len(args) > 2 and args[0] == "-v":
        variable, args = args[1], args[2:]
    if args[:1] == ["--"]:
        args = args[1:]
    if not args:
        usage = (
            "usage: printf format [arg ...]"
            if shell.flavour.name == "dash"
            else "usage: printf [-v var] format [arguments]"
        )
        shell.complain(
            usage if not shell.flavour.bash else f"printf: {usage}", "" if shell.flavour.bash else "printf"
        )
        return 2
    text, problems = format_printf(args[0], args[1:])
    if variable:
        shell.assign_text(variable, text)
    else:
        shell.write(text)
    for problem in problems:
        word, _, what = problem.rpartition(": ")
        if shell.flavour.name == "busybox" and what in ("invalid number", "not completely converted"):
            shell.complain(f"invalid number '{word}'")
        elif shell.flavour.name == "dash" and what == "invalid number":
            shell.complain(f"{word}: expected numeric value", "printf")
        else:
            shell.complain(problem, "printf")
    return 1 if problems else 0


def _test(shell: Shell, argv: list[str]) -> int:
    args = argv[1:]
    shell.process.env = dict.fromkeys(shell.variables, "") if "-v" in args else shell.process.env
    try:
        if argv[0] in ("[", "[["):
            if not args or args[-1] != argv[0].replace("[", "]"):
                raise TestProblem("bracket", argv[0].replace("[", "]"))
            args = args[:-1]
        return int(not evaluate(shell.process, args))
    except TestProblem as problem:
        text = problem_text(problem, shell.flavour.name)
        shell.complain(text, "" if shell.flavour.name == "busybox" else argv[0])
        return 2


def _cd(shell: Shell, argv: list[str]) -> int:
    args = [a for a in argv[1:] if a not in ("-P", "-L", "--")]
    if len(args) > 1 and shell.flavour.bash:
        shell.complain("too many arguments", "cd")
        return 1
    target = args[0] if args else shell.get("HOME") or ""
    if not args and not target:
        if shell.flavour.bash:
            shell.complain("HOME not set", "cd")
            return 1
        return 0
    say = False
    if target == "-":
        target = shell.get("OLDPWD") or ""
        say = True
        if not target:
            shell.complain("OLDPWD not set", "cd")
            return 1 if shell.flavour.bash else 2
    try:
        shell.change_directory(target)
    except OSError as error:
        text, status = shell.flavour.cd(target, error.errno or 0)
        shell.complain(text, "cd")
        return status
    if say:
        shell.write(shell.cwd + "\n")
    return 0


def _pwd(shell: Shell, argv: list[str]) -> int:
    del argv
    shell.write(shell.cwd + "\n")
    return 0


def _exit(shell: Shell, argv: list[str]) -> int:

    raise Exit(_status(shell, argv, "exit"))


def _status(shell: Shell, argv: list[str], name: str) -> int:

    if len(argv) < 2:
        return shell.status
    if not re.fullmatch(r"-?\d{1,18}", argv[1]):
        shell.complain(shell.flavour.bad_number(argv[1]), name)
        raise Exit(2)
    return int(argv[1]) & 255


def _return(shell: Shell, argv: list[str]) -> int:

    if shell.flavour.bash and not shell.calls and not shell.sourcing:
        shell.complain("can only `return' from a function or sourced script", "return")
        return 2
    raise Return(_status(shell, argv, "return"))


def _loop_control(shell: Shell, argv: list[str]) -> int:

    levels = int(argv[1]) if len(argv) > 1 and argv[1].isdigit() else 1
    if not shell.loops:
        if shell.flavour.bash:
            shell.complain("only meaningful in a `for', `while', or `until' loop", argv[0])
        return 0
    raise LoopControl(max(levels, 1), again=argv[0] == "continue")


def _eval(shell: Shell, argv: list[str]) -> int:
    text = " ".join(argv[1:])
    shell.status = 0
    return _run_text(shell, text, "eval")


def _run_text(shell: Shell, text: str, builtin: str) -> int:
    try:
        return shell.run_source(text, builtin=builtin)
    except Suspended as wait:
        wait.frames.insert(0, {"source": text})
        raise


def _source(shell: Shell, argv: list[str]) -> int:

    if len(argv) < 2:
        if shell.flavour.bash:
            shell.complain("filename argument required", argv[0])
        return 2
    name = argv[1]
    path = name
    if "/" not in name:
        for directory in (shell.get("PATH") or "").split(":"):
            if shell.machine.fs.find(f"{directory}/{name}") is not None:
                path = f"{directory}/{name}"
                break
        else:
            path = f"{shell.cwd}/{name}" if shell.flavour.bash else name
    try:
        data = shell.process.read_file(path)
    except OSError as error:
        if shell.flavour.bash:
            shell.complain(shell.flavour.source_missing(name, error.errno or 0))
            return 1
        return fail(shell, ".", shell.flavour.source_missing(name, error.errno or 0), 2)
    kept = shell.positional
    if len(argv) > 2:
        shell.positional = argv[2:]
    shell.sourcing += 1
    try:
        return _run_text(shell, data.decode("utf-8", "surrogateescape"), name)
    except Return as back:
        return back.status
    finally:
        shell.sourcing -= 1
        shell.positional = kept


def _exec(shell: Shell, argv: list[str]) -> int:
    from kubesim.runtime.process import Null, Replaced

    args = argv[1:]
    while args and args[0].startswith("-") and shell.flavour.bash:
        args = args[2:] if args[0] == "-a" else args[1:]
    if not args:
        return 0
    process = shell.process
    child = process.child(
        args,
        env=shell.environment(),
        stdin=shell.fds.get(0, Null()),
        out=shell.fds.get(1, Null()),
        err=shell.fds.get(2, Null()),
    )
    child.files = {n: stream for n, stream in shell.fds.items() if n > 2}
    child.pid, child.parent = process.pid, process.parent
    try:
        shell.machine.load(child)
    except OSError as error:
        text, status = shell.flavour.cannot_run(args[0], error.errno or 0)
        if "/" not in args[0]:
            text = f"{args[0]}: not found"
        shell.complain(text, "exec")
        raise Exit(status) from None
    child.argv = args
    raise Replaced(child)


def _type(shell: Shell, argv: list[str]) -> int:
    status = 0
    for name in [a for a in argv[1:] if not a.startswith("-")]:
        text = _describe(shell, name)
        if text is None:
            status = 1 if shell.flavour.bash else 127
            if shell.flavour.bash:
                shell.complain(f"{name}: not found", "type")
            else:
                shell.write(f"{name}: not found\n")
        elif "-t" in argv[1:] and shell.flavour.bash:
            kinds = {
                "shell keyword": "keyword",
                "shell builtin": "builtin",
                "function": "function",
                "aliased": "alias",
            }
            shell.write(next((kind for words, kind in kinds.items() if words in text), "file") + "\n")
        else:
            shell.write(text + "\n")
    return status


def _describe(shell: Shell, name: str) -> str | None:
    if name in KEYWORDS or (shell.flavour.bash and name in ("[[", "function", "time")):
        return f"{name} is a shell keyword"
    if name in shell.aliases:
        return (
            f"{name} is aliased to `{shell.aliases[name]}'"
            if shell.flavour.bash
            else f"{name} is an alias for {shell.aliases[name]}"
        )
    if name in shell.functions:
        if shell.flavour.bash:
            return f"{name} is a function\n{shell.functions[name].text}"
        return f"{name} is a {'shell ' if shell.flavour.name == 'dash' else ''}function"
    if find(name, shell.flavour) is not None:
        special = name in SPECIAL and not shell.flavour.bash
        return f"{name} is a {'special ' if special else ''}shell builtin"
    path = shell.machine.which(name, shell.get("PATH") or "", shell.cwd)
    return f"{name} is {path}" if path else None


def _command(shell: Shell, argv: list[str]) -> int:
    args = argv[1:]
    verbose = ""
    while args and args[0] in ("-v", "-V", "-p", "--"):
        verbose = args[0] if args[0] != "-p" else verbose
        args = args[1:]
    if verbose == "-V":
        return _type(shell, ["type", *args])
    if verbose == "-v":
        found = []
        for name in args if shell.flavour.bash else args[:1]:
            known = name in KEYWORDS or name in shell.functions or find(name, shell.flavour) is not None
            path = name if known else shell.machine.which(name, shell.get("PATH") or "", shell.cwd)
            if path:
                found.append(path)
                shell.write(path + "\n")
        return 0 if found else (127 if shell.flavour.name != "bash" else 1)
    if not args:
        return 0
    builtin = find(args[0], shell.flavour)
    if builtin is not None:
        try:
            return builtin(shell, args)
        except ExpansionFailed as failed:
            return failed.status
    return shell.run_external(args)


def _umask(shell: Shell, argv: list[str]) -> int:
    if len(argv) == 1:
        shell.write("0022\n")
    return 0


_LIMITS = {
    "n": ("open files", "1048576"), "u": ("max user processes", "unlimited"), "s": ("stack size", "8192"),
    "c": ("core file size", "unlimited"), "f": ("file size", "unlimited"), "v": ("virtual memory", "unlimited"),
}  # fmt: skip


def _ulimit(shell: Shell, argv: list[str]) -> int:
    letters = [c for a in argv[1:] if a.startswith("-") for c in a[1:] if c not in "SH"]
    if letters == ["a"]:
        for letter, (text, value) in _LIMITS.items():
            shell.write(f"{text:<25} (-{letter}) {value}\n")
        return 0
    shell.write(_LIMITS.get(letters[0] if letters else "f", ("", "unlimited"))[1] + "\n")
    return 0


def _times(shell: Shell, argv: list[str]) -> int:
    del argv
    shell.write(
        "0m0.000000s 0m0.000000s\n0m0.000000s 0m0.000000s\n"
        if not shell.flavour.bash
        else "0m0.000s 0m0.000s\n0m0.000s 0m0.000s\n"
    )
    return 0


def _alias(shell: Shell, argv: list[str]) -> int:
    status = 0
    lead = "alias " if shell.flavour.bash else ""
    for word in argv[1:] or sorted(shell.aliases):
        name, equals, value = word.partition("=")
        if equals:
            shell.aliases[name] = value
        elif name in shell.aliases:
            shell.write(f"{lead}{name}='{shell.aliases[name]}'\n")
        else:
            shell.complain(f"{name}: not found" if shell.flavour.bash else f"{name} not found", "alias")
            status = 1
    return status


def _unalias(shell: Shell, argv: list[str]) -> int:
    if "-a" in argv[1:]:
        shell.aliases.clear()
    for name in argv[1:]:
        shell.aliases.pop(name, None)
    return 0


def _builtin(shell: Shell, argv: list[str]) -> int:
    found = find(argv[1], shell.flavour) if len(argv) > 1 else _colon
    if found is None:
        shell.complain(f"{argv[1]}: not a shell builtin", "builtin")
        return 1
    return found(shell, argv[1:])


def _hash(shell: Shell, argv: list[str]) -> int:
    if shell.flavour.bash and len(argv) == 1:
        shell.write("hash: hash table empty\n")
    return 0


def _help(shell: Shell, argv: list[str]) -> int:
    del argv
    if shell.flavour.bash:
        shell.write(
            "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)\nThese shell commands are defined internally.\n"
        )
    else:
        shell.write("Built-in commands:\n------------------\n\t" + " ".join(sorted(_COMMON)) + "\n")
    return 0


_COMMON: dict[str, Builtin] = {
    ":": _colon, "true": _colon, "false": _false, "echo": _echo, "printf": _printf, "test": _test, "[": _test,
    "cd": _cd, "pwd": _pwd, "exit": _exit, "return": _return, "break": _loop_control, "continue": _loop_control,
    "export": export, "readonly": readonly, "unset": unset, "local": local, "set": set_options, "shift": shift,
    "eval": _eval, ".": _source, "exec": _exec, "read": read, "trap": trap, "kill": kill, "wait": wait_builtin,
    "jobs": jobs, "type": _type, "command": _command, "getopts": getopts, "umask": _umask, "ulimit": _ulimit,
    "times": _times, "alias": _alias, "unalias": _unalias, "hash": _hash, "fg": foreground, "bg": foreground,
}  # fmt: skip
_BASH: dict[str, Builtin] = {
    "source": _source, "declare": declare, "typeset": declare, "let": let, "builtin": _builtin, "shopt": _colon,
    "disown": _colon, "mapfile": mapfile, "readarray": mapfile, "history": _colon, "help": _help, "enable": _colon,
    "complete": _colon, "bind": _colon, "suspend": _colon, "caller": _false,
}  # fmt: skip
_BUSYBOX: dict[str, Builtin] = {"source": _source, "let": let, "help": _help, "history": _colon, "[[": _test}


def find(name: str, flavour: Flavour) -> Builtin | None:
    """The built-in of a name in this flavour of shell."""
    found = _COMMON.get(name)
    if found is None and flavour.bash:
        return _BASH.get(name)
    if found is None and flavour.name == "busybox":
        return _BUSYBOX.get(name)
    return found


def error_text(error: OSError) -> str:
    """The kernel's text of a failure."""
    return os.strerror(error.errno or 0)
