"""Arithmetic of the shell: C's integer expressions in 64 bits, with variables by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]+|\d+#[0-9a-zA-Z@_]+|\d+)|([A-Za-z_]\w*)"
    r"|(<<=|>>=|\*\*|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:(),])|(\S))"
)
_BINARY = {
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, ">": 7, "<=": 7, ">=": 7, "<<": 8, ">>": 8,
    "+": 9, "-": 9, "*": 10, "/": 10, "%": 10, "**": 11,
}  # fmt: skip
_ASSIGN = frozenset(("=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="))
MAX_LENGTH = 4096


@dataclass(slots=True)
class ArithmeticProblem(Exception):
    """An expression that cannot be computed. `kind` is division, operand or syntax."""

    kind: str
    expression: str
    operand: str = ""


def wrap(value: int) -> int:
    """As a signed number of 64 bits."""
    value &= 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >> 63 else value


class _Evaluator:
    def __init__(
        self, text: str, get: Callable[[str], str], assign: Callable[[str, str], None], depth: int
    ) -> None:
        self._text = text
        self._get = get
        self._assign = assign
        self._depth = depth
        self._tokens: list[str] = []
        for match in _TOKEN.finditer(text):
            if match.group(4):
                raise ArithmeticProblem("operand", text, text[match.start(4) :])
            self._tokens.append(match.group(1) or match.group(2) or match.group(3))
        self._at = 0
        self._live = True

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _problem(self, kind: str) -> ArithmeticProblem:
        rest = "".join(self._tokens[max(self._at - 1, 0) :]) or "".join(self._tokens[-1:])
        return ArithmeticProblem(kind, self._text, rest)

    def whole(self) -> int:
        if not self._tokens:
            return 0
        value = self._comma()
        if self._at < len(self._tokens):
            self._at += 1
            raise self._problem("syntax")
        return value

    def _comma(self) -> int:
        value = self._assignment()
        while self._peek() == ",":
            self._take()
            value = self._assignment()
        return value

    def _assignment(self) -> int:
        tokens, at = self._tokens, self._at
        if at + 1 < len(tokens) and tokens[at + 1] in _ASSIGN and re.match(r"[A-Za-z_]", tokens[at]):
            name = self._take()
            op = self._take()
            value = self._assignment()
            if op != "=":
                value = self._compute(op[:-1], self._value(name), value)
            self._store(name, value)
            return value
        return self._ternary()

    def _store(self, name: str, value: int) -> None:
        if self._live:
            self._assign(name, str(value))

    def _ternary(self) -> int:
        condition = self._binary(1)
        if self._peek() != "?":
            return condition
        self._take()
        live = self._live
        self._live = live and condition != 0
        yes = self._assignment()
        if self._take() != ":":
            raise self._problem("syntax")
        self._live = live and condition == 0
        no = self._assignment()
        self._live = live
        return yes if condition else no

    def _binary(self, level: int) -> int:
        left = self._unary()
        while True:
            op = self._peek()
            strength = _BINARY.get(op, 0)
            if strength < level or not strength:
                return left
            self._take()
            live = self._live
            if op == "&&":
                self._live = live and left != 0
            elif op == "||":
                self._live = live and left == 0
            right = self._binary(strength if op == "**" else strength + 1)
            self._live = live
            left = self._compute(op, left, right)

    def _compute(self, op: str, a: int, b: int) -> int:
        if op in ("/", "%"):
            if b == 0:
                if not self._live:
                    return 0
                raise ArithmeticProblem("division", self._text, str(b))
            quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
            return wrap(quotient if op == "/" else a - quotient * b)
        if op == "**":
            return wrap(pow(a, b, 1 << 64)) if b >= 0 else 0
        return wrap(int(_OPERATIONS[op](a, b)))

    def _unary(self) -> int:
        word = self._take()
        if word in ("+", "-", "!", "~"):
            value = self._unary()
            return {"+": value, "-": wrap(-value), "!": int(not value), "~": ~value}[word]
        if word in ("++", "--"):
            name = self._take()
            value = self._value(name) + (1 if word == "++" else -1)
            self._store(name, value)
            return value
        if word == "(":
            value = self._comma()
            if self._take() != ")":
                raise self._problem("syntax")
            return value
        if not word or not (word[0].isalnum() or word[0] == "_"):
            self._at = max(self._at, 1)
            raise self._problem("operand")
        if word[0].isdigit():
            return self._number(word)
        value = self._value(word)
        if self._peek() in ("++", "--"):
            self._store(word, value + (1 if self._take() == "++" else -1))
        return value

    def _number(self, token: str) -> int:
        try:
            if "#" in token:
                base, _, digits = token.partition("#")
                return wrap(int(digits, int(base)))
            if token[:2] in ("0x", "0X"):
                return wrap(int(token, 16))
            return wrap(int(token, 8 if token.startswith("0") and len(token) > 1 else 10))
        except ValueError:
            raise ArithmeticProblem("operand", self._text, token) from None

    def _value(self, name: str) -> int:
        text = self._get(name).strip()
        if not text:
            return 0
        if re.fullmatch(r"[-+]?\d{1,18}", text) and not re.match(r"[-+]?0\d", text):
            return int(text)
        if self._depth > 8:
            raise ArithmeticProblem("syntax", self._text, name)
        return _Evaluator(text, self._get, self._assign, self._depth + 1).whole()


_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "||": lambda a, b: bool(a) or bool(b), "&&": lambda a, b: bool(a) and bool(b), "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b, "&": lambda a, b: a & b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b, ">": lambda a, b: a > b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
    "<<": lambda a, b: a << (b & 63), ">>": lambda a, b: a >> (b & 63), "+": lambda a, b: a + b,
    "-": lambda a, b: a - b, "*": lambda a, b: a * b,
}  # fmt: skip


def evaluate(text: str, get: Callable[[str], str], assign: Callable[[str, str], None]) -> int:
    """The value of an expression. Raises ArithmeticProblem."""
    if len(text) > MAX_LENGTH:
        raise ArithmeticProblem("syntax", text[:40])
    return _Evaluator(text, get, assign, 0).whole()
