"""The shell's built-ins about signals and jobs: trap, kill, wait, jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kubesim.runtime.machine import SIGNALS
from kubesim.runtime.process import Suspended
from kubesim.runtime.shell.builtins_common import (
    fail,
    quoted,
)
from kubesim.runtime.shell.control import Exit

if TYPE_CHECKING:
    from kubesim.runtime.shell.interpreter import Shell


def trap(shell: Shell, argv: list[str]) -> int:
    args = [a for a in argv[1:] if a != "--"]
    if not args or args == ["-p"]:
        for name, text in shell.traps.items():
            shown = f"SIG{name}" if shell.flavour.bash and name != "EXIT" else name
            shell.write(f"trap -- {quoted(text) if ' ' not in text else chr(39) + text + chr(39)} {shown}\n")
        return 0
    if args[0] == "-l":
        return _signal_list(shell)
    if len(args) == 1:
        shell.traps.pop(_signal_name(args[0]), None)
        return 0
    action, signals = args[0], args[1:]
    for signal in signals:
        name = _signal_name(signal)
        if name not in SIGNALS and name not in ("EXIT", "ERR", "DEBUG"):
            text = f"{signal}: invalid signal specification" if shell.flavour.bash else f"{signal}: bad trap"
            return fail(shell, "trap", text, 1)
        if action == "-":
            shell.traps.pop(name, None)
        else:
            shell.traps[name] = action
    entry = shell.machine.processes.get(shell.process.pid)
    if entry is not None:
        entry.exit_on = sorted(
            SIGNALS[name] for name, text in shell.traps.items() if name in SIGNALS and text
        )
    return 0


def _signal_name(text: str) -> str:
    if text.isdigit():
        number = int(text)
        return "EXIT" if number == 0 else next((n for n, v in SIGNALS.items() if v == number), text)
    return text.upper().removeprefix("SIG")


def _signal_list(shell: Shell) -> int:
    rows = [f"{number:>2}) SIG{name}" for name, number in SIGNALS.items()]
    for start in range(0, len(rows), 5):
        shell.write("\t".join(rows[start : start + 5]) + "\n")
    return 0


def kill(shell: Shell, argv: list[str]) -> int:
    args = argv[1:]
    signal = 15
    if args and args[0] == "-l":
        return _signal_list(shell) if len(args) == 1 else _kill_name(shell, args[1])
    if args and args[0] in ("-s", "-n") and len(args) > 1:
        args = [f"-{args[1]}", *args[2:]]
    if args and re.fullmatch(r"-[A-Za-z0-9]+", args[0]) and args[0] != "-l":
        name = _signal_name(args[0][1:])
        if name == "EXIT":
            signal = 0
        elif name not in SIGNALS:
            text = (
                f"{args[0][1:]}: invalid signal specification"
                if shell.flavour.bash
                else f"invalid signal number or name: {args[0][1:]}"
            )
            shell.complain(text, "kill")
            return 1 if shell.flavour.bash else 2
        else:
            signal = SIGNALS[name]
        args = args[1:]
    if not args:
        text = "kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]"
        shell.complain(
            text if shell.flavour.bash else "Usage: kill [-s sigspec | -signum | -sigspec] [pid | job]..."
        )
        return 2
    status = 0
    for text in args:
        status |= _kill_one(shell, text, signal)
    return status


def _kill_name(shell: Shell, text: str) -> int:
    number = int(text) & 127 if text.isdigit() else SIGNALS.get(_signal_name(text), 0)
    shell.write(f"{_signal_name(str(number)) if text.isdigit() else number}\n")
    return 0


def _kill_one(shell: Shell, text: str, signal: int) -> int:
    pid = shell.last_job if text.startswith("%") else int(text) if re.fullmatch(r"-?\d{1,9}", text) else None
    if pid is None:
        problem = (
            f"{text}: arguments must be process or job IDs"
            if shell.flavour.bash
            else f"Illegal number: {text}"
        )
        shell.complain(problem, "kill")
        return 1
    if pid == shell.shell_pid and pid != 1:
        if signal in (0, 17, 18, 28):
            return 0
        raise Exit(128 + signal)
    if shell.machine.kill(abs(pid), signal):
        return 0
    if shell.flavour.bash:
        shell.complain(f"({pid}) - No such process", "kill")
    elif shell.flavour.name == "busybox":
        shell.complain(f"can't kill pid {pid}: No such process")
    else:
        shell.complain("No such process", "kill")
        shell.write("\n", 2)
    return 1


def wait_builtin(shell: Shell, argv: list[str]) -> int:
    pids = [int(a) for a in argv[1:] if a.isdigit()] or None
    return wait(shell, pids)


def wait(shell: Shell, pids: list[int] | None) -> int:
    """Wait for background jobs: all of them, or those given."""
    while True:
        processes = shell.machine.processes
        own = shell.process.pid
        jobs = [e for p, e in processes.items() if p not in (1, own) and (pids is None or p in pids)]
        if not jobs:
            return 0
        due = [e.until for e in jobs if e.until is not None]
        timeline = shell.process.timeline
        if timeline.suspendable:
            pause = Suspended(min(due) if due else None, jobs[0].pid)
            if not due:
                shell.machine.waiting_for = jobs[0].pid
            elif min(due) <= timeline.now():
                pause.until = timeline.now() + 0.01
            pause.frames.insert(0, {"wait": pids})
            raise pause
        if timeline.wait is None or not due:
            return 0
        shell.process.sleep(max(min(due) - timeline.now(), 0.01))
        for job in jobs:
            if job.until is not None and job.until <= timeline.now():
                processes.pop(job.pid, None)


def jobs(shell: Shell, argv: list[str]) -> int:
    del argv
    for n, (pid, entry) in enumerate(
        (p, e) for p, e in shell.machine.processes.items() if p not in (1, shell.process.pid)
    ):
        del pid
        shell.write(f"[{n + 1}]{'+' if n == 0 else ' '}  Running                 {' '.join(entry.argv)} &\n")
    return 0


def foreground(shell: Shell, argv: list[str]) -> int:
    shell.complain("no job control" if shell.flavour.bash else "No current job", argv[0])
    return 1 if shell.flavour.bash else 2
