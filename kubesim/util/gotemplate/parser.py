"""Templates read into trees: text/template/parse/parse.go, with its texts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kubesim.util.gotemplate.nodes import (
    NAME,
    Action,
    Bool,
    Branch,
    Call,
    Chain,
    Command,
    Dot,
    Field,
    Function,
    Mark,
    Nil,
    Number,
    Pipe,
    String,
    TemplateError,
    Text,
    Variable,
)
from kubesim.util.gotemplate.scanner import Scanner, Token
from kubesim.util.gotext import quote
from kubesim.util.jsonpath import unquote

_OPERANDS = frozenset(
    ("bool", "constant", "dot", "field", "identifier", "number", "nil", "raw", "string", "variable", "(")
)


class Parser:
    """Parses a template and those that it defines. `functions` are the names that it may call."""

    def __init__(self, text: str, functions: Collection[str]) -> None:
        self._tokens = Scanner(text).run()
        self._at = 0
        self._functions = functions
        self._variables = ["$"]
        self._ranges = 0
        self._action_line = 0
        self.templates: dict[str, list[Any]] = {}

    def parse(self) -> list[Any]:
        """The nodes of the template itself; those it defines are in `templates`. Raises TemplateError."""
        nodes: list[Any] = []
        while self._peek().kind != "eof":
            if self._peek().kind == "left" and self._second() == "define":
                self._definition()
                continue
            node = self._text_or_action()
            if isinstance(node, Mark) and node.word in {"end", "else"}:
                raise self._error(f"unexpected {node}")
            nodes.append(node)
        return nodes

    def _second(self) -> str:
        following = self._at + 1
        while self._tokens[following].kind == "space":
            following += 1
        return self._tokens[following].kind

    def _peek(self) -> Token:
        return self._tokens[min(self._at, len(self._tokens) - 1)]

    def _peek_non_space(self) -> Token:
        while self._peek().kind == "space":
            self._at += 1
        return self._peek()

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _next_non_space(self) -> Token:
        self._peek_non_space()
        return self._next()

    def _error(self, text: str) -> TemplateError:
        line = self._tokens[min(self._at, len(self._tokens)) - 1].line if self._at else 1
        return TemplateError(f"template: {NAME}:{line}: {text}")

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        if token.kind != "error":
            return self._error(f"unexpected {token} in {context}")
        extra = ""
        if self._action_line and self._action_line != token.line:
            extra = f" in action started at {NAME}:{self._action_line}"
            if token.text.endswith(" action"):
                extra = extra.removeprefix(" in action")
        return self._error(f"{token}{extra}")

    def _expect(self, kinds: tuple[str, ...], context: str) -> Token:
        token = self._next_non_space()
        if token.kind not in kinds:
            raise self._unexpected(token, context)
        return token

    def _text_or_action(self) -> Any:
        token = self._next_non_space()
        if token.kind == "text":
            return Text(token.at, token.text)
        if token.kind == "left":
            self._action_line = token.line
            node = self._action()
            self._action_line = 0
            return node
        raise self._unexpected(token, "input")

    def _action(self) -> Any:
        token = self._next_non_space()
        match token.kind:
            case "if" | "range" | "with":
                return self._control(token)
            case "block":
                return self._block()
            case "template":
                return self._call()
            case "else":
                return self._else()
            case "end":
                return Mark(self._expect(("right",), "end").at, "end")
            case "break" | "continue":
                return self._jump(token)
        self._at -= 1
        at = self._peek().at
        return Action(at, self._pipeline("command", "right"))

    def _jump(self, token: Token) -> Mark:
        word = f"{{{{{token.kind}}}}}"
        following = self._next_non_space()
        if following.kind != "right":
            raise self._unexpected(following, word)
        if not self._ranges:
            raise self._error(f"{word} outside {{{{range}}}}")
        return Mark(token.at, token.kind)

    def _else(self) -> Mark:
        token = self._peek_non_space()
        if token.kind in {"if", "with"}:
            return Mark(token.at, "else")
        return Mark(self._expect(("right",), "else").at, "else")

    def _list(self) -> tuple[list[Any], Mark]:
        """Nodes up to an `end` or `else`, which is given too."""
        nodes: list[Any] = []
        while self._peek_non_space().kind != "eof":
            node = self._text_or_action()
            if isinstance(node, Mark) and node.word in {"end", "else"}:
                return nodes, node
            nodes.append(node)
        self._at += 1
        raise self._error("unexpected EOF")

    def _control(self, token: Token) -> Branch:
        word = token.kind
        known = len(self._variables)
        pipe = self._pipeline(word, "right")
        self._ranges += word == "range"
        body, closing = self._list()
        self._ranges -= word == "range"
        otherwise: list[Any] | None = None
        if closing.word == "else":
            if word in {"if", "with"} and self._peek().kind == word:
                otherwise = [self._control(self._next())]  # one {{end}} closes both
            else:
                otherwise, closing = self._list()
                if closing.word != "end":
                    raise self._error(f"expected end; found {closing}")
        del self._variables[known:]
        return Branch(pipe.at, word, pipe, body, otherwise)

    def _name(self, token: Token, context: str) -> str:
        if token.kind not in {"string", "raw"}:
            raise self._unexpected(token, context)
        return self._unquoted(token)

    def _unquoted(self, token: Token) -> str:
        if token.kind == "raw":
            return token.text[1:-1]
        try:
            return unquote(token.text)
        except ValueError as error:
            raise self._error(str(error)) from None

    def _definition(self) -> None:
        self._at += 1
        self._next_non_space()
        context = "define clause"
        name = self._name(self._next_non_space(), context)
        self._expect(("right",), context)
        self._nested(name, context)

    def _nested(self, name: str, context: str) -> None:
        """The body of a definition, which sees no variables of what is around it."""
        outer, self._variables = self._variables, ["$"]
        ranges, self._ranges = self._ranges, 0
        body, closing = self._list()
        if closing.word != "end":
            raise self._error(f"unexpected {closing} in {context}")
        self._variables, self._ranges = outer, ranges
        if name in self.templates and not _is_empty(self.templates[name]):
            if not _is_empty(body):
                raise self._error(f"template: multiple definition of template {quote(name)}")
            return
        self.templates[name] = body

    def _block(self) -> Call:
        context = "block clause"
        token = self._next_non_space()
        name = self._name(token, context)
        pipe = self._pipeline(context, "right")
        self._nested(name, context)
        return Call(token.at, name, pipe)

    def _call(self) -> Call:
        context = "template clause"
        token = self._next_non_space()
        name = self._name(token, context)
        if self._next_non_space().kind == "right":
            return Call(token.at, name, None)
        self._at -= 1
        return Call(token.at, name, self._pipeline(context, "right"))

    def _pipeline(self, context: str, end: str) -> Pipe:
        pipe = Pipe(self._peek_non_space().at)
        self._declarations(pipe, context)
        while True:
            token = self._next_non_space()
            if token.kind == end:
                self._check(pipe, context)
                return pipe
            if token.kind not in _OPERANDS:
                raise self._unexpected(token, context)
            self._at -= 1
            pipe.commands.append(self._command())

    def _declarations(self, pipe: Pipe, context: str) -> None:
        while self._peek_non_space().kind == "variable":
            start = self._at
            token = self._next()
            following = self._peek_non_space()
            if following.kind in {"assign", "declare"}:
                pipe.is_assignment = following.kind == "assign"
                self._at += 1
                self._declare(pipe, token)
                return
            if following.kind != "char" or following.text != ",":
                self._at = start
                return
            self._at += 1
            self._declare(pipe, token)
            if context != "range" or len(pipe.variables) > 1:
                raise self._error(f"too many declarations in {context}")
            if self._peek_non_space().kind not in {"variable", "right", ")"}:
                self._at += 1
                raise self._error("range can only initialize variables")

    def _declare(self, pipe: Pipe, token: Token) -> None:
        pipe.variables.append(Variable(token.at, token.text.split(".")))
        self._variables.append(token.text)

    def _check(self, pipe: Pipe, context: str) -> None:
        if not pipe.commands:
            raise self._error(f"missing value for {context}")
        for i, command in enumerate(pipe.commands[1:]):
            if isinstance(command.args[0], (Bool, Dot, Nil, Number, String)):
                raise self._error(f"non executable command in pipeline stage {i + 2}")

    def _command(self) -> Command:
        command = Command(self._peek_non_space().at)
        while True:
            self._peek_non_space()
            operand = self._operand()
            if operand is not None:
                command.args.append(operand)
            token = self._next()
            if token.kind == "space":
                continue
            if token.kind in {"right", ")"}:
                self._at -= 1
            elif token.kind != "pipe":
                raise self._unexpected(token, "operand")
            break
        if not command.args:
            raise self._error("empty command")
        return command

    def _operand(self) -> Any:
        node = self._term()
        if node is None or self._peek().kind != "field":
            return node
        at = self._peek().at
        names: list[str] = []
        while self._peek().kind == "field":
            names.append(self._next().text[1:])
        if isinstance(node, Field):
            return Field(at, node.names + names)
        if isinstance(node, Variable):
            return Variable(at, node.names + names)
        if isinstance(node, (Bool, String, Number, Nil, Dot)):
            raise self._error(f"unexpected . after term {quote(str(node))}")
        return Chain(at, node, names)

    def _term(self) -> Any:
        token = self._next_non_space()
        at, text = token.at, token.text
        match token.kind:
            case "identifier":
                if text not in self._functions:
                    raise self._error(f"function {quote(text)} not defined")
                return Function(at, text)
            case "dot":
                return Dot(at)
            case "nil":
                return Nil(at)
            case "variable":
                if text not in self._variables:
                    raise self._error(f"undefined variable {quote(text)}")
                return Variable(at, [text])
            case "field":
                return Field(at, text[1:].split("."))
            case "bool":
                return Bool(at, text == "true")
            case "(":
                return self._pipeline("parenthesized pipeline", ")")
            case "string" | "raw":
                return String(at, self._unquoted(token), text)
            case "number" | "constant":
                return Number(at, self._value(token), text)
        self._at -= 1
        return None

    def _value(self, token: Token) -> int | float:
        text = token.text
        if token.kind == "constant":
            try:
                character = unquote(text)
            except ValueError as error:
                raise self._error(str(error)) from None
            if len(character) != 1:
                raise self._error(f"malformed character constant: {text}")
            return ord(character)
        try:
            whole = _whole(text)
        except ValueError:
            pass
        else:
            if not -(1 << 63) <= whole < 1 << 64:
                raise self._error(f"integer overflow: {quote(text)}")
            return whole
        try:
            value = float.fromhex(text) if "x" in text.lower() else float(text)
        except ValueError:
            raise self._error(f"illegal number syntax: {quote(text)}") from None
        return value


def _whole(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits.isdecimal():
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _is_empty(nodes: list[Any]) -> bool:
    return all(isinstance(node, Text) and not node.text.strip() for node in nodes)
