"""Programs about processes: ps, top, kill and their kin."""

from __future__ import annotations

import re
import time

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import UsageError, parse
from kubesim.runtime.expressions import compile_expression
from kubesim.runtime.machine import SIGNALS
from kubesim.runtime.process import Process
from kubesim.runtime.procfs import MEMORY_KIB


def running(process: Process) -> list[tuple[int, int, list[str], float]]:
    """All processes: pid, parent, arguments, start. Those that last, and the chain that leads to the asking one."""
    found = {e.pid: (e.pid, e.ppid, e.argv, e.started) for e in process.machine.processes.values()}
    for entry in list(process.machine.processes.values()):
        service = (entry.service or {}).get("application")
        if service == "nginx":
            for n in (28, 29):
                found[entry.pid + n] = (entry.pid + n, entry.pid, ["nginx: worker process"], entry.started)
            found[entry.pid] = (
                entry.pid,
                entry.ppid,
                [f"nginx: master process {' '.join(entry.argv)}"],
                entry.started,
            )
        elif service == "httpd":
            for n in (8, 9, 10):
                found[entry.pid + n] = (entry.pid + n, entry.pid, entry.argv, entry.started)
    at: Process | None = process
    while at is not None:
        found.setdefault(at.pid, (at.pid, at.parent.pid if at.parent else 0, at.argv, process.timeline.now()))
        at = at.parent
    return [found[pid] for pid in sorted(found)]


def _user(process: Process, pid: int) -> str:
    entry = process.machine.processes.get(pid - 28) or process.machine.processes.get(pid - 29)
    if entry and (entry.service or {}).get("application") == "nginx" and process.machine.fs.uid == 0:
        return "nginx"
    return process.machine.user_name(process.machine.fs.uid) or str(process.machine.fs.uid)


def ps(process: Process) -> int:
    words = process.args
    rows = running(process)
    if process.machine.flavour == "busybox" and "procps" not in process.machine.packages:
        if "-o" in words:
            return _columns(process, rows, words[words.index("-o") + 1 :])
        process.print("PID   USER     TIME  COMMAND")
        for pid, _, argv, _ in rows:
            process.print(f"{pid:5d} {_user(process, pid)[:8]:<8} {'0:00':>5} {' '.join(argv)}".rstrip())
        return 0
    text = "".join(words)
    if "-o" in words or "-eo" in words:
        option = "-o" if "-o" in words else "-eo"
        return _columns(process, rows, words[words.index(option) + 1 :])
    started = time.strftime("%H:%M", time.gmtime(process.timeline.now()))
    if "u" in text and "-u" not in words:
        process.print("USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND")
        for pid, _, argv, at in rows:
            start = time.strftime("%H:%M", time.gmtime(at))
            state = "Ss" if pid == 1 else "R" if pid == process.pid else "S"
            process.print(
                f"{_user(process, pid):<8} {pid:7d}  0.0  0.1 {11400 if pid == 1 else 4188:6d} "
                f"{7344 if pid == 1 else 3360:5d} ?        {state:<4} {start:<5}   0:00 "
                f"{' '.join(argv)}"
            )
        return 0
    if "f" in text:
        process.print("UID          PID    PPID  C STIME TTY          TIME CMD")
        for pid, ppid, argv, at in rows:
            start = time.strftime("%H:%M", time.gmtime(at))
            process.print(
                f"{_user(process, pid):<8} {pid:7d} {ppid:7d}  0 {start} ?        00:00:00 {' '.join(argv)}"
            )
        return 0
    del started
    chosen = (
        rows
        if re.search(r"[eAax]", text)
        else [r for r in rows if r[0] == process.pid or (process.parent and r[0] == process.parent.pid)]
    )
    process.print("    PID TTY          TIME CMD")
    for pid, _, argv, _ in chosen:
        process.print(
            f"{pid:7d} {'pts/0   ' if process.interactive and pid != 1 else '?       '} 00:"
            f"00:00 {argv[0].rpartition('/')[2].partition(':')[0]}"
        )
    return 0


def _columns(process: Process, rows: list[tuple[int, int, list[str], float]], words: list[str]) -> int:
    names = [n for n in re.split(r"[,\s]+", words[0] if words else "pid,comm") if n]
    bare = [n.partition("=")[0] for n in names]
    if not all("=" in n for n in names):
        titles = {"comm": "COMMAND", "args": "COMMAND", "cmd": "CMD"}
        cells = [(titles.get(n, n.upper()), 7 if n in ("pid", "ppid") else 0) for n in bare]
        process.print(" ".join(f"{title:>{width}}" for title, width in cells))
    for pid, ppid, argv, _ in rows:
        values = {
            "pid": f"{pid:7d}",
            "ppid": f"{ppid:7d}",
            "user": _user(process, pid),
            "comm": argv[0].rpartition("/")[2],
            "args": " ".join(argv),
            "cmd": " ".join(argv),
            "command": " ".join(argv),
            "stat": "S",
            "time": "00:00:00",
            "rss": "7344",
            "vsz": "11400",
            "tty": "?",
        }
        process.print(" ".join(values.get(n, "-") for n in bare))
    return 0


@program
def top(process: Process) -> int:
    opts = parse(process, "bn:d:p:Hc", {})
    rows = running(process)
    at = time.strftime("%H:%M:%S", time.gmtime(process.timeline.now()))
    if process.machine.flavour == "busybox":
        process.print(
            f"Mem: {MEMORY_KIB - 1803244}K used, 1803244K free, 1544K shrd, 81236K buff, "
            "1436120K cached\nCPU:   0% usr   0% sys   0% nic 100% idle   0% io   0% irq   0% "
            f"sirq\nLoad average: 0.08 0.03 0.01 1/212 {process.pid}"
        )
        process.print("  PID  PPID USER     STAT   VSZ %VSZ CPU %CPU COMMAND")
        for pid, ppid, argv, _ in rows:
            process.print(
                f"{pid:5d} {ppid:5d} {_user(process, pid):<8} "
                f"{'R' if pid == process.pid else 'S':<4}  4400   0%   0   0% "
                f"{' '.join(argv)}"
            )
        return 0
    process.print(
        f"top - {at} up 1:00,  0 user,  load average: 0.08, 0.03, 0.01\nTasks: {len(rows):3d} "
        f"total,   1 running, {len(rows) - 1:3d} sleeping,   0 stopped,   0 zombie"
    )
    process.print(
        "%Cpu(s):  0.0 us,  0.0 sy,  0.0 ni,100.0 id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st\nMiB "
        "Mem :   3924.0 total,   1761.0 free,    725.2 used,   1437.8 buff/cache\nMiB Swap:    "
        "  0.0 total,      0.0 free,      0.0 used.   3119.5 avail Mem\n"
    )
    process.print("    PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND")
    for pid, _, argv, _ in rows:
        process.print(
            f"{pid:7d} {_user(process, pid):<8}  20   0   11400   7344   6016 "
            f"{'R' if pid == process.pid else 'S'}   0.0   0.2   0:00.02 "
            f"{argv[0].rpartition('/')[2].partition(':')[0]}"
        )
    del opts
    return 0


def _signal(text: str) -> int:
    name = text.upper().removeprefix("SIG")
    if name.isdigit():
        return int(name)
    if name not in SIGNALS:
        raise UsageError(f"bad signal name '{text}'")
    return SIGNALS[name]


def _take_signal(words: list[str]) -> tuple[int, list[str]]:
    signal = 15
    rest = []
    words = list(words)
    while words:
        word = words.pop(0)
        if word in ("-s", "--signal") and words:
            signal = _signal(words.pop(0))
        elif re.fullmatch(r"-([A-Z][A-Z0-9+]*|\d+)", word):
            signal = _signal(word[1:])
        else:
            rest.append(word)
    return signal, rest


@program
def kill(process: Process) -> int:
    if process.args[:1] == ["-l"]:
        process.print(
            " ".join(SIGNALS)
            if len(process.args) == 1
            else next((n for n, v in SIGNALS.items() if str(v) == process.args[1]), process.args[1])
        )
        return 0
    signal, words = _take_signal(process.args)
    if not words:
        return process.fail(
            "you need to specify whom to kill"
            if process.machine.flavour == "busybox"
            else "not enough arguments"
        )
    code = 0
    for word in words:
        if not re.fullmatch(r"-?\d+", word):
            code = process.fail(
                f"invalid number '{word}'"
                if process.machine.flavour == "busybox"
                else f'failed to parse argument: "{word}"'
            )
        elif not process.machine.kill(abs(int(word)), signal):
            code = process.fail(
                f"can't kill pid {word}: No such process"
                if process.machine.flavour == "busybox"
                else f"({word}): No such process"
            )
    return code


def _matching(process: Process, pattern: str, *, full: bool, exact: bool) -> list[int]:
    try:
        regex = compile_expression(pattern)
    except re.error:
        raise UsageError("invalid pattern", 2) from None
    found = []
    for pid, _, argv, _ in running(process):
        if pid == process.pid or (process.parent and pid == process.parent.pid):
            continue
        name = " ".join(argv) if full else re.split(r"[: ]", argv[0].rpartition("/")[2])[0]
        if regex.fullmatch(name) if exact else regex.search(name):
            found.append(pid)
    return found


@program
def pgrep(process: Process) -> int:
    opts = parse(process, "flaxnovu:P:", {"full": "f", "list-name": "l", "exact": "x"})
    pids = _matching(process, opts.args[0] if opts.args else "", full="f" in opts, exact="x" in opts)
    names = {pid: " ".join(argv) for pid, _, argv, _ in running(process)}
    for pid in pids:
        process.print(f"{pid} {names[pid]}" if "l" in opts or "a" in opts else str(pid))
    return int(not pids)


@program
def pkill(process: Process) -> int:
    signal, words = _take_signal(process.args)
    names = [w for w in words if not w.startswith("-")]
    pids = _matching(process, names[0] if names else "", full="-f" in words, exact="-x" in words)
    done = [process.machine.kill(pid, signal) for pid in pids]
    return int(not any(done))


@program
def killall(process: Process) -> int:
    signal, words = _take_signal(process.args)
    code = 0
    for name in [w for w in words if not w.startswith("-")]:
        pids = _matching(process, re.escape(name), full=False, exact=True)
        if not pids:
            code = process.fail(
                f"{name}: no process killed"
                if process.machine.flavour == "busybox"
                else f"{name}: no process found"
            )
        for pid in pids:
            process.machine.kill(pid, signal)
    return code


@program
def pidof(process: Process) -> int:
    pids = [
        pid
        for name in process.args
        if not name.startswith("-")
        for pid in _matching(process, re.escape(name), full=False, exact=True)
    ]
    if pids:
        process.print(" ".join(map(str, sorted(pids, reverse=True))))
    return int(not pids)
