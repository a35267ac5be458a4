"""Running a command in a container on the user's own streams."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence
from io import BufferedReader

from kubesim.apimachinery.errors import StatusError
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.kubelet.remotecommand import not_executed
from kubesim.runtime.spec import ExecError, Streams
from kubesim.util.jsontypes import JSONObject

CHUNK = 65536


def execute(
    context: Context, pod: JSONObject, container: str, argv: Sequence[str], *, stdin: bool, tty: bool
) -> int:
    """Run a command on the user's streams; its exit code. Raises CLIError or StatusError where it cannot be started."""
    return execute_on(context, pod, container, argv, terminal_streams(context, stdin=stdin, tty=tty))


def execute_on(
    context: Context, pod: JSONObject, container: str, argv: Sequence[str], streams: Streams
) -> int:
    """Run a command on streams of one's own; as `execute`."""
    if context.session.remote:
        from kubesim.cli.remoteterminal import run_remotely

        query = {"container": [container], "command": list(argv)}
        return run_remotely(context, pod, "exec", query, streams)
    try:
        return context.session.cluster.pods.exec(pod, container, argv, streams)
    except ExecError as error:
        raise CLIError(not_executed(error).message) from None
    except StatusError as error:
        if error.reason == "InternalError":  # it comes over the connection of the streams
            raise CLIError(error.message) from None
        raise
    finally:
        context.session.touch()


def terminal_streams(context: Context, *, stdin: bool, tty: bool) -> Streams:
    """The command's streams are the user's: written as they come, read when the command asks."""
    out, err = context.streams.stdout, context.streams.stderr
    context.streams.stdout.flush()

    def writer(stream: object) -> Callable[[bytes], None]:
        buffer = getattr(stream, "buffer", None)

        def write(data: bytes) -> None:
            if buffer is not None:
                buffer.write(data)
                buffer.flush()
            else:
                stream.write(data.decode("utf-8", "replace"))  # type: ignore[attr-defined]  # a text stream of a test

        return write

    return Streams(
        stdout=writer(out),
        stderr=writer(out if tty else err),
        stdin=_reader(context) if stdin else None,
        tty=tty,
    )


def _reader(context: Context) -> Callable[[], bytes]:
    """What there is on standard input; waits for it, and gives nothing at its end."""
    source = context.streams.stdin
    try:
        handle: int | None = source.fileno()
    except (OSError, ValueError):
        handle = None

    def read() -> bytes:
        if handle is None:
            return source.read1(CHUNK) if isinstance(source, BufferedReader) else source.read(CHUNK)
        try:
            select.select([handle], [], [])
            return os.read(handle, CHUNK)
        except OSError:  # EIO: the terminal has been hung up
            return b""

    return read


def end_with(context: Context, code: int) -> int:
    """Say with which code a command ended, unless it ended well; that code is the command line's own."""
    if code:
        context.err(f"command terminated with exit code {code}")
    return code
