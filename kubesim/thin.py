"""The thin client: hands a command to the warm process of its home, and waits for the exit code.

Nothing is imported but what Python has loaded anyway and its bare sockets: this is what every warm command pays for.
Where there is no warm process, and none can be started, `run` says None, and the caller does the work itself.

The command's streams are passed as file descriptors, so that output, pipes and terminals are the caller's own. One request
goes to the server, and single letters come back:

    request   MAGIC, the length of the rest (4 bytes, big endian), fields that are separated by NUL (`encode`)
    S         it will be run now; whatever ended before this letter came has done nothing, and may be tried again
    E code    it has ended, and the server has let go of the streams
    R         it will not be run: the server is another kubesim than the caller's, or about to leave, or one too many
    I         from the caller: Ctrl-C. The end of the connection: the caller is no more, the command is to end.
"""

from __future__ import annotations

import _socket
import os
import sys

from kubesim.version import VERSION

TYPE_CHECKING = False  # `typing` is not for a thin client
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAGIC = b"kubesim1"
DIRECTORY, SOCKET, LOCK, LOG, STATE = "run", "command.sock", "lock", "server.log", "server.json"
INHERITED = 3
"""The descriptor on which a server that was just started finds its first connection."""
INTERRUPTED, FAILED = 130, 1

_TRIES = 30
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25  # between two tries: 6 seconds in all
_PATIENCE = 20.0
"""So many seconds may pass before a server takes up a command; then the caller runs it itself."""
_FAREWELL = 2  # seconds for a command to end after Ctrl-C
_LONGEST_PATH = 100  # of a socket: 108 bytes on Linux, 104 elsewhere, the last one NUL
_SO_PEERCRED, _PEERCRED_SIZE = 17, 12  # Linux: pid, uid, gid

# Words of commands that run in the caller's own process: they start and end servers, or want the terminal for
# themselves. Too many words are no mistake: such a command is merely slower.
_OWN = frozenset(("down", "status", "serve", "edit", "attach", "edit-last-applied", "proxy", "port-forward"))
_OWN_OPTIONS = ("--edit", "--kubeconfig", "--server", "--context", "-s=")
# Files that are other ones in each process: `-f <(generate)`.
_OWN_FILES = ("/dev/fd/", "/dev/std", "/proc/self/")
_SHORT = frozenset(("help", "options", "completion", "config", "kustomize"))
"""Commands for which no server is started: they need no cluster."""


def identity() -> str:
    """What must be the same on both sides: the version, the code, and the Python that runs it. Raises OSError."""
    return f"{VERSION} {sys.hexversion:x} {sys.executable} {__file__} {os.stat(__file__).st_mtime_ns}"


def run(words: list[str]) -> int | None:
    """The exit code of a command that the warm process of the home has run; None where it is to be run here."""
    env = os.environ
    home = home_directory(env, sys.platform)
    if (
        not home
        or env.get("KUBESIM_DATABASE_URL")
        or not hasattr(_socket, "AF_UNIX")
        or wants_own_process(words)
    ):
        return None
    try:
        home = os.path.join(os.getcwd(), home)
        request, descriptors = encode(words)
    except (OSError, ValueError):
        return None
    starts = env.get("KUBESIM_AUTOSTART", "1") not in ("0", "false", "no") and not _is_short(words)
    starts = starts or words[:1] == ["up"] or ("up" in words and words[0].startswith("-"))
    for attempt in range(_TRIES):
        connection, is_new = connect(home), False
        if connection is None and starts:
            connection, is_new = start(home), True
        if connection is None:
            return None
        try:
            code = _converse(connection, request, descriptors)
        except TimeoutError:
            return None
        if code is not None:
            return code
        if is_new and not exists(home):
            return None  # it could not be started
        _rest(attempt)
    return None


def home_directory(env: Mapping[str, str], platform: str) -> str:
    """The directory with the simulated clusters: `KUBESIM_HOME`, or the platform's place for state; empty where
    none is known.
    """
    if env.get("KUBESIM_HOME"):
        return env["KUBESIM_HOME"]
    if platform == "win32" and env.get("LOCALAPPDATA"):
        return os.path.join(env["LOCALAPPDATA"], "kubesim")
    base, user = env.get("XDG_STATE_HOME", ""), env.get("HOME", "")
    if os.path.isabs(base):
        return os.path.join(base, "kubesim")
    if not user:
        return ""
    place = ("Library", "Application Support") if platform == "darwin" else (".local", "state")
    return os.path.join(user, *place, "kubesim")


def wants_own_process(words: list[str]) -> bool:
    """Whether a command is to run in the caller's process."""
    if not _OWN.isdisjoint(words):
        return True
    if words[:1] == ["curl"]:
        return False  # its URLs are those of the simulation
    if words[:1] == ["ssh"] and len(words) == 2:
        return True
    interactive = "ssh" in words or "exec" in words or "run" in words or "debug" in words
    follows = "run" in words or "debug" in words
    for word in words:
        if word == "--":
            return False
        if any(place in word for place in _OWN_FILES):
            return True
        if not word.startswith("-"):
            if "://" in word:
                return True  # the network is the caller's: its proxies, its certificates
            continue
        if word.startswith(_OWN_OPTIONS) or "://" in word or word == "-s":
            return True
        if interactive and _asks_for_terminal(word, streams=follows):
            return True
    return False


def _asks_for_terminal(word: str, *, streams: bool) -> bool:
    if word.startswith("--"):
        return word.startswith("--tty") or (streams and word.startswith(("--stdin", "--attach")))
    return "t" in word or (streams and "i" in word)


def _is_short(words: list[str]) -> bool:
    return not words or words[0] in _SHORT or "-h" in words or "--help" in words or "--client" in words


# Talking to a server.


def encode(words: list[str]) -> tuple[bytes, list[int]]:
    """A command as a request, and the descriptors that go with it. Raises OSError, ValueError."""
    mask = os.umask(0)
    os.umask(mask)
    states, descriptors = "", []
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            states += "-"  # closed by the caller: `<&-`
            continue
        descriptors.append(descriptor)
        states += "t" if os.isatty(descriptor) else "o"
    columns = 0
    if states[1] == "t":
        try:
            columns = os.get_terminal_size(1).columns
        except OSError:
            columns = 0
    program = os.path.basename(sys.argv[0])
    fields = ["run", identity(), program, os.getcwd(), str(mask), str(os.getpid()), str(columns), states]
    fields += [str(len(words)), *words]
    parts = [os.fsencode(field) for field in fields]
    if any(b"\0" in part for part in parts):
        raise ValueError("a NUL in a word")
    # os.environb does not exist everywhere; the names and values that it would give are these.
    parts += [os.fsencode(f"{name}={value}") for name, value in os.environ.items()]
    return frame(parts), descriptors


def frame(parts: list[bytes]) -> bytes:
    """The fields of a request as it goes over the wire."""
    body = b"\0".join(parts)
    return MAGIC + len(body).to_bytes(4, "big") + body


def connect(home: str) -> _socket.socket | None:
    """A connection to the server of a home, if there is one and it belongs to the caller's own user."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        within(os.path.join(home, DIRECTORY), SOCKET, connection.connect)
        if is_own(connection):
            return connection
    except OSError:
        pass  # no server, or one that is no more
    connection.close()
    return None


def within(directory: str, name: str, use: Callable[[str], object]) -> None:
    """Call a function with the path of a socket in a directory, however long that path is. Raises OSError."""
    path = os.path.join(directory, name)
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        use(path)
        return
    before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    try:
        os.chdir(directory)
        try:
            use(name)
        finally:
            os.fchdir(before)
    finally:
        os.close(before)


def is_own(connection: _socket.socket) -> bool:
    """Whether the other side is a process of the same user, as far as the system can tell."""
    if sys.platform != "linux":
        return True  # the directory is the owner's alone
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _SO_PEERCRED, _PEERCRED_SIZE)
    return int.from_bytes(credentials[4:8], sys.byteorder) == os.geteuid()


def send(connection: _socket.socket, data: bytes, descriptors: list[int]) -> None:
    """Send a request with the descriptors that belong to it. Raises OSError."""
    rights = b"".join(d.to_bytes(4, sys.byteorder) for d in descriptors)
    passed = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if rights else []
    sent = connection.sendmsg([data], passed)
    if sent < len(data):
        connection.sendall(data[sent:])


def _converse(connection: _socket.socket, request: bytes, descriptors: list[int]) -> int | None:
    """The exit code of a command; None if it was not taken up. Raises TimeoutError where the server does not answer."""
    try:
        try:
            send(connection, request, descriptors)
        except BrokenPipeError:
            pass  # the answer says why
        connection.settimeout(_PATIENCE)
        if connection.recv(1) == b"S":
            connection.settimeout(None)
            return _await_end(connection)
    except TimeoutError:
        return _late(connection)
    except OSError:
        return None
    finally:
        connection.close()
    return None


def _late(connection: _socket.socket) -> int | None:
    """The server has not answered: from here on it will not, unless it is just doing so. Raises TimeoutError."""
    connection.shutdown(_socket.SHUT_WR)
    connection.settimeout(_FIRST_PAUSE * 20)
    if connection.recv(1) != b"S":
        return None
    connection.settimeout(None)
    return _await_end(connection)


def _await_end(connection: _socket.socket) -> int:
    import _signal  # type: ignore[import-not-found]  # the bare one: `signal` costs more than all the rest here

    def interrupt(number: int, frame: object) -> None:
        del frame
        # Whoever presses Ctrl-C twice does not wait; who does so once, not long: a change may have to be finished.
        _signal.signal(number, _signal.SIG_DFL)
        _signal.signal(_signal.SIGALRM, lambda *_: os._exit(INTERRUPTED))
        _signal.alarm(_FAREWELL)
        try:
            connection.sendall(b"I")
        except OSError:
            pass  # the command has just ended: its exit code is there to be read

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, interrupt)
    answer = b""
    try:
        while len(answer) < 2:
            data = connection.recv(2 - len(answer))
            if not data:
                break
            answer += data
    except OSError:
        answer = b""
    if len(answer) == 2:
        return answer[1]
    os.write(
        2,
        b"error: the background process of kubesim ended in the middle of this command; look whether it was carried out, "
        b"then run it again\n",
    )
    return FAILED


def exists(home: str) -> bool:
    """Whether there is a server, or one that has begun to be: somebody holds the lock."""
    import fcntl

    try:
        lock = os.open(os.path.join(home, DIRECTORY, LOCK), os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _rest(attempt: int) -> None:
    """Let another process get on: one is leaving, or one is on its way."""
    import time

    time.sleep(min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE))


# Starting a server.


def start(home: str) -> _socket.socket | None:
    """Start the server of a home; the connection on which it will find its first command. None if there can be none."""
    directory = os.path.join(home, DIRECTORY)
    try:
        os.makedirs(home, 0o700, exist_ok=True)
        if not os.path.isdir(directory):
            os.mkdir(directory, 0o700)
    except FileExistsError:
        pass  # another process was faster
    except OSError:
        return None
    try:
        if not sys.executable or os.stat(directory).st_uid != os.geteuid():
            return None  # another user's home, as under sudo: its server is not for us, and ours not for it
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        _spawn(home, theirs)
    except OSError:
        ours.close()
        return None
    finally:
        theirs.close()
    return ours


def _spawn(home: str, connection: _socket.socket) -> None:
    """Start the process: of a session of its own, nobody's child, in no directory, without the caller's descriptors."""
    program = (
        "import sys; p = sys.argv[1]; p in sys.path or sys.path.insert(0, p); "
        "from kubesim.cli.warm.process import main; main()"
    )
    parent = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    arguments = [sys.executable, "-P", "-c", program, parent, os.path.realpath(home)]
    env = server_environment(os.environ)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        inherited = connection.fileno()
        while inherited <= INHERITED:
            inherited = os.dup(inherited)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        os.dup2(inherited, INHERITED)
        os.closerange(INHERITED + 1, min(os.sysconf("SC_OPEN_MAX"), 1 << 20))
        os.execve(sys.executable, arguments, env)  # noqa: S606  this very Python
    finally:
        os._exit(127)


def server_environment(env: Mapping[str, str]) -> dict[str, str]:
    """What a server keeps of the environment of the one who happened to start it: each command brings its own."""
    kept = ("PATH", "HOME", "USER", "LOGNAME", "TZ", "LANG", "KUBESIM_IDLE_TIMEOUT")
    return {n: v for n, v in env.items() if n in kept or n.startswith(("PYTHON", "LC_"))}
