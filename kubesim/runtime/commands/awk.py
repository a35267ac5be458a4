"""awk: patterns and actions, fields, variables, arrays, control flow, the functions of POSIX, user functions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from kubesim.runtime.commands.awk_grammar import AwkParser, Node, unescape_awk
from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import UsageError, parse
from kubesim.runtime.commands.printing import format_printf
from kubesim.runtime.commands.regex import translate
from kubesim.runtime.expressions import compile_expression
from kubesim.runtime.process import Buffer, BytesReader, Process


class _Next(Exception):
    pass


class _Exit(Exception):
    pass


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Loop(Exception):
    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.again = again


class _Input(str):
    """Text from the input: it is a number where it looks like one."""

    __slots__ = ()


_LOOKS_NUMERIC = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


class _Awk:
    def __init__(self, process: Process, text: str, assigned: dict[str, str]) -> None:
        self.process = process
        self.rules, self.functions = AwkParser(text).program()
        self.globals: dict[str, Any] = {
            "NR": 0.0,
            "NF": 0.0,
            "FNR": 0.0,
            "FS": " ",
            "OFS": " ",
            "ORS": "\n",
            "RS": "\n",
            "SUBSEP": "\x1c",
            "RSTART": 0.0,
            "RLENGTH": -1.0,
            "FILENAME": "",
            "CONVFMT": "%.6g",
            "OFMT": "%.6g",
            "ENVIRON": {k: _Input(v) for k, v in process.env.items()},
        }
        self.globals |= {k: _Input(unescape_awk(v)) for k, v in assigned.items()}
        self.locals: list[dict[str, Any]] = []
        self.record = ""
        self.fields: list[str] = []
        self.writers: dict[str, Any] = {}
        self.pipes: dict[str, Buffer] = {}
        self.readers: dict[str, Any] = {}
        self.ranges: set[int] = set()
        self.code = 0
        self.lines: list[tuple[str, str, bool]] = []
        self.at = 0
        self.seed = 0
        self.pending: list[str] = []

    # Records

    def set_record(self, text: str) -> None:
        self.record = text
        self.fields = self.split_fields(text, str(self.globals["FS"]))
        self.globals["NF"] = float(len(self.fields))

    def split_fields(self, text: str, separator: str) -> list[str]:
        if separator == " ":
            return text.split()
        if not text:
            return []
        if len(separator) == 1 and separator not in "\\|":
            return text.split("\t" if separator == "\t" else separator)
        if not separator:
            return list(text)
        return self.pieces(text, separator)

    def pieces(self, text: str, separator: str) -> list[str]:
        """What is between the places where an expression matches; groups in it are nothing special."""
        at, out = 0, []
        for found in self.regex(separator).finditer(text):
            if found.group():
                out.append(text[at : found.start()])
                at = found.end()
        return [*out, text[at:]]

    def rebuild(self) -> None:
        self.record = self.text(self.globals["OFS"]).join(self.fields)

    def regex(self, text: str) -> re.Pattern[str]:
        try:
            return compile_expression(translate(text, extended=True))
        except re.error:
            raise UsageError(f"cmd. line:1: regular expression compile failed ({text})", 2) from None

    # Values

    def number(self, value: Any) -> float:
        if isinstance(value, float):
            return value
        match = re.match(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", str(value))
        return float(match.group()) if match else 0.0

    def text(self, value: Any) -> str:
        if isinstance(value, float):
            if math.isnan(value) or math.isinf(value):
                return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
            return (
                str(int(value))
                if value == int(value) and abs(value) < 1e16
                else str(self.globals.get("CONVFMT", "%.6g")) % value
            )
        return str(value)

    def joined(self, left: str, right: str) -> str:
        self.process.budget.holds(len(left) + len(right))
        return left + right

    def true(self, value: Any) -> bool:
        if isinstance(value, _Input) and _LOOKS_NUMERIC.fullmatch(value):
            return float(value) != 0
        return value != 0.0 if isinstance(value, float) else value != ""

    def numeric(self, value: Any) -> bool:
        return isinstance(value, float) or (
            isinstance(value, _Input) and (value == "" or _LOOKS_NUMERIC.fullmatch(value) is not None)
        )

    def scope(self, name: str) -> dict[str, Any]:
        return self.locals[-1] if self.locals and name in self.locals[-1] else self.globals

    def table(self, name: str) -> dict[str, Any]:
        scope = self.scope(name)
        found = scope.get(name)
        if not isinstance(found, dict):
            found = scope[name] = {}
        return found

    def key(self, nodes: list[Node]) -> str:
        return str(self.globals["SUBSEP"]).join(self.text(self.value(n)) for n in nodes)

    def assign(self, node: Node, value: Any) -> Any:
        kind = node[0]
        if kind == "var":
            self.scope(node[1])[node[1]] = value
            if node[1] == "NF":
                count = int(self.number(value))
                self.fields = (self.fields + [""] * min(count, 10_000))[: max(count, 0)]
                self.rebuild()
        elif kind == "index":
            table = self.table(node[1])
            if len(table) > 200_000:
                self.process.budget.step(1 << 30)
            table[self.key(node[2])] = value
        else:
            index = int(self.number(self.value(node[1])))
            if index == 0:
                self.set_record(self.text(value))
            elif 0 < index < 10_000:
                self.fields += [""] * (index - len(self.fields))
                self.fields[index - 1] = self.text(value)
                self.globals["NF"] = float(len(self.fields))
                self.rebuild()
        return value

    def value(self, node: Node) -> Any:
        return _VALUES[node[0]](self, node)

    def field_node(self, node: Node) -> Any:
        index = int(self.number(self.value(node[1])))
        if index < 0:
            raise UsageError(
                f"cmd. line:1: (FILENAME=- FNR={int(self.globals['FNR'])}) "
                f"fatal: attempt to access field {index}",
                2,
            )
        if index == 0:
            return _Input(self.record)
        return _Input(self.fields[index - 1]) if index <= len(self.fields) else _Input("")

    def index_node(self, node: Node) -> Any:
        return self.table(node[1]).setdefault(self.key(node[2]), _Input(""))

    def assignment_node(self, node: Node) -> Any:
        _, target, op, source = node
        value = self.value(source)
        if op:
            value = self.compute(op, self.number(self.value(target)), self.number(value))
        return self.assign(target, value)

    def compute(self, op: str, a: float, b: float) -> float:
        try:
            match op:
                case "+":
                    return a + b
                case "-":
                    return a - b
                case "*":
                    return a * b
                case "/":
                    return a / b
                case "%":
                    return math.fmod(a, b)
            return float(a**b)
        except ZeroDivisionError:
            raise UsageError(
                "cmd. line:1: fatal: division by zero attempted"
                if op == "/"
                else "cmd. line:1: fatal: division by zero attempted in `%'",
                2,
            ) from None
        except (OverflowError, ValueError):
            return math.inf

    def compare_node(self, node: Node) -> float:
        _, op, left, right = node
        a, b = self.value(left), self.value(right)
        if self.numeric(a) and self.numeric(b):
            a, b = self.number(a), self.number(b)
        else:
            a, b = self.text(a), self.text(b)
        return float({"<": a < b, "<=": a <= b, "==": a == b, "!=": a != b, ">": a > b, ">=": a >= b}[op])

    def matches_node(self, node: Node) -> float:
        _, negate, left, right = node
        pattern = right[1] if right[0] == "regex" else self.text(self.value(right))
        return float((self.regex(pattern).search(self.text(self.value(left))) is not None) != negate)

    def unary_node(self, node: Node) -> float:
        value = self.value(node[2])
        if node[1] == "!":
            return float(not self.true(value))
        return -self.number(value) if node[1] == "-" else self.number(value)

    def step_node(self, node: Node) -> float:
        kind, op, target = node
        before = self.number(self.value(target))
        after = before + (1 if op == "++" else -1)
        self.assign(target, after)
        return after if kind == "pre" else before

    def getline_node(self, node: Node) -> float:
        _, source, target, kind = node
        if not kind:
            line = self.next_line()
        else:
            name = self.text(self.value(source))
            key = kind + name
            if key not in self.readers:
                try:
                    data = (
                        self.process.read_file(name)
                        if kind == "<"
                        else self.process.capture(["sh", "-c", name])[1]
                    )
                except OSError:
                    return -1.0
                self.readers[key] = BytesReader(data)
            raw = self.readers[key].readline()
            line = raw.decode("utf-8", "surrogateescape").removesuffix("\n") if raw else None
        if line is None:
            return 0.0
        if target is None:
            self.set_record(line)
        else:
            self.assign(target, _Input(line))
        return 1.0

    def call_node(self, node: Node) -> Any:
        _, name, args = node
        self.process.budget.step()
        function = self.functions.get(name)
        if function is None:
            builtin = _BUILTINS.get(name)
            if builtin is None:
                raise UsageError(f"cmd. line:1: fatal: function `{name}' not defined", 2)
            return builtin(self, args)
        if len(self.locals) > 40:
            raise UsageError("function call nesting too deep", 2)
        names, body = function
        frame: dict[str, Any] = {}
        for n, parameter in enumerate(names):
            if n < len(args):
                arg = args[n]
                if arg[0] == "var" and (
                    isinstance(self.scope(arg[1]).get(arg[1]), dict) or arg[1] not in self.scope(arg[1])
                ):
                    frame[parameter] = (
                        self.table(arg[1])
                        if isinstance(self.scope(arg[1]).get(arg[1]), dict)
                        else self.value(arg)
                    )
                else:
                    frame[parameter] = self.value(arg)
            else:
                frame[parameter] = _Input("")
        self.locals.append(frame)
        try:
            self.execute(body)
        except _Return as back:
            return back.value
        finally:
            self.locals.pop()
        return _Input("")

    # Statements

    def execute(self, node: Node) -> None:
        _STATEMENTS[node[0]](self, node)

    def block_node(self, node: Node) -> None:
        for each in node[1]:
            self.process.budget.step()
            self.execute(each)

    def if_node(self, node: Node) -> None:
        if self.true(self.value(node[1])):
            self.execute(node[2])
        elif node[3] is not None:
            self.execute(node[3])

    def _repeat(self, body: Node) -> bool:
        """Run a loop's body; False: it was left."""
        self.process.budget.step()
        try:
            self.execute(body)
        except _Loop as loop:
            return loop.again
        return True

    def while_node(self, node: Node) -> None:
        while self.true(self.value(node[1])):
            if not self._repeat(node[2]):
                break

    def do_node(self, node: Node) -> None:
        while self._repeat(node[1]) and self.true(self.value(node[2])):
            pass

    def for_node(self, node: Node) -> None:
        _, start, condition, step, body = node
        if start is not None:
            self.execute(start)
        while condition is None or self.true(self.value(condition)):
            if not self._repeat(body):
                break
            if step is not None:
                self.execute(step)

    def forin_node(self, node: Node) -> None:
        for key in list(self.table(node[2])):
            self.assign(("var", node[1]), _Input(key))
            if not self._repeat(node[3]):
                break

    def print_node(self, node: Node) -> None:
        kind, args, redirect, target = node
        if kind == "printf":
            values = [self.value(a) for a in args]
            text = self.format(values) if values else ""
        elif not args:
            text = self.record + self.text(self.globals["ORS"])
        else:
            parts = []
            for arg in args:
                value = self.value(arg)
                parts.append(
                    str(self.globals["OFMT"]) % value
                    if isinstance(value, float) and value != int(value) and math.isfinite(value)
                    else self.text(value)
                )
            text = self.text(self.globals["OFS"]).join(parts) + self.text(self.globals["ORS"])
        if not redirect:
            self.process.write(text)
            return
        name = self.text(self.value(target))
        data = text.encode("utf-8", "surrogateescape")
        if redirect == "|":
            self.pipes.setdefault(name, Buffer()).write(data)
            return
        if name not in self.writers:
            self.writers[name] = self.process.open_writer(name, append=redirect == ">>")
        self.writers[name].write(data)

    def format(self, values: list[Any]) -> str:
        template = self.text(values[0])
        letters = re.findall(r"%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+)?)?([a-zA-Z%])", template)
        args = []
        rest = iter(values[1:])
        for letter in letters:
            if letter == "%":
                continue
            value = next(rest, "")
            if letter in "di":
                number = self.number(value)
                args.append(str(int(number)) if math.isfinite(number) else "0")
            elif letter in "eEfFgG":
                args.append(repr(self.number(value)))
            elif letter == "c" and isinstance(value, float):
                args.append(chr(int(value) & 0x10FFFF))
            elif letter in "oxXu":
                args.append(str(int(self.number(value))))
            else:
                args.append(self.text(value))
        return format_printf(template.replace("\\", "\\\\"), args)[0]

    def delete_node(self, node: Node) -> None:
        table = self.table(node[1])
        if node[2] is None:
            table.clear()
        else:
            table.pop(self.key(node[2]), None)

    def exit_node(self, node: Node) -> None:
        if node[1] is not None:
            self.code = int(self.number(self.value(node[1]))) & 255
        self.process.leave_input()
        raise _Exit

    def return_node(self, node: Node) -> None:
        raise _Return(self.value(node[1]) if node[1] is not None else _Input(""))

    # Running

    def next_line(self) -> str | None:
        if self.at >= len(self.lines):
            return None
        text, name, first = self.lines[self.at]
        self.at += 1
        self.globals["NR"] += 1.0
        self.globals["FNR"] = 1.0 if first else self.globals["FNR"] + 1.0
        self.globals["FILENAME"] = "" if name == "-" else name
        return text

    def load(self, names: list[str]) -> int:
        code = 0
        for name in names or ["-"]:
            match = re.fullmatch(r"([A-Za-z_]\w*)=(.*)", name, re.DOTALL)
            if match:
                self.globals[match.group(1)] = _Input(unescape_awk(match.group(2)))
                continue
            try:
                text = self.process.read_file(name).decode("utf-8", "surrogateescape")
            except OSError as error:
                code = self.process.fail(
                    f"cannot open {name} ({error.strerror})"
                    if self.process.machine.flavour == "gnu"
                    else f"{name}: {error.strerror}",
                    2,
                )
                continue
            separator = str(self.globals["RS"])
            if separator == "":
                rows = [r for r in re.split(r"\n\n+", text.strip("\n")) if r]
            elif separator == "\n":
                rows = text.split("\n")
            else:
                rows = self.pieces(text, separator) if len(separator) > 1 else text.split(separator)
                if rows and rows[-1] == "\n":
                    rows.pop()
            if rows and not rows[-1]:
                rows.pop()
            self.lines += [(row, name, n == 0) for n, row in enumerate(rows)]
        return code

    def run(self, names: list[str]) -> int:
        try:
            try:
                for kind, _, body in self.rules:
                    if kind == "BEGIN":
                        self.execute(body)
                if any(kind != "BEGIN" for kind, *_ in self.rules):
                    self.code = self.load(names)
                    self.main_loop()
            except _Exit:
                pass
            try:
                for kind, _, body in self.rules:
                    if kind == "END":
                        self.execute(body)
            except _Exit:
                pass
        finally:
            self.flush()
        return self.code

    def main_loop(self) -> None:
        while (line := self.next_line()) is not None:
            self.process.budget.step()
            self.set_record(line)
            try:
                for number, (kind, pattern, body) in enumerate(self.rules):
                    if kind == "rule" and self.selected(number, pattern):
                        self.execute(body)
            except _Next:
                continue

    def selected(self, number: int, pattern: Node | None) -> bool:
        if pattern is None:
            return True
        if pattern[0] != "range":
            return self.true(self.value(pattern))
        if number not in self.ranges and not self.true(self.value(pattern[1])):
            return False
        self.ranges.add(number)
        if self.true(self.value(pattern[2])):
            self.ranges.discard(number)
        return True

    def flush(self) -> None:
        for command, buffer in self.pipes.items():
            self.process.run(["sh", "-c", command], stdin=BytesReader(bytes(buffer.data)))
        self.pipes.clear()


def _raise(error: Callable[[], Exception]) -> Callable[[_Awk, Node], None]:
    def run(awk: _Awk, node: Node) -> None:
        del awk, node
        raise error()

    return run


_VALUES: dict[str, Callable[[_Awk, Node], Any]] = {
    "num": lambda a, n: n[1], "str": lambda a, n: n[1],
    "regex": lambda a, n: float(a.regex(n[1]).search(a.record) is not None),
    "var": lambda a, n: a.scope(n[1]).get(n[1], _Input("")), "field": _Awk.field_node, "index": _Awk.index_node,
    "group": lambda a, n: a.value(n[1][-1]), "paren": lambda a, n: a.value(n[1]), "assign": _Awk.assignment_node,
    "cond": lambda a, n: a.value(n[2]) if a.true(a.value(n[1])) else a.value(n[3]),
    "or": lambda a, n: float(a.true(a.value(n[1])) or a.true(a.value(n[2]))),
    "and": lambda a, n: float(a.true(a.value(n[1])) and a.true(a.value(n[2]))),
    "in": lambda a, n: float(a.key(n[1]) in a.table(n[2])), "match": _Awk.matches_node, "compare": _Awk.compare_node,
    "concat": lambda a, n: a.joined(a.text(a.value(n[1])), a.text(a.value(n[2]))),
    "math": lambda a, n: a.compute(n[1], a.number(a.value(n[2])), a.number(a.value(n[3]))), "unary": _Awk.unary_node,
    "pre": _Awk.step_node, "post": _Awk.step_node, "call": _Awk.call_node, "getline": _Awk.getline_node,
}  # fmt: skip
_STATEMENTS: dict[str, Callable[[_Awk, Node], None]] = {
    "block": _Awk.block_node, "if": _Awk.if_node, "while": _Awk.while_node, "do": _Awk.do_node, "for": _Awk.for_node,
    "forin": _Awk.forin_node, "print": _Awk.print_node, "printf": _Awk.print_node, "delete": _Awk.delete_node,
    "exit": _Awk.exit_node, "return": _Awk.return_node,
    "expr": lambda a, n: a.value(n[1]), "next": _raise(_Next), "nextfile": _raise(_Next),
    "break": _raise(lambda: _Loop(again=False)), "continue": _raise(lambda: _Loop(again=True)),
}  # fmt: skip


def _length(awk: _Awk, args: list[Node]) -> float:
    if not args:
        return float(len(awk.record))
    if args[0][0] == "var" and isinstance(awk.scope(args[0][1]).get(args[0][1]), dict):
        return float(len(awk.table(args[0][1])))
    return float(len(awk.text(awk.value(args[0]))))


def _substr(awk: _Awk, args: list[Node]) -> str:
    text = awk.text(awk.value(args[0]))
    start = awk.number(awk.value(args[1]))
    end = start + awk.number(awk.value(args[2])) if len(args) > 2 else math.inf
    begin = max(round(start), 1)
    return text[begin - 1 : None if math.isinf(end) else max(round(end) - 1, 0)]


def _split(awk: _Awk, args: list[Node]) -> float:
    text = awk.text(awk.value(args[0]))
    separator = (
        str(awk.globals["FS"])
        if len(args) < 3
        else args[2][1]
        if args[2][0] == "regex"
        else awk.text(awk.value(args[2]))
    )
    parts = awk.split_fields(text, separator)
    table = awk.table(args[1][1])
    table.clear()
    table.update({str(n): _Input(part) for n, part in enumerate(parts, 1)})
    return float(len(parts))


def _substitute(awk: _Awk, args: list[Node], *, everywhere: bool) -> float:
    regex = awk.regex(args[0][1] if args[0][0] == "regex" else awk.text(awk.value(args[0])))
    template = awk.text(awk.value(args[1]))
    target: Node = args[2] if len(args) > 2 else ("field", ("num", 0.0))
    text = awk.text(awk.value(target))

    def one(match: re.Match[str]) -> str:
        return re.sub(r"\\?&|\\\\", lambda m: {"&": match.group(), "\\&": "&"}.get(m.group(), "\\"), template)

    found, count = regex.subn(one, text, count=0 if everywhere else 1)
    if count:
        awk.assign(target, found)
    return float(count)


def _match(awk: _Awk, args: list[Node]) -> float:
    regex = awk.regex(args[1][1] if args[1][0] == "regex" else awk.text(awk.value(args[1])))
    match = regex.search(awk.text(awk.value(args[0])))
    awk.globals["RSTART"] = float(match.start() + 1) if match else 0.0
    awk.globals["RLENGTH"] = float(len(match.group())) if match else -1.0
    return float(awk.globals["RSTART"])


def _system(awk: _Awk, args: list[Node]) -> float:
    awk.flush()
    return float(awk.process.run(["sh", "-c", awk.text(awk.value(args[0]))]))


def _close(awk: _Awk, args: list[Node]) -> float:
    name = awk.text(awk.value(args[0]))
    if name in awk.pipes:
        buffer = awk.pipes.pop(name)
        awk.process.run(["sh", "-c", name], stdin=BytesReader(bytes(buffer.data)))
    awk.writers.pop(name, None)
    awk.readers.pop("<" + name, None)
    awk.readers.pop("|" + name, None)
    return 0.0


def _rand(awk: _Awk, args: list[Node]) -> float:
    del args
    awk.seed = (
        awk.seed * 1103515245 + 12345
    ) & 0x7FFFFFFF  # the linear congruential generator of the C standard
    return awk.seed / 0x80000000


def _srand(awk: _Awk, args: list[Node]) -> float:
    before = awk.seed
    awk.seed = int(awk.number(awk.value(args[0]))) if args else int(awk.process.timeline.now())
    return float(before)


def _strftime(awk: _Awk, args: list[Node]) -> str:
    from datetime import UTC, datetime

    from kubesim.runtime.commands.clocks import strftime

    at = awk.number(awk.value(args[1])) if len(args) > 1 else awk.process.timeline.now()
    return strftime(
        datetime.fromtimestamp(at, UTC), awk.text(awk.value(args[0])) if args else "%a %b %e %H:%M:%S UTC %Y"
    )


def _math(function: Callable[[float], float]) -> Callable[[_Awk, list[Node]], float]:
    def run(awk: _Awk, args: list[Node]) -> float:
        try:
            return float(function(awk.number(awk.value(args[0])) if args else 0.0))
        except (ValueError, OverflowError):
            return math.nan

    return run


_BUILTINS: dict[str, Callable[[_Awk, list[Node]], Any]] = {
    "length": _length, "substr": _substr, "split": _split, "match": _match, "system": _system, "close": _close,
    "index": lambda a, n: float(a.text(a.value(n[0])).find(a.text(a.value(n[1]))) + 1),
    "sub": lambda a, n: _substitute(a, n, everywhere=False), "gsub": lambda a, n: _substitute(a, n, everywhere=True),
    "sprintf": lambda a, n: a.format([a.value(x) for x in n]), "tolower": lambda a, n: a.text(a.value(n[0])).lower(),
    "toupper": lambda a, n: a.text(a.value(n[0])).upper(), "int": _math(math.trunc), "sqrt": _math(math.sqrt),
    "exp": _math(math.exp), "log": _math(math.log), "sin": _math(math.sin), "cos": _math(math.cos),
    "atan2": lambda a, n: math.atan2(a.number(a.value(n[0])), a.number(a.value(n[1]))), "rand": _rand, "srand": _srand,
    "fflush": lambda a, n: 0.0, "systime": lambda a, n: float(int(a.process.timeline.now())), "strftime": _strftime,
}  # fmt: skip


@program
def awk(process: Process) -> int:
    opts = parse(
        process, "F:v:f:", {"field-separator=": "F", "assign=": "v", "file=": "f"}, stop=True, code=2
    )
    assigned = {}
    for text in opts.all("v"):
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"`{text}' argument to `-v' not in `var=value' form", 2)
        assigned[name] = value
    if "F" in opts:
        separator = opts.get("F")
        assigned["FS"] = "\t" if separator == "t" else separator
    args = opts.args
    if "f" in opts:
        source = "\n".join(
            process.read_file(name).decode("utf-8", "surrogateescape") for name in opts.all("f")
        )
    elif args:
        source, args = args[0], args[1:]
    else:
        process.error("Usage: awk [POSIX or GNU style options] -f progfile [--] file ...")
        return 2
    return _Awk(process, source, assigned).run(args)


mawk = gawk = awk
