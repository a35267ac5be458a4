"""sed: addresses, s, d, p, q, a, i, c, y, =, n, N, D, P, g, G, h, H, x, b, t, w, blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kubesim.runtime.commands.common import inputs, program
from kubesim.runtime.commands.options import UsageError, parse
from kubesim.runtime.commands.regex import compile_posix
from kubesim.runtime.process import Process


@dataclass(slots=True)
class _Address:
    kind: str  # line, last, regex, step
    line: int = 0
    step: int = 0
    regex: re.Pattern[str] | None = None


@dataclass(slots=True)
class _Command:
    name: str
    first: _Address | None = None
    second: _Address | None = None
    negate: bool = False
    text: str = ""
    regex: re.Pattern[str] | None = None
    flags: str = ""
    number: int = 0
    block: list[_Command] = field(default_factory=list)
    active: bool = False
    end: int = 0


class _Quit(Exception):
    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


class _Parser:
    def __init__(self, text: str, *, extended: bool) -> None:
        self.text = text
        self.at = 0
        self.extended = extended
        self.last: re.Pattern[str] | None = None

    def problem(self, text: str) -> UsageError:
        return UsageError(f"-e expression #1, char {min(self.at, len(self.text))}: {text}")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip(self, chars: str = " \t") -> None:
        while self.peek() and self.peek() in chars:
            self.at += 1

    def commands(self, *, nested: bool = False) -> list[_Command]:
        found: list[_Command] = []
        while True:
            self.skip(" \t\n;")
            if not self.peek():
                if nested:
                    raise UsageError("-e expression #1, char 0: unmatched `{'")
                return found
            if self.peek() == "}":
                if not nested:
                    self.at += 1
                    raise self.problem("unexpected `}'")
                self.at += 1
                return found
            if self.peek() == "#":
                while self.peek() and self.peek() != "\n":
                    self.at += 1
                continue
            found.append(self.command())

    def address(self) -> _Address | None:
        c = self.peek()
        if c.isdigit():
            number = self.integer()
            if self.peek() == "~":
                self.at += 1
                return _Address("step", number, self.integer())
            return _Address("line", number)
        if c == "$":
            self.at += 1
            return _Address("last")
        if c == "/" or c == "\\":
            if c == "\\":
                self.at += 1
            mark = self.peek()
            self.at += 1
            body = self.delimited(mark)
            ignore = False
            while self.peek() in ("I", "M") and self.peek():
                ignore = ignore or self.peek() == "I"
                self.at += 1
            return _Address("regex", regex=self.regex(body, ignore=ignore))
        return None

    def integer(self) -> int:
        match = re.compile(r"\d+").match(self.text, self.at)
        if match is None:
            return 0
        self.at = match.end()
        return int(match.group())

    def regex(self, text: str, *, ignore: bool) -> re.Pattern[str]:
        if not text:
            if self.last is None:
                raise self.problem("no previous regular expression")
            return self.last
        self.last = compile_posix(text, extended=self.extended, ignore_case=ignore)
        return self.last

    def delimited(self, mark: str) -> str:
        out = []
        bracket = False
        while True:
            c = self.peek()
            if not c:
                raise self.problem(
                    "unterminated address regex" if mark == "/" else "unterminated `s' command"
                )
            self.at += 1
            if c == "\\":
                following = self.peek()
                self.at += 1
                out.append(following if following == mark and mark not in "|()+?.*" else "\\" + following)
                continue
            if c == "[" and not bracket:
                bracket = True
            elif c == "]" and bracket and out and out[-1] not in ("[", "^"):
                bracket = False
            elif c == mark and not bracket:
                return "".join(out)
            out.append(c)

    def command(self) -> _Command:  # noqa: C901 - a case for each thing there is
        command = _Command("")
        command.first = self.address()
        self.skip()
        if command.first is not None and self.peek() == ",":
            self.at += 1
            self.skip()
            if self.peek() in ("+", "~"):
                self.at += 1
                command.second = _Address("plus", self.integer())
            else:
                command.second = self.address()
                if command.second is None:
                    raise self.problem("unexpected `,'")
            self.skip()
        while self.peek() == "!":
            command.negate = True
            self.at += 1
            self.skip()
        command.name = self.peek()
        self.at += 1
        if not command.name:
            raise self.problem("missing command")
        if command.name == "{":
            command.block = self.commands(nested=True)
        elif command.name == "s":
            self.substitute(command)
        elif command.name == "y":
            mark = self.peek()
            self.at += 1
            command.text = (
                self.delimited(mark).replace("\\n", "\n") + "\0" + self.delimited(mark).replace("\\n", "\n")
            )
        elif command.name in "aic":
            self.text_block(command)
        elif command.name in ":btTrwWe":
            self.skip()
            match = (
                re.compile(r"[^\n;}]*").match(self.text, self.at)
                if command.name in "btT:"
                else re.compile(r"[^\n]*").match(self.text, self.at)
            )
            command.text = (match.group() if match else "").strip()
            self.at = match.end() if match else self.at
        elif command.name in "qQlL":
            self.skip()
            command.number = self.integer()
        elif command.name not in "dDpPnNgGhHx=z":
            raise self.problem(f"unknown command: `{command.name}'")
        self.skip()
        if self.peek() and self.peek() not in ";}\n#" and command.name not in "{aic:btTrwW":
            self.at += 1
            raise self.problem("extra characters after command")
        return command

    def text_block(self, command: _Command) -> None:
        self.skip()
        if self.peek() == "\\":
            self.at += 1
            self.skip()
            if self.peek() == "\n":
                self.at += 1
        out = []
        while self.peek():
            c = self.peek()
            self.at += 1
            if c == "\\":
                out.append(self.peek())
                self.at += 1
            elif c == "\n":
                break
            else:
                out.append(c)
        if not out:
            raise self.problem("expected \\ after `a', `c' or `i'")
        command.text = "".join(out)

    def substitute(self, command: _Command) -> None:
        mark = self.peek()
        self.at += 1
        if not mark or mark in "\n\\":
            raise self.problem("unterminated `s' command")
        pattern = self.delimited(mark)
        command.text = self.replacement(mark)
        match = re.compile(r"[gpiIemM0-9]*").match(self.text, self.at)
        command.flags = match.group() if match else ""
        self.at = match.end() if match else self.at
        if self.peek() == "w":
            self.at += 1
            self.skip()
            name = re.compile(r"[^\n;}]*").match(self.text, self.at)
            command.flags += "w" + (name.group() if name else "")
            self.at = name.end() if name else self.at
        elif self.peek() and self.peek() not in " \t\n;}#":
            self.at += 1
            raise self.problem("unknown option to `s'")
        digits = re.sub(r"\D", "", command.flags.partition("w")[0])
        command.number = int(digits) if digits else 1
        command.regex = self.regex(pattern, ignore="i" in command.flags or "I" in command.flags)

    def replacement(self, mark: str) -> str:
        out = []
        while True:
            c = self.peek()
            if not c:
                raise self.problem("unterminated `s' command")
            self.at += 1
            if c == "\\":
                following = self.peek()
                self.at += 1
                out.append(following if following == mark and mark != "&" else "\\" + following)
            elif c == mark:
                return "".join(out)
            else:
                out.append(c)


def expand(match: re.Match[str], template: str) -> str:
    r"""A replacement: &, \1, \n, \U, \L, \E."""
    out: list[str] = []
    case = once = ""

    def add(text: str) -> None:
        nonlocal once
        if case:
            text = text.upper() if case == "U" else text.lower()
        if once and text:
            text = (text[0].upper() if once == "u" else text[0].lower()) + text[1:]
            once = ""
        out.append(text)

    i = 0
    while i < len(template):
        c = template[i]
        i += 1
        if c == "&":
            add(match.group())
        elif c == "\\" and i < len(template):
            following = template[i]
            i += 1
            if following.isdigit():
                add((match.group(int(following)) or "") if int(following) <= match.re.groups else "")
            elif following in "UL":
                case = following
            elif following == "E":
                case = ""
            elif following in "ul":
                once = following
            else:
                add({"n": "\n", "t": "\t", "r": "\r"}.get(following, following))
        else:
            add(c)
    return "".join(out)


class _Machine:
    def __init__(
        self, process: Process, commands: list[_Command], lines: list[str], *, quiet: bool, ends: bool
    ) -> None:
        self.process = process
        self.commands = commands
        self.lines = lines
        self.quiet = quiet
        self.number = 0
        self.space = ""
        self.hold = ""
        self.out: list[str] = []
        self.after: list[str] = []
        self.changed = False
        self.ends = ends

    def run(self) -> int:
        code = 0
        restart = False
        while restart or self.number < len(self.lines):
            self.process.budget.step()
            if not restart:
                self.space = self.lines[self.number]
                self.number += 1
            restart = False
            self.changed = False
            try:
                action = self.execute(self.commands)
            except _Quit as stop:
                self.finish_line(print_it=stop.code >= 0 and not self.quiet)
                code = max(stop.code, 0)
                break
            if action == "D" and "\n" in self.space:
                self.space = self.space.partition("\n")[2]
                restart = True
                continue
            self.finish_line(print_it=action == "" and not self.quiet)
        return code

    def finish_line(self, *, print_it: bool) -> None:
        if print_it:
            self.out.append(self.space)
        self.out += self.after
        self.after = []

    def execute(self, commands: list[_Command]) -> str:
        """Run commands on the pattern space; `d` or `D` when the cycle is over, empty at the script's end."""
        index = 0
        turns = 0
        while index < len(commands):
            command = commands[index]
            index += 1
            turns += 1
            if turns % 8 == 0:
                size = len(self.space) + len(self.hold)
                self.process.budget.step(1 + size // 1024)
                self.process.budget.holds(size)
            if self.selected(command) == command.negate:
                continue
            if command.name == "{":
                found = self.execute(command.block)
                if found:
                    return found
                continue
            if command.name in "btT":
                jump = command.name == "b" or (command.name == "t") == self.changed
                if command.name != "b" and jump:
                    self.changed = False
                if jump:
                    if not command.text:
                        return ""
                    index = next(
                        (n for n, c in enumerate(self.commands) if c.name == ":" and c.text == command.text),
                        -1,
                    )
                    if index < 0:
                        raise UsageError(
                            f"-e expression #1, char 3: can't find label for jump to `{command.text}'"
                        )
                    commands = self.commands
                continue
            found = self.one(command)
            if found:
                return found
        return ""

    def selected(self, command: _Command) -> bool:
        if command.first is None:
            return True
        if command.second is None:
            return self.matches(command.first)
        if command.active:
            if command.second.kind == "line":
                if self.number >= command.second.line:
                    command.active = False
                return self.number <= command.second.line
            if command.second.kind == "plus":
                command.active = self.number < command.end
                return True
            if self.matches(command.second):
                command.active = False
            return True
        if not self.matches(command.first):
            return False
        if command.second.kind == "plus":
            command.end = self.number + command.second.line
            command.active = command.second.line > 0
        else:
            command.active = not (command.second.kind == "line" and command.second.line <= self.number)
        return True

    def matches(self, address: _Address) -> bool:
        match address.kind:
            case "line":
                return self.number == address.line
            case "last":
                return self.number == len(self.lines)
            case "step":
                return (
                    self.number >= address.line
                    and address.step > 0
                    and (self.number - address.line) % address.step == 0
                )
        return address.regex is not None and address.regex.search(self.space) is not None

    def one(self, command: _Command) -> str:  # noqa: C901 - a case for each thing there is
        match command.name:
            case "d" | "D":
                return command.name
            case "p":
                self.out.append(self.space)
            case "P":
                self.out.append(self.space.partition("\n")[0])
            case "=":
                self.out.append(str(self.number))
            case "q" | "Q":
                self.process.leave_input()
                raise _Quit(command.number if command.name == "q" else -1)
            case "s":
                self.substitute(command)
            case "y":
                source, _, target = command.text.partition("\0")
                if len(source) != len(target):
                    raise UsageError(
                        "-e expression #1, char 1: strings for `y' command are different lengths"
                    )
                self.space = self.space.translate(str.maketrans(source, target))
            case "a":
                self.after.append(command.text)
            case "i":
                self.out.append(command.text)
            case "c":
                if not command.active:
                    self.out.append(command.text)
                return "d"
            case _:
                return self.spaces(command)
        return ""

    def spaces(self, command: _Command) -> str:  # noqa: C901 - a case for each thing there is
        match command.name:
            case "g":
                self.space = self.hold
            case "G":
                self.space += "\n" + self.hold
            case "h":
                self.hold = self.space
            case "H":
                self.hold += "\n" + self.space
            case "x":
                self.space, self.hold = self.hold, self.space
            case "z":
                self.space = ""
            case "n" | "N":
                if self.number >= len(self.lines):
                    if command.name == "N":
                        raise _Quit(0)
                    return ""
                if command.name == "n":
                    self.finish_line(print_it=not self.quiet)
                    self.space = self.lines[self.number]
                else:
                    self.space += "\n" + self.lines[self.number]
                self.number += 1
            case "w":
                self.process.open_writer(command.text, append=True).write(
                    (self.space + "\n").encode("utf-8", "surrogateescape")
                )
            case "r":
                try:
                    self.after += (
                        self.process.read_file(command.text).decode("utf-8", "surrogateescape").splitlines()
                    )
                except OSError:
                    return ""
        return ""

    def substitute(self, command: _Command) -> None:
        regex = command.regex
        if regex is None:
            return
        count = 0
        everywhere = "g" in command.flags.partition("w")[0]

        def one(match: re.Match[str]) -> str:
            nonlocal count
            count += 1
            if count < command.number or (count > command.number and not everywhere):
                return match.group()
            return expand(match, command.text)

        found = regex.sub(one, self.space, count=0 if everywhere or command.number > 1 else 1)
        if count >= command.number:
            self.changed = True
            self.space = found
            if "p" in command.flags.partition("w")[0]:
                self.out.append(self.space)


@program
def sed(process: Process) -> int:
    long = {
        "quiet": "n",
        "silent": "n",
        "expression=": "e",
        "file=": "f",
        "regexp-extended": "E",
        "in-place": "i",
        "in-place=": "i",
        "separate": "s",
        "posix": "p",
        "null-data": "z",
    }
    words = list(process.args)
    in_place = False
    suffix = ""
    for n, word in enumerate(words):
        if re.fullmatch(r"-[nErsuz]*i\S*", word):
            in_place = True
            head, _, suffix = word.partition("i")
            words[n] = head if len(head) > 1 else "--posix"
    process.argv = [process.argv[0], *words]
    opts = parse(process, "ne:f:Ersuzl:", long)
    in_place = in_place or "i" in opts
    script = opts.all("e")
    for name in opts.all("f"):
        script = [*script, process.read_file(name).decode("utf-8", "surrogateescape")]
    args = opts.args
    if not script:
        if not args:
            process.error("Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...")
            return 1
        script, args = [args[0]], args[1:]
    commands = _Parser("\n".join(script), extended="E" in opts or "r" in opts).commands()
    code = 0
    if in_place:
        for name in args:
            code = _edit(process, commands, name, suffix, quiet="n" in opts) or code
        return code
    whole = b""
    for _, data in inputs(process, args):
        if data is None:
            code = 2 if process.machine.flavour == "gnu" else 1
            continue
        whole += data
    machine = _run(process, commands, whole, quiet="n" in opts)
    process.write(machine[0])
    return machine[1] or code


def _edit(process: Process, commands: list[_Command], name: str, suffix: str, *, quiet: bool) -> int:
    try:
        data = process.read_file(name)
    except OSError as error:
        return process.fail(
            f"can't read {name}: {error.strerror}"
            if process.machine.flavour == "gnu"
            else f"{name}: {error.strerror}",
            2 if process.machine.flavour == "gnu" else 1,
        )
    text, code = _run(process, commands, data, quiet=quiet)
    if suffix:
        process.machine.fs.write(process.path(name + suffix), data)
    process.machine.fs.write(process.path(name), text.encode("utf-8", "surrogateescape"))
    return code


def _run(process: Process, commands: list[_Command], data: bytes, *, quiet: bool) -> tuple[str, int]:
    text = data.decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    ends = lines[-1] == ""
    if ends:
        lines.pop()
    machine = _Machine(process, commands, lines, quiet=quiet, ends=ends)
    code = machine.run()
    out = "".join(f"{line}\n" for line in machine.out)
    return (out if ends or not out else out[:-1]), code
