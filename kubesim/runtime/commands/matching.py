"""grep and its kin: which lines match."""

from __future__ import annotations

import re

from kubesim.runtime.commands.common import inputs, lines_of, program
from kubesim.runtime.commands.options import Options, UsageError, parse
from kubesim.runtime.commands.regex import compile_posix
from kubesim.runtime.expressions import compile_expression
from kubesim.runtime.filesystem import DIRECTORY
from kubesim.runtime.process import Process

_GREP_LONG = {
    "ignore-case": "i", "invert-match": "v", "count": "c", "line-number": "n", "quiet": "q", "silent": "q",
    "files-with-matches": "l", "files-without-match": "L", "recursive": "r", "extended-regexp": "E",
    "fixed-strings": "F", "regexp=": "e", "only-matching": "o", "no-messages": "s", "with-filename": "H",
    "no-filename": "h", "word-regexp": "w", "line-regexp": "x", "max-count=": "m", "after-context=": "A",
    "before-context=": "B", "context=": "C", "color=": "Z", "colour=": "Z", "color": "Z", "perl-regexp": "P", "file=": "f",
    "include=": "I", "exclude=": "X", "line-buffered": "u", "text": "a",
}  # fmt: skip


@program
def grep(process: Process) -> int:
    opts = parse(process, "EFGPivcnqlLrRe:f:oshHwxm:A:B:C:azuI", _GREP_LONG, code=2)
    expressions = opts.all("e")
    for name in opts.all("f"):
        expressions = [*expressions, *lines_of(process.read_file(name))]
    args = opts.args
    if not expressions and "f" not in opts:
        if not args:
            process.error(
                "Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information."
            )
            return 2
        expressions, args = args[0].split("\n"), args[1:]
    matcher = _grep_matcher(process, opts, expressions)
    recursive = "r" in opts or "R" in opts
    names = _grep_files(process, args or (["."] if recursive else []), recursive=recursive)
    titled = ("H" in opts or len(args) > 1 or recursive) and "h" not in opts
    found, trouble = False, False
    for name, data in inputs(process, names, quiet="s" in opts):
        if data is None:
            trouble = True
            continue
        process.budget.step(1 + len(data) // 4096)
        if _grep_one(process, opts, matcher, name, lines_of(data), titled=titled):
            found = True
            if "q" in opts:
                return 0
    return 2 if trouble else int(not found)


def _grep_matcher(process: Process, opts: Options, expressions: list[str]) -> re.Pattern[str]:
    extended = "E" in opts or "P" in opts or process.name == "egrep"
    fixed = "F" in opts or process.name == "fgrep"
    parts = []
    for text in expressions:
        if fixed:
            parts.append(re.escape(text))
        elif "P" in opts:
            parts.append(text)
        else:
            parts.append(compile_posix(text, extended=extended).pattern)
    whole = "|".join(f"(?:{p})" if len(parts) > 1 else p for p in parts)
    if "w" in opts:
        whole = rf"(?<!\w)(?:{whole})(?!\w)"
    if "x" in opts:
        whole = rf"^(?:{whole})$"
    try:
        return compile_expression(whole, re.IGNORECASE if "i" in opts else 0)
    except re.error:
        raise UsageError("Invalid regular expression", 2) from None


def _grep_files(process: Process, args: list[str], *, recursive: bool) -> list[str]:
    if not recursive:
        return args
    names = []
    for name in args:
        path = process.path(name)
        node = process.machine.fs.find(path)
        if node is None or node.kind != DIRECTORY:
            names.append(name)
            continue
        top = process.machine.fs.resolve(path)
        names += [
            name.rstrip("/") + place[len(top) :]
            for place, inner in process.machine.fs.walk(top)
            if inner.kind == "f" and not inner.program
        ]
    return names


def _grep_one(  # noqa: C901 - a case for each thing there is
    process: Process, opts: Options, matcher: re.Pattern[str], name: str, lines: list[str], *, titled: bool
) -> int:
    lead = f"{'(standard input)' if name == '-' else name}" if titled else ""
    limit = int(opts.get("m", "0")) or len(lines) + 1
    context = int(opts.get("C", "0"))
    before, after = int(opts.get("B", str(context))), int(opts.get("A", str(context)))
    count, last, pending = 0, -1, 0
    for n, line in enumerate(lines):
        match = matcher.search(line)
        hit = (match is not None) != ("v" in opts)
        if hit and count < limit:
            count += 1
            if {"q", "l", "L", "c"} & set(opts.values):
                if "q" in opts or "l" in opts:
                    process.leave_input()
                    break
                continue
            start = max(n - before, last + 1)
            if (before or after) and last >= 0 and start > last + 1:
                process.print("--")
            for k in range(start, n):
                process.print(_grep_line(opts, lead, k, lines[k], "-"))
            if "o" in opts and "v" not in opts:
                for piece in matcher.finditer(line):
                    if piece.group():
                        process.print(_grep_line(opts, lead, n, piece.group(), ":"))
            else:
                process.print(_grep_line(opts, lead, n, line, ":"))
            last, pending = n, after
        elif pending:
            process.print(_grep_line(opts, lead, n, line, "-"))
            last, pending = n, pending - 1
        elif count >= limit:
            process.leave_input()
            break
    if "c" in opts:
        process.print((f"{lead}:" if lead else "") + str(count))
    elif ("l" in opts and count) or ("L" in opts and not count):
        process.print("(standard input)" if name == "-" else name)
    return count


def _grep_line(opts: Options, lead: str, n: int, line: str, mark: str) -> str:
    return (f"{lead}{mark}" if lead else "") + (f"{n + 1}{mark}" if "n" in opts else "") + line


egrep = fgrep = grep
