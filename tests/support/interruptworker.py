"""Runs one command line many times, each in a fork of this warm process, and interrupts it at a given function call.

    python interruptworker.py HOMES cold|warm WORDS…    one line of JSON for each run on standard output

Run N works on the home `HOMES/N`. The first one is not interrupted and counts the calls; the others get SIGINT at points
spread evenly over them. A cold run imports what it needs; a warm one finds it imported, by a run on the last home.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from support.cli import run_cli

from kubesim import __main__


class AtCall:
    """A profiler that sends this process SIGINT at its call number `at`; 0: never."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def __call__(self, frame: object, event: str, argument: object) -> None:
        if event == "call":
            self.calls += 1
            if self.calls == self.at:
                sys.setprofile(None)
                os.kill(os.getpid(), signal.SIGINT)


def run(home: Path, words: list[str], at: int) -> dict[str, object]:
    """One run in a fork: its exit code, what it said, and how many calls it made."""
    out, err, told = (home.with_suffix(f".{name}") for name in ("out", "err", "calls"))
    pid = os.fork()
    if pid == 0:
        for number, file in ((1, out), (2, err)):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.environ |= {"KUBESIM_HOME": str(home), "KUBESIM_AUTOSTART": "0", "HOME": str(home)}
        os.chdir(home)
        sys.argv = ["kubesim", *words]
        point = AtCall(at)
        sys.setprofile(point)
        code = __main__.main()
        sys.setprofile(None)
        told.write_text(str(point.calls))
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    calls = int(told.read_text()) if told.exists() else 0
    return {"at": at, "code": code, "out": out.read_text(), "err": err.read_text(), "calls": calls}


def main(homes: Path, how: str, words: list[str]) -> None:
    runs = sorted(homes.iterdir(), key=lambda p: int(p.name))
    if how == "warm":
        run_cli(runs.pop(), *words).check()
    first = run(runs[0], words, 0)
    print(json.dumps(first), flush=True)
    for number, home in enumerate(runs[1:], 1):
        at = max(1, int(first["calls"]) * number // len(runs))  # type: ignore[call-overload]
        print(json.dumps(run(home, words, at)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
