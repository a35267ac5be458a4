"""From the words of a command line to an exit code.

The table names a module for each command; only the module of the command that was called is imported: import
time is paid by every cold command.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence

from kubesim.apimachinery.errors import StatusError
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import (
    AggregateError,
    CLIError,
    SilentExit,
    error_text,
    exit_code,
)
from kubesim.cli.flags import FlagError, FlagSet, HelpWanted
from kubesim.cli.globals import GLOBAL_FLAGS
from kubesim.cli.session import Session
from kubesim.cli.streams import Streams
from kubesim.cluster.home import HomeError
from kubesim.storage.interface import StorageError

INTERRUPTED, BROKEN_PIPE = 130, 141  # 128 + the signal, as a shell has them

# Command -> (module, what it does), by group, in the order in which help lists them.
GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Basic Commands (Beginner)",
        (
            ("create", "create", "Create a resource from a file or from stdin"),
            (
                "expose",
                "expose",
                "Make a Service for a Pod, Service, Deployment, ReplicaSet or ReplicationController",
            ),
            ("run", "run", "Run an image in a Pod"),
            ("set", "set", "Set single features of objects"),
        ),
    ),
    (
        "Basic Commands (Intermediate)",
        (
            ("explain", "explain", "Say what the fields of a resource mean"),
            ("get", "get", "Show one or many resources"),
            ("edit", "edit", "Edit a resource in your editor"),
            ("delete", "delete", "Delete resources by file, stdin, name or selector"),
        ),
    ),
    (
        "Cluster Management Commands",
        (("cluster-info", "cluster_info", "Show the addresses of the cluster"),),
    ),
    (
        "Troubleshooting and Debugging Commands",
        (
            ("describe", "describe", "Show details of a resource or a group of resources"),
            ("logs", "logs", "Print the log of a container"),
            ("attach", "attach", "Attach to a process that runs in a container"),
            ("exec", "exec", "Run a command in a container"),
            ("port-forward", "port_forward", "Forward one or more local ports to a Pod"),
            ("proxy", "proxy", "Run a proxy to the Kubernetes API server"),
            ("cp", "cp", "Copy files and directories to and from containers"),
            ("auth", "auth", "Look into authorization"),
            ("events", "events", "List events"),
        ),
    ),
    (
        "Advanced Commands",
        (
            ("diff", "diff", "Compare what is there with what would be applied"),
            ("apply", "apply", "Bring a resource to the state that a file describes"),
            ("patch", "patch", "Change fields of a resource"),
            ("replace", "replace", "Replace a resource by file or stdin"),
            ("wait", "wait", "Wait for a condition of one or many resources"),
            ("kustomize", "kustomize", "Build a kustomization from a directory"),
        ),
    ),
    (
        "Settings Commands",
        (
            ("label", "label", "Change the labels of a resource"),
            ("annotate", "annotate", "Change the annotations of a resource"),
            ("completion", "completion", "Print shell code for completion (bash, zsh or fish)"),
        ),
    ),
    (
        "Other Commands",
        (
            ("api-resources", "api_resources", "Print the resources of the API"),
            ("api-versions", "api_versions", 'Print the versions of the API as "group/version"'),
            ("config", "config", "Change kubesim's own kubeconfig file"),
            ("options", "options", "List the flags that every command takes"),
            ("version", "version", "Print the versions of client and server"),
        ),
    ),
    (
        "Simulation Commands",
        (
            ("sim", "sim", "Create, list, choose, reset and delete simulated clusters"),
            ("ssh", "ssh", "Open a shell on a node, or run a command there"),
            ("curl", "curl", "Run curl from outside of the cluster, or from a node or a Pod"),
            ("service", "service", "Say what of a Service can be opened in a browser or with curl"),
            ("up", "up", "Serve the API of a cluster over HTTPS in the background"),
            ("serve", "serve", "Serve the API of a cluster over HTTPS in the foreground"),
            ("status", "status", "Say whether the background process of this home runs"),
            ("down", "down", "End the background process of this home"),
            ("trace", "trace", "Walk a request through the network, and say where it breaks"),
            ("rules", "rules", "Show kube-proxy's rules of a Service, and what each does"),
            ("check", "check", "Say what keeps requests from arriving, in the cluster or in manifests"),
            ("reconcile", "reconcile", "Run controllers until nothing is left to do, and say what they did"),
        ),
    ),
)
MODULES: dict[str, str] = {word: module for _, rows in GROUPS for word, module, _ in rows}
# Not for people: the scripts of `completion` call it.
HIDDEN: dict[str, str] = {"__complete": "complete"}
ALIASES = {"events": "events", "ev": "events"}


def load(word: str) -> Command | None:
    """The command of that name, its module imported; None if there is none."""
    module = MODULES.get(word) or HIDDEN.get(word)
    if module is None:
        return None
    command = importlib.import_module(f"kubesim.cli.commands.{module}").COMMAND
    if not isinstance(command, Command):
        raise TypeError(f"{module}.COMMAND is not a Command")
    return command


def run(words: Sequence[str], streams: Streams, make_session: Callable[..., Session] = Session) -> int:
    """Run one command line; the exit code. Never raises what the user could have caused."""
    return _flushed(streams, _guarded(list(words), streams, make_session))


def _guarded(words: list[str], streams: Streams, make_session: Callable[..., Session]) -> int:
    try:
        return _dispatch(words, streams, make_session)
    except (CLIError, SilentExit, StatusError, AggregateError) as error:
        text = error_text(error)
        if text:
            with contextlib.suppress(OSError):  # told when all is flushed
                streams.stdout.flush()
            streams.stderr.write(text if text.endswith("\n") else text + "\n")
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return BROKEN_PIPE
    except (HomeError, StorageError) as error:
        if _is_interrupted(error):
            return INTERRUPTED
        streams.stderr.write(f"error: {error}\n")
        return 1
    except Exception as error:  # noqa: BLE001  a mistake of ours must not end in a traceback
        if _is_interrupted(error):
            return INTERRUPTED
        if isinstance(error, OSError) and error.filename is None:
            return _unwritten(streams, error)
        return _bug(words, streams, error)


def _is_interrupted(error: BaseException | None) -> bool:
    """Whether a failure comes from tidying up after Ctrl-C."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _bug(words: list[str], streams: Streams, error: Exception) -> int:
    """Say that the fault is ours; with KUBESIM_TRACEBACK set, where it is."""
    if streams.env.get("KUBESIM_TRACEBACK"):
        import traceback

        streams.stderr.write("".join(traceback.format_exception(error)))
    streams.stderr.write(
        f"error: kubesim failed at `{' '.join(words)}`: {type(error).__name__}: {error}\n"
        "This is a mistake in kubesim, not in your command; KUBESIM_TRACEBACK=1 shows where.\n"
    )
    return 1


def _flushed(streams: Streams, code: int) -> int:
    """The exit code once everything is written."""
    try:
        streams.stdout.flush()
    except BrokenPipeError:
        # The reader has gone, for instance `| head -1`: there is nobody left to tell.
        code = BROKEN_PIPE
    except OSError as error:
        code = _unwritten(streams, error)
    with contextlib.suppress(OSError):
        streams.stderr.flush()
    return code


def _unwritten(streams: Streams, error: OSError) -> int:
    with contextlib.suppress(OSError):
        streams.stderr.write(f"error: write /dev/stdout: {(error.strerror or str(error)).lower()}\n")
    return 1


def _dispatch(words: list[str], streams: Streams, make_session: Callable[..., Session]) -> int:
    program = streams.program
    try:
        before, rest, _ = FlagSet(GLOBAL_FLAGS).parse(words, stop_at_argument=True)
    except HelpWanted:
        return _root_help(streams)
    except FlagError as error:
        raise CLIError(f"{error}\nSee '{program} --help' for usage.") from None
    if not rest or rest == ["help"]:
        return _root_help(streams)
    leading = words[: len(words) - len(rest)]
    if rest[0] == "help":
        rest = [*rest[1:], "--help"]
    command = load(rest[0])
    if command is None:
        raise CLIError(_unknown(rest[0], program))
    path, command, arguments = _descend(f"{program} {command.name}", command, rest[1:])
    if command.passthrough and command.run is not None:
        return _run(command, Context(path, arguments, before, streams, make_session(before, streams)))
    try:
        flags, positional, dash = FlagSet((*command.flags, *GLOBAL_FLAGS)).parse([*leading, *arguments])
    except HelpWanted:
        return _help(streams, path, command)
    except FlagError as error:
        raise CLIError(f"{error}\nSee '{path} --help' for usage.") from None
    if command.run is None:
        if positional:
            raise CLIError(
                f"unknown command \"{' '.join(positional)}\"\nSee '{path} -h' for help and examples"
            )
        # A group alone shows its help as an error: cmdutil.DefaultSubCommandRun.
        return _help(streams, path, command, wanted=False)
    missing = [f'"{f.name}"' for f in command.flags if f.required and not flags.changed(f.name)]
    if missing:
        raise CLIError(f"required flag(s) {', '.join(missing)} not set")
    session = make_session(flags, streams, command=command.name)
    return _run(command, Context(path, positional, flags, streams, session, dash))


def _run(command: Command, context: Context) -> int:
    for notice in context.flags.notices:
        context.err(notice)
    try:
        code = (command.run(context) or 0) if command.run else 0
    except KeyboardInterrupt:
        # The controllers go on with the next command: whoever presses Ctrl-C does not wait.
        context.session.abandon()
        raise
    except BaseException:
        context.session.close()
        raise
    context.session.close()
    return code


def _descend(path: str, command: Command, words: list[str]) -> tuple[str, Command, list[str]]:
    """Follow the words down to the subcommand they name; flags may stand between them."""
    while command.subcommands:
        position = _first_argument(command, words)
        found = command.find(words[position]) if position is not None else None
        if found is None or position is None:
            break
        words = [*words[:position], *words[position + 1 :]]
        path, command = f"{path} {found.name}", found
    return path, command, words


def _first_argument(command: Command, words: list[str]) -> int | None:
    """Where the first word stands that is neither a flag nor a flag's value."""
    known = FlagSet((*command.flags, *GLOBAL_FLAGS)).flags
    takes_value = {f"--{f.name}" for f in known if not f.without_argument}
    takes_value |= {f"-{f.short}" for f in known if f.short and not f.without_argument}
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            return None
        if not word.startswith("-") or word == "-":
            return position
        position += 2 if word in takes_value else 1
    return None


def _help(streams: Streams, path: str, command: Command, *, wanted: bool = True) -> int:
    from kubesim.cli.help import render_command

    (streams.stdout if wanted else streams.stderr).write(render_command(path, command))
    return 0 if wanted else 1


def _root_help(streams: Streams) -> int:
    from kubesim.cli.help import render_root

    streams.stdout.write(render_root(streams.program, GROUPS))
    return 0


def _unknown(word: str, program: str) -> str:
    """The text for a command that does not exist, with those that are near: cobra's rules."""
    near = [
        name
        for name in sorted(MODULES)
        if _distance(word, name) <= 2 or name.lower().startswith(word.lower())
    ]
    text = f'unknown command "{word}" for "{program}"'
    if near:
        text += "\n\nDid you mean this?\n" + "".join(f"\t{name}\n" for name in near)
    return text


def _distance(a: str, b: str) -> int:
    """The Levenshtein distance, letters compared without case."""
    a, b = a.lower(), b.lower()
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, before = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
    return row[-1]


def commands() -> Iterator[tuple[str, Command]]:
    """Every command with its name; imports them all (for documentation and completion)."""
    for word in MODULES:
        command = load(word)
        if command is not None:
            yield word, command
