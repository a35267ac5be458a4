"""`cp`: copy files to and from containers, through the `tar` there (pkg/cmd/cp)."""

from __future__ import annotations

import os
import posixpath
import shlex
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from kubesim.apimachinery.errors import StatusError, bad_request
from kubesim.apimachinery.meta import name_of
from kubesim.cli.command import Command, Context
from kubesim.cli.copypaths import (
    FileSpec,
    clean,
    folder_of,
    is_below,
    joined,
    parse_spec,
    without_end,
    without_shortcuts,
)
from kubesim.cli.errors import CLIError
from kubesim.cli.execution import end_with, execute_on, terminal_streams
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.podaccess import PODS, choose_container, container_names, defaulted
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, dig

if TYPE_CHECKING:
    import tarfile

BLOCK: Final = 512
PIECE: Final = 1 << 18
IN_MEMORY: Final = 16 << 20
"""An archive that is larger is kept in a file until it is whole."""
_COMPLETED: Final = ("Succeeded", "Failed")


def run(context: Context) -> int:
    """Copy one way or the other; the exit code is that of `tar`."""
    if len(context.args) != 2:
        raise CLIError("source and destination are required")
    source, target = map(parse_spec, context.args)
    if source.pod and target.pod:
        raise CLIError("one of src or dest must be a local file specification")
    if not source.path or not target.path:
        raise CLIError("filepath can not be empty")
    if source.pod:
        return _FromPod(context, source, target.path).run()
    if target.pod:
        return _to_pod(context, source.path, target)
    raise CLIError("one of src or dest must be a remote file specification")


# Both ways


@dataclass(frozen=True, slots=True)
class _Container:
    """Where commands run. `notice` tells that it was chosen among several."""

    pod: JSONObject
    name: str
    notice: str = ""


def _container(context: Context, spec: FileSpec) -> _Container:
    """Raises StatusError, CLIError."""
    namespace = spec.namespace or context.session.namespace
    pod = context.session.client.get(PODS, spec.pod, namespace)
    phase = dig(pod, "status", "phase", default="")
    if phase in _COMPLETED:
        raise CLIError(f"cannot exec into a container in a completed pod; current phase is {phase}")
    wanted = context.flags.text("container")
    if wanted and wanted not in container_names(pod):
        raise bad_request(f"container {wanted} is not valid for pod {name_of(pod)}")
    name = choose_container(context, pod, wanted, quiet=True)
    first = dig(pod, "spec", "containers", default=[])[0]["name"]
    several = not wanted and name == first and len(container_names(pod)) > 1
    return _Container(pod, name, defaulted(pod) if several else "")


def _go_error(what: str, path: str, error: OSError) -> CLIError:
    why = os.strerror(error.errno).lower() if error.errno else str(error)
    return CLIError(f"{what} {path}: {why}")


# To a Pod


def _to_pod(context: Context, source: str, target: FileSpec) -> int:
    local = context.session.path(source)
    if not local.exists():
        raise CLIError(f"{source} doesn't exist in local filesystem")
    if _is_folder(context, target):
        target = replace(target, path=without_end(joined(target.path, posixpath.basename(source) or "/")))
    place = _container(context, target)
    if place.notice:
        context.err(place.notice)
    argv = ["tar", "-xmf", "-"]
    if context.flags.is_set("no-preserve"):
        argv[1:1] = ["--no-same-permissions", "--no-same-owner"]
    argv += ["-C", without_end(folder_of(target.path))]
    archive = _Archive(
        context.session.path(clean(source)), source, posixpath.basename(clean(target.path)) or "/"
    )
    streams = terminal_streams(context, stdin=False, tty=False)
    write = streams.stderr
    streams.stdin = archive.read
    # What tar says of an archive that breaks off tells nobody why.
    streams.stderr = lambda data: None if archive.error else write(data)
    code = execute_on(context, place.pod, place.name, argv, streams)
    if archive.error is not None:
        raise archive.error
    return end_with(context, code)


def _is_folder(context: Context, target: FileSpec) -> bool:
    """Whether the container has a directory there; where that cannot be told, what copies will say so."""
    from kubesim.runtime.spec import Streams

    streams, _, _ = Streams.captured()
    streams.stdin = None
    try:
        place = _container(context, target)
        return execute_on(context, place.pod, place.name, ["test", "-d", target.path], streams) == 0
    except (StatusError, CLIError):
        return False


class _Archive:
    """An archive of a file or directory, made as it is read. `error` is why it breaks off, once it has."""

    def __init__(self, source: Path, shown: str, name: str) -> None:
        self._pieces = self._written(source, clean(shown), name)
        self.error: CLIError | None = None

    def read(self) -> bytes:
        """Some of it; nothing at its end."""
        try:
            return next(self._pieces, b"")
        except CLIError as error:
            self.error = error
            return b""

    def _written(self, source: Path, shown: str, name: str) -> Iterator[bytes]:
        import tarfile

        yield from self._members(source, shown, name)
        yield tarfile.NUL * 2 * BLOCK

    def _members(self, source: Path, shown: str, name: str) -> Iterator[bytes]:
        """Directories are there through what they hold, and by themselves only where that is nothing."""
        try:
            state = source.lstat()
            if stat.S_ISDIR(state.st_mode):
                entries = sorted(entry.name for entry in source.iterdir())
                if not entries:
                    yield _head(source, state, name)
                for entry in entries:
                    yield from self._members(source / entry, joined(shown, entry), joined(name, entry))
                return
            if stat.S_ISSOCK(state.st_mode):
                raise CLIError("archive/tar: sockets not supported")
            yield _head(source, state, name)
            if stat.S_ISREG(state.st_mode):
                yield from _content(source, state.st_size, shown)
        except OSError as error:
            raise _go_error("open", shown, error) from None


def _head(source: Path, state: os.stat_result, name: str) -> bytes:
    """A member's header. GNU's form for long names is known to every tar."""
    import tarfile

    member = tarfile.TarInfo(name)
    member.mode, member.mtime = stat.S_IMODE(state.st_mode), int(state.st_mtime)
    member.uid, member.gid = state.st_uid, state.st_gid
    if stat.S_ISDIR(state.st_mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(state.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, str(source.readlink())
    elif stat.S_ISFIFO(state.st_mode):
        member.type = tarfile.FIFOTYPE
    elif stat.S_ISREG(state.st_mode):
        member.size = state.st_size
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _content(source: Path, size: int, shown: str) -> Iterator[bytes]:
    """A file's bytes, as many as its header has told, filled up to whole blocks."""
    left = size
    with source.open("rb") as file:
        while left and (piece := file.read(min(left, PIECE))):
            left -= len(piece)
            yield piece
    if left:
        raise CLIError(f"open {shown}: it became shorter while it was read")
    if size % BLOCK:
        yield b"\0" * (BLOCK - size % BLOCK)


# From a Pod


class _FromPod:
    """Takes the archive as a whole first: what is then written here is whole too, or the user is told."""

    def __init__(self, context: Context, source: FileSpec, target: str) -> None:
        self._context = context
        self._source = source
        self._target = target
        self._has_warned = False

    def run(self) -> int:
        import tempfile

        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
            code = self._fetch(spool)
            self._unpack(spool)
        return end_with(self._context, code)

    def _fetch(self, spool: IO[bytes]) -> int:
        """The exit code of `tar`. An archive that breaks off is fetched on as often as the flag says."""
        context, retries = self._context, 0
        most = context.flags.number("retries")
        while True:
            place = _container(context, self._source)
            if place.notice:
                context.out(place.notice)
            streams = terminal_streams(context, stdin=False, tty=False)
            streams.stderr = streams.stdout  # as kubectl has it: standard output says what tar says
            streams.stdout = spool.write
            code = execute_on(context, place.pod, place.name, self._argv(spool.tell()), streams)
            if code or _is_whole(spool):
                return code
            if most >= 0 and retries >= most:
                context.out(f"Dropping out copy after {retries} retries")
                return code
            retries += 1
            context.out(f"Resuming copy at {spool.tell()} bytes, retry {retries}/{most}")
            context.streams.stdout.flush()
            context.streams.check()

    def _argv(self, done: int) -> list[str]:
        path = self._source.path
        if not self._context.flags.number("retries"):
            return ["tar", "cf", "-", path]
        return ["sh", "-c", f"tar cf - {shlex.quote(path)} | tail -c+{done + 1 if done else 0}"]

    def _unpack(self, spool: IO[bytes]) -> None:
        """Raises CLIError."""
        import tarfile

        prefix = without_shortcuts(without_end(clean(self._source.path.lstrip("/\\"))))
        size = spool.seek(0, os.SEEK_END)
        spool.seek(0)
        if not size:
            return
        try:
            archive = tarfile.open(fileobj=spool, mode="r:")  # noqa: SIM115  of a file that the caller closes
            for member in archive:
                self._write(archive, member, prefix)
        except tarfile.HeaderError:
            raise CLIError("archive/tar: invalid tar header") from None
        except (tarfile.TarError, EOFError):
            raise CLIError("unexpected EOF" if size % BLOCK else "archive/tar: invalid tar header") from None
        if not _ends(spool, archive.offset):
            raise CLIError("unexpected EOF")

    def _write(self, archive: tarfile.TarFile, member: tarfile.TarInfo, prefix: str) -> None:
        """One member, unless it lies elsewhere than it should."""
        if not member.name.startswith(prefix):
            raise CLIError("tar contents corrupted")
        name = without_end(member.name[len(prefix) :]).replace("\\", "/")
        shown = without_end(joined(self._target, name))
        if not is_below(clean(self._target), shown):
            self._context.err(f"warning: file {quote(shown)} is outside target destination, skipping")
            return
        self._make_folder(folder_of(shown))
        if member.isdir():
            self._make_folder(shown)
        elif member.issym():
            self._warn(shown, member.linkname)
        else:
            self._write_file(archive, member, shown)

    def _make_folder(self, shown: str) -> None:
        streams = self._context.streams
        try:
            streams.make_directory(self._context.session.path(shown))
        except OSError as error:
            while shown not in (".", "/") and not self._context.session.path(shown).exists():
                shown = folder_of(shown)  # the one that is in the way
            if self._context.session.path(shown).is_file():
                raise CLIError(f"mkdir {shown}: not a directory") from None
            raise _go_error("mkdir", shown, error) from None

    def _write_file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, shown: str) -> None:
        content = None
        with suppress(KeyError):  # a hard link to what is not in the archive
            content = archive.extractfile(member)
        try:
            with self._context.streams.create(self._context.session.path(shown)) as file:
                if content is not None:
                    shutil.copyfileobj(content, file.buffer, PIECE)
        except OSError as error:
            raise _go_error("open", shown, error) from None

    def _warn(self, shown: str, target: str) -> None:
        """Links are not made: they could lead out of the destination."""
        hint = ""
        if not self._has_warned:
            self._has_warned = True
            source, program = self._source, self._context.streams.program
            hint = (
                f' (consider using "{program} exec -n {quote(source.namespace)} {quote(source.pod)} -- '
                f'tar cf - {quote(source.path)} | tar xf -")'
            )
        self._context.err(f"warning: skipping symlink: {quote(shown)} -> {quote(target)}{hint}")


def _is_whole(spool: IO[bytes]) -> bool:
    """Whether an archive has come to its end. The file stays where it is written to."""
    import tarfile

    end = spool.tell()
    spool.seek(0)
    try:
        with tarfile.open(fileobj=spool, mode="r:") as archive:
            for _ in archive:
                pass
            return _ends(spool, archive.offset)
    except tarfile.TarError:
        return False
    finally:
        spool.seek(end)


def _ends(spool: IO[bytes], at: int) -> bool:
    """Whether an empty block stands where the next header would."""
    spool.seek(at)
    return spool.read(BLOCK) == b"\0" * BLOCK


COMMAND = Command(
    name="cp",
    use="cp <file-spec-src> <file-spec-dest>",
    short="Copy files and directories to and from containers",
    long="Copy a file, or a directory with all that is in it, to a container or from one. The container's image must have "
    "tar. From a container nothing is written outside of the destination, and no symbolic links are.",
    examples="""\
# A directory into the directory /tmp of a Pod
kubesim cp ./pages web:/tmp

# A file into a certain container of a Pod in another namespace
kubesim cp nginx.conf team/web:/etc/nginx/nginx.conf -c web

# From a Pod
kubesim cp web:/etc/nginx/conf.d ./conf.d""",
    flags=(
        Flag(
            "container",
            "The container; without it, the one that the annotation kubectl.kubernetes.io/default-container names, "
            "or the first.",
            "c",
        ),
        boolean("no-preserve", "Owner and permissions are not kept in the container."),
        Flag(
            "retries",
            "How often to go on with a copy from a container that broke off; negative: again and again.",
            kind="int",
        ),
    ),
    run=run,
)
