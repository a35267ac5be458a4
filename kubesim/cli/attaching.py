"""Attaching the user's own streams to the main process of a container (pkg/cmd/attach, and its part of pkg/cmd/run).

Output is followed in the container's log, where all of it goes; where the process waits for input and there is some, this
very call runs the process on (`runtime.attachment`).
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from kubesim.apimachinery.errors import StatusError, not_found
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.cli.builder import Info
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError, RawError, SilentExit
from kubesim.cli.execution import CHUNK, terminal_streams
from kubesim.cli.interrupts import Interrupts
from kubesim.cli.paths import resource_path
from kubesim.cli.podaccess import PODS, choose_container, find_container
from kubesim.cli.waiting import Deadline, wait_until
from kubesim.runtime.journal import STDERR
from kubesim.util.jsontypes import JSONObject, dig

if TYPE_CHECKING:
    from kubesim.kubelet.attachment import PodAttachment
    from kubesim.runtime.journal import LogLine
    from kubesim.runtime.spec import Streams

DEFAULT_TIMEOUT = timedelta(seconds=60)
COMPLETED = ("Succeeded", "Failed")
TIMED_OUT = "timed out waiting for the condition"
LOOK = 1.0
"""Seconds between two looks at a container that others may have ended."""


INTERRUPTED = 130
GREETING = "If you don't see a command prompt, try pressing enter."


class Interrupted(SilentExit):
    """Ctrl-C has ended the command itself: what deferred functions would do stays undone."""


@dataclass(slots=True)
class AttachOptions:
    """What an attachment is to be. `from_start` shows what the process wrote before, as if it had been there."""

    container: str = ""
    stdin: bool = False
    tty: bool = False
    quiet: bool = False
    from_start: bool = False


def attach_created(context: Context, made: list[Info], *, restart_policy: str) -> int:
    """`run` with `--attach` or `-i`: wait for the Pod, the first of what was made, attach to it, remove all if asked to.

    The exit code is the process's where the Pod is not restarted. Raises CLIError, StatusError.
    """
    try:
        code = _attach_and_wait(context, made[0], restart_policy)
    except Interrupted:
        raise
    except (CLIError, StatusError, SilentExit):
        _remove(context, made)
        raise
    _remove(context, made)
    return code


def _remove(context: Context, made: list[Info]) -> None:
    """As a deferred function does: it runs before the error is printed, and its own is dropped."""
    if not context.flags.is_set("rm"):
        return
    from kubesim.cli.commands.delete import PROPAGATION, Deletion, delete_all

    how = Deletion(
        propagation=PROPAGATION[context.flags.text("cascade")],
        ignore_not_found=True,
        wait=False,
        quiet=context.flags.is_set("quiet"),
    )
    for info in made:
        try:
            delete_all(context, [info], how)
        except (CLIError, StatusError):
            return


def _attach_and_wait(context: Context, info: Info, restart_policy: str) -> int:
    flags = context.flags
    timeout = flags.duration("pod-running-timeout")
    options = AttachOptions(
        stdin=flags.is_set("stdin"), tty=flags.is_set("tty"), quiet=flags.is_set("quiet"), from_start=True
    )
    pod = _wait_for(context, info, timeout, lambda pod: _phase(pod) in COMPLETED or _is_ready(pod))
    if _phase(pod) in COMPLETED:
        print_log(context, pod, options)
    else:
        try:
            attach_to(context, pod, options)
        except (CLIError, StatusError) as error:
            text = error.message if isinstance(error, StatusError) else str(error)
            context.err(
                f"warning: couldn't attach to pod/{name_of(pod)}, falling back to streaming logs: {text}"
            )
            print_log(context, pod, options)
    if flags.is_set("leave-stdin-open") or restart_policy == "Always":
        return 0
    ends = COMPLETED if restart_policy == "Never" else ("Succeeded",)
    return _result(_wait_for(context, info, timeout, lambda pod: _phase(pod) in ends))


def _wait_for(
    context: Context, info: Info, timeout: timedelta, holds: Callable[[JSONObject], bool]
) -> JSONObject:
    """The Pod, once the condition holds. Raises StatusError if it goes meanwhile, CLIError when time runs out."""
    found: JSONObject = {}

    def look() -> bool:
        nonlocal found
        try:
            found = context.session.client.get(PODS, info.name, info.namespace)
        except StatusError as error:
            raise not_found("pods", "") if error.reason == "NotFound" else error from None
        return holds(found)

    if not wait_until(context.session, look, Deadline(context.session, timeout)):
        raise CLIError(TIMED_OUT)
    return found


def _result(pod: JSONObject) -> int:
    """0 of a Pod that succeeded; raises an error with the process's exit code of one that failed."""
    if _phase(pod) == "Succeeded":
        return 0
    title = f"pod {namespace_of(pod)}/{name_of(pod)}"
    statuses = dig(pod, "status", "containerStatuses", default=[])
    ended = dig(statuses[0], "state", "terminated", default={}) if statuses else {}
    code = int(ended.get("exitCode") or 0)
    if not code:
        raise CLIError(f"{title} failed with unknown exit code")
    text = f"{title} terminated ({ended.get('reason') or ''})\n{ended.get('message') or ''}"
    raise RawError(text.removesuffix("\n"), code=code)


def _phase(pod: JSONObject) -> str:
    return str(dig(pod, "status", "phase", default=""))


def _is_ready(pod: JSONObject) -> bool:
    conditions = dig(pod, "status", "conditions", default=[])
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    return ready and _phase(pod) == "Running"


def print_log(context: Context, pod: JSONObject, options: AttachOptions) -> None:
    """The log of the container that would have been attached to. Raises StatusError."""
    name = choose_container(context, pod, options.container, quiet=options.quiet)
    path = resource_path(PODS, namespace_of(pod), name_of(pod), "log")
    body = context.session.client.request("GET", path, query={"container": name}).body
    context.streams.stdout.write(
        body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    )
    context.streams.stdout.flush()


def attach_to(context: Context, pod: JSONObject, options: AttachOptions) -> None:
    """Attach to a running container, until its process ends or lets go. Raises CLIError, StatusError."""
    try:
        name = choose_container(context, pod, options.container, quiet=options.quiet)
    except CLIError as error:
        raise CLIError(f"cannot attach to the container: {error}") from None
    tty = _terminal(context, options, find_container(pod, name) or {})
    if context.session.remote:
        _attach_remotely(context, pod, name, options, tty=tty)
        _say_how_to_resume(context, pod, name, options, tty=tty)
        return
    try:
        with Interrupts() as interrupts:
            _open(context, pod, name, options, interrupts, tty=tty).run()
    except KeyboardInterrupt:
        if tty:
            # kubectl's user would have to close the terminal: a process 1 that has no handler ignores SIGINT.
            raise SilentExit(INTERRUPTED) from None
        if options.stdin and context.streams.stdin_is_terminal:
            raise Interrupted(1) from None  # util/interrupt: the handler that restores the terminal exits so
        raise
    finally:
        context.session.touch()
    _say_how_to_resume(context, pod, name, options, tty=tty)


def _attach_remotely(
    context: Context, pod: JSONObject, container: str, options: AttachOptions, *, tty: bool
) -> None:
    from kubesim.cli.remoteterminal import run_remotely

    if not options.quiet:
        context.err(GREETING)
        context.streams.stderr.flush()
    streams = terminal_streams(context, stdin=options.stdin, tty=tty)
    run_remotely(context, pod, "attach", {"container": [container]}, streams)


def _open(
    context: Context,
    pod: JSONObject,
    container: str,
    options: AttachOptions,
    interrupts: Interrupts,
    *,
    tty: bool,
) -> _Session:
    """Meet the process, then greet: what it writes after the greeting is shown."""
    session: _Session | None = None
    failure: CLIError | StatusError = CLIError("")
    try:
        attachment = context.session.cluster.pods.attach(pod, container)
        streams = terminal_streams(context, stdin=False, tty=tty)
        if options.stdin:
            streams.stdin = _reader(context, attachment, interrupts)
        streams.interrupted = interrupts.pending if tty else None
        session = _Session(context, attachment, streams, interrupts)
        if not options.from_start:
            session.skip()
    except StatusError as error:
        failure = CLIError(error.message) if error.reason == "InternalError" else error
    if not options.quiet:
        context.err(GREETING)
        context.streams.stderr.flush()
    if session is None:
        raise failure
    return session


def _terminal(context: Context, options: AttachOptions, container: JSONObject) -> bool:
    """Whether a terminal meets a terminal; says why not where the user asked for it."""
    wanted = bool(container.get("tty"))
    if options.tty and not wanted and not options.quiet:
        name = container.get("name")
        context.err(f"error: Unable to use a TTY - container {name} did not allocate one")
    if not options.stdin or not wanted:
        return False
    if not context.streams.stdin_is_terminal:
        if not options.quiet:
            context.err("Unable to use a TTY - input is not a terminal or the right kind of file")
        return False
    return True


def _say_how_to_resume(
    context: Context, pod: JSONObject, container: str, options: AttachOptions, *, tty: bool
) -> None:
    """What the user reads at the end of a session that can be resumed: reattachMessage."""
    if options.quiet or not tty or dig(pod, "spec", "restartPolicy") != "Always":
        return
    command = f"'{context.streams.program} attach {name_of(pod)} -c {container} -i -t'"
    ephemeral = dig(pod, "spec", "ephemeralContainers", default=[])
    if any(c.get("name") == container for c in ephemeral):
        context.out(
            "Session ended, the ephemeral container will not be restarted but may be reattached using "
            f"{command} if it is still running"
        )
        return
    context.out(f"Session ended, resume using {command} command when the pod is running")


def _reader(context: Context, attachment: PodAttachment, interrupts: Interrupts) -> Callable[[], bytes]:
    """What there is on standard input, waited for as long as the container runs; nothing at its end.

    The cluster catches up with the time that passed over the typing.
    """
    source = context.streams.stdin
    try:
        handle: int | None = source.fileno()
    except (OSError, ValueError):
        handle = None

    def read() -> bytes:
        context.streams.stdout.flush()
        if handle is None:
            return source.read(CHUNK)
        try:
            while (data := _received(handle, interrupts)) is None:
                if attachment.has_ended():
                    return b""
        except OSError:  # EIO: the terminal has been hung up
            return b""
        context.session.touch()
        context.session.settle()
        return data

    return read


def _received(handle: int, interrupts: Interrupts) -> bytes | None:
    """What has come within LOOK seconds; None for nothing. Raises OSError, KeyboardInterrupt.

    Ctrl-C is borne while reading too: a terminal drops with it what was there to be read, and reading would wait.
    """
    with interrupts.allowed():
        return os.read(handle, CHUNK) if select.select([handle], [], [], LOOK)[0] else None


@dataclass(slots=True)
class _Session:
    """The time between attaching and letting go."""

    context: Context
    attachment: PodAttachment
    streams: Streams
    interrupts: Interrupts
    _seen: int = field(default=0, init=False)

    def skip(self) -> None:
        """What has been written so far is not shown."""
        self._seen = len(self.attachment.output()[0])

    def run(self) -> None:
        """Raises KeyboardInterrupt where Ctrl-C ends the attachment."""
        while True:
            try:
                if not self._turn():
                    return
            except KeyboardInterrupt:
                if not self.streams.tty:
                    raise
                self.attachment.interrupt()
                if not self.attachment.has_ended():
                    raise

    def _turn(self) -> bool:
        """One look; whether the attachment goes on."""
        ended = self.attachment.has_ended()
        lines, unfinished = self.attachment.output()
        self._write(lines[min(self._seen, len(lines)) :])
        self._seen = len(lines)
        if ended:
            return False
        if self.streams.stdin is None or not self.attachment.awaits_input():
            with self.interrupts.allowed():
                self.context.session.pause(LOOK)
            self.context.session.settle()
            return True
        self.streams.stdout(unfinished.encode("utf-8", "replace"))
        self.attachment.feed(self.streams, wait=self._sleep)
        self.context.session.touch()
        # Input that has ended while the process's has not: the runtime takes the output away too.
        goes_on = not self.attachment.awaits_input()
        self.skip()
        return goes_on and not self.attachment.has_ended()

    def _sleep(self, seconds: float) -> None:
        with self.interrupts.allowed():
            self.context.session.cluster.sleep(seconds)

    def _write(self, lines: list[LogLine]) -> None:
        for line in lines:
            write = self.streams.stderr if line.stream == STDERR else self.streams.stdout
            write(f"{line.text}{'' if line.partial else chr(10)}".encode("utf-8", "replace"))
