"""The shell's built-ins about signals and jobs: trap, kill, wait, jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kubesim.runtime.machine import SIGNALS, ProcessEntry
from kubesim.runtime.process import Suspended, Timeline
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
    pid = _pid(shell, text)
    if pid is None:
        problem = (
            f"{text}: arguments must be process or job IDs"
            if shell.flavour.bash
            else f"Illegal number: {text}"
        )
        shell.complain(problem, "kill")
        return 1 if shell.flavour.bash else 2
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
    pids = [_pid(shell, a) for a in argv[1:]]
    status = 0
    for word, pid in zip(argv[1:], pids, strict=True):
        if pid is None or pid > shell.machine.last_pid:
            if shell.flavour.bash:
                shell.complain(
                    f"`{word}': not a pid or valid job spec"
                    if pid is None
                    else f"pid {pid} is not a child of this shell",
                    "wait",
                )
            status = 127
    known = [pid for pid in pids if pid is not None]
    if known or not pids:
        wait(shell, known or None)
    return status or (shell.ended_jobs.get(known[-1], 0) if known else 0)


def _pid(shell: Shell, word: str) -> int | None:
    """A process or, with `%`, a job by its number."""
    if word.startswith("%"):
        running = [entry.pid for entry in _jobs(shell)]
        number = word[1:]
        if not number.isdigit():
            return running[-1] if running else shell.last_job
        return running[int(number) - 1] if 0 < int(number) <= len(running) else None
    return int(word) if re.fullmatch(r"-?\d{1,9}", word) else None


def _jobs(shell: Shell) -> list[ProcessEntry]:
    """What this shell has started in the background, and still runs."""
    return [entry for entry in shell.machine.processes.values() if entry.ppid == shell.process.pid]


def wait(shell: Shell, pids: list[int] | None) -> int:
    """Wait for background jobs: all of them, or those given."""
    while True:
        jobs = [job for job in _jobs(shell) if pids is None or job.pid in pids]
        if not jobs:
            return 0
        due = [job for job in jobs if job.until is not None]
        first = min(due, key=lambda job: job.until or 0.0, default=None)
        timeline = shell.process.timeline
        if timeline.suspendable:
            pause = Suspended(first.until if first is not None else None, jobs[0].pid)
            if first is None:
                shell.machine.waiting_for = jobs[0].pid
            elif (first.until or 0.0) <= timeline.now():
                pause.until = timeline.now() + 0.01
            pause.frames.insert(0, {"wait": pids})
            raise pause
        if first is None or first.until is None:
            return 0  # a server: nobody waits so long
        if first.until > timeline.now():
            shell.process.sleep(first.until - timeline.now())
        if shell.machine.processes.get(first.pid) is first:
            _go_on(shell, first, first.until)


def _go_on(shell: Shell, job: ProcessEntry, at: float) -> None:
    """Let a job go on that has slept long enough, as far as it gets."""
    machine = shell.machine
    process = machine.process(
        list(job.argv),
        out=shell.fds[1],
        err=shell.fds[2],
        pid=job.pid,
        timeline=Timeline(lambda: at, at=at, suspendable=True),
        budget=shell.budget,
    )
    process.resume, process.env, process.cwd = job.frames, dict(job.env), job.cwd
    try:
        shell.ended_jobs[job.pid] = machine.run(process)
    except Suspended as pause:
        job.argv, job.frames, job.until = pause.frames[0], pause.frames[1:], pause.until
        return
    machine.end(job.pid, 0)


def jobs(shell: Shell, argv: list[str]) -> int:
    del argv
    running = _jobs(shell)
    for n, job in enumerate(running, 1):
        mark = "+" if n == len(running) else "-" if n == len(running) - 1 else " "
        command = job.argv[2:] if job.argv[1:2] == ["-c"] else job.argv
        text = f"{'Running':24}{' '.join(command).strip()}"
        shell.write(f"[{n}]{mark}  {text} &\n" if shell.flavour.bash else f"[{n}] {mark} {text}\n")
    return 0


def foreground(shell: Shell, argv: list[str]) -> int:
    shell.complain("no job control" if shell.flavour.bash else "No current job", argv[0])
    return 1 if shell.flavour.bash else 2
