"""awk's grammar: from a program's text to its tree."""

from __future__ import annotations

import re
from typing import Any

from kubesim.runtime.commands.options import UsageError

_TOKEN = re.compile(
    r"""[ \t\r]+|\\\n|\#[^\n]*"""
    r"""|(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<string>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<op>\*\*=|\+\+|--|\+=|-=|\*=|/=|%=|\^=|\*\*|==|<=|>=|!=|!~|&&|\|\||>>|[-+*/%^<>=!~?:,;(){}\[\]$|\n])""",
    re.DOTALL,
)


_KEYWORDS = frozenset(
    (
        "BEGIN",
        "END",
        "function",
        "func",
        "if",
        "else",
        "while",
        "for",
        "do",
        "break",
        "continue",
        "next",
        "exit",
        "return",
        "delete",
        "in",
        "getline",
        "print",
        "printf",
        "nextfile",
    )
)


_FUNCTIONS = frozenset(
    (
        "length",
        "substr",
        "index",
        "split",
        "sub",
        "gsub",
        "match",
        "sprintf",
        "sin",
        "cos",
        "atan2",
        "exp",
        "log",
        "sqrt",
        "int",
        "rand",
        "srand",
        "tolower",
        "toupper",
        "system",
        "close",
        "fflush",
        "systime",
        "strftime",
        "gensub",
    )
)


Node = tuple[Any, ...]


class _Lexer:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            if text[at] == "/" and self._regex_here():
                match = re.compile(r"/((?:[^/\\\n\[]|\\.|\[\^?\]?[^\]\n]*\])*)/").match(text, at)
                if match is None:
                    raise UsageError(
                        f"syntax error at source line 1\n context is\n\t >>> {text[at : at + 20]}", 2
                    )
                self.tokens.append(("regex", match.group(1)))
                at = match.end()
                continue
            found = _TOKEN.match(text, at)
            if found is None:
                raise UsageError(f"cmd. line:1: {text.strip()}\nawk: cmd. line:1: ^ syntax error", 2)
            at = found.end()
            kind = found.lastgroup
            if kind == "name" and found.group() in _KEYWORDS:
                self.tokens.append(("key", found.group()))
            elif kind is not None:
                follows = text[at : at + 1] == "(" and kind == "name"
                self.tokens.append(("call" if follows else kind, found.group()))
        self.tokens.append(("end", ""))

    def _regex_here(self) -> bool:
        """A slash begins a regular expression unless a value stands before it."""
        if not self.tokens:
            return True
        kind, text = self.tokens[-1]
        return not (kind in ("number", "string", "name") or text in (")", "]", "$", "++", "--"))


class AwkParser:
    """Reads a program; raises UsageError with awk's texts."""

    def __init__(self, text: str) -> None:
        self.tokens = _Lexer(text).tokens
        self.at = 0
        self.no_in = 0
        self.no_gt = 0

    @property
    def token(self) -> tuple[str, str]:
        return self.tokens[self.at]

    def accept(self, *texts: str) -> str:
        kind, text = self.token
        if text in texts and kind in ("op", "key"):
            self.at += 1
            return text
        return ""

    def expect(self, text: str) -> None:
        if not self.accept(text):
            near = self.token[1].replace("\n", "\\n") or "end of file"
            raise UsageError(f"cmd. line:1: syntax error at or near {near}", 2)

    def newlines(self) -> None:
        while self.accept("\n", ";"):
            pass

    def program(self) -> tuple[list[Node], dict[str, tuple[list[str], Node]]]:
        rules: list[Node] = []
        functions: dict[str, tuple[list[str], Node]] = {}
        self.newlines()
        while self.token[0] != "end":
            if self.accept("function", "func"):
                name = self.token[1]
                self.at += 1
                self.expect("(")
                names = []
                while not self.accept(")"):
                    names.append(self.token[1])
                    self.at += 1
                    self.accept(",")
                while self.accept("\n"):
                    pass
                functions[name] = (names, self.block())
            else:
                rules.append(self.rule())
            self.newlines()
        return rules, functions

    def rule(self) -> Node:
        pattern: Node | None = None
        if word := self.accept("BEGIN", "END"):
            return (word, None, self.block())
        if self.token[1] != "{":
            pattern = self.expression()
            if self.accept(","):
                pattern = ("range", pattern, self.expression())
        body = self.block() if self.token[1] == "{" else ("print", [], "", None)
        return ("rule", pattern, body)

    def block(self) -> Node:
        self.expect("{")
        found = []
        self.newlines()
        while not self.accept("}"):
            if self.token[0] == "end":
                raise UsageError("cmd. line:1: unexpected newline or end of string", 2)
            found.append(self.statement())
            self.newlines()
        return ("block", found)

    def simple_or_block(self) -> Node:
        self.newlines_only()
        if self.token[1] == ";":
            self.at += 1
            return ("block", [])
        return self.statement()

    def newlines_only(self) -> None:
        while self.token == ("op", "\n"):
            self.at += 1

    def statement(self) -> Node:
        if self.token[1] == "{" and self.token[0] == "op":
            return self.block()
        word = self.accept(
            "if", "while", "do", "for", "break", "continue", "next", "nextfile", "exit", "return", "delete"
        )
        if word:
            return self.control(word)
        node = self.simple()
        self.end_of_statement()
        return node

    def end_of_statement(self) -> None:
        if self.token[1] in ("}",) or self.token[0] == "end":
            return
        if not self.accept(";", "\n"):
            raise UsageError(f"cmd. line:1: syntax error at or near {self.token[1]}", 2)

    def control(self, word: str) -> Node:
        if word == "if":
            self.expect("(")
            condition = self.expression()
            self.expect(")")
            yes = self.simple_or_block()
            mark = self.at
            self.newlines()
            if self.accept("else"):
                return ("if", condition, yes, self.simple_or_block())
            self.at = mark
            return ("if", condition, yes, None)
        if word == "while":
            self.expect("(")
            condition = self.expression()
            self.expect(")")
            return ("while", condition, self.simple_or_block())
        if word == "do":
            body = self.simple_or_block()
            self.newlines()
            self.expect("while")
            self.expect("(")
            condition = self.expression()
            self.expect(")")
            return ("do", body, condition)
        if word == "for":
            return self.loop()
        if word in ("exit", "return"):
            value = None if self.token[1] in (";", "\n", "}") or self.token[0] == "end" else self.expression()
            self.end_of_statement()
            return (word, value)
        if word == "delete":
            name = self.token[1]
            self.at += 1
            index = self.subscript() if self.accept("[") else None
            self.end_of_statement()
            return ("delete", name, index)
        self.end_of_statement()
        return (word,)

    def loop(self) -> Node:
        self.expect("(")
        names = self.tokens[self.at : self.at + 4]
        if len(names) == 4 and names[0][0] == "name" and names[1][1] == "in" and names[3][1] == ")":
            self.at += 4
            return ("forin", names[0][1], names[2][1], self.simple_or_block())
        start = None if self.token[1] == ";" else self.simple()
        self.expect(";")
        condition = None if self.token[1] == ";" else self.expression()
        self.expect(";")
        step = None if self.token[1] == ")" else self.simple()
        self.expect(")")
        return ("for", start, condition, step, self.simple_or_block())

    def simple(self) -> Node:
        word = self.accept("print", "printf")
        if not word:
            return ("expr", self.expression())
        args: list[Node] = []
        self.no_gt += 1
        if self.token[1] not in (";", "\n", "}", ">", ">>", "|") and self.token[0] != "end":
            args.append(self.expression())
            while self.accept(","):
                self.newlines_only()
                args.append(self.expression())
        self.no_gt -= 1
        if len(args) == 1 and args[0][0] == "group":
            args = list(args[0][1])
        target = None
        redirect = self.accept(">", ">>", "|")
        if redirect:
            self.no_gt += 1
            target = self.concatenation()
            self.no_gt -= 1
        return (word, args, redirect, target)

    def expression(self) -> Node:
        left = self.ternary()
        op = self.accept("=", "+=", "-=", "*=", "/=", "%=", "^=", "**=")
        if op:
            if left[0] not in ("var", "field", "index"):
                raise UsageError("cmd. line:1: syntax error at or near =", 2)
            return ("assign", left, op[:-1].replace("**", "^"), self.expression())
        return left

    def ternary(self) -> Node:
        condition = self.logical_or()
        if self.accept("?"):
            self.newlines_only()
            yes = self.expression()
            self.newlines_only()
            self.expect(":")
            self.newlines_only()
            return ("cond", condition, yes, self.expression())
        return condition

    def logical_or(self) -> Node:
        left = self.logical_and()
        while self.accept("||"):
            self.newlines_only()
            left = ("or", left, self.logical_and())
        return left

    def logical_and(self) -> Node:
        left = self.membership()
        while self.accept("&&"):
            self.newlines_only()
            left = ("and", left, self.membership())
        return left

    def membership(self) -> Node:
        left = self.matching()
        while not self.no_in and self.accept("in"):
            name = self.token[1]
            self.at += 1
            left = ("in", left[1] if left[0] == "group" else [left], name)
        return left

    def matching(self) -> Node:
        left = self.comparison()
        while op := self.accept("~", "!~"):
            left = ("match", op == "!~", left, self.comparison())
        return left

    def comparison(self) -> Node:
        left = self.concatenation()
        if (self.token[0] == "op" and self.token[1] in ("<", "<=", "==", "!=", ">=")) or (
            self.token == ("op", ">") and not self.no_gt
        ):
            op = self.token[1]
            self.at += 1
            return ("compare", op, left, self.concatenation())
        while self.token == ("op", "|") and self.tokens[self.at + 1] == ("key", "getline"):
            self.at += 2
            left = ("getline", left, self.lvalue(), "|")
        return left

    def concatenation(self) -> Node:
        left = self.additive()
        while (
            self.token[0] in ("number", "string", "name", "call", "regex") and self.token[0] != "regex"
        ) or (self.token[1] in ("$", "(", "!", "-", "++", "--") and self.token[0] == "op"):
            if self.token[1] in ("!", "-") and self.token[0] == "op":
                break
            left = ("concat", left, self.additive())
        return left

    def additive(self) -> Node:
        left = self.multiplicative()
        while op := self.accept("+", "-"):
            left = ("math", op, left, self.multiplicative())
        return left

    def multiplicative(self) -> Node:
        left = self.unary()
        while op := self.accept("*", "/", "%"):
            left = ("math", op, left, self.unary())
        return left

    def unary(self) -> Node:
        if op := self.accept("!", "-", "+"):
            return ("unary", op, self.unary())
        return self.power()

    def power(self) -> Node:
        left = self.postfix()
        if self.accept("^", "**"):
            return ("math", "^", left, self.unary())
        return left

    def postfix(self) -> Node:
        if op := self.accept("++", "--"):
            return ("pre", op, self.primary())
        node = self.primary()
        if node[0] in ("var", "field", "index") and (op := self.accept("++", "--")):
            return ("post", op, node)
        return node

    def subscript(self) -> list[Node]:
        found = [self.expression()]
        while self.accept(","):
            found.append(self.expression())
        self.expect("]")
        return found

    def lvalue(self) -> Node | None:
        if self.token[0] == "name" or self.token == ("op", "$"):
            return self.primary()
        return None

    def primary(self) -> Node:  # noqa: C901 - a case for each thing there is
        kind, text = self.token
        self.at += 1
        if kind == "number":
            return ("num", float(int(text, 16)) if text[:2] in ("0x", "0X") else float(text))
        if kind == "string":
            return ("str", unescape_awk(text[1:-1]))
        if kind == "regex":
            return ("regex", text)
        if text == "$":
            if op := self.accept("++", "--"):
                return ("field", ("pre", op, self.primary()))
            return ("field", self.primary())
        if text == "(":
            kept = self.no_gt, self.no_in
            self.no_gt = self.no_in = 0
            found = [self.expression()]
            while self.accept(","):
                self.newlines_only()
                found.append(self.expression())
            self.expect(")")
            self.no_gt, self.no_in = kept
            return ("group", found) if len(found) > 1 or self.token[1] == "in" else ("paren", found[0])
        if kind == "key" and text == "getline":
            target = self.lvalue()
            if self.accept("<"):
                return ("getline", self.primary(), target, "<")
            return ("getline", None, target, "")
        if kind == "call" or (kind == "name" and text in _FUNCTIONS):
            return self.call(text)
        if kind == "name":
            if self.accept("["):
                return ("index", text, self.subscript())
            return ("var", text)
        raise UsageError(f"cmd. line:1: syntax error at or near {text.strip() or 'end of file'}", 2)

    def call(self, name: str) -> Node:
        args: list[Node] = []
        if self.accept("("):
            kept = self.no_gt, self.no_in
            self.no_gt = self.no_in = 0
            while not self.accept(")"):
                args.append(self.expression())
                self.newlines_only()
                if not self.accept(","):
                    self.expect(")")
                    break
                self.newlines_only()
            self.no_gt, self.no_in = kept
        return ("call", name, args)


_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "\\": "\\",
    '"': '"',
    "/": "/",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}


def unescape_awk(text: str) -> str:
    return re.sub(
        r"\\([0-7]{1,3}|.)",
        lambda m: (
            chr(int(m.group(1), 8) & 255)
            if m.group(1)[0] in "01234567"
            else _ESCAPES.get(m.group(1), "\\" + m.group(1))
        ),
        text,
    )
