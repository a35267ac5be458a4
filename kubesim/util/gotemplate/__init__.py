"""Go's text/template, run on decoded JSON: what `-o go-template` needs, all of the language included.

Source of the rules: text/template/exec.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from kubesim.util.gofmt import GoInt, go_type
from kubesim.util.gotemplate.functions import FUNCTIONS, FunctionError
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
    Nil,
    Number,
    Pipe,
    String,
    TemplateError,
    Text,
    Variable,
)
from kubesim.util.gotemplate.parser import Parser
from kubesim.util.gotemplate.values import MISSING, NO_FINAL, Boxed, inner, is_true, plain
from kubesim.util.gotext import quote, sprint
from kubesim.util.jsontypes import JSONValue

__all__ = ["Template", "TemplateError"]

_MAX_DEPTH: Final = 100  # Go allows 100,000; Python's stack holds fewer


def _type(value: Any) -> str:
    return "interface {}" if isinstance(value, Boxed) else go_type(value)


class Writer(Protocol):
    """Where a template writes."""

    def write(self, text: str, /) -> Any: ...


class Template:
    """A parsed template."""

    def __init__(self, text: str, *, missing_key_is_error: bool = False) -> None:
        """Raises TemplateError, worded as Go words it."""
        parser = Parser(text, FUNCTIONS.keys() | {"and", "or"})
        self.nodes = parser.parse()
        self.templates = parser.templates
        self.text = text
        self.missing_key_is_error = missing_key_is_error

    def execute(self, data: JSONValue, stream: Writer) -> None:
        """Run on a value. Raises TemplateError; what was written before stays written."""
        state = _State(self, stream)
        state.variables = [("$", data)]
        state.walk(self.nodes, data)


class _Jump(Exception):
    """A `break` or `continue` on its way to its range."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class _State:
    """One execution. `node` is what messages name."""

    def __init__(self, template: Template, stream: Writer, name: str = NAME, depth: int = 0) -> None:
        self._template = template
        self._name = name
        self._stream = stream
        self._depth = depth
        self._node: Any = None
        self.variables: list[tuple[str, Any]] = []

    def _error(self, text: str) -> TemplateError:
        before = self._template.text[: self._node.at]
        column = len(before[before.rfind("\n") + 1 :].encode())
        place = f"{NAME}:{before.count(chr(10)) + 1}:{column}"
        return TemplateError(f"template: {place}: executing {quote(self._name)} at <{self._node}>: {text}")

    def walk(self, nodes: Sequence[Any], dot: Any) -> None:
        for node in nodes:
            self._node = node
            if isinstance(node, Text):
                self._stream.write(node.text)
            elif isinstance(node, Action):
                value = self._pipeline(dot, node.pipe)
                if not node.pipe.variables:
                    self._node = node
                    self._stream.write(_printed(value))
            elif isinstance(node, Branch):
                self._branch(node, dot)
            elif isinstance(node, Call):
                self._call_template(node, dot)
            else:
                raise _Jump(node.word)

    def _branch(self, node: Branch, dot: Any) -> None:
        known = len(self.variables)
        try:
            if node.word == "range":
                self._range(node, dot, known)
                return
            value = self._pipeline(dot, node.pipe)
            if is_true(value):
                self.walk(node.body, value if node.word == "with" else dot)
            elif node.otherwise is not None:
                self.walk(node.otherwise, dot)
        finally:
            del self.variables[known:]

    def _range(self, node: Branch, dot: Any, known: int) -> None:
        value = inner(self._pipeline(dot, node.pipe))
        if isinstance(value, list):
            pairs: list[tuple[Any, Any]] = [(GoInt(i), Boxed(item)) for i, item in enumerate(value)]
        elif isinstance(value, dict):
            pairs = [(key, Boxed(value[key])) for key in sorted(value)]
        elif value is MISSING:
            pairs = []
        else:
            raise self._error(f"range can't iterate over {sprint(value)}")
        names = [variable.names[0] for variable in node.pipe.variables]
        mark = len(self.variables)
        for key, item in pairs:
            if names:
                # The last variable is the element, one before it the position or key.
                for name, found in zip(reversed(names), (item, key), strict=False):
                    self._assign(name, found, known if not node.pipe.is_assignment else 0)
            try:
                self.walk(node.body, item)
            except _Jump as jump:
                if jump.word == "break":
                    return
            finally:
                del self.variables[mark:]
        if not pairs and node.otherwise is not None:
            self.walk(node.otherwise, dot)

    def _assign(self, name: str, value: Any, lowest: int) -> None:
        for i in range(len(self.variables) - 1, lowest - 1, -1):
            if self.variables[i][0] == name:
                self.variables[i] = (name, value)
                return
        raise self._error(f"undefined variable: {name}")

    def _call_template(self, node: Call, dot: Any) -> None:
        body = self._template.templates.get(node.name)
        if body is None:
            raise self._error(f"template {quote(node.name)} not defined")
        if self._depth >= _MAX_DEPTH:
            raise self._error(f"exceeded maximum template depth ({_MAX_DEPTH})")
        value = self._pipeline(dot, node.pipe) if node.pipe else MISSING
        inner = _State(self._template, self._stream, node.name, self._depth + 1)
        inner.variables = [("$", value)]
        inner.walk(body, value)

    def _pipeline(self, dot: Any, pipe: Pipe) -> Any:
        self._node = pipe
        value: Any = NO_FINAL
        for command in pipe.commands:
            value = inner(self._command(dot, command, value))
        for variable in pipe.variables:
            if pipe.is_assignment:
                self._assign(variable.names[0], value, 0)
            else:
                self.variables.append((variable.names[0], value))
        return value

    def _command(self, dot: Any, command: Command, final: Any) -> Any:
        first, args = command.args[0], command.args
        if isinstance(first, (Field, Chain, Variable)):
            return self._chain(dot, first, has_args=len(args) > 1 or final is not NO_FINAL, args=args)
        if isinstance(first, Function):
            self._node = first
            return self._call(dot, command, first.name, args[1:], final)
        if not isinstance(first, Pipe):
            self._node = first
        if len(args) > 1 or final is not NO_FINAL:
            raise self._error(f"can't give argument to non-function {first}")
        if isinstance(first, Nil):
            raise self._error("nil is not a command")
        return self._argument(dot, first)

    def _argument(self, dot: Any, node: Any) -> Any:
        """The value of an operand."""
        if isinstance(node, Pipe):
            return self._pipeline(dot, node)
        self._node = node
        if isinstance(node, Dot):
            return dot
        if isinstance(node, Number):
            if isinstance(node.value, float):
                return node.value
            if not -(1 << 63) <= node.value < 1 << 63:
                raise self._error(f"{node.text} overflows int")
            return GoInt(node.value)
        if isinstance(node, (Bool, String)):
            return node.value
        if isinstance(node, Nil):
            return Boxed(None)
        if isinstance(node, Function):
            return self._call(dot, node, node.name, [], NO_FINAL)
        return self._chain(dot, node, has_args=False, args=[node])

    def _chain(self, dot: Any, node: Any, *, has_args: bool, args: list[Any]) -> Any:
        """A field, a variable, or fields of something else."""
        self._node = node
        if isinstance(node, Field):
            value, names = dot, node.names
        elif isinstance(node, Variable):
            value = next(v for name, v in reversed(self.variables) if name == node.names[0])
            names = node.names[1:]
            if not names and has_args:
                raise self._error(f"can't give argument to non-function {args[0]}")
        else:
            if isinstance(node.node, Nil):
                raise self._error(f"indirection through explicit nil in {node}")
            value, names = self._argument(dot, node.node), node.names
        for i, name in enumerate(names):
            value = self._field(value, name, has_args=has_args and i == len(names) - 1)
        return value

    def _field(self, receiver: Any, name: str, *, has_args: bool) -> Any:
        if receiver is MISSING:
            if self._template.missing_key_is_error:
                raise self._error(f"nil data; no entry for key {quote(name)}")
            return MISSING
        value = inner(receiver)
        if value is MISSING:
            raise self._error(f"nil pointer evaluating {_type(receiver)}.{name}")
        if not isinstance(value, dict):
            raise self._error(f"can't evaluate field {name} in type {_type(receiver)}")
        if has_args:
            raise self._error(f"{name} is not a method but has arguments")
        if name in value:
            return Boxed(value[name])
        if self._template.missing_key_is_error:
            raise self._error(f"map has no entry for key {quote(name)}")
        return MISSING

    def _call(self, dot: Any, node: Any, name: str, args: Sequence[Any], final: Any) -> Any:
        if name in {"and", "or"}:
            return self._and_or(dot, name, args, final)
        function = FUNCTIONS[name]
        given = len(args) + (final is not NO_FINAL)
        if function.at_most is None:
            if given < function.at_least:
                raise self._error(
                    f"wrong number of args for {name}: want at least {function.at_least} got {len(args)}"
                )
        elif given != function.at_most:
            raise self._error(f"wrong number of args for {name}: want {function.at_most} got {given}")
        values = [self._typed(dot, arg, is_string=i < function.strings) for i, arg in enumerate(args)]
        if final is not NO_FINAL:
            values.append(self._string(final) if len(args) < function.strings else final)
        try:
            return function.run(*(values if function.raw else map(plain, values)))
        except FunctionError as error:
            self._node = node
            text = str(error).replace("<ARG>", str(args[0]) if args else "")
            raise self._error(f"error calling {name}: {text}") from None

    def _and_or(self, dot: Any, name: str, args: Sequence[Any], final: Any) -> Any:
        # Arguments behind the one that decides are not looked at.
        if not args and final is NO_FINAL:
            raise self._error(f"wrong number of args for {name}: want at least 1 got 0")
        value: Any = MISSING
        for arg in args:
            value = self._argument(dot, arg)
            if is_true(value) == (name == "or"):
                return value
        return value if final is NO_FINAL else final

    def _typed(self, dot: Any, arg: Any, *, is_string: bool) -> Any:
        if is_string:
            self._node = arg
            if isinstance(arg, Nil):
                raise self._error("cannot assign nil to string")
            if isinstance(arg, (Bool, Number)):
                raise self._error(f"expected string; found {arg}")
        value = self._argument(dot, arg)
        return self._string(value) if is_string else value

    def _string(self, value: Any) -> str:
        found = inner(value)
        if found is MISSING:
            raise self._error("invalid value; expected string")
        if not isinstance(found, str):
            raise self._error(f"wrong type for value; expected string; got {go_type(found)}")
        return found


def _printed(value: Any) -> str:
    found = inner(value)
    return "<no value>" if found is MISSING or found is NO_FINAL else sprint(found)
