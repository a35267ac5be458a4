"""The user's own streams at a command in a container of a server elsewhere: exec and attach over the network.

A terminal is put into raw mode: what is typed goes to the other side as it is, which echoes it and knows what Ctrl-C means.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.cli.paths import resource_path
from kubesim.cli.podaccess import PODS
from kubesim.client.http import HTTPTransport
from kubesim.client.remotecommand import Ends, RemoteCommand, open_command
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from types import FrameType

    from kubesim.runtime.spec import Streams


def run_remotely(
    context: Context,
    pod: JSONObject,
    subresource: str,
    query: Mapping[str, list[str]],
    streams: Streams,
) -> int:
    """`exec` or `attach` on a server elsewhere; the command's exit code. Raises CLIError, StatusError."""
    transport = context.session.client.transport
    if not isinstance(transport, HTTPTransport):
        raise TypeError("a command elsewhere needs a server")
    path = resource_path(PODS, namespace_of(pod), name_of(pod), subresource)
    ends = Ends(streams.stdout, streams.stderr, streams.stdin, streams.tty)
    try:
        agent = f"kubectl-{context.session.command}"
        user = context.session.client.user
        command = open_command(transport, path, query, ends, user_agent=agent, user=user)
    except StatusError as error:
        if error.reason == "InternalError":
            raise CLIError(error.message.removeprefix("Internal error occurred: ")) from None
        raise
    try:
        if not streams.tty:
            return command.run()
        with _raw(context), _resizing(command):
            return command.run()
    except StatusError as error:
        raise CLIError(error.message) from None
    finally:
        command.close()
        context.session.touch()


@contextmanager
def _raw(context: Context) -> Iterator[None]:
    """The terminal hands over each key as it is pressed."""
    import termios
    import tty

    try:
        handle = context.streams.stdin.fileno()
        before = termios.tcgetattr(handle)
    except (OSError, ValueError, termios.error):
        yield
        return
    tty.setraw(handle)
    try:
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


@contextmanager
def _resizing(command: RemoteCommand) -> Iterator[None]:
    """The other side knows how large the terminal is, now and when that changes."""
    import signal

    def tell(number: int = 0, frame: FrameType | None = None) -> None:
        del number, frame
        size = shutil.get_terminal_size()
        command.resize(size.columns, size.lines)

    tell()
    if threading.current_thread() is not threading.main_thread():  # others have no signals
        yield
        return
    before = signal.signal(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
