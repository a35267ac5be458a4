"""Running one command on a machine, and runc's words for what cannot be started."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Callable

from kubesim.runtime.filesystem import (
    DIRECTORY,
)
from kubesim.runtime.images import DEFAULT_PATH
from kubesim.runtime.machine import Machine
from kubesim.runtime.process import (
    CallReader,
    CallWriter,
    Interrupted,
    Process,
    Stopped,
    Suspended,
    TerminalReader,
)
from kubesim.runtime.spec import (
    ExecError,
    Streams,
)


def execute(
    machine: Machine,
    argv: list[str],
    streams: Streams,
    *,
    wait: Callable[[float], None] | None = None,
    took: Callable[[float], None] | None = None,
) -> int:
    """Run a command on a machine, a container's or a node's; its exit code. Raises ExecError.

    `took` is told how many seconds it has lived through.
    """
    out = CallWriter(streams.stdout)
    err = out if streams.tty else CallWriter(streams.stderr)
    process = machine.process(
        argv,
        stdin=(TerminalReader if streams.tty else CallReader)(streams.stdin) if streams.stdin else None,
        out=out,
        err=err,
        wait=wait,
        interactive=streams.tty,
        interrupted=streams.interrupted,
    )
    if streams.tty:
        process.env.setdefault("TERM", "xterm")
        home = process.env.pop("HOME", None)
        if home is not None:
            process.env["HOME"] = home
    problem = exec_problem(machine, argv[0])
    if problem:
        raise ExecError(
            f"OCI runtime exec failed: exec failed: unable to start container process: {problem}: unknown"
        )
    started = process.timeline.now()
    try:
        return machine.run(process)
    except Stopped as stop:
        err.write(f"{process.name}: {stop.text}\n".encode())
        return stop.code
    except (Interrupted, KeyboardInterrupt):
        return 130
    except RecursionError:
        err.write(f"{process.name}: stopped: nested too deeply\n".encode())
        return 137
    except Suspended:
        return 0  # it serves on, as a process whose terminal has gone
    except OSError as error:
        raise ExecError(
            f'OCI runtime exec failed: exec failed: unable to start container process: exec: "{argv[0]}": '
            f"{(error.strerror or str(error)).lower()}: unknown"
        ) from error
    finally:
        if took is not None:
            took(process.timeline.now() - started)


def exec_problem(machine: Machine, name: str) -> str:
    """What runc says of a program that cannot be started; empty where it can."""
    if not name:
        return 'exec: "": executable file not found in $PATH'
    if machine.which(name, machine.env.get("PATH", DEFAULT_PATH), machine.workdir) is not None:
        return ""
    if "/" not in name:
        return f'exec: "{name}": executable file not found in $PATH'
    path = name if name.startswith("/") else posixpath.join(machine.workdir, name)
    node = machine.fs.find(path)
    if node is None:
        return f'exec: "{name}": stat {name}: no such file or directory'
    if node.kind == DIRECTORY:
        return f'exec: "{name}": is a directory'
    return f'exec: "{name}": permission denied'


def not_started(process: Process, error: OSError) -> int:
    """The exit code of a process whose program could not be started."""
    process.error(f"exec {process.argv[0]}: {(error.strerror or str(error)).lower()}")
    return 126 if error.errno == errno.EACCES else 127
