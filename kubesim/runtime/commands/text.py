"""Programs that take texts apart, line by line: head, tail, wc, sort, uniq, cut, tr, grep and their like."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from kubesim.runtime.commands.common import cannot_open, inputs, lines_of, program
from kubesim.runtime.commands.options import Options, UsageError, missing_operand, parse
from kubesim.runtime.process import Process, Suspended


def _old_style(args: list[str]) -> list[str]:
    """`head -5` as `head -n 5`."""
    return [a if not re.fullmatch(r"-\d+", a) else f"-n{a[1:]}" for a in args]


def _count(process: Process, text: str, what: str) -> int:
    match = re.fullmatch(r"([-+]?\d+)([kKmM]?)", text)
    if match is None:
        if process.machine.flavour == "busybox":
            raise UsageError(f"invalid number '{text}'")
        raise UsageError(f"invalid number of {what}: '{text}'")
    return int(match.group(1)) * {"": 1, "k": 1024, "K": 1024, "m": 1 << 20, "M": 1 << 20}[match.group(2)]


@program
def head(process: Process) -> int:
    process.argv = [process.argv[0], *_old_style(process.args)]
    opts = parse(process, "n:c:qv", {"lines=": "n", "bytes=": "c", "quiet": "q", "verbose": "v"})
    code = 0
    titled = (len(opts.args) > 1 and "q" not in opts) or "v" in opts
    for n, name in enumerate(opts.args or ["-"]):
        try:
            reader = process.open_reader(name)
            if titled:
                process.print(("\n" if n else "") + f"==> {'standard input' if name == '-' else name} <==")
            if "c" in opts:
                wanted = _count(process, opts.get("c"), "bytes")
                data = reader.read(wanted) if wanted >= 0 else reader.read()[:wanted]
                process.write_bytes(data)
                continue
            wanted = _count(process, opts.get("n", "10"), "lines")
            if wanted < 0:
                process.write_bytes(b"".join(reader.read().splitlines(keepends=True)[:wanted]))
                continue
            for _ in range(wanted):
                line = reader.readline()
                if not line:
                    break
                process.write_bytes(line)
        except OSError as error:
            code = process.fail(cannot_open(process, name, error))
    return code


@program
def tail(process: Process) -> int:
    process.argv = [process.argv[0], *_old_style(process.args)]
    opts = parse(
        process,
        "n:c:fFqvs:",
        {
            "lines=": "n",
            "bytes=": "c",
            "follow": "f",
            "follow=": "f",
            "quiet": "q",
            "retry": "R",
            "pid=": "p",
        },
    )
    if process.resume is not None:
        return _follow(process, opts)
    code = 0
    titled = (len(opts.args) > 1 and "q" not in opts) or "v" in opts
    for n, (name, data) in enumerate(inputs(process, opts.args)):
        if data is None:
            code = 1
            continue
        if titled:
            process.print(("\n" if n else "") + f"==> {'standard input' if name == '-' else name} <==")
        if "c" in opts:
            text = opts.get("c")
            wanted = _count(process, text, "bytes")
            process.write_bytes(
                data[max(wanted - 1, 0) :]
                if text.startswith("+")
                else data[-abs(wanted) :]
                if wanted
                else b""
            )
            continue
        text = opts.get("n", "10")
        wanted = _count(process, text, "lines")
        lines = data.splitlines(keepends=True)
        process.write_bytes(
            b"".join(
                lines[max(wanted - 1, 0) :]
                if text.startswith("+")
                else lines[-abs(wanted) :]
                if wanted
                else []
            )
        )
    if code and process.machine.flavour == "busybox" and len(opts.args) == 1:
        process.fail("no files")
    if "f" in opts or "F" in opts:
        return _follow(process, opts)
    return code


def _follow(process: Process, opts: Options) -> int:
    """Show what is added to files, second by second."""
    fs = process.machine.fs
    names = [name for name in opts.args if name != "-"]
    places = [fs.find(process.path(name)) for name in names]
    growing = [
        (name, node)
        for name, node in zip(names, places, strict=True)
        if node is not None and node.kind == "f"
    ]
    if not growing:
        process.machine.enter(process)
        process.machine.wait_for_ever(process)
        return 0
    sizes = process.resume[0] if process.resume else {name: node.size for name, node in growing}
    process.resume = None
    while True:
        for name in sizes:
            data = fs.read(process.path(name)) if fs.find(process.path(name)) else b""
            if len(data) > sizes[name]:
                process.write_bytes(data[sizes[name] :])
            sizes[name] = len(data)
        try:
            process.sleep(1.0)
        except Suspended as wait:
            wait.frames = [sizes]
            wait.endless = True
            raise


@program
def wc(process: Process) -> int:
    opts = parse(
        process, "lwcmL", {"lines": "l", "words": "w", "bytes": "c", "chars": "m", "max-line-length": "L"}
    )
    wanted = [letter for letter in "lwmcL" if letter in opts] or ["l", "w", "c"]
    rows: list[tuple[list[int], str]] = []
    code = 0
    for name, data in inputs(process, opts.args):
        if data is None:
            code = 1
            continue
        text = data.decode("utf-8", "surrogateescape")
        counts = {
            "l": data.count(b"\n"),
            "w": len(data.split()),
            "c": len(data),
            "m": len(text),
            "L": max(map(len, text.split("\n")), default=0),
        }
        rows.append(([counts[letter] for letter in wanted], name if opts.args else ""))
    if len(rows) > 1:
        rows.append(([sum(row[0][n] for row in rows) for n in range(len(wanted))], "total"))
    if process.machine.flavour == "busybox":
        width = 9 if len(wanted) > 1 or len(rows) > 1 else 1
    else:
        width = (
            len(str(max((v for row in rows for v in row[0]), default=0)))
            if len(wanted) > 1 or len(rows) > 1
            else 1
        )
        if not opts.args and len(wanted) > 1:
            width = max(width, 7)
    for values, name in rows:
        process.print(" ".join(f"{v:>{width}}" for v in values) + (f" {name}" if name else ""))
    return code


@program
def sort(process: Process) -> int:
    opts = parse(
        process,
        "bcdfghik:Mmno:rRst:uVzT:S:",
        {
            "numeric-sort": "n",
            "reverse": "r",
            "unique": "u",
            "key=": "k",
            "field-separator=": "t",
            "human-numeric-sort": "h",
            "ignore-case": "f",
            "version-sort": "V",
            "output=": "o",
            "stable": "s",
            "check": "c",
        },
        code=2,
    )
    lines: list[str] = []
    for _, data in inputs(process, opts.args):
        if data is None:
            return 2
        lines += lines_of(data)
    process.budget.step(1 + len(lines) // 32)
    keys = [_sort_key(text, opts) for text in opts.all("k")] or [_sort_key("", opts)]

    def key(line: str) -> list[Any]:
        return [k(line) for k in keys]

    if "c" in opts:
        for n, (a, b) in enumerate(pairwise(lines)):
            if key(a) > key(b):
                return process.fail(f"{opts.args[0] if opts.args else '-'}:{n + 2}: disorder: {b}")
        return 0
    if "s" not in opts and "u" not in opts:
        lines.sort(reverse="r" in opts)
    lines.sort(key=key, reverse="r" in opts)
    if "u" in opts:
        seen: list[str] = []
        for line in lines:
            if not seen or key(seen[-1]) != key(line):
                seen.append(line)
        lines = seen
    text = "".join(f"{line}\n" for line in lines)
    if "o" in opts:
        process.machine.fs.write(process.path(opts.get("o")), text.encode("utf-8", "surrogateescape"))
    else:
        process.write(text)
    return 0


def _sort_key(spec: str, opts: Options) -> Callable[[str], Any]:
    match = (
        re.fullmatch(r"(\d+)(?:\.(\d+))?([a-zA-Z]*)(?:,(\d+)(?:\.\d+)?([a-zA-Z]*))?", spec) if spec else None
    )
    if spec and match is None:
        raise UsageError(f"invalid number at field start: invalid count at start of '{spec}'", 2)
    flags = "".join(opts.values) + (match.group(3) + (match.group(5) or "") if match else "")
    separator = opts.get("t") or None
    start = int(match.group(1)) - 1 if match else 0
    end = int(match.group(4)) if match and match.group(4) else None
    skip = int(match.group(2)) - 1 if match and match.group(2) else 0
    backwards = bool(match and "r" in match.group(3) + (match.group(5) or "") and "r" not in opts)

    def field(line: str) -> str:
        if match is None:
            return line
        parts = line.split(separator) if separator else re.findall(r"\s*\S+", line)
        text = (separator or "").join(parts[start:end])
        return text[skip:] if separator else text[skip:] if "b" not in flags else text.strip()[skip:]

    def value(line: str) -> Any:
        text = field(line)
        if "n" in flags or "g" in flags:
            number = re.match(r"\s*(-?\d*\.?\d*)", text)
            found: Any = float(number.group(1)) if number and re.search(r"\d", number.group(1)) else 0.0
        elif "h" in flags:
            sized = re.match(r"\s*(-?\d*\.?\d*)([KMGTP]?)", text)
            found = (
                float(sized.group(1) or 0) * 1024 ** " KMGTP".find(sized.group(2) or " ")
                if sized and re.search(r"\d", sized.group(1))
                else 0.0
            )
        elif "V" in flags:
            found = [(1, int(p), "") if p.isdigit() else (0, 0, p) for p in re.split(r"(\d+)", text)]
        else:
            found = text.lower() if "f" in flags else text
            if "d" in flags:
                found = re.sub(r"[^\w\s]", "", found)
        return _Backwards(found) if backwards else found

    return value


class _Backwards:
    """A key that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Backwards) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Backwards) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


@program
def uniq(process: Process) -> int:
    opts = parse(
        process,
        "cdiuf:s:w:",
        {"count": "c", "repeated": "d", "unique": "u", "ignore-case": "i", "skip-fields=": "f"},
    )
    _, data = next(inputs(process, opts.args[:1]))
    if data is None:
        return 1
    groups: list[list[Any]] = []

    def key(line: str) -> str:
        if "f" in opts:
            line = re.sub(rf"^(\s*\S+){{0,{int(opts.get('f'))}}}", "", line)
        line = line[int(opts.get("s", "0")) :]
        return line.lower() if "i" in opts else line

    for line in lines_of(data):
        if groups and key(groups[-1][1]) == key(line):
            groups[-1][0] += 1
        else:
            groups.append([1, line])
    for count, line in groups:
        if ("d" in opts and count < 2) or ("u" in opts and count > 1):
            continue
        process.print(f"{count:7d} {line}" if "c" in opts else line)
    return 0


def _ranges(process: Process, text: str) -> Callable[[int], bool]:
    spans = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d*)(-?)(\d*)", part)
        if match is None or not part or part == "-":
            raise UsageError(
                f"invalid field value '{part}'\nTry '{process.name} --help' for more information."
            )
        low = int(match.group(1) or 1)
        high = int(match.group(3)) if match.group(3) else (10**9 if match.group(2) else low)
        if low == 0:
            raise UsageError(f"fields are numbered from 1\nTry '{process.name} --help' for more information.")
        spans.append((low, high))
    return lambda n: any(low <= n <= high for low, high in spans)


@program
def cut(process: Process) -> int:
    opts = parse(
        process,
        "b:c:f:d:snz",
        {
            "fields=": "f",
            "delimiter=": "d",
            "characters=": "c",
            "bytes=": "b",
            "only-delimited": "s",
            "complement": "C",
            "output-delimiter=": "o",
        },
    )
    wanted = opts.get("f") or opts.get("c") or opts.get("b")
    if not wanted:
        raise UsageError(
            "you must specify a list of bytes, characters, or fields\nTry 'cut --help' for more information."
        )
    chosen = _ranges(process, wanted)
    delimiter = opts.get("d", "\t")
    if len(delimiter) != 1:
        raise UsageError("the delimiter must be a single character\nTry 'cut --help' for more information.")
    complement = "C" in opts
    code = 0
    for _, data in inputs(process, opts.args):
        if data is None:
            code = 1
            continue
        lines = lines_of(data)
        process.budget.step(1 + len(lines) // 32)
        for line in lines:
            if "f" not in opts:
                process.print("".join(c for n, c in enumerate(line, 1) if chosen(n) != complement))
            elif delimiter not in line:
                if "s" not in opts:
                    process.print(line)
            else:
                fields = line.split(delimiter)
                process.print(
                    opts.get("o", delimiter).join(
                        f for n, f in enumerate(fields, 1) if chosen(n) != complement
                    )
                )
    return code


_TR_CLASSES = {
    "alpha": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "digit": "0123456789",
    "alnum": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZab"
        "cdefghijklmnopqrstuvwxyz", "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "lower": "abcdefghijklmnopqrstuvwxyz", "space": "\t\n\v\f\r ", "blank": "\t ", "xdigit": "0123456789ABCDEFabcdef",
    "punct": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "cntrl": "".join(map(chr, [*range(32), 127])),
    "print": "".join(map(chr, range(32, 127))), "graph": "".join(map(chr, range(33, 127))),
}  # fmt: skip


def _tr_set(text: str) -> str:
    text = re.sub(r"\\([0-7]{1,3})", lambda m: chr(int(m.group(1), 8)), text)
    text = re.sub(
        r"\\(.)",
        lambda m: {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "f": "\f", "v": "\v", "b": "\b"}.get(
            m.group(1), m.group(1)
        ),
        text,
    )
    text = re.sub(r"\[:(\w+):\]", lambda m: _TR_CLASSES.get(m.group(1), ""), text)
    return re.sub(
        r"(.)-(.)",
        lambda m: "".join(map(chr, range(ord(m.group(1)), ord(m.group(2)) + 1))),
        text,
        flags=re.DOTALL,
    )


@program
def tr(process: Process) -> int:
    opts = parse(
        process, "cCdst", {"complement": "c", "delete": "d", "squeeze-repeats": "s", "truncate-set1": "t"}
    )
    if not opts.args:
        return missing_operand(process)
    first = _tr_set(opts.args[0])
    second = _tr_set(opts.args[1]) if len(opts.args) > 1 else ""
    if "d" not in opts and "s" not in opts and not second:
        raise UsageError(
            f"missing operand after '{opts.args[0]}'\nTwo strings must be given when "
            "translating.\nTry 'tr --help' for more information."
        )
    text = process.stdin.read().decode("latin-1")
    complement = "c" in opts or "C" in opts
    process.budget.step(1 + len(text) // 4096)
    if "d" in opts:
        members = set(first)
        text = "".join(c for c in text if (c in members) == complement)
        squeezed = set(second)
    elif second:
        if complement:
            members = set(first)
            text = "".join(c if c in members else second[-1] for c in text)
        else:
            second = (
                second[: len(first)]
                if len(second) >= len(first)
                else second + second[-1] * (len(first) - len(second))
            )
            table: dict[int, str] = {}
            for a, b in zip(first, second, strict=True):
                table[ord(a)] = b
            text = text.translate(table)
        squeezed = set(second)
    else:
        squeezed = set(first) if not complement else {chr(n) for n in range(256)} - set(first)
    if "s" in opts:
        out: list[str] = []
        for c in text:
            if not (out and out[-1] == c and c in squeezed):
                out.append(c)
        text = "".join(out)
    process.write_bytes(text.encode("latin-1", "replace"))
    return 0


def _each_line(process: Process, change: Callable[[list[str]], list[str]], names: list[str]) -> int:
    code = 0
    for _, data in inputs(process, names):
        if data is None:
            code = 1
            continue
        process.write("".join(f"{line}\n" for line in change(lines_of(data))))
    return code


@program
def rev(process: Process) -> int:
    return _each_line(process, lambda lines: [line[::-1] for line in lines], process.args)


@program
def tac(process: Process) -> int:
    return _each_line(process, lambda lines: lines[::-1], process.args)


@program
def nl(process: Process) -> int:
    opts = parse(process, "b:w:s:v:i:n:h:f:", {"body-numbering=": "b"})
    every = opts.get("b", "t") == "a"
    width, separator = int(opts.get("w", "6")), opts.get("s", "\t")
    number = [int(opts.get("v", "1")) - 1]

    def change(lines: list[str]) -> list[str]:
        out = []
        for line in lines:
            if line or every:
                number[0] += 1
                out.append(f"{number[0]:{width}d}{separator}{line}")
            else:
                out.append(" " * (width + len(separator)) + line)
        return out

    return _each_line(process, change, opts.args)


@program
def fold(process: Process) -> int:
    opts = parse(process, "w:sb", {"width=": "w", "spaces": "s"})
    width = int(opts.get("w", "80"))

    def change(lines: list[str]) -> list[str]:
        out = []
        for whole in lines:
            line = whole
            while len(line) > width:
                at = line.rfind(" ", 0, width) + 1 if "s" in opts else 0
                out.append(line[: at or width])
                line = line[at or width :]
            out.append(line)
        return out

    return _each_line(process, change, opts.args)


@program
def expand(process: Process) -> int:
    return _each_line(process, lambda lines: [line.expandtabs(8) for line in lines], process.args)


@program
def paste(process: Process) -> int:
    opts = parse(process, "d:s", {"delimiters=": "d", "serial": "s"})
    delimiters = opts.get("d", "\t").replace("\\n", "\n").replace("\\t", "\t") or "\t"
    columns = [lines_of(data) for _, data in inputs(process, opts.args) if data is not None]
    if opts.args == ["-", "-"]:
        columns = [columns[0][0::2], columns[0][1::2]]
    if "s" in opts:
        for column in columns:
            process.print(
                "".join(
                    f"{delimiters[(n - 1) % len(delimiters)] if n else ''}{line}"
                    for n, line in enumerate(column)
                )
            )
        return 0
    for n in range(max(map(len, columns), default=0)):
        cells = [column[n] if n < len(column) else "" for column in columns]
        process.print(
            "".join(
                f"{delimiters[(k - 1) % len(delimiters)] if k else ''}{cell}" for k, cell in enumerate(cells)
            )
        )
    return 0


@program
def shuf(process: Process) -> int:
    opts = parse(process, "n:i:er", {"head-count=": "n", "input-range=": "i", "echo": "e"})
    if "i" in opts:
        low, _, high = opts.get("i").partition("-")
        lines = [str(n) for n in range(int(low), min(int(high), int(low) + 100_000) + 1)]
    elif "e" in opts:
        lines = opts.args
    else:
        lines = [
            line for _, data in inputs(process, opts.args) if data is not None for line in lines_of(data)
        ]
    import hashlib

    order = sorted(
        lines,
        key=lambda line: hashlib.sha256(f"{process.pid} {line}".encode("utf-8", "surrogateescape")).digest(),
    )
    process.write("".join(f"{line}\n" for line in order[: int(opts.get("n", str(len(order))))]))
    return 0


@program
def join(process: Process) -> int:
    opts = parse(process, "t:1:2:", {})
    if len(opts.args) != 2:
        return missing_operand(process)
    separator = opts.get("t") or None
    tables = [[line.split(separator) for line in lines_of(process.read_file(name))] for name in opts.args]
    second: dict[str, list[list[str]]] = {}
    for row in tables[1]:
        second.setdefault(row[0] if row else "", []).append(row)
    for row in tables[0]:
        for other in second.get(row[0] if row else "", []):
            process.print((separator or " ").join([row[0], *row[1:], *other[1:]]))
    return 0


@program
def comm(process: Process) -> int:
    opts = parse(process, "123", {})
    if len(opts.args) != 2:
        return missing_operand(process)
    a, b = (lines_of(process.read_file(name)) for name in opts.args)
    while a or b:
        if not b or (a and a[0] < b[0]):
            column, line = 1, a.pop(0)
        elif not a or b[0] < a[0]:
            column, line = 2, b.pop(0)
        else:
            column, line = 3, a.pop(0)
            b.pop(0)
        if str(column) not in opts:
            process.print("\t" * sum(str(k) not in opts for k in range(1, column)) + line)
    return 0


@program
def more(process: Process) -> int:
    names = [a for a in process.args if not a.startswith(("-", "+"))]
    code = 0
    for _, data in inputs(process, names):
        if data is None:
            code = 1
        else:
            process.write_bytes(data)
    return code


less = more
