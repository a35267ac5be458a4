"""tar and gzip: what `kubectl cp` runs in containers, and people too."""

from __future__ import annotations

import gzip as compression
import io
import posixpath
import tarfile
import zlib

from kubesim.runtime.commands.clocks import strftime
from kubesim.runtime.commands.common import inputs, program
from kubesim.runtime.commands.listing import mode_text
from kubesim.runtime.commands.options import UsageError, parse
from kubesim.runtime.filesystem import DIRECTORY, FILE, LINK, Node
from kubesim.runtime.process import Process
from kubesim.runtime.shell.patterns import matches

_LIMIT = 64 * 1024 * 1024


@program
def tar(process: Process) -> int:
    words = list(process.args)
    if words and not words[0].startswith("-"):
        words[0] = "-" + words[0]  # tar xf: the old style
    process.argv = [process.argv[0], *words]
    long = {
        "create": "c",
        "extract": "x",
        "get": "x",
        "list": "t",
        "file=": "f",
        "directory=": "C",
        "verbose": "v",
        "gzip": "z",
        "exclude=": "X",
        "strip-components=": "S",
        "no-same-owner": "o",
        "no-same-permissions": "p",
        "same-permissions": "p",
        "preserve-permissions": "p",
        "overwrite": "O",
        "absolute-names": "P",
        "warning=": "w",
        "to-stdout": "O",
        "keep-old-files": "k",
        "no-overwrite-dir": "N",
        "touch": "m",
    }
    opts = parse(process, "cxtf:C:vzjJopPmkOX:T:h", long, code=64)
    modes = [m for m in "cxt" if m in opts]
    if len(modes) != 1:
        if process.machine.flavour == "busybox":
            process.error(
                "tar: must specify one of -x, -t, -c" if not modes else "tar: only one of -x, -t, -c"
            )
            return 1
        raise UsageError(
            "You must specify one of the '-Acdtrux', '--delete' or '--test-label' options\n"
            "Try 'tar --help' or 'tar --usage' for more information.",
            2,
        )
    if "C" in opts:
        directory = process.path(opts.get("C"))
        if not process.machine.fs.is_directory(directory):
            return process.fail(f"{opts.get('C')}: Cannot open: No such file or directory", 2)
        process.cwd = posixpath.normpath(directory)
    if modes[0] == "c":
        return _create(
            process,
            opts.get("f") or "-",
            opts.args,
            zipped="z" in opts,
            verbose="v" in opts,
            excluded=opts.all("X"),
        )
    return _extract(
        process,
        opts.get("f") or "-",
        opts.args,
        listing=modes[0] == "t",
        verbose="v" in opts,
        strip=int(opts.get("S", "0")),
        to_output="O" in opts,
    )


def _create(  # noqa: C901 - a case for each thing there is
    process: Process, target: str, names: list[str], *, zipped: bool, verbose: bool, excluded: list[str]
) -> int:
    if not names:
        return process.fail(
            "Cowardly refusing to create an empty archive\nTry 'tar "
            "--help' or 'tar --usage' for more information.",
            2,
        )
    buffer = io.BytesIO()
    fs = process.machine.fs
    users = {u.uid: u.name for u in process.machine.users()}
    code = 0
    leading = False
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in names:
            try:
                nodes = list(fs.walk(process.path(name)))
            except OSError as error:
                code = process.fail(f"{name}: Cannot stat: {error.strerror}", 2)
                continue
            if name.startswith("/") and not leading:
                process.error("tar: Removing leading `/' from member names")
                leading = True
            top = nodes[0][0]
            for path, node in nodes:
                process.budget.step()
                member = (name.rstrip("/") + path[len(top.rstrip("/")) :]).lstrip("/") or "."
                if any(matches(member, p) or matches(posixpath.basename(member), p) for p in excluded):
                    continue
                info = tarfile.TarInfo(member)
                info.mode, info.uid, info.gid, info.mtime = (
                    node.mode & 0o7777,
                    node.uid,
                    node.gid,
                    int(node.mtime),
                )
                info.uname = users.get(node.uid, "")
                data = b""
                if node.kind == DIRECTORY:
                    info.type = tarfile.DIRTYPE
                elif node.kind == LINK:
                    info.type, info.linkname = tarfile.SYMTYPE, node.link
                elif node.kind == FILE:
                    data = node.content()
                    info.size = len(data)
                else:
                    continue
                archive.addfile(info, io.BytesIO(data))
                if verbose:
                    (process.error if target == "-" else process.print)(
                        member + ("/" if node.kind == DIRECTORY else "")
                    )
    data = buffer.getvalue()
    if zipped:
        data = compression.compress(data, mtime=0)
    process.open_writer(target).write(data) if target != "-" else process.write_bytes(data)
    if code:
        process.error("tar: Exiting with failure status due to previous errors")
    return code


def _extract(  # noqa: C901 - a case for each thing there is
    process: Process,
    source: str,
    wanted: list[str],
    *,
    listing: bool,
    verbose: bool,
    strip: int,
    to_output: bool,
) -> int:
    try:
        data = process.read_file(source)
    except OSError as error:
        process.error(
            f"tar: {source}: Cannot open: {error.strerror}\ntar: Error is not recoverable: exiting now"
        )
        return 2
    try:
        if data[:2] == b"\x1f\x8b":
            data = _inflate(data)
        archive = tarfile.open(fileobj=io.BytesIO(data), mode="r:")  # noqa: SIM115 - of memory, nothing to close
        members = archive.getmembers()
    except (tarfile.TarError, OSError, zlib.error, EOFError):
        process.error(
            "tar: This does not look like a tar archive\ntar: Exiting "
            "with failure status due to previous errors"
            if process.machine.flavour == "gnu"
            else "tar: invalid tar magic"
        )
        return 2 if process.machine.flavour == "gnu" else 1
    fs = process.machine.fs
    found: set[str] = set()
    code = 0
    for member in members:
        process.budget.step()
        name = "/".join(member.name.split("/")[strip:])
        if not name or (
            wanted
            and not any(
                member.name == w.rstrip("/") or member.name.startswith(w.rstrip("/") + "/") for w in wanted
            )
        ):
            continue
        found.update(
            w for w in wanted if member.name == w.rstrip("/") or member.name.startswith(w.rstrip("/") + "/")
        )
        node = _member_node(archive, member, fs.uid, fs.gid)
        if listing or verbose:
            process.print(_listed(name, node, member, long=listing and verbose))
        if listing or node is None:
            continue
        if to_output:
            process.write_bytes(node.data)
            continue
        if ".." in name.split("/"):
            code = process.fail(f"{name}: Member name contains '..'", 2)
            continue
        try:
            _place(process, name, node)
        except OSError as error:
            code = process.fail(f"{name}: Cannot open: {error.strerror}", 2)
    for missing in [w for w in wanted if w not in found]:
        code = process.fail(f"{missing}: Not found in archive", 2)
    if code:
        process.error("tar: Exiting with failure status due to previous errors")
    return code


def _inflate(data: bytes) -> bytes:
    """Decompress, up to a bound."""
    machine = zlib.decompressobj(31)
    out = machine.decompress(data, _LIMIT)
    if machine.unconsumed_tail:
        raise OSError(27, "File too large")
    return out


def _member_node(archive: tarfile.TarFile, member: tarfile.TarInfo, uid: int, gid: int) -> Node | None:
    owner = (member.uid, member.gid) if uid == 0 else (uid, gid)
    if member.isdir():
        return Node(DIRECTORY, member.mode or 0o755, uid=owner[0], gid=owner[1], mtime=float(member.mtime))
    if member.issym():
        return Node(LINK, 0o777, link=member.linkname, uid=owner[0], gid=owner[1], mtime=float(member.mtime))
    if member.isreg() or member.islnk():
        stream = archive.extractfile(member)
        data = stream.read() if stream else b""
        return Node(FILE, member.mode, data, uid=owner[0], gid=owner[1], mtime=float(member.mtime))
    return None


def _listed(name: str, node: Node | None, member: tarfile.TarInfo, *, long: bool) -> str:
    shown = name + ("/" if member.isdir() else "")
    if not long or node is None:
        return shown
    from datetime import UTC, datetime

    at = strftime(datetime.fromtimestamp(member.mtime, UTC), "%Y-%m-%d %H:%M")
    return (
        f"{mode_text(node)} {member.uname or member.uid}/{member.gname or member.gid}"
        f" {member.size:>9} {at} {shown}"
    )


def _place(process: Process, name: str, node: Node) -> None:
    fs = process.machine.fs
    path = process.path(name.lstrip("/"))
    made = ""
    for part in [p for p in posixpath.dirname(path).split("/") if p]:
        made += f"/{part}"
        if fs.find(made) is None:
            fs.make_directory(made)
    there = fs.find(path, follow=False)
    if node.kind == DIRECTORY:
        if there is None:
            fs.put_node(path, node)
        return
    if there is not None and there.kind == LINK:
        fs.remove(path)
    fs.put_node(path, node)


@program
def gzip(process: Process) -> int:
    opts = parse(
        process,
        "cdfk123456789lqrtv",
        {"stdout": "c", "decompress": "d", "keep": "k", "force": "f", "fast": "1", "best": "9"},
    )
    unpack = "d" in opts or process.name in ("gunzip", "zcat")
    to_output = "c" in opts or process.name == "zcat" or not opts.args
    code = 0
    for name, data in inputs(process, opts.args):
        if data is None:
            code = 1
            continue
        try:
            out = _inflate(data) if unpack else compression.compress(data, mtime=0)
        except (zlib.error, EOFError):
            code = process.fail(f"{'stdin' if name == '-' else name}: not in gzip format")
            continue
        if to_output or name == "-":
            process.write_bytes(out)
            continue
        if unpack and not name.endswith((".gz", ".tgz")):
            code = process.fail(f"{name}: unknown suffix -- ignored", 2)
            continue
        target = name.removesuffix(".gz") if unpack else name + ".gz"
        process.machine.fs.write(process.path(target), out)
        if "k" not in opts:
            process.machine.fs.remove(process.path(name))
    return code


gunzip = zcat = gzip
