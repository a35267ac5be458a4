"""Programs about bytes: digests, base64, dumps, comparison."""

from __future__ import annotations

import base64 as coding
import binascii
import difflib
import hashlib
import re
import zlib

from kubesim.runtime.commands.common import inputs, lines_of, program
from kubesim.runtime.commands.options import UsageError, missing_operand, parse
from kubesim.runtime.process import Process


@program
def base64(process: Process) -> int:
    opts = parse(process, "dDiw:", {"decode": "d", "wrap=": "w", "ignore-garbage": "i"})
    _, data = next(inputs(process, opts.args[:1]))
    if data is None:
        return 1
    if "d" in opts or "D" in opts:
        text = re.sub(rb"\s", b"", data)
        try:
            process.write_bytes(coding.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            keep = re.match(rb"[A-Za-z0-9+/]*", text)
            good = keep.group() if keep else b""
            process.write_bytes(coding.b64decode(good[: len(good) // 4 * 4]))
            return process.fail("invalid input" if process.machine.flavour == "gnu" else "truncated input")
        return 0
    width = int(opts.get("w", "76"))
    coded = coding.b64encode(data).decode()
    if not width:
        process.write(coded)
    else:
        process.write("".join(f"{coded[n : n + width]}\n" for n in range(0, len(coded), width)))
    return 0


def _digest(process: Process) -> int:
    algorithm = process.name.removesuffix("sum")
    opts = parse(process, "cbtw", {"check": "c", "status": "s", "quiet": "q", "binary": "b"})
    code = 0
    if "c" in opts:
        return _check(process, algorithm, opts.args)
    for name, data in inputs(process, opts.args):
        if data is None:
            code = 1
            continue
        process.print(f"{hashlib.new(algorithm, data).hexdigest()}  {name}")
    return code


def _check(process: Process, algorithm: str, names: list[str]) -> int:
    failed = 0
    for _, data in inputs(process, names):
        for line in lines_of(data or b""):
            wanted, _, name = line.partition("  ")
            try:
                good = hashlib.new(algorithm, process.read_file(name)).hexdigest() == wanted
            except OSError as error:
                process.fail(f"{name}: {error.strerror}")
                good = False
            process.print(f"{name}: {'OK' if good else 'FAILED'}")
            failed += not good
    if failed:
        process.fail(f"WARNING: {failed} computed checksum{'s' if failed > 1 else ''} did NOT match")
    return int(bool(failed))


md5sum = sha1sum = sha256sum = sha512sum = program(_digest)


@program
def cksum(process: Process) -> int:
    for name, data in inputs(process, process.args):
        if data is not None:
            process.print(f"{zlib.crc32(data)} {len(data)}" + ("" if name == "-" else f" {name}"))
    return 0


def _ascii(data: bytes) -> str:
    return "".join(chr(b) if 32 <= b < 127 else "." for b in data)


@program
def xxd(process: Process) -> int:
    opts = parse(process, "prl:s:c:g:u", {})
    _, data = next(inputs(process, opts.args[:1]))
    if data is None:
        return 1
    if "r" in opts:
        text = (
            re.sub(rb"\s", b"", data)
            if "p" in opts
            else b"".join(line.partition(b":")[2][:41].replace(b" ", b"") for line in data.splitlines())
        )
        try:
            process.write_bytes(binascii.unhexlify(text[: len(text) // 2 * 2]))
        except binascii.Error:
            return process.fail("invalid input")
        return 0
    data = data[: int(opts.get("l", str(len(data))))]
    if "p" in opts:
        digits = data.hex()
        process.write("".join(f"{digits[n : n + 60]}\n" for n in range(0, len(digits), 60)))
        return 0
    for n in range(0, len(data), 16):
        row = data[n : n + 16]
        pairs = " ".join(row[k : k + 2].hex() for k in range(0, len(row), 2))
        process.print(f"{n:08x}: {pairs:<39}  {_ascii(row)}")
    return 0


@program
def hexdump(process: Process) -> int:
    opts = parse(process, "Cn:s:v", {"canonical": "C", "length=": "n"})
    _, data = next(inputs(process, opts.args[:1]))
    if data is None:
        return 1
    data = data[: int(opts.get("n", str(len(data))))]
    for n in range(0, len(data), 16):
        row = data[n : n + 16]
        if "C" in opts:
            left = " ".join(f"{b:02x}" for b in row[:8])
            right = " ".join(f"{b:02x}" for b in row[8:])
            process.print(f"{n:08x}  {left:<23}  {right:<23}  |{_ascii(row)}|")
        else:
            words = [f"{int.from_bytes(row[k : k + 2], 'little'):04x}" for k in range(0, len(row), 2)]
            process.print(f"{n:07x} " + " ".join(words))
    if data:
        process.print(f"{len(data):08x}" if "C" in opts else f"{len(data):07x}")
    return 0


@program
def od(process: Process) -> int:
    opts = parse(process, "A:t:cxbdN:j:v", {})
    _, data = next(inputs(process, opts.args[:1]))
    if data is None:
        return 1
    data = data[: int(opts.get("N", str(len(data))))]
    kind = "c" if "c" in opts else opts.get("t", "x2" if "x" in opts else "o2")
    names = {0: "\\0", 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}
    show = opts.get("A", "o") != "n"
    for n in range(0, len(data), 16):
        row = data[n : n + 16]
        if kind == "c":
            cells = [f"{names.get(b) or (chr(b) if 32 <= b < 127 else f'{b:03o}'):>4}" for b in row]
        elif kind.startswith(("x1", "x")) and kind[1:2] in ("1", ""):
            cells = [f" {b:02x}" for b in row]
        elif kind.startswith(("u1", "d1")):
            cells = [f" {b:3d}" for b in row]
        else:
            base = "04x" if kind.startswith("x") else "06o"
            cells = [f" {int.from_bytes(row[k : k + 2], 'little'):{base}}" for k in range(0, len(row), 2)]
        process.print((f"{n:07o}" if show else "") + "".join(cells))
    if show:
        process.print(f"{len(data):07o}")
    return 0


@program
def cmp(process: Process) -> int:
    opts = parse(process, "sl", {"silent": "s", "quiet": "s"}, code=2)
    if len(opts.args) < 2:
        return missing_operand(process, code=2)
    a, b = (process.read_file(name) for name in opts.args[:2])
    if a == b:
        return 0
    if "s" not in opts:
        at = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
        if at is None:
            shorter = opts.args[0] if len(a) < len(b) else opts.args[1]
            process.error(f"cmp: EOF on {shorter} after byte {min(len(a), len(b))}")
        else:
            line = a[:at].count(b"\n") + 1
            process.print(
                f"{opts.args[0]} {opts.args[1]} differ: "
                f"{'byte' if process.machine.flavour == 'gnu' else 'char'} {at + 1}, "
                f"line {line}"
            )
    return 1


@program
def diff(process: Process) -> int:
    opts = parse(
        process,
        "uqrNbwiU:a",
        {"unified": "u", "brief": "q", "recursive": "r", "new-file": "N", "color=": "z"},
        code=2,
    )
    if len(opts.args) != 2:
        raise UsageError(
            f"missing operand after '{opts.args[0] if opts.args else 'diff'}'\n"
            "diff: Try 'diff --help' for more information.",
            2,
        )
    texts = []
    for name in opts.args:
        try:
            texts.append(lines_of(process.read_file(name)))
        except OSError as error:
            return process.fail(f"{name}: {error.strerror}", 2)
    if texts[0] == texts[1]:
        return 0
    if "q" in opts:
        process.print(f"Files {opts.args[0]} and {opts.args[1]} differ")
    elif "u" in opts or "U" in opts or process.machine.flavour == "busybox":
        for line in difflib.unified_diff(
            texts[0], texts[1], opts.args[0], opts.args[1], lineterm="", n=int(opts.get("U", "3"))
        ):
            process.print(line)
    else:
        _normal_diff(process, texts[0], texts[1])
    return 1


def _normal_diff(process: Process, a: list[str], b: list[str]) -> None:
    for tag, a0, a1, b0, b1 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        left = f"{a0 + 1},{a1}" if a1 - a0 > 1 else str(a1 if a1 > a0 else a0)
        right = f"{b0 + 1},{b1}" if b1 - b0 > 1 else str(b1 if b1 > b0 else b0)
        letter = {"replace": "c", "delete": "d", "insert": "a"}[tag]
        process.print(f"{left}{letter}{right}")
        for line in a[a0:a1]:
            process.print(f"< {line}")
        if tag == "replace":
            process.print("---")
        for line in b[b0:b1]:
            process.print(f"> {line}")
