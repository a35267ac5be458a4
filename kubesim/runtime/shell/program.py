"""The program `sh` (dash, bash, ash): its options, scripts, and the interactive session."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from kubesim.runtime.process import (
    BrokenPipe,
    Budget,
    BytesReader,
    Interrupted,
    Process,
    Stopped,
    Suspended,
)
from kubesim.runtime.shell.control import Exit, LoopControl, Return
from kubesim.runtime.shell.expansion import ExpansionFailed
from kubesim.runtime.shell.flavours import Flavour, Origin, flavour
from kubesim.runtime.shell.interpreter import Shell
from kubesim.runtime.shell.parser import Parser
from kubesim.runtime.shell.syntax import SyntaxProblem

# What a session may still write after a command that has written too much.
_LAST_WORDS = 65536


def run(process: Process) -> int:
    """Be a shell: `sh -c TEXT [NAME [ARGS]]`, `sh FILE [ARGS]`, `sh` on standard input."""
    name = process.name.lstrip("-")
    kind = flavour(process.machine.image.shells.get(name) or ("bash" if name == "bash" else "dash"))
    args = process.args
    options: set[str] = set()
    command = False
    while args and args[0][:1] in ("-", "+") and len(args[0]) > 1:
        word, args = args[0], args[1:]
        if word == "--":
            break
        if word.startswith("--"):
            if word == "--version" and kind.bash:
                process.print("GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)")
                return 0
            if word in ("--login", "--norc", "--noprofile", "--posix"):
                continue
            return _bad_option(process, kind, word)
        letters = word[1:]
        if "o" in letters and args:
            options.add({"errexit": "e", "nounset": "u", "xtrace": "x"}.get(args[0], args[0]))
            args = args[1:]
            letters = letters.replace("o", "")
        command = command or "c" in letters
        if any(letter not in "abcefhilmnsuvxCEIVBHP" for letter in letters):
            return _bad_option(process, kind, word)
        options.update(letter for letter in letters if letter in "aefnuvx")
    return _start(process, kind, args, options, command=command)


def _bad_option(process: Process, kind: Flavour, word: str) -> int:
    if kind.bash:
        process.error(f"{process.argv[0]}: {word}: invalid option")
    elif kind.name == "busybox":
        process.error(f"{process.argv[0]}: illegal option {word[:2]}")
    else:
        process.error(f"{process.argv[0]}: 0: Illegal option {word[:2]}")
    return 2


def _start(process: Process, kind: Flavour, args: list[str], options: set[str], *, command: bool) -> int:
    arg0 = process.argv[0]
    resume = process.resume
    if command:
        if not args:
            process.error(
                f"{arg0}: {'0: ' if kind.name == 'dash' else ''}-c{': option' if kind.bash else ''} requires an argument"
            )
            return 2
        origin = Origin(args[1] if len(args) > 1 else arg0, "command")
        shell = Shell(process, kind, origin, args[2:])
        return _execute(shell, options, args[0], resume)
    if args:
        try:
            text = process.read_file(args[0]).decode("utf-8", "surrogateescape")
        except OSError as error:
            return _no_script(process, kind, arg0, args[0], error)
        shell = Shell(process, kind, Origin(args[0], "script"), args[1:])
        return _execute(shell, options, text, resume)
    return Session(process, kind, options).run()


def _no_script(process: Process, kind: Flavour, arg0: str, name: str, error: OSError) -> int:
    if kind.bash:
        process.error(f"{arg0}: {name}: {error.strerror}")
        return 127
    if kind.name == "busybox":
        process.error(f"{arg0}: can't open '{name}': {error.strerror}")
    else:
        process.error(
            f"{arg0}: 0: cannot open {name}: {'No such file' if error.errno == 2 else error.strerror}"
        )
    return 2


def _execute(shell: Shell, options: set[str], text: str, resume: list[Any] | None) -> int:
    shell.options |= options
    frames: list[Any] | None = None
    if resume:
        first, *frames = resume
        if "job" in first:
            text, frames = first["job"], first["frames"]
        shell.restore(first["state"])
    try:
        if resume and "job" in resume[0]:
            return shell.contained(lambda: _job(shell, text, frames or []))
        return shell.main(text, frames)
    except Suspended as wait:
        if resume and "job" in resume[0]:
            wait.frames = [{"job": text, "state": shell.snapshot(), "frames": wait.frames}]
        else:
            wait.frames.insert(0, {"state": shell.snapshot()})
        raise


def _job(shell: Shell, text: str, frames: list[Any]) -> int:
    """Go on in a background job: its text is one command."""
    node = Parser(text, bash=shell.flavour.bash, extended=shell.flavour.extended).line()
    if node is None or not node.items:
        return 0
    shell.resume_with(frames)
    return shell.run(node.items[0][0])


# At a terminal


def prompt(shell: Shell, name: str) -> str:
    """The prompt: PS1 as the shell reads it."""
    kind = shell.flavour
    machine = shell.machine
    sign = "#" if machine.fs.uid == 0 else "$"
    text = shell.get(name)
    if text is None:
        if name == "PS2":
            return "> "
        defaults = {"dash": f"{sign} ", "busybox": "\\w \\$ ", "bash": "\\u@\\h:\\w\\$ "}
        text = defaults[kind.name]
    if "\\" not in text:
        return text
    home = shell.get("HOME") or ""
    where = (
        "~" + shell.cwd[len(home) :]
        if len(home) > 1 and (shell.cwd + "/").startswith(home + "/")
        else shell.cwd
    )
    user = machine.user_name(machine.fs.uid) or "I have no name!"
    codes = {
        "\\u": user, "\\h": machine.hostname.partition(".")[0], "\\H": machine.hostname, "\\w": where,
        "\\W": where.rpartition("/")[2] or where, "\\$": sign, "\\n": "\n", "\\s": kind.name, "\\[": "", "\\]": "",
        "\\e": "\x1b", "\\t": "00:00:00",
    }  # fmt: skip
    for code, value in codes.items():
        text = text.replace(code, value)
    return text


class Session:
    """A shell that reads its commands from standard input, one by one: at a terminal with prompts, else without.

    Where its input waits for somebody to attach, it is kept as what it is between two lines, or within one.
    """

    def __init__(self, process: Process, kind: Flavour, options: set[str]) -> None:
        self._process = process
        self._at_terminal = process.interactive
        mode = "interactive" if self._at_terminal else "stdin"
        self._shell = shell = Shell(process, kind, Origin(process.argv[0], mode), [])
        shell.options |= options
        if self._at_terminal:
            shell.aliases = (
                {"ls": "ls --color=auto"} if kind.bash and process.machine.image.os == "ubuntu" else {}
            )
        self._begun = ""  # the lines of a command that is not complete
        self._prompted = False
        self._running: str | None = None
        self._frames: list[Any] | None = None
        self._line = 1
        if process.resume:
            self._restore(process.resume)

    def _restore(self, resume: list[Any]) -> None:
        first, *frames = resume
        self._shell.restore(first["state"])
        self._begun, self._line = first["begun"], first["line"]
        self._running = first["running"]
        if self._running is not None:
            self._frames = frames
        else:
            self._prompted = True
        if first["rest"] is not None:
            self._shell.fds[0] = self._process.stdin = BytesReader(
                first["rest"].encode("utf-8", "surrogateescape")
            )

    def _frame(self, wait: Suspended) -> dict[str, Any]:
        """What is kept; of input that is all there, also what has not been read."""
        rest = self._process.stdin.read() if isinstance(self._process.stdin, BytesReader) else None
        return {
            "state": self._shell.snapshot(),
            "begun": self._begun,
            "line": self._line,
            "running": self._running,
            "rest": rest.decode("utf-8", "surrogateescape") if rest is not None else None,
        }

    def run(self) -> int:
        """The exit code. Raises Suspended."""
        shell = self._shell
        try:
            while True:
                if self._running is None and not self._next():
                    return self._at_end()
                frames, self._frames = self._frames, None
                self._run_line(self._running or "", frames)
                self._line += (self._running or "").count("\n")
                self._running = None
        except Exit as end:
            return shell.finish(end.status)
        except BrokenPipe:
            return 141
        except Suspended as wait:
            wait.frames.insert(0, self._frame(wait))
            raise

    def _at_end(self) -> int:
        shell = self._shell
        if self._at_terminal:
            shell.write({"bash": "exit\n", "dash": "\n"}.get(shell.flavour.name, ""), 2)
        return shell.finish(shell.status)

    def _next(self) -> bool:
        """Read one complete command, over several lines where it needs them; False at the end of the input.

        Ctrl-C drops what has been typed of it.
        """
        while True:
            try:
                text = self._read()
            except (KeyboardInterrupt, Interrupted):
                if not self._at_terminal:
                    raise
                self._interrupted()
                self._begun, self._prompted = "", False
                continue
            self._begun = ""
            if text is None:
                return False
            self._running = text
            return True

    def _read(self) -> str | None:
        shell = self._shell
        while True:
            if self._at_terminal and not self._prompted:
                shell.write(prompt(shell, "PS2" if self._begun else "PS1"), 2)
                self._prompted = True
            line = shell.fds[0].readline()
            self._prompted = False
            if not line:
                return self._begun or None
            self._begun += line.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n")
            parser = Parser(self._begun, bash=shell.flavour.bash, extended=shell.flavour.extended)
            try:
                parser.whole()
            except SyntaxProblem as problem:
                if problem.incomplete:
                    continue
            if parser.is_open:
                continue
            return self._begun

    def _interrupted(self) -> None:
        self._shell.write("\n", 2)
        self._shell.status = 130

    def _run_line(self, text: str, frames: list[Any] | None) -> None:
        shell = self._shell
        if not self._at_terminal:
            with suppress(Return, LoopControl):
                shell.run_source(text, line=self._line, resume=frames)
            return
        fresh = Budget()  # each line of a session has its own
        shell.budget.steps, shell.budget.output = fresh.steps, fresh.output
        try:
            shell.run_source(text, resume=frames)
        except ExpansionFailed as failed:
            shell.status = failed.status
        except (Return, LoopControl):
            pass
        except (KeyboardInterrupt, Interrupted):
            self._interrupted()
        except Stopped as stop:
            shell.budget.output = max(shell.budget.output, _LAST_WORDS)
            shell.write(f"{shell.origin.name}: {stop.text}\n", 2)
            shell.status = stop.code
        except RecursionError:
            shell.write(f"{shell.origin.name}: stopped: nested too deeply\n", 2)
            shell.status = 2
        except Suspended as wait:
            if wait.for_input:
                raise
            shell.status = 0  # a server: it serves on behind the session
