"""Compound commands: if, while, for, case, groups, conditions. Each knows how to go on where it had stood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from kubesim.runtime.process import Suspended
from kubesim.runtime.shell import patterns
from kubesim.runtime.shell.control import LoopControl, RedirectFailed
from kubesim.runtime.shell.expansion import ExpansionFailed
from kubesim.runtime.shell.redirections import Redirections
from kubesim.runtime.shell.syntax import (
    Arithmetic,
    ArithmeticFor,
    Case,
    Condition,
    For,
    Function,
    Group,
    If,
    Redirected,
    Sequence,
    Simple,
    While,
)

if TYPE_CHECKING:
    from kubesim.runtime.shell.interpreter import Shell


class Compound(Redirections):
    """A shell's part that runs compound commands; `Shell` runs the simple ones within."""

    def sequence(self, node: Sequence) -> int:
        """Run commands one after the other."""
        raise NotImplementedError

    def run(self, node: Any) -> int:
        """Run one command."""
        raise NotImplementedError

    def if_command(self, node: If) -> int:
        position = self._resume.pop(0) if self._resume else 0
        count = len(node.branches)
        while position < 2 * count:
            index, in_body = divmod(position, 2)
            condition, body = node.branches[index]
            try:
                if in_body:
                    return self.sequence(body)
                self._quiet += 1
                try:
                    status = self.sequence(condition)
                finally:
                    self._quiet -= 1
            except Suspended as wait:
                wait.frames.insert(0, position)
                raise
            position = position + 1 if status == 0 else 2 * (index + 1)
        if node.otherwise is None:
            return 0
        try:
            return self.sequence(node.otherwise)
        except Suspended as wait:
            wait.frames.insert(0, position)
            raise

    def while_command(self, node: While) -> int:
        in_body = bool(self._resume.pop(0)) if self._resume else False
        status = 0
        self.loops += 1
        try:
            while True:
                self.budget.step()
                try:
                    if not in_body:
                        self._quiet += 1
                        try:
                            found = self.sequence(node.condition)
                        finally:
                            self._quiet -= 1
                        if (found == 0) == node.until:
                            return status
                        in_body = True
                    status = self.sequence(node.body)
                except LoopControl as control:
                    status = 0
                    if self._leaves(control):
                        return 0
                except Suspended as wait:
                    wait.frames.insert(0, int(in_body))
                    wait.endless = wait.endless or _never_ends(node, self.options)
                    raise
                in_body = False
        finally:
            self.loops -= 1

    def _leaves(self, control: LoopControl) -> bool:
        """Whether this loop ends: `break`, or a `continue` of an outer loop."""
        if control.levels > 1 and self.loops > 1:
            control.levels -= 1
            raise control
        return not control.again

    def for_command(self, node: For) -> int:
        if self._resume:
            index, values = self._resume.pop(0)
            resumed = True
        else:
            values = list(self.positional) if node.words is None else self.expand.words(node.words)
            index, resumed = 0, False
        status = 0
        self.loops += 1
        try:
            while index < len(values):
                self.budget.step()
                if not resumed:
                    self.assign_text(node.name, values[index])
                resumed = False
                try:
                    status = self.sequence(node.body)
                except LoopControl as control:
                    status = 0
                    if self._leaves(control):
                        break
                except Suspended as wait:
                    wait.frames.insert(0, [index, values])
                    raise
                index += 1
        finally:
            self.loops -= 1
        return status

    def arithmetic_for_command(self, node: ArithmeticFor) -> int:
        resumed = bool(self._resume)
        if self._resume:
            self._resume.pop(0)
        else:
            self.expand.arithmetic(self.expand.text(node.start))
        status = 0
        self.loops += 1
        try:
            while (
                resumed
                or not node.condition[0][1]
                or self.expand.arithmetic(self.expand.text(node.condition))
            ):
                self.budget.step()
                resumed = False
                try:
                    status = self.sequence(node.body)
                except LoopControl as control:
                    status = 0
                    if self._leaves(control):
                        break
                except Suspended as wait:
                    wait.frames.insert(0, 1)
                    raise
                self.expand.arithmetic(self.expand.text(node.step))
        finally:
            self.loops -= 1
        return status

    def case_command(self, node: Case) -> int:
        index = self._resume.pop(0) if self._resume else -1
        if index < 0:
            subject = self.expand.text(node.word)
            index = next(
                (
                    n
                    for n, (choices, _, _) in enumerate(node.items)
                    if any(patterns.matches(subject, self.expand.pattern(choice)) for choice in choices)
                ),
                len(node.items),
            )
        status = 0
        while index < len(node.items):
            _, body, ending = node.items[index]
            try:
                status = self.sequence(body) if body.items else 0
            except Suspended as wait:
                wait.frames.insert(0, index)
                raise
            if ending != ";&":
                break
            index += 1
        return status

    def group_command(self, node: Group) -> int:
        return self.sequence(node.body)

    def redirected_command(self, node: Redirected) -> int:
        kept = self.fds
        try:
            self.fds = self.redirected(node.redirects, again=self._resume is not None)
            return self.run(node.command)
        except RedirectFailed:
            return self.flavour.redirect_status
        finally:
            self.fds = kept

    def define_command(self, node: Function) -> int:
        self.functions[node.name] = node
        return 0

    def arithmetic_command(self, node: Arithmetic) -> int:
        self.line = node.line
        try:
            return int(self.expand.arithmetic(self.expand.text(node.expression)) == 0)
        except ExpansionFailed:
            return 1

    def condition_command(self, node: Condition) -> int:
        from kubesim.runtime.shell.conditions import double_bracket

        self.line = node.line
        self.budget.step()
        return double_bracket(cast("Shell", self), node.tree)


_ENDING = frozenset(("break", "exit", "return", "exec", "kill", "eval", ".", "source"))


def _never_ends(node: While, options: set[str]) -> bool:
    """Whether a loop can be seen to be endless: `while true` without anything in its body that could leave it."""
    if node.until or "e" in options or "u" in options:
        return False
    items = node.condition.items
    if len(items) != 1 or not isinstance(items[0][0], Simple) or len(items[0][0].words) != 1:
        return False
    word = items[0][0].words[0]
    if len(word) != 1 or word[0][0] != "lit" or word[0][1] not in ("true", ":"):
        return False
    return not any(name in _ENDING for name in _names(node.body))


def _names(node: Any) -> list[str]:
    """The names of the commands below a node."""
    if isinstance(node, Simple):
        word = node.words[0] if node.words else ()
        return [str(word[0][1])] if len(word) == 1 and word[0][0] == "lit" else (["eval"] if word else [])
    if isinstance(node, (list, tuple)):
        return [name for item in node for name in _names(item)]
    if isinstance(node, str) or node is None:
        return []
    slots = getattr(type(node), "__slots__", ())
    return [name for slot in slots for name in _names(getattr(node, slot))]
