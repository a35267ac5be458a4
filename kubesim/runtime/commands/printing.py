"""Programs that print what they are told: echo, printf, env, seq, yes, test, expr."""

from __future__ import annotations

import math
import re
from collections import deque

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import UsageError, missing_operand, parse
from kubesim.runtime.process import MEMORY, Process, Stopped
from kubesim.runtime.shell.builtins_common import echo_text, unescape_echo
from kubesim.runtime.shell.conditions import TestProblem, evaluate, problem_text


def true(process: Process) -> int:
    del process
    return 0


def false(process: Process) -> int:
    del process
    return 1


def echo(process: Process) -> int:
    process.write(echo_text(process.args, escapes=False, options="neE"))
    return 0


_CONVERSION = re.compile(r"%(?:%|([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([a-zA-Z]))|%")


def format_printf(template: str, args: list[str]) -> tuple[str, list[str]]:
    """What `printf` writes, and what it complains about."""
    rest = deque(args)
    problems: list[str] = []
    out: list[str] = []
    template, stopped = unescape_format(template)
    size = 0
    while True:
        before = len(rest)
        piece, ended = _format_once(template, rest, problems)
        out.append(piece)
        size += len(piece)
        _bound(size)
        if ended or stopped or not rest or len(rest) == before:
            break
    return "".join(out), problems


_FORMAT_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|u[0-9a-fA-F]{4}|.)", re.DOTALL)


def unescape_format(text: str) -> tuple[str, bool]:
    r"""The escapes of a printf format: \NNN without the zero that echo wants."""
    if "\\" not in text:
        return text, False
    codes = {
        "a": "\a",
        "b": "\b",
        "f": "\f",
        "n": "\n",
        "r": "\r",
        "t": "\t",
        "v": "\v",
        "\\": "\\",
        '"': '"',
        "'": "'",
        "e": "\x1b",
    }
    head, stop, _ = text.partition("\\c")

    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] == "x" and len(code) > 1:
            return _byte(int(code[1:], 16))
        if code[0] == "u" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return _byte(int(code, 8))
        return codes.get(code, "\\" + code)

    return _FORMAT_ESCAPE.sub(one, head), bool(stop)


def _byte(value: int) -> str:
    value &= 255
    return chr(value) if value < 128 else chr(0xDC00 + value)


def _bound(*sizes: int) -> None:
    if any(abs(size) > MEMORY for size in sizes):
        raise Stopped("stopped: a text in a simulated process is bounded to 4 MiB")


def _format_once(template: str, rest: deque[str], problems: list[str]) -> tuple[str, bool]:
    out: list[str] = []
    at = 0
    for match in _CONVERSION.finditer(template):
        out.append(template[at : match.start()])
        at = match.end()
        if match.group() == "%%":
            out.append("%")
            continue
        flags, width, precision, letter = match.groups()
        if letter is None:
            problems.append("%: invalid format")
            return "".join(out), True
        if width == "*":
            width = str(_integer(rest.popleft() if rest else "0", problems))
        if precision == "*":
            precision = str(_integer(rest.popleft() if rest else "0", problems))
        dot = "." in match.group()
        _bound(int(width or 0), int(precision or 0))
        spec = f"%{flags}{width or ''}{'.' + (precision or '0') if dot else ''}"
        value = rest.popleft() if rest else None
        if letter == "b":
            text, ended = unescape_echo(value or "")
            out.append((spec + "s") % text)
            if ended:
                return "".join(out), True
        elif letter in "sc":
            text = value or ""
            out.append((spec + "s") % (text[:1] if letter == "c" else text))
        elif letter == "q":
            from kubesim.runtime.shell.builtins_common import quoted

            out.append(quoted(value or ""))
        elif letter in "diouxX":
            out.append((spec + {"i": "d", "u": "d"}.get(letter, letter)) % _integer(value or "0", problems))
        elif letter in "eEfFgG":
            out.append((spec + letter) % _float(value or "0", problems))
        else:
            problems.append(f"%{letter}: invalid conversion specification")
            return "".join(out), True
    out.append(template[at:])
    return "".join(out), False


def _integer(text: str, problems: list[str]) -> int:
    text = text.strip()
    if text[:1] in ("'", '"') and len(text) > 1:
        return ord(text[1])
    try:
        return int(text, 0) if not re.fullmatch(r"[-+]?0\d+", text) else int(text, 8)
    except ValueError:
        match = re.match(r"[-+]?\d+", text)
        problems.append(f"{text}: invalid number" if not match else f"{text}: not completely converted")
        return int(match.group()) if match else 0


def _float(text: str, problems: list[str]) -> float:
    try:
        return float(text)
    except ValueError:
        problems.append(f"{text}: invalid number")
        return 0.0


@program
def printf(process: Process) -> int:
    args = process.args[1:] if process.args[:1] == ["--"] else process.args
    if not args:
        return missing_operand(process)
    text, problems = format_printf(args[0], args[1:])
    process.write(text)
    for problem in problems:
        process.fail(problem)
    return 1 if problems else 0


def printenv(process: Process) -> int:
    if not process.args:
        for name, value in process.env.items():
            process.print(f"{name}={value}")
        return 0
    code = 0
    for name in process.args:
        if name in process.env:
            process.print(process.env[name])
        else:
            code = 1
    return code


@program
def env(process: Process) -> int:
    opts = parse(
        process,
        "iu:0C:",
        {"ignore-environment": "i", "unset=": "u", "null": "0", "chdir=": "C"},
        stop=True,
        code=125,
    )
    variables = {} if "i" in opts else dict(process.env)
    for name in opts.all("u"):
        variables.pop(name, None)
    args = opts.args
    if args[:1] == ["-"]:
        variables, args = {}, args[1:]
    while args and "=" in args[0]:
        name, _, value = args[0].partition("=")
        variables[name] = value
        args = args[1:]
    if not args:
        end = "\0" if "0" in opts else "\n"
        process.write("".join(f"{name}={value}{end}" for name, value in variables.items()))
        return 0
    child = process.child(args, env=variables, cwd=opts.get("C") or process.cwd)
    child.env = variables
    try:
        process.machine.load(child)
    except OSError as error:
        text = (
            f"can't execute '{args[0]}'"
            if process.machine.flavour == "busybox"
            else f"'{args[0]}'"
            if process.machine.flavour == "gnu"
            else args[0]
        )
        return process.fail(f"{text}: {error.strerror}", 127 if error.errno == 2 else 126)
    return process.become(
        args, env=variables or {"PATH": process.env.get("PATH", "")}, cwd=opts.get("C") or process.cwd
    )


@program
def yes(process: Process) -> int:
    line = (" ".join(process.args) or "y") + "\n"
    block = line * max(1, 65536 // len(line))
    while True:
        process.budget.step()
        process.write(block)


@program
def seq(process: Process) -> int:  # noqa: C901 - a case for each option and each mistake
    args = list(process.args)
    separator, width = "\n", False
    template = ""
    while args and args[0].startswith("-") and not re.match(r"-[\d.]", args[0]):
        option = args.pop(0)
        if option.startswith("-s"):
            separator = option[2:] or (args.pop(0) if args else "\n")
        elif option.startswith("-f"):
            template = option[2:] or (args.pop(0) if args else "%g")
        elif option in ("-w", "--equal-width"):
            width = True
        else:
            raise UsageError(f"invalid option -- '{option[1:2]}'\nTry 'seq --help' for more information.")
    if not args:
        return missing_operand(process)
    try:
        numbers = [float(a) for a in args[:3]]
    except ValueError:
        if process.machine.flavour == "busybox":
            return missing_operand(process)
        bad = next(a for a in args if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", a))
        raise UsageError(
            f"invalid floating point argument: '{bad}'\nTry 'seq --help' for more information."
        ) from None
    first = numbers[0] if len(numbers) > 1 else 1.0
    step = numbers[1] if len(numbers) > 2 else 1.0
    last = numbers[-1]
    if step == 0:
        raise UsageError(f"invalid Zero increment value: '{args[1]}'\nTry 'seq --help' for more information.")
    digits = max((len(a.partition(".")[2]) for a in args), default=0)
    for word, number in zip(args, numbers, strict=False):
        if math.isnan(number) or (math.isinf(number) and number is not last):
            raise UsageError(
                f"invalid 'not-a-number' argument: '{word}'\nTry 'seq --help' for more information."
            )
    count = int(min((last - first) / step + 1e-9, 1e15)) + 1 if last > -math.inf else 0
    longest = max(len(f"{first:.{digits}f}"), len(f"{last:.{digits}f}")) if width else 0
    for start in range(0, max(count, 0), 4096):
        process.budget.step(8)
        rows = [first + n * step for n in range(start, min(start + 4096, count))]
        if template:
            texts = [format_printf(template, [repr(v)])[0] for v in rows]
        else:
            texts = [f"{v:0{longest}.{digits}f}" for v in rows]
        process.write(separator.join(texts) + ("\n" if start + 4096 >= count else separator))
    return 0


@program
def basename(process: Process) -> int:
    opts = parse(process, "as:z", {"multiple": "a", "suffix=": "s"})
    if not opts.args:
        return missing_operand(process)
    suffix = opts.get("s")
    names = opts.args
    if "a" not in opts and "s" not in opts:
        suffix = names[1] if len(names) > 1 else ""
        names = names[:1]
    for name in names:
        text = name.rstrip("/").rpartition("/")[2] or ("/" if name.startswith("/") else "")
        process.print(text[: -len(suffix)] if suffix and text.endswith(suffix) and text != suffix else text)
    return 0


@program
def dirname(process: Process) -> int:
    if not process.args:
        return missing_operand(process)
    for name in process.args:
        head = name.rstrip("/").rpartition("/")[0]
        process.print(head or ("/" if name.startswith("/") else "."))
    return 0


def test(process: Process) -> int:
    args = process.args
    try:
        if process.name in ("[", "[["):
            if not args or args[-1] != process.name.replace("[", "]"):
                raise TestProblem("bracket")
            args = args[:-1]
        return int(not evaluate(process, args))
    except TestProblem as problem:
        text = problem_text(problem, "busybox" if process.machine.flavour == "busybox" else "bash")
        return process.fail(text, 2)


def clear(process: Process) -> int:
    process.write("\x1b[H\x1b[2J\x1b[3J")
    return 0


reset = clear


@program
def expr(process: Process) -> int:
    if not process.args:
        return missing_operand(process, code=2)
    tokens = list(process.args)
    value = _expr_or(tokens)
    if tokens:
        raise UsageError(f"syntax error: unexpected argument '{tokens[0]}'", 2)
    process.print(str(value))
    return int(str(value) in ("", "0"))


def _expr_or(tokens: list[str]) -> str:
    left = _expr_and(tokens)
    while tokens[:1] == ["|"]:
        tokens.pop(0)
        right = _expr_and(tokens)
        left = left if left not in ("", "0") else right
    return left


def _expr_and(tokens: list[str]) -> str:
    left = _expr_compare(tokens)
    while tokens[:1] == ["&"]:
        tokens.pop(0)
        right = _expr_compare(tokens)
        left = left if left not in ("", "0") and right not in ("", "0") else "0"
    return left


def _expr_compare(tokens: list[str]) -> str:
    left = _expr_sum(tokens)
    while tokens and tokens[0] in ("=", "==", "!=", "<", ">", "<=", ">="):
        op = tokens.pop(0)
        right = _expr_sum(tokens)
        both = re.fullmatch(r"-?\d+", left) and re.fullmatch(r"-?\d+", right)
        a: int | str = int(left) if both else left
        b: int | str = int(right) if both else right
        sign = (a > b) - (a < b)  # type: ignore[operator]
        found = {
            "=": sign == 0,
            "==": sign == 0,
            "!=": sign != 0,
            "<": sign < 0,
            ">": sign > 0,
            "<=": sign <= 0,
            ">=": sign >= 0,
        }[op]
        left = str(int(found))
    return left


def _expr_number(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise UsageError("non-integer argument", 2)
    return int(text)


def _expr_sum(tokens: list[str]) -> str:
    left = _expr_product(tokens)
    while tokens and tokens[0] in ("+", "-"):
        op = tokens.pop(0)
        right = _expr_number(_expr_product(tokens))
        left = str(_expr_number(left) + (right if op == "+" else -right))
    return left


def _expr_product(tokens: list[str]) -> str:
    left = _expr_match(tokens)
    while tokens and tokens[0] in ("*", "/", "%"):
        op = tokens.pop(0)
        a, b = _expr_number(left), _expr_number(_expr_match(tokens))
        if op != "*" and b == 0:
            raise UsageError("division by zero", 2)
        left = str(a * b if op == "*" else int(a / b) if op == "/" else a - int(a / b) * b)
    return left


def _expr_match(tokens: list[str]) -> str:
    left = _expr_primary(tokens)
    while tokens[:1] == [":"]:
        tokens.pop(0)
        left = _anchored(left, _expr_primary(tokens))
    return left


def _anchored(text: str, expression: str) -> str:
    from kubesim.runtime.commands.regex import compile_basic

    match = compile_basic(expression).match(text)
    if match is None:
        return "" if "\\(" in expression else "0"
    return (match.group(1) or "") if match.re.groups else str(len(match.group()))


def _expr_primary(tokens: list[str]) -> str:
    if not tokens:
        raise UsageError("syntax error: missing argument", 2)
    word = tokens.pop(0)
    if word == "(":
        value = _expr_or(tokens)
        if tokens[:1] != [")"]:
            raise UsageError("syntax error: expecting ')'", 2)
        tokens.pop(0)
        return value
    if word == "length" and tokens:
        return str(len(_expr_primary(tokens)))
    if word == "substr" and len(tokens) >= 3:
        text, start, size = (
            _expr_primary(tokens),
            _expr_number(_expr_primary(tokens)),
            _expr_number(_expr_primary(tokens)),
        )
        return text[max(start - 1, 0) : max(start - 1 + size, 0)]
    if word == "index" and len(tokens) >= 2:
        text, chars = _expr_primary(tokens), _expr_primary(tokens)
        return str(next((n + 1 for n, c in enumerate(text) if c in chars), 0))
    if word == "match" and len(tokens) >= 2:
        text, expression = _expr_primary(tokens), _expr_primary(tokens)
        return _anchored(text, expression)
    return word
