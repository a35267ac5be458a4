"""Programs that fill files: tee, dd, mktemp, truncate, install, split."""

from __future__ import annotations

import errno
import re

from kubesim.runtime.commands.common import inputs, program
from kubesim.runtime.commands.files import BLOCK
from kubesim.runtime.commands.options import UsageError, parse
from kubesim.runtime.commands.rights import new_mode
from kubesim.runtime.process import Process


@program
def tee(process: Process) -> int:
    opts = parse(process, "ai", {"append": "a", "ignore-interrupts": "i"})
    code = 0
    writers = []
    for name in opts.args:
        try:
            writers.append(process.open_writer(name, append="a" in opts))
        except OSError as error:
            code = process.fail(f"{name}: {error.strerror}")
    while data := process.stdin.read(BLOCK):
        process.budget.step()
        process.write_bytes(data)
        for writer in writers:
            writer.write(data)
    return code


_SIZE = {
    "": 1,
    "c": 1,
    "w": 2,
    "b": 512,
    "k": 1024,
    "K": 1024,
    "M": 1 << 20,
    "G": 1 << 30,
    "kB": 1000,
    "MB": 10**6,
}


def size(text: str) -> int:
    """A size such as 512, 4k, 1M. Raises UsageError."""
    match = re.fullmatch(r"(\d+)(\w*)", text)
    if match is None or match.group(2) not in _SIZE:
        raise UsageError(f"invalid number: '{text}'")
    return int(match.group(1)) * _SIZE[match.group(2)]


@program
def dd(process: Process) -> int:
    words = dict(word.partition("=")[::2] for word in process.args)
    block = size(words.get("bs") or words.get("ibs") or "512")
    count = size(words["count"]) if "count" in words else None
    reader = process.open_reader(words.get("if", "-")) if "if" in words else process.stdin
    writer = process.open_writer(words["of"]) if "of" in words else process.out
    if words.get("skip"):
        reader.read(size(words["skip"]) * block)
    whole = part = total = 0
    while count is None or whole + part < count:
        process.budget.step()
        data = reader.read(block)
        if not data:
            break
        total += len(data)
        whole, part = (whole + 1, part) if len(data) == block else (whole, part + 1)
        process.budget.wrote(len(data))
        writer.write(data)
    if words.get("status") != "none":
        process.error(f"{whole}+{part} records in\n{whole}+{part} records out")
        if process.machine.flavour == "gnu":
            people = f" ({_people(total)})" if total >= 1000 else ""
            process.error(
                f"{total} byte{'s' if total != 1 else ''}{people} copied, "
                f"0.0001 s, {_people(total * 10000)}/s"
            )
        else:
            process.error(f"{total} bytes copied, 0.000100 seconds, {_people(total * 10000)}/s")
    return 0


def _people(count: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 1000)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


@program
def mktemp(process: Process) -> int:
    opts = parse(process, "dqtp:u", {"directory": "d", "quiet": "q", "tmpdir=": "p", "dry-run": "u"})
    template = (
        opts.args[0] if opts.args else "tmp.XXXXXXXXXX" if process.machine.flavour == "gnu" else "tmp.XXXXXX"
    )
    count = len(template) - len(template.rstrip("X"))
    if count < 3:
        raise UsageError(f"too few X's in template '{template}'")
    if not opts.args or "p" in opts or "t" in opts:
        template = f"{opts.get('p') or process.env.get('TMPDIR') or '/tmp'}/{template}"  # noqa: S108 - of the simulation
    fs = process.machine.fs
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    seed = process.pid * 2654435761 + 40503
    while True:
        process.budget.step()
        seed = (seed * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        text = "".join(letters[(seed >> (5 * n)) % 62] for n in range(count))
        path = template[: len(template) - count] + text
        if fs.find(process.path(path)) is None:
            break
    if "u" not in opts:
        try:
            if "d" in opts:
                fs.make_directory(process.path(path), mode=0o700)
            else:
                fs.write(process.path(path), b"", mode=0o600)
        except OSError as error:
            kind = "directory" if "d" in opts else "file"
            return process.fail(f"failed to create {kind} via template '{template}': {error.strerror}")
    process.print(path)
    return 0


@program
def truncate(process: Process) -> int:
    opts = parse(process, "s:c", {"size=": "s", "no-create": "c"})
    wanted = opts.get("s")
    for name in opts.args:
        path = process.path(name)
        node = process.machine.fs.find(path)
        data = node.content() if node else b""
        sign = wanted[:1] if wanted[:1] in "+-" else ""
        length = size(wanted.lstrip("+-"))
        length = len(data) + length if sign == "+" else max(len(data) - length, 0) if sign == "-" else length
        if length > 32 << 20:
            raise OSError(errno.EFBIG, "File too large", name)
        process.machine.fs.write(path, data[:length].ljust(length, b"\0"))
    return 0


@program
def install(process: Process) -> int:
    opts = parse(process, "dm:o:g:Dv", {"directory": "d", "mode=": "m", "owner=": "o", "group=": "g"})
    mode = new_mode(0, opts.get("m", "755"), directory=False)
    if "d" in opts:
        return process.run(["mkdir", "-p", "-m", f"{mode:o}", *opts.args])
    code = process.run(["cp", *opts.args])
    return code or process.run(["chmod", f"{mode:o}", opts.args[-1]])


@program
def split(process: Process) -> int:
    opts = parse(process, "l:b:a:d", {"lines=": "l", "bytes=": "b"})
    _, data = next(inputs(process, opts.args[:1]))
    if data is None:
        return 1
    prefix = opts.args[1] if len(opts.args) > 1 else "x"
    if "b" in opts:
        step = size(opts.get("b"))
        pieces = [data[n : n + step] for n in range(0, len(data), step)]
    else:
        lines, step = data.splitlines(keepends=True), int(opts.get("l", "1000"))
        pieces = [b"".join(lines[n : n + step]) for n in range(0, len(lines), step)]
    for n, piece in enumerate(pieces):
        suffix = f"{n:02d}" if "d" in opts else chr(97 + n // 26) + chr(97 + n % 26)
        process.machine.fs.write(process.path(prefix + suffix), piece)
    return 0


@program
def mkfifo(process: Process) -> int:
    for name in process.args:
        process.machine.fs.write(process.path(name), b"")
    return 0
