"""jq: paths, pipes, iteration, object and array construction, select, length, keys and the like."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import UsageError, parse
from kubesim.runtime.expressions import compile_expression
from kubesim.runtime.process import Process

_TOKEN = re.compile(
    r'\s+|("(?:[^"\\]|\\.)*")|(\d+\.?\d*)|(\.\.|==|!=|<=|>=|//|[.\[\]{}()|,:<>+\-*/?])|(\$?[A-Za-z_]\w*)'
)


class _Filter:
    """A jq filter, evaluated while it is parsed into closures."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise UsageError(
                    "error: syntax error, unexpected INVALID_CHARACTER (Unix shell quoting "
                    f"issues?) at <top-level>, line 1:\n{text}\njq: 1 compile error",
                    3,
                )
            if match.group().strip():
                self.tokens.append(match.group())
            at = match.end()
        self.text = text
        self.at = 0
        self.run = self.pipe()
        if self.at < len(self.tokens):
            raise self.problem()

    def problem(self) -> UsageError:
        return UsageError(
            f"error: syntax error, unexpected {self.peek() or 'end of file'} at "
            f"<top-level>, line 1:\n{self.text}\njq: 1 compile error",
            3,
        )

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def accept(self, *texts: str) -> str:
        word = self.peek()
        if word in texts and word:
            self.at += 1
            return word
        return ""

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.problem()

    def pipe(self) -> Any:
        left = self.comma()
        while self.accept("|"):
            right, before = self.comma(), left
            left = lambda v, a=before, b=right: (y for x in a(v) for y in b(x))  # noqa: E731
        return left

    def comma(self) -> Any:
        left = self.alternative()
        while self.accept(","):
            right, before = self.alternative(), left
            left = lambda v, a=before, b=right: (x for part in (a, b) for x in part(v))  # noqa: E731
        return left

    def alternative(self) -> Any:
        left = self.logic()
        while self.accept("//"):
            right, before = self.logic(), left
            left = lambda v, a=before, b=right: iter(  # noqa: E731 - a filter is a function
                [x for x in a(v) if x not in (None, False)] or list(b(v))
            )
        return left

    def logic(self) -> Any:
        left = self.comparison()
        while op := self.accept("and", "or"):
            right, before = self.comparison(), left
            if op == "and":
                left = lambda v, a=before, b=right: (_true(x) and _true(y) for x in a(v) for y in b(v))  # noqa: E731
            else:
                left = lambda v, a=before, b=right: (_true(x) or _true(y) for x in a(v) for y in b(v))  # noqa: E731
        return left

    def comparison(self) -> Any:
        left = self.sum()
        if op := self.accept("==", "!=", "<", "<=", ">", ">="):
            right, before = self.sum(), left
            return lambda v: (_compare(op, x, y) for x in before(v) for y in right(v))
        return left

    def sum(self) -> Any:
        left = self.term()
        while op := self.accept("+", "-", "*", "/"):
            right, before = self.term(), left
            left = lambda v, a=before, b=right, o=op: (_math(o, x, y) for x in a(v) for y in b(v))  # noqa: E731
        return left

    def term(self) -> Any:
        found = self.primary()
        while True:
            if (
                self.peek() == "."
                and self.at + 1 < len(self.tokens)
                and (self.tokens[self.at + 1][0].isalpha() or self.tokens[self.at + 1][0] in '_"')
            ):
                self.at += 1
                found = self.member(found)
            elif self.peek() == "." and self.tokens[self.at + 1 : self.at + 2] == ["["]:
                self.at += 1
            elif self.accept("["):
                found = self.bracket(found)
            elif self.accept("?"):
                found = _quiet(found)
            else:
                return found

    def member(self, base: Any) -> Any:
        word = self.peek()
        self.at += 1
        name = json.loads(word) if word.startswith('"') else word
        return lambda v: (_get(x, name) for x in base(v))

    def bracket(self, base: Any) -> Any:
        if self.accept("]"):
            return lambda v: (y for x in base(v) for y in _each(x))
        if self.accept(":"):
            end = self.pipe()
            self.expect("]")
            return lambda v: (x[: int(e)] for x in base(v) for e in end(v))
        index = self.pipe()
        if self.accept(":"):
            if self.accept("]"):
                return lambda v: (x[int(i) :] for x in base(v) for i in index(v))
            end = self.pipe()
            self.expect("]")
            return lambda v: (x[int(i) : int(e)] for x in base(v) for i in index(v) for e in end(v))
        self.expect("]")
        return lambda v: (_get(x, i) for x in base(v) for i in index(v))

    def primary(self) -> Any:  # noqa: C901 - a case for each thing there is
        word = self.peek()
        self.at += 1
        if word == ".":
            following = self.peek()
            if (
                following
                and (following[0].isalpha() or following[0] in '_"')
                and following not in ("and", "or")
            ):
                return self.member(lambda v: iter([v]))
            return lambda v: iter([v])
        if word == "..":
            return _recurse
        if word == "(":
            inner = self.pipe()
            self.expect(")")
            return inner
        if word == "[":
            if self.accept("]"):
                return lambda v: iter([[]])
            inner = self.pipe()
            self.expect("]")
            return lambda v: iter([list(inner(v))])
        if word == "{":
            return self.object()
        if word == "-":
            inner = self.term()
            return lambda v: (-x for x in inner(v))
        if word[:1] == '"':
            return self.string(word)
        if word[:1].isdigit():
            value = float(word) if "." in word else int(word)
            return lambda v: iter([value])
        if word == "if":
            return self.condition()
        if word[:1].isalpha():
            return self.call(word)
        self.at -= 1
        raise self.problem()

    def string(self, word: str) -> Any:
        parts = re.split(r"\\\(([^()]*(?:\([^()]*\)[^()]*)*)\)", word[1:-1])
        pieces = [json.loads(f'"{p}"') if n % 2 == 0 else _Filter(p).run for n, p in enumerate(parts)]
        return lambda v: iter(
            ["".join(p if isinstance(p, str) else _plain(next(iter(p(v)), "")) for p in pieces)]
        )

    def condition(self) -> Any:
        test = self.pipe()
        self.expect("then")
        yes = self.pipe()
        no: Any = lambda v: iter([v])  # noqa: E731
        if self.accept("elif"):
            no = self.condition()
            return lambda v: (y for t in test(v) for y in (yes(v) if _true(t) else no(v)))
        if self.accept("else"):
            no = self.pipe()
        self.expect("end")
        return lambda v: (y for t in test(v) for y in (yes(v) if _true(t) else no(v)))

    def object(self) -> Any:
        pairs: list[tuple[Any, Any]] = []
        while not self.accept("}"):
            word = self.peek()
            self.at += 1
            if word == "(":
                key = self.pipe()
                self.expect(")")
            else:
                name = json.loads(word) if word.startswith('"') else word
                key = lambda v, n=name: iter([n])  # noqa: E731
            if self.accept(":"):
                value = self.alternative()
            else:
                field = json.loads(word) if word.startswith('"') else word
                value = lambda v, n=field: iter([_get(v, n)])  # noqa: E731 - a filter is a function
            pairs.append((key, value))
            if not self.accept(",") and self.peek() != "}":
                raise self.problem()
        return lambda v: _objects(v, pairs)

    def call(self, name: str) -> Any:
        constants = {"true": True, "false": False, "null": None}
        if name in constants:
            return lambda v: iter([constants[name]])
        if name == "empty":
            return lambda v: iter(())
        args = []
        if self.accept("("):
            args.append(self.pipe())
            while self.accept(":") or self.accept(";"):
                args.append(self.pipe())
            self.expect(")")
        if name in (
            "select",
            "map",
            "has",
            "test",
            "startswith",
            "endswith",
            "join",
            "split",
            "contains",
            "sort_by",
            "group_by",
            "unique_by",
            "max_by",
            "min_by",
            "with_entries",
            "del",
            "any",
            "all",
            "index",
            "ltrimstr",
            "rtrimstr",
            "range",
            "recurse",
            "first",
        ) and (args or name in ("any", "all", "recurse", "first")):
            return lambda v: _with_argument(name, args, v)
        if name in _SIMPLE:
            return lambda v: iter([_SIMPLE[name](v)])
        raise UsageError(
            f"error: {name}/{len(args)} is not defined at <top-level>, "
            f"line 1:\n{self.text}\njq: 1 compile error",
            3,
        )


def _true(value: Any) -> bool:
    return value is not None and value is not False


def _order(value: Any) -> Any:
    rank = (
        0
        if value is None
        else 1
        if value is False
        else 2
        if value is True
        else 3
        if isinstance(value, (int, float))
        else 4
        if isinstance(value, str)
        else 5
        if isinstance(value, list)
        else 6
    )
    inner: Any = (
        value
        if rank in (3, 4)
        else [_order(x) for x in value]
        if rank == 5
        else sorted((k, _order(x)) for k, x in value.items())
        if rank == 6
        else 0
    )
    return (rank, inner)


def _compare(op: str, a: Any, b: Any) -> bool:
    x, y = _order(a), _order(b)
    found = {"==": x == y, "!=": x != y, "<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y}
    return bool(found[op])


def _kind(value: Any) -> str:
    names = {
        bool: "boolean",
        int: "number",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
        type(None): "null",
    }
    return names[type(value)]


def _math(op: str, a: Any, b: Any) -> Any:
    if op == "+":
        if a is None or b is None:
            return b if a is None else a
        if isinstance(a, dict) and isinstance(b, dict):
            return a | b
    if op == "-" and isinstance(a, list) and isinstance(b, list):
        return [x for x in a if x not in b]
    try:
        if op == "/":
            return a.split(b) if isinstance(a, str) else a / b if a % b else a // b
        return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b}[op]()
    except (TypeError, ZeroDivisionError):
        raise UsageError(
            f"error (at <stdin>:1): {_kind(a)} and {_kind(b)} cannot be "
            f"{'added' if op == '+' else 'combined'}",
            5,
        ) from None


def _get(value: Any, key: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, (int, float)):
        return value[int(key)] if -len(value) <= int(key) < len(value) else None
    shown = f'"{key}"' if isinstance(key, str) else _kind(key)
    raise UsageError(f"error (at <stdin>:1): Cannot index {_kind(value)} with {shown}", 5)


def _each(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    if isinstance(value, list):
        return iter(value)
    raise UsageError(f"error (at <stdin>:1): Cannot iterate over {_kind(value)}", 5)


def _quiet(base: Any) -> Any:
    def run(value: Any) -> Iterator[Any]:
        try:
            yield from list(base(value))
        except UsageError:
            return

    return run


def _recurse(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, (dict, list)):
        for inner in _each(value):
            yield from _recurse(inner)


def _objects(value: Any, pairs: list[tuple[Any, Any]]) -> Iterator[dict[str, Any]]:
    if not pairs:
        yield {}
        return
    (key, item), rest = pairs[0], pairs[1:]
    for k in key(value):
        for x in item(value):
            for tail in _objects(value, rest):
                yield {k: x} | tail


def _with_argument(name: str, args: list[Any], value: Any) -> Iterator[Any]:
    if name == "select":
        return (value for t in args[0](value) if _true(t))
    if name == "map":
        return iter([[y for x in _each(value) for y in args[0](x)]])
    if name == "recurse":
        return _recurse(value)
    if name == "first":
        return iter(list(args[0](value))[:1] if args else value[:1])
    if name in ("any", "all"):
        tests = [_true(next(iter(args[0](x)), None)) if args else _true(x) for x in _each(value)]
        return iter([any(tests) if name == "any" else all(tests)])
    if name in ("sort_by", "group_by", "unique_by", "max_by", "min_by"):
        return iter([_by(name, value, args[0])])
    if name == "with_entries":
        entries = [y for k, x in value.items() for y in args[0]({"key": k, "value": x})]
        return iter([{str(e.get("key", e.get("name"))): e.get("value") for e in entries}])
    if name == "range":
        return iter(range(min(int(next(args[0](value))), 100_000)))
    return (_text_function(name, value, a) for a in args[0](value))


def _by(name: str, value: Any, key: Any) -> Any:
    rows = sorted(value, key=lambda x: _order(next(iter(key(x)), None)))
    if name == "sort_by":
        return rows
    if name in ("max_by", "min_by"):
        return (rows[-1] if name == "max_by" else rows[0]) if rows else None
    groups: list[list[Any]] = []
    for row in rows:
        if groups and _order(next(iter(key(groups[-1][0])), None)) == _order(next(iter(key(row)), None)):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups if name == "group_by" else [g[0] for g in groups]


def _text_function(name: str, value: Any, arg: Any) -> Any:
    match name:
        case "has":
            return arg in value if isinstance(value, dict) else 0 <= arg < len(value)
        case "test":
            return compile_expression(arg).search(value) is not None
        case "startswith":
            return value.startswith(arg)
        case "endswith":
            return value.endswith(arg)
        case "join":
            return arg.join(_plain(x) if x is not None else "" for x in value)
        case "split":
            return value.split(arg)
        case "ltrimstr":
            return value.removeprefix(arg)
        case "rtrimstr":
            return value.removesuffix(arg)
        case "index":
            return value.find(arg) if arg in value else None
    return arg in value if isinstance(value, (str, list)) else all(value.get(k) == x for k, x in arg.items())


def _length(value: Any) -> Any:
    return 0 if value is None else abs(value) if isinstance(value, (int, float)) else len(value)


_SIMPLE: dict[str, Any] = {
    "length": _length,
    "keys": lambda v: sorted(v) if isinstance(v, dict) else list(range(len(v))),
    "type": _kind,
    "values": lambda v: v,
    "tostring": lambda v: v if isinstance(v, str) else json.dumps(v, separators=(",", ":")),
    "tonumber": lambda v: float(v) if "." in str(v) else int(v),
    "not": lambda v: not _true(v),
    "add": lambda v: functools.reduce(lambda a, b: _math("+", a, b), _each(v), None),
    "sort": lambda v: sorted(v, key=_order),
    "unique": lambda v: _by("unique_by", v, lambda x: iter([x])),
    "reverse": lambda v: v[::-1],
    "min": lambda v: min(v, key=_order, default=None),
    "max": lambda v: max(v, key=_order, default=None),
    "to_entries": lambda v: [{"key": k, "value": x} for k, x in v.items()],
    "from_entries": lambda v: {e.get("key", e.get("name")): e.get("value") for e in v},
    "last": lambda v: v[-1] if v else None,
    "flatten": lambda v: [y for x in v for y in (x if isinstance(x, list) else [x])],
    "tojson": lambda v: json.dumps(v, separators=(",", ":")),
    "fromjson": json.loads,
    "ascii_downcase": str.lower,
    "ascii_upcase": str.upper,
    "floor": lambda v: int(v // 1),
}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@program
def jq(process: Process) -> int:
    opts = parse(
        process,
        "rcnesSMCaj",
        {
            "raw-output": "r",
            "compact-output": "c",
            "null-input": "n",
            "slurp": "s",
            "sort-keys": "S",
            "exit-status": "e",
            "arg=": "A",
            "tab": "t",
            "indent=": "i",
            "raw-input": "R",
        },
        code=2,
    )
    if not opts.args:
        process.error(
            "jq - commandline JSON processor [version 1.7.1]\n\nUsage:\tjq [OPTIONS] FILTER [FILES...]"
        )
        return 2
    chosen = _Filter(opts.args[0])
    text = (
        "".join(process.read_file(n).decode("utf-8", "replace") for n in opts.args[1:])
        if opts.args[1:]
        else ("" if "n" in opts else process.read_text())
    )
    values: list[Any] = [None] if "n" in opts else []
    decoder = json.JSONDecoder()
    at = 0
    while "n" not in opts:
        match = re.compile(r"\s*").match(text, at)
        at = match.end() if match else at
        if at >= len(text):
            break
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            line = text.count("\n", 0, at) + 1
            return process.fail(
                f"parse error: Invalid numeric literal at line {line}, "
                f"column {at - text.rfind(chr(10), 0, at)}",
                2,
            )
        values.append(value)
    last: Any = None
    for value in [values] if "s" in opts else values:
        for found in chosen.run(value):
            process.budget.step()
            last = found
            if "r" in opts and isinstance(found, str):
                process.print(found)
            else:
                process.print(
                    json.dumps(
                        found,
                        indent=None if "c" in opts else 2,
                        separators=(",", ":") if "c" in opts else None,
                        ensure_ascii=False,
                        sort_keys="S" in opts,
                    )
                )
    return int("e" in opts and not _true(last))
