"""The shell's built-in commands. Each gets the shell and its argv, and gives its exit status."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from kubesim.runtime.machine import SIGNALS
from kubesim.runtime.process import Suspended
from kubesim.runtime.shell.conditions import TestProblem, evaluate, problem_text
from kubesim.runtime.shell.control import Exit, LoopControl, Return
from kubesim.runtime.shell.expansion import ExpansionFailed, split
from kubesim.runtime.shell.flavours import Flavour

if TYPE_CHECKING:
    from kubesim.runtime.shell.interpreter import Shell

Builtin = Callable[["Shell", list[str]], int]

SPECIAL = frozenset(
    (".", ":", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times",
     "trap", "unset")
)  # fmt: skip
KEYWORDS = frozenset(
    (
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "do",
        "done",
        "case",
        "esac",
        "while",
        "until",
        "for",
        "{",
        "}",
        "!",
        "in",
    )
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quoted(word: str, *, busybox: bool = False) -> str:
    """A word as `set -x` shows it: quoted where the shell would read it otherwise."""
    if word and re.fullmatch(r"[\w@%+:,./\]-]+" if busybox else r"[\w@%+=:,./-]+", word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def fail(shell: Shell, builtin: str, text: str, status: int) -> int:
    """Say why a built-in failed. A special one ends a POSIX shell that is not interactive."""
    shell.complain(text, builtin)
    if builtin in SPECIAL and shell.flavour.special_exits and shell.origin.mode != "interactive":
        raise Exit(status)
    return status


def _colon(shell: Shell, argv: list[str]) -> int:
    del shell, argv
    return 0


def _false(shell: Shell, argv: list[str]) -> int:
    del shell, argv
    return 1


def echo_text(args: list[str], *, escapes: bool, options: str) -> str:
    """What `echo` writes. `options` are the letters it knows; `escapes` whether it reads backslashes by default."""
    newline = True
    while args and re.fullmatch(f"-[{options}]+", args[0]):
        for letter in args[0][1:]:
            if letter == "n":
                newline = False
            elif letter == "e":
                escapes = True
            else:
                escapes = False
        args = args[1:]
    text = " ".join(args)
    if escapes and "\\" in text:
        text, stopped = unescape_echo(text)
        newline = newline and not stopped
    return text + ("\n" if newline else "")


_ECHO = re.compile(r"\\(c|0[0-7]{0,3}|x[0-9a-fA-F]{1,2}|[abefnrtv\\])")
_ECHO_CODES = {
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}


def unescape_echo(text: str) -> tuple[str, bool]:
    r"""The escapes of `echo -e` and `printf %b`; the second value says whether `\c` ended the output."""
    out = []
    at = 0
    for match in _ECHO.finditer(text):
        out.append(text[at : match.start()])
        at = match.end()
        code = match.group(1)
        if code == "c":
            return "".join(out), True
        if code[0] == "0":
            out.append(
                bytes([int(code, 8) & 255]).decode("latin-1")
                if int(code, 8) < 128
                else chr(0xDC00 + (int(code, 8) & 255))
            )
        elif code[0] == "x":
            value = int(code[1:], 16)
            out.append(chr(value) if value < 128 else chr(0xDC00 + value))
        else:
            out.append(_ECHO_CODES[code])
    out.append(text[at:])
    return "".join(out), False


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
        if argv[0] == "[":
            if not args or args[-1] != "]":
                raise TestProblem("bracket")
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


def _assignment_words(shell: Shell, argv: list[str], builtin: str) -> list[tuple[str, str | None]] | int:
    found = []
    for word in argv:
        name, equals, value = word.partition("=")
        append = name.endswith("+") and equals
        name = name.rstrip("+") if append else name
        if not _NAME.fullmatch(name):
            status = 1 if shell.flavour.bash else 2
            fail(shell, builtin, shell.flavour.bad_name(word), status)
            return status
        if append:
            value = (shell.get(name) or "") + value
        found.append((name, value if equals else None))
    return found


def _export(shell: Shell, argv: list[str]) -> int:
    args = argv[1:]
    if not args or args == ["-p"]:
        lead = "declare -x" if shell.flavour.bash else "export"
        for name in sorted(shell.exported):
            value = shell.get(name)
            if value is not None:
                mark = (
                    _double_quote(value) if shell.flavour.bash else "'" + value.replace("'", "'\"'\"'") + "'"
                )
                shell.write(f"{lead} {name}={mark}\n")
        return 0
    remove = args[0] == "-n"
    pairs = _assignment_words(shell, args[1:] if remove or args[0] in ("-p", "--") else args, "export")
    if isinstance(pairs, int):
        return pairs
    for name, value in pairs:
        if value is not None:
            shell.assign_text(name, value)
        if remove:
            shell.exported.discard(name)
        else:
            shell.exported.add(name)
    return 0


def _double_quote(value: str) -> str:
    return '"' + re.sub(r'([$`"\\])', r"\\\1", value) + '"'


def _readonly(shell: Shell, argv: list[str]) -> int:
    if not [a for a in argv[1:] if a != "-p"]:
        for name in sorted(shell.readonly):
            shell.write(f"readonly {name}={quoted(shell.get(name) or '')}\n")
        return 0
    pairs = _assignment_words(shell, argv[1:], "readonly")
    if isinstance(pairs, int):
        return pairs
    for name, value in pairs:
        if value is not None:
            shell.assign_text(name, value)
        shell.readonly.add(name)
    return 0


def _unset(shell: Shell, argv: list[str]) -> int:
    args = argv[1:]
    functions = args[:1] == ["-f"]
    if args and args[0] in ("-f", "-v"):
        args = args[1:]
    for name in args:
        if functions:
            shell.functions.pop(name, None)
        elif name in shell.readonly:
            text = (
                f"{name}: cannot unset: readonly variable" if shell.flavour.bash else f"{name}: is read only"
            )
            return fail(shell, "unset", text, 1 if shell.flavour.bash else 2)
        elif name in shell.variables:
            shell.unset(name)
        elif not _NAME.fullmatch(name.partition("[")[0]):
            return fail(shell, "unset", shell.flavour.bad_name(name), 1 if shell.flavour.bash else 2)
        elif shell.flavour.bash:
            shell.functions.pop(name, None)
    return 0


def _local(shell: Shell, argv: list[str]) -> int:
    if not shell.locals:
        if shell.flavour.bash:
            shell.complain("can only be used in a function", "local")
            return 1
        return fail(shell, "local", "not in a function", 2)
    args = [a for a in argv[1:] if not re.fullmatch(r"-[a-zA-Z]+", a)]
    pairs = _assignment_words(shell, args, "local")
    if isinstance(pairs, int):
        return pairs
    frame = shell.locals[-1]
    for name, value in pairs:
        frame.setdefault(name, shell.variables.get(name))
        if value is not None:
            shell.assign_text(name, value)
        elif shell.flavour.bash:
            shell.variables[name] = ""
    return 0


def _declare(shell: Shell, argv: list[str]) -> int:
    flags = "".join(a[1:] for a in argv[1:] if re.fullmatch(r"[-+][a-zA-Z]+", a))
    words = [a for a in argv[1:] if not re.fullmatch(r"[-+][a-zA-Z]+", a)]
    if not words:
        for name in sorted(shell.variables):
            value = shell.get(name)
            if value is not None and not name.startswith("_"):
                shell.write(f"{name}={quoted(value)}\n")
        return 0
    if shell.locals and "g" not in flags:
        status = _local(shell, ["local", *words])
    else:
        pairs = _assignment_words(shell, words, argv[0])
        if isinstance(pairs, int):
            return pairs
        for name, value in pairs:
            if value is not None:
                shell.assign_text(name, value)
        status = 0
    for word in words:
        name = word.partition("=")[0]
        if "x" in flags:
            shell.exported.add(name)
        if "r" in flags:
            shell.readonly.add(name)
        if "a" in flags and name not in shell.variables:
            shell.variables[name] = []
    return status


_LONG_OPTIONS = {
    "errexit": "e", "nounset": "u", "xtrace": "x", "noglob": "f", "allexport": "a", "noexec": "n", "verbose": "v",
    "noclobber": "C", "monitor": "m", "notify": "b", "vi": "V", "emacs": "E", "pipefail": "pipefail",
    "hashall": "h", "physical": "P", "ignoreeof": "I", "nolog": "nolog", "debug": "debug",
}  # fmt: skip


def _set(shell: Shell, argv: list[str]) -> int:  # noqa: C901 - a case for each thing there is
    args = argv[1:]
    if not args:
        for name in sorted(shell.variables):
            value = shell.get(name)
            if value is not None and not name.startswith("_"):
                mark = quoted(value) if shell.flavour.bash else "'" + value.replace("'", "'\"'\"'") + "'"
                shell.write(f"{name}={mark}\n")
        return 0
    index = 0
    while index < len(args):
        word = args[index]
        if word == "--":
            shell.positional = args[index + 1 :]
            return 0
        if word == "-":
            shell.options -= {"x", "v"}
            shell.positional = args[index + 1 :] or shell.positional
            return 0
        if not re.fullmatch(r"[-+][a-zA-Z]+", word):
            shell.positional = args[index:]
            return 0
        on = word[0] == "-"
        for letter in word[1:]:
            if letter == "o":
                index += 1
                status = _set_long(shell, args[index] if index < len(args) else "", on=on)
                if status:
                    return status
            elif letter not in "abefhmnuvxCEIVBHPTt":
                text = (
                    f"{word[0]}{letter}: invalid option"
                    if shell.flavour.bash
                    else f"Illegal option -{letter}"
                )
                return fail(
                    shell, "set", text if shell.flavour.name != "busybox" else f"illegal option -{letter}", 2
                )
            elif on:
                shell.options.add(letter)
            else:
                shell.options.discard(letter)
        index += 1
    return 0


def _set_long(shell: Shell, name: str, *, on: bool) -> int:
    if not name:
        for long, letter in sorted(_LONG_OPTIONS.items()):
            shell.write(f"{long:<15}\t{'on' if letter in shell.options else 'off'}\n")
        return 0
    known = _LONG_OPTIONS.get(name)
    if known is None or (name == "pipefail" and shell.flavour.name == "dash"):
        text = f"{name}: invalid option name" if shell.flavour.bash else f"Illegal option -o {name}"
        return fail(shell, "set", text, 2)
    if on:
        shell.options.add(known)
    else:
        shell.options.discard(known)
    return 0


def _shift(shell: Shell, argv: list[str]) -> int:
    text = argv[1] if len(argv) > 1 else "1"
    if not text.isdigit():
        return fail(shell, "shift", shell.flavour.bad_number(text), 2)
    if int(text) > len(shell.positional):
        if shell.flavour.name == "dash":
            return fail(shell, "shift", "can't shift that many", 2)
        return 1
    shell.positional = shell.positional[int(text) :]
    return 0


def _eval(shell: Shell, argv: list[str]) -> int:
    text = " ".join(argv[1:])
    shell.status = 0
    return _run_text(shell, text)


def _run_text(shell: Shell, text: str) -> int:
    try:
        return shell.run_source(text)
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
        return _run_text(shell, data.decode("utf-8", "surrogateescape"))
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


def _read(shell: Shell, argv: list[str]) -> int:  # noqa: C901 - a case for each thing there is
    args = argv[1:]
    raw = False
    prompt, count, delimiter, array = "", 0, b"\n", ""
    while args and args[0].startswith("-") and len(args[0]) > 1:
        option, args = args[0], args[1:]
        for n, letter in enumerate(option[1:], 2):
            if letter in "ptndu" or (letter == "a" and shell.flavour.bash):
                value = option[n:] or (args.pop(0) if args else "")
                if letter == "p":
                    prompt = value
                elif letter == "n":
                    count = int(value) if value.isdigit() else 0
                elif letter == "d":
                    delimiter = value[:1].encode() or b"\0"
                elif letter == "a":
                    array = value
                break
            raw = raw or letter == "r"
    if prompt and shell.process.interactive:
        shell.write(prompt, 2)
    line, ended = _read_line(shell, raw=raw, count=count, delimiter=delimiter)
    names = args or (["REPLY"] if shell.flavour.bash or shell.flavour.name == "busybox" else [])
    if not names and not array:
        shell.complain("arg count", "read")
        return 2
    for name in names:
        if not _NAME.fullmatch(name):
            return fail(shell, "read", shell.flavour.bad_name(name), 2)
    if array:
        shell.assign_text(array, split(line, shell.ifs)[0])
    elif not args:
        shell.assign_text(names[0], line)
    else:
        _distribute(shell, names, line)
    return 0 if ended else 1


def _read_line(shell: Shell, *, raw: bool, count: int, delimiter: bytes) -> tuple[str, bool]:
    stdin = shell.fds[0]
    out = bytearray()
    ended = False
    while True:
        if count or delimiter != b"\n":
            piece = stdin.read(1)
            if not piece:
                break
            if piece == delimiter:
                ended = True
                break
            out += piece
            if count and len(out) >= count:
                ended = True
                break
            continue
        line = stdin.readline()
        ended = line.endswith(b"\n")
        out += line[:-1] if ended else line
        if not raw and ended and len(out) - len(out.rstrip(b"\\")) & 1:
            del out[-1:]
            continue
        break
    shell.budget.step()
    text = out.decode("utf-8", "surrogateescape").replace("\0", "")
    return (text if raw else re.sub(r"\\(.)", r"\1", text)), ended


def _distribute(shell: Shell, names: list[str], line: str) -> None:
    """Give each name a field; the last gets all that is left."""
    ifs = shell.ifs
    blanks = "".join(c for c in ifs if c in " \t\n")
    rest = line.strip(blanks) if blanks else line
    for name in names[:-1]:
        if not ifs:
            field, rest = rest, ""
        else:
            blank_class = f"[{re.escape(blanks)}]*" if blanks else ""
            hard = "".join(c for c in ifs if c not in blanks)
            pattern = f"{blank_class}[{re.escape(hard)}]{blank_class}" if hard else None
            soft = f"[{re.escape(blanks)}]+" if blanks else None
            match = re.search("|".join(p for p in (pattern, soft) if p) or r"(?!)", rest)
            field, rest = (rest[: match.start()], rest[match.end() :]) if match else (rest, "")
        shell.assign_text(name, field)
    hard = "".join(c for c in ifs if c not in " \t\n")
    if hard and rest and rest[-1] in hard and not any(c in hard for c in rest[:-1]):
        rest = rest[:-1]  # POSIX: one separator that ends the last field is no part of it
    shell.assign_text(names[-1], rest)


def _trap(shell: Shell, argv: list[str]) -> int:
    args = [a for a in argv[1:] if a != "--"]
    if not args or args == ["-p"]:
        for name, text in shell.traps.items():
            shown = f"SIG{name}" if shell.flavour.bash and name != "EXIT" else name
            shell.write(f"trap -- {quoted(text) if ' ' not in text else chr(39) + text + chr(39)} {shown}\n")
        return 0
    if args[0] == "-l":
        return _signal_list(shell)
    if len(args) == 1:
        shell.traps.pop(_signal_name(args[0]), None)
        return 0
    action, signals = args[0], args[1:]
    for signal in signals:
        name = _signal_name(signal)
        if name not in SIGNALS and name not in ("EXIT", "ERR", "DEBUG"):
            text = f"{signal}: invalid signal specification" if shell.flavour.bash else f"{signal}: bad trap"
            return fail(shell, "trap", text, 1)
        if action == "-":
            shell.traps.pop(name, None)
        else:
            shell.traps[name] = action
    entry = shell.machine.processes.get(shell.process.pid)
    if entry is not None:
        entry.exit_on = sorted(
            SIGNALS[name] for name, text in shell.traps.items() if name in SIGNALS and text
        )
    return 0


def _signal_name(text: str) -> str:
    if text.isdigit():
        number = int(text)
        return "EXIT" if number == 0 else next((n for n, v in SIGNALS.items() if v == number), text)
    return text.upper().removeprefix("SIG")


def _signal_list(shell: Shell) -> int:
    rows = [f"{number:>2}) SIG{name}" for name, number in SIGNALS.items()]
    for start in range(0, len(rows), 5):
        shell.write("\t".join(rows[start : start + 5]) + "\n")
    return 0


def _kill(shell: Shell, argv: list[str]) -> int:
    args = argv[1:]
    signal = 15
    if args and args[0] == "-l":
        return _signal_list(shell) if len(args) == 1 else _kill_name(shell, args[1])
    if args and args[0] in ("-s", "-n") and len(args) > 1:
        args = [f"-{args[1]}", *args[2:]]
    if args and re.fullmatch(r"-[A-Za-z0-9]+", args[0]) and args[0] != "-l":
        name = _signal_name(args[0][1:])
        if name == "EXIT":
            signal = 0
        elif name not in SIGNALS:
            text = (
                f"{args[0][1:]}: invalid signal specification"
                if shell.flavour.bash
                else f"invalid signal number or name: {args[0][1:]}"
            )
            shell.complain(text, "kill")
            return 1 if shell.flavour.bash else 2
        else:
            signal = SIGNALS[name]
        args = args[1:]
    if not args:
        text = "kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]"
        shell.complain(
            text if shell.flavour.bash else "Usage: kill [-s sigspec | -signum | -sigspec] [pid | job]..."
        )
        return 2
    status = 0
    for text in args:
        status |= _kill_one(shell, text, signal)
    return status


def _kill_name(shell: Shell, text: str) -> int:
    number = int(text) & 127 if text.isdigit() else SIGNALS.get(_signal_name(text), 0)
    shell.write(f"{_signal_name(str(number)) if text.isdigit() else number}\n")
    return 0


def _kill_one(shell: Shell, text: str, signal: int) -> int:
    pid = shell.last_job if text.startswith("%") else int(text) if re.fullmatch(r"-?\d{1,9}", text) else None
    if pid is None:
        problem = (
            f"{text}: arguments must be process or job IDs"
            if shell.flavour.bash
            else f"Illegal number: {text}"
        )
        shell.complain(problem, "kill")
        return 1
    if pid == shell.shell_pid and pid != 1:
        if signal in (0, 17, 18, 28):
            return 0
        raise Exit(128 + signal)
    if shell.machine.kill(abs(pid), signal):
        return 0
    if shell.flavour.bash:
        shell.complain(f"({pid}) - No such process", "kill")
    elif shell.flavour.name == "busybox":
        shell.complain(f"can't kill pid {pid}: No such process")
    else:
        shell.complain("No such process", "kill")
        shell.write("\n", 2)
    return 1


def _wait(shell: Shell, argv: list[str]) -> int:
    pids = [int(a) for a in argv[1:] if a.isdigit()] or None
    return wait(shell, pids)


def wait(shell: Shell, pids: list[int] | None) -> int:
    """Wait for background jobs: all of them, or those given."""
    while True:
        processes = shell.machine.processes
        own = shell.process.pid
        jobs = [e for p, e in processes.items() if p not in (1, own) and (pids is None or p in pids)]
        if not jobs:
            return 0
        due = [e.until for e in jobs if e.until is not None]
        timeline = shell.process.timeline
        if timeline.suspendable:
            pause = Suspended(min(due) if due else None, jobs[0].pid)
            if not due:
                shell.machine.waiting_for = jobs[0].pid
            elif min(due) <= timeline.now():
                pause.until = timeline.now() + 0.01
            pause.frames.insert(0, {"wait": pids})
            raise pause
        if timeline.wait is None or not due:
            return 0
        shell.process.sleep(max(min(due) - timeline.now(), 0.01))
        for job in jobs:
            if job.until is not None and job.until <= timeline.now():
                processes.pop(job.pid, None)


def _jobs(shell: Shell, argv: list[str]) -> int:
    del argv
    for n, (pid, entry) in enumerate(
        (p, e) for p, e in shell.machine.processes.items() if p not in (1, shell.process.pid)
    ):
        del pid
        shell.write(f"[{n + 1}]{'+' if n == 0 else ' '}  Running                 {' '.join(entry.argv)} &\n")
    return 0


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


def _getopts(shell: Shell, argv: list[str]) -> int:
    if len(argv) < 3:
        shell.complain(
            "Usage: getopts optstring var [arg]"
            if not shell.flavour.bash
            else "usage: getopts optstring name [arg ...]",
            "getopts",
        )
        return 2
    letters, name = argv[1], argv[2]
    args = argv[3:] or shell.positional
    index = int(shell.get("OPTIND") or "1")
    position = int(str(shell.variables.get("_optpos") or "1"))
    if index == 1 and shell.variables.get("_optind") != "1":
        position = 1
    word = args[index - 1] if index <= len(args) else ""
    if not word.startswith("-") or word == "-" or word == "--":
        shell.assign_text("OPTIND", str(index + (word == "--")))
        shell.assign_text(name, "?")
        return 1
    letter = word[position]
    last = position + 1 >= len(word)
    at = letters.find(letter) if letter != ":" else -1
    shell.variables.pop("OPTARG", None)
    next_index, next_position = (index + 1, 1) if last else (index, position + 1)
    found = letter
    if at < 0:
        found = "?"
        if letters.startswith(":"):
            shell.assign_text("OPTARG", letter)
        else:
            text = f"illegal option -- {letter}" if shell.flavour.bash else f"Illegal option -{letter}"
            shell.write(f"{shell.origin.name}: {text}\n" if shell.flavour.bash else f"{text}\n", 2)
    elif letters[at + 1 : at + 2] == ":":
        if not last:
            shell.assign_text("OPTARG", word[position + 1 :])
        elif index < len(args):
            shell.assign_text("OPTARG", args[index])
            next_index = index + 2
        elif letters.startswith(":"):
            found = ":"
            shell.assign_text("OPTARG", letter)
        else:
            found = "?"
            text = (
                f"option requires an argument -- {letter}"
                if shell.flavour.bash
                else f"No arg for -{letter} option"
            )
            shell.write(f"{shell.origin.name}: {text}\n" if shell.flavour.bash else f"{text}\n", 2)
        if not last or found == letter:
            next_index, next_position = (next_index if last else index + 1), 1
    shell.assign_text("OPTIND", str(next_index))
    shell.variables["_optpos"], shell.variables["_optind"] = str(next_position), str(next_index)
    shell.assign_text(name, found)
    return 0


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


def _let(shell: Shell, argv: list[str]) -> int:
    value = 0
    for expression in argv[1:]:
        value = shell.expand.arithmetic(expression)
    return int(value == 0)


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


def _foreground(shell: Shell, argv: list[str]) -> int:
    shell.complain("no job control" if shell.flavour.bash else "No current job", argv[0])
    return 1 if shell.flavour.bash else 2


def _mapfile(shell: Shell, argv: list[str]) -> int:
    trim = "-t" in argv[1:]
    names = [a for a in argv[1:] if not a.startswith("-")]
    data = shell.fds[0].read().decode("utf-8", "surrogateescape")
    lines = data.splitlines(keepends=not trim)
    shell.assign_text(names[0] if names else "MAPFILE", lines)
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
    "export": _export, "readonly": _readonly, "unset": _unset, "local": _local, "set": _set, "shift": _shift,
    "eval": _eval, ".": _source, "exec": _exec, "read": _read, "trap": _trap, "kill": _kill, "wait": _wait,
    "jobs": _jobs, "type": _type, "command": _command, "getopts": _getopts, "umask": _umask, "ulimit": _ulimit,
    "times": _times, "alias": _alias, "unalias": _unalias, "hash": _hash, "fg": _foreground, "bg": _foreground,
}  # fmt: skip
_BASH: dict[str, Builtin] = {
    "source": _source, "declare": _declare, "typeset": _declare, "let": _let, "builtin": _builtin, "shopt": _colon,
    "disown": _colon, "mapfile": _mapfile, "readarray": _mapfile, "history": _colon, "help": _help, "enable": _colon,
    "complete": _colon, "bind": _colon, "suspend": _colon, "caller": _false,
}  # fmt: skip
_BUSYBOX: dict[str, Builtin] = {"source": _source, "let": _let, "help": _help, "history": _colon, "[[": _test}


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
