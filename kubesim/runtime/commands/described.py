"""The program of an image that is described by what it does (`runs` of docs/images.md): it writes, listens, ends."""

from __future__ import annotations

from typing import Any

from kubesim.runtime.applications.described import Filling, comes_to_listen
from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.serving import TERM, port_taken
from kubesim.runtime.process import Process, Suspended

_STARTING, _SERVING = "starting", "serving"


@program
def described(process: Process) -> int:
    runs = process.machine.image.runs
    if runs is None:
        return process.fail("the image does not say what it does")
    ends = runs["exits"]
    before = runs["ready_after"] if comes_to_listen(runs) else ends["after"]
    stage = process.resume[0] if process.resume else ""
    if not stage:
        fill = Filling(process.machine)
        for line in runs["log"]:
            process.print(fill(line))
        _enter(process, listens=False)
        _wait(process, before, _STARTING)
        stage = _STARTING
    if stage == _STARTING:
        if comes_to_listen(runs):
            if not _listen(process, runs):
                return 1
            if ends is None:
                return _serve(process)
        _wait(process, ends["after"] - before, _SERVING)
    return int(ends["code"]) if ends is not None else process.machine.take_woken()


def _enter(process: Process, *, listens: bool) -> None:
    entry = process.machine.enter(process)
    entry.service = {"application": "described", "listens": listens}
    entry.exit_on = list(TERM)
    process.machine.listening_changed()


def _listen(process: Process, runs: Any) -> bool:
    for listen in runs["listens"]:
        if port_taken(process, listen["port"], listen["protocol"]):
            where = f"{listen['address'] or ''}:{listen['port']}"
            process.fail(f"listen {listen['protocol'].lower()} {where}: bind: address already in use")
            return False
    _enter(process, listens=True)
    return True


def _serve(process: Process) -> int:
    process.resume = None
    try:
        return process.machine.serve(process, {"application": "described", "listens": True}, exit_on=TERM)
    except Suspended as wait:
        wait.frames.insert(0, _SERVING)
        raise


def _wait(process: Process, seconds: float, stage: str) -> None:
    if seconds <= 0:
        return
    try:
        process.sleep(seconds)
    except Suspended as wait:
        wait.frames.insert(0, stage)
        raise
