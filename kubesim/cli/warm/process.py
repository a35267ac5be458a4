"""The background process itself: becomes the one of its home, then serves. Started by `kubesim.thin`, or by `serve`."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubesim import thin
from kubesim.cluster.home import Home, HomeError
from kubesim.cluster.rundirectory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from kubesim.cli.warm.background import Background
    from kubesim.cluster.served import Address

INTERRUPTED = 130
COLLECTIONS = 50_000, 20, 100
"""How seldom Python looks for garbage that refers to itself: commands make many objects and hardly any such; a large
one takes a tenth less.
"""
FILES = 16_384
"""So many files the process may have open where the system lets it: each connection is one."""
STACK_BYTES = 16 << 20
"""What a command may use of the stack, as if it had the process for itself."""


def main() -> None:
    """The process that the thin client starts: `python -c … PARENT HOME`, its first caller at descriptor 3."""
    home = Path(sys.argv[2])
    os.umask(0o077)
    first = socket.socket(fileno=thin.INHERITED)
    os.set_inheritable(first.fileno(), False)  # noqa: FBT003  its only argument
    directory = RunDirectory(home)
    if not directory.acquire():
        first.sendall(b"R")
        return
    log = directory.open_log()
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)  # what every thread does, into the log
    configure_log()
    serve(Home(home), directory, directory.listen(), first)
    logging.shutdown()
    os._exit(0)  # workers may still wait for callers


def serve(
    home: Home, directory: RunDirectory, listener: socket.socket, first: socket.socket | None = None
) -> None:
    """Be the server of a home whose lock this process holds, until it leaves."""
    from kubesim.cli.warm.background import Background

    threading.stack_size(STACK_BYTES)
    raise_limits()
    background = Background(home, directory, listener, idle_seconds=idle_seconds(os.environ))
    stop_on(background, signal.SIGTERM, signal.SIGHUP)
    threading.Thread(target=_get_warm, daemon=True).start()
    background.run(first)


def idle_seconds(env: Mapping[str, str]) -> float | None:
    """After how long a server leaves that was not started by name: `KUBESIM_IDLE_TIMEOUT`, 0 being never."""
    from kubesim.cli.warm.background import IDLE_SECONDS
    from kubesim.util.durations import parse_duration

    try:
        told = parse_duration(env.get("KUBESIM_IDLE_TIMEOUT", "")).total_seconds()
    except ValueError:
        return IDLE_SECONDS
    return told if told > 0 else None


def serve_in_foreground(
    home: Home, sim: str, address: Address, ready: Callable[[dict[str, Any]], object]
) -> int:
    """Be the server of a home in this process, in the place of one in the background, until a signal comes or it is
    told to end; the exit code. `ready` is called with what `status` says of the cluster.

    Raises OSError, HomeError.
    """
    from kubesim.cli.warm.background import Background
    from kubesim.cli.warm.control import status, stop

    home.make()
    os.umask(0o077)
    threading.stack_size(STACK_BYTES)
    raise_limits()
    directory = RunDirectory(home.path)
    while not directory.acquire():
        other = status(home.path) or {}
        if other.get("foreground"):
            raise HomeError(f"another `kubesim serve` serves this home already: process {other.get('pid')}")
        stop(home.path)
    configure_log()
    background = Background(home, directory, directory.listen(), idle_seconds=None, is_foreground=True)
    interrupted = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        interrupted.set()
        background.tell_to_leave()

    signal.signal(signal.SIGINT, interrupt)
    stop_on(background, signal.SIGTERM, signal.SIGHUP)
    try:
        background.serve(sim, address)
        ready(background.state_of(sim))
    except BaseException:
        background.leave(at_once=True)
        raise
    finally:
        background.run()
    return INTERRUPTED if interrupted.is_set() else 0


def raise_limits() -> None:
    """Let this process have as many connections as the system allows it."""
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

    soft, hard = getrlimit(RLIMIT_NOFILE)
    wanted = FILES if hard == RLIM_INFINITY else min(FILES, hard)
    if soft != RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            setrlimit(RLIMIT_NOFILE, (wanted, hard))


def configure_log() -> None:
    """What there is to say goes to standard error."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def stop_on(background: Background, *signals: signal.Signals) -> None:
    """Leave when one of the signals comes."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        background.tell_to_leave()

    for one in signals:
        signal.signal(one, stop)


def _get_warm() -> None:
    """Load what most commands need, beside the first one."""
    from kubesim.cli.main import load

    for word in ("get", "apply", "describe", "run", "delete"):
        load(word)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)
