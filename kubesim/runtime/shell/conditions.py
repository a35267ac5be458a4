"""Conditions: `test` and `[` by POSIX' rules for the number of arguments, and bash's `[[`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kubesim.runtime.expressions import compile_expression
from kubesim.runtime.filesystem import DEVICE, DIRECTORY, FILE, LINK
from kubesim.runtime.shell import patterns

if TYPE_CHECKING:
    from kubesim.runtime.process import Process
    from kubesim.runtime.shell.interpreter import Shell

UNARY = frozenset(f"-{c}" for c in "abcdefghknprstuvwxzGLNOS")
BINARY = frozenset(("=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"))
_NUMBER = re.compile(r"\s*[-+]?\d+\s*")


class TestProblem(Exception):
    """An expression that is none. `kind` is number, operator, operand, argument, unary, bracket or extra."""

    __test__ = False

    def __init__(self, kind: str, token: str = "", first: str = "") -> None:
        super().__init__(token)
        self.kind = kind
        self.token = token
        self.first = first


def problem_text(problem: TestProblem, flavour: str) -> str:
    """What dash, bash (and coreutils) and busybox say."""
    token = problem.token
    texts = {
        "number": (f"Illegal number: {token}", (f"{token}: integer expression "
            "expected"), f"{token}: bad number"),
        "operator": ((f"{problem.first}: unexpected "
            "operator"), f"{token}: binary operator expected", f"{token}: unknown operand"),
        "unary": (f"{token}: argument expected", (f"{problem.first}: unary "
            "operator expected"), f"{token}: argument expected"),
        "extra": (f"{token}: unexpected operator", "too many arguments", f"{token}: unknown operand"),
        "bracket": ("missing ]", "missing `]'", f"missing {token or ']'}"),
        "argument": (f"{token}: argument expected", "argument expected", "argument expected"),
    }  # fmt: skip
    return texts[problem.kind][{"dash": 0, "bash": 1}.get(flavour, 2)]


class _Test:
    def __init__(self, process: Process, args: list[str], files: dict[int, Any]) -> None:
        self._process = process
        self._args = args
        self._files = files
        self._at = 0

    def value(self) -> bool:
        args = self._args
        match len(args):
            case 0:
                return False
            case 1:
                return args[0] != ""
            case 2:
                if args[0] == "!":
                    return args[1] == ""
                if args[0] in UNARY:
                    return self._unary(args[0], args[1])
                if args[1] in BINARY or args[1] in ("-a", "-o"):
                    raise TestProblem("unary", args[1], args[0])
                raise TestProblem("unary", args[1] if args[0] not in BINARY else args[0], args[0])
            case 3:
                return self._three(args)
        if len(args) == 4 and args[0] == "!":
            return not _Test(self._process, args[1:], self._files).value()
        found = self._or()
        if self._at < len(args):
            raise TestProblem("extra", args[self._at])
        return found

    def _three(self, args: list[str]) -> bool:
        if args[1] in BINARY:
            return self._binary(args[0], args[1], args[2])
        if args[1] in ("-a", "-o"):
            left, right = args[0] != "", args[2] != ""
            return (left and right) if args[1] == "-a" else (left or right)
        if args[0] == "!":
            return not _Test(self._process, args[1:], self._files).value()
        if args[0] == "(" and args[2] == ")":
            return args[1] != ""
        raise TestProblem("operator", args[1], args[0])

    def _or(self) -> bool:
        found = self._and()
        while self._peek() == "-o":
            self._at += 1
            right = self._and()
            found = found or right
        return found

    def _and(self) -> bool:
        found = self._not()
        while self._peek() == "-a":
            self._at += 1
            right = self._not()
            found = found and right
        return found

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._args[at] if at < len(self._args) else ""

    def _not(self) -> bool:
        if self._peek() == "!" and self._at + 1 < len(self._args):
            self._at += 1
            return not self._not()
        return self._primary()

    def _primary(self) -> bool:
        if self._at >= len(self._args):
            raise TestProblem("argument", self._args[-1] if self._args else "")
        first = self._peek()
        if self._at + 2 < len(self._args) + 0 and self._peek(1) in BINARY:
            self._at += 3
            return self._binary(first, self._args[self._at - 2], self._args[self._at - 1])
        if first == "(":
            self._at += 1
            found = self._or()
            if self._peek() != ")":
                raise TestProblem("argument", first)
            self._at += 1
            return found
        if first in UNARY and self._at + 1 < len(self._args):
            self._at += 2
            return self._unary(first, self._args[self._at - 1])
        self._at += 1
        return first != ""

    def _unary(self, op: str, operand: str) -> bool:
        if op == "-n":
            return operand != ""
        if op == "-z":
            return operand == ""
        if op == "-t":
            return self._process.interactive and operand in ("0", "1", "2")
        if op == "-v":
            return operand in self._process.env
        return file_test(self._process, op, operand)

    def _binary(self, left: str, op: str, right: str) -> bool:
        return compare(self._process, left, op, right)


def file_test(process: Process, op: str, name: str) -> bool:  # noqa: C901 - a case for each thing there is
    """A unary test of a file."""
    fs = process.machine.fs
    if not name:
        return False
    path = process.path(name)
    node = fs.find(path, follow=op not in ("-h", "-L"))
    if node is None:
        return False
    match op:
        case "-e" | "-a":
            return True
        case "-f":
            return node.kind == FILE
        case "-d":
            return node.kind == DIRECTORY
        case "-h" | "-L":
            return node.kind == LINK
        case "-c":
            return node.kind == DEVICE
        case "-s":
            return node.size > 0
        case "-r" | "-w" | "-x":
            return fs.may(path, {"-r": 4, "-w": 2, "-x": 1}[op])
        case "-O":
            return node.uid == fs.uid
        case "-G":
            return node.gid == fs.gid
        case "-u" | "-g" | "-k":
            return bool(node.mode & {"-u": 0o4000, "-g": 0o2000, "-k": 0o1000}[op])
    return False


def compare(process: Process, left: str, op: str, right: str) -> bool:
    """A binary test. Raises TestProblem."""
    if op in ("=", "=="):
        return left == right
    if op == "!=":
        return left != right
    if op in ("<", ">"):
        return left < right if op == "<" else left > right
    if op in ("-nt", "-ot", "-ef"):
        fs = process.machine.fs
        a, b = fs.find(process.path(left)), fs.find(process.path(right))
        if op == "-ef":
            return a is not None and a is b
        if a is None or b is None:
            return (a is not None) if op == "-nt" else (b is not None)
        return a.mtime > b.mtime if op == "-nt" else a.mtime < b.mtime
    numbers = []
    for text in (left, right):
        if not _NUMBER.fullmatch(text):
            raise TestProblem("number", text)
        numbers.append(int(text))
    return _compare_numbers(numbers[0], op, numbers[1])


def _compare_numbers(a: int, op: str, b: int) -> bool:
    return {"-eq": a == b, "-ne": a != b, "-lt": a < b, "-le": a <= b, "-gt": a > b, "-ge": a >= b}[op]


def evaluate(process: Process, args: list[str]) -> bool:
    """The value of `test ARGS`. Raises TestProblem."""
    return _Test(process, args, {}).value()


def double_bracket(shell: Shell, tree: Any) -> int:
    """The status of [[ … ]]."""
    try:
        return int(not _double(shell, tree))
    except TestProblem as problem:
        shell.complain(f"[[: {problem_text(problem, 'bash')}")
        return 1


def _double(shell: Shell, tree: Any) -> bool:
    head = tree[0]
    if head in ("and", "or"):
        left = _double(shell, tree[1])
        if left == (head == "or"):
            return left
        return _double(shell, tree[2])
    if head == "not":
        return not _double(shell, tree[1])
    if isinstance(head, str):
        operand = shell.expand.text(tree[1])
        if head == "-v":
            return shell.get(operand) is not None
        return _Test(shell.process, [head, operand], {}).value()
    left_text = shell.expand.text(tree[0])
    op = str(tree[1])
    if op in ("==", "=", "!="):
        return patterns.matches(left_text, shell.expand.pattern(tree[2])) == (op != "!=")
    right = shell.expand.text(tree[2])
    if op == "=~":
        return _regex_match(shell, left_text, right)
    if op in ("-eq", "-ne", "-lt", "-le", "-gt", "-ge"):
        return _compare_numbers(shell.expand.arithmetic(left_text), op, shell.expand.arithmetic(right))
    return compare(shell.process, left_text, op, right)


def _regex_match(shell: Shell, text: str, expression: str) -> bool:
    if len(text) > 65536:
        return False
    for name, inner in (
        ("alpha", "a-zA-Z"),
        ("digit", "0-9"),
        ("alnum", "a-zA-Z0-9"),
        ("space", r"\s"),
        ("upper", "A-Z"),
        ("lower", "a-z"),
    ):
        expression = expression.replace(f"[:{name}:]", inner)
    try:
        match = compile_expression(expression).search(text)
    except re.error:
        raise TestProblem("number", expression) from None
    if match is not None:
        shell.assign_text("BASH_REMATCH", [match.group(), *(g or "" for g in match.groups())])
    return match is not None
