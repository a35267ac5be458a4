"""The shell's built-ins about variables, options and parameters: export, local, set, shift and their like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kubesim.runtime.shell.builtins_common import (
    NAME,
    fail,
    quoted,
)

if TYPE_CHECKING:
    from kubesim.runtime.shell.interpreter import Shell


def _assignment_words(shell: Shell, argv: list[str], builtin: str) -> list[tuple[str, str | None]] | int:
    found = []
    for word in argv:
        name, equals, value = word.partition("=")
        append = name.endswith("+") and equals
        name = name.rstrip("+") if append else name
        if not NAME.fullmatch(name):
            status = 1 if shell.flavour.bash else 2
            fail(shell, builtin, shell.flavour.bad_name(word), status)
            return status
        if append:
            value = (shell.get(name) or "") + value
        found.append((name, value if equals else None))
    return found


def export(shell: Shell, argv: list[str]) -> int:
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


def readonly(shell: Shell, argv: list[str]) -> int:
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


def unset(shell: Shell, argv: list[str]) -> int:
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
        elif not NAME.fullmatch(name.partition("[")[0]):
            return fail(shell, "unset", shell.flavour.bad_name(name), 1 if shell.flavour.bash else 2)
        elif shell.flavour.bash:
            shell.functions.pop(name, None)
    return 0


def local(shell: Shell, argv: list[str]) -> int:
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


def declare(shell: Shell, argv: list[str]) -> int:
    flags = "".join(a[1:] for a in argv[1:] if re.fullmatch(r"[-+][a-zA-Z]+", a))
    words = [a for a in argv[1:] if not re.fullmatch(r"[-+][a-zA-Z]+", a)]
    if not words:
        for name in sorted(shell.variables):
            value = shell.get(name)
            if value is not None and not name.startswith("_"):
                shell.write(f"{name}={quoted(value)}\n")
        return 0
    if shell.locals and "g" not in flags:
        status = local(shell, ["local", *words])
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


def set_options(shell: Shell, argv: list[str]) -> int:  # noqa: C901 - a case for each thing there is
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


def shift(shell: Shell, argv: list[str]) -> int:
    text = argv[1] if len(argv) > 1 else "1"
    if not text.isdigit():
        return fail(shell, "shift", shell.flavour.bad_number(text), 2)
    if int(text) > len(shell.positional):
        if shell.flavour.name == "dash":
            return fail(shell, "shift", "can't shift that many", 2)
        return 1
    shell.positional = shell.positional[int(text) :]
    return 0


def let(shell: Shell, argv: list[str]) -> int:
    value = 0
    for expression in argv[1:]:
        value = shell.expand.arithmetic(expression)
    return int(value == 0)
