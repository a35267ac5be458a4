"""The program `sh` (dash, bash, ash): its options, scripts, and the interactive session."""

from __future__ import annotations

from typing import Any

from kubesim.runtime.process import Budget, Interrupted, Process, Stopped, Suspended
from kubesim.runtime.shell.expansion import ExpansionFailed
from kubesim.runtime.shell.flavours import Flavour, Origin, flavour
from kubesim.runtime.shell.interpreter import Exit, LoopControl, Return, Shell
from kubesim.runtime.shell.parser import Parser
from kubesim.runtime.shell.syntax import SyntaxProblem


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
    if process.interactive:
        return interactive(process, kind)
    shell = Shell(process, kind, Origin(arg0, "stdin"), [])
    return _execute(shell, options, process.read_text() if resume is None else "", resume)


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
    return 127 if kind.name == "busybox" else 2


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
    node = Parser(text, bash=shell.flavour.bash).line()
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


def interactive(process: Process, kind: Flavour) -> int:
    """A session: prompt, read, run, line by line. Ctrl-C ends the line, Ctrl-D the session."""
    name = process.argv[0]
    shell = Shell(process, kind, Origin(name, "interactive"), [])
    shell.aliases = {"ls": "ls --color=auto"} if kind.bash and process.machine.image.os == "ubuntu" else {}
    while True:
        try:
            text = _read_command(shell)
        except (KeyboardInterrupt, Interrupted):
            shell.write("\n", 2)
            shell.status = 130
            continue
        if text is None:
            if kind.bash:
                shell.write("exit\n", 2)
            elif kind.name == "dash":
                shell.write("\n", 2)
            return shell.finish(shell.status)
        try:
            _run_line(shell, text)
        except Exit as end:
            return shell.finish(end.status)


def _read_command(shell: Shell) -> str | None:
    """One complete command, over several lines where it needs them; None at the end of the input."""
    text = ""
    while True:
        shell.write(prompt(shell, "PS2" if text else "PS1"), 2)
        line = shell.fds[0].readline()
        if not line:
            return text or None
        text += line.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n")
        try:
            Parser(text, bash=shell.flavour.bash).whole()
        except SyntaxProblem as problem:
            if problem.incomplete:
                continue
        return text


def _run_line(shell: Shell, text: str) -> None:
    """Run one command line with a budget of its own."""
    fresh = Budget()
    shell.budget.steps, shell.budget.output = fresh.steps, fresh.output
    try:
        shell.run_source(text)
    except ExpansionFailed as failed:
        shell.status = failed.status
    except (Return, LoopControl):
        pass
    except (KeyboardInterrupt, Interrupted):
        shell.write("\n", 2)
        shell.status = 130
    except Stopped as stop:
        shell.write(f"{shell.origin.name}: {stop.text}\n", 2)
        shell.status = stop.code
    except RecursionError:
        shell.write(f"{shell.origin.name}: stopped: nested too deeply\n", 2)
        shell.status = 2
    except Suspended:
        shell.status = 0
