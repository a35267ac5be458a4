"""Shell patterns: `*`, `?`, `[…]`, and the files they match. A backslash takes the meaning from what follows it."""

from __future__ import annotations

import re
from functools import lru_cache

from kubesim.runtime.expressions import compile_expression
from kubesim.runtime.filesystem import DIRECTORY, FileSystem

_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r" \t\n\r\f\v",
    "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9A-Fa-f", "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e", "graph": r"\x21-\x7e",
}  # fmt: skip
MAGIC = re.compile(r"[*?\[]")
_OPEN = re.compile(
    r"[*?]|\[.+\]", re.DOTALL
)  # a lone `[`, as in `[ -e x ]`, need not be looked for among all files
_ESCAPABLE = re.compile(r"([*?\[\]\\])")


def escape(text: str) -> str:
    """A text as a pattern that matches it alone."""
    return _ESCAPABLE.sub(r"\\\1", text)


def _bracket(pattern: str, start: int) -> tuple[str, int] | None:
    """The regular expression of a `[…]` and where it ends; None if it is not closed."""
    i = start + 1
    negate = pattern[i : i + 1] in ("!", "^")
    i += negate
    out: list[str] = []
    first = True
    while i < len(pattern):
        c = pattern[i]
        if c == "]" and not first:
            return f"[{'^' if negate else ''}{''.join(out)}]", i + 1
        first = False
        if c == "[" and pattern.startswith("[:", i):
            end = pattern.find(":]", i)
            if end > 0:
                out.append(_CLASSES.get(pattern[i + 2 : end], ""))
                i = end + 2
                continue
        if c == "\\" and i + 1 < len(pattern):
            i += 1
            out.append(re.escape(pattern[i]))
        elif c == "-" and out and i + 1 < len(pattern) and pattern[i + 1] != "]":
            out.append("-")
        else:
            out.append(re.escape(c))
        i += 1
    return None


@lru_cache(maxsize=512)
def regex(pattern: str, *, path: bool = False, lazy: bool = False) -> re.Pattern[str]:
    """The regular expression of a pattern. With `path`, `*` and `?` leave out slashes."""
    out: list[str] = []
    anything = "[^/]" if path else "."
    i = 0
    while i < len(pattern):
        c = pattern[i]
        i += 1
        if c == "*":
            out.append(anything + ("*?" if lazy else "*"))
        elif c == "?":
            out.append(anything)
        elif c == "[":
            found = _bracket(pattern, i - 1)
            if found is None:
                out.append(r"\[")
            else:
                out.append(found[0])
                i = found[1]
        elif c == "\\" and i < len(pattern):
            out.append(re.escape(pattern[i]))
            i += 1
        else:
            out.append(re.escape(c))
    try:
        return compile_expression("".join(out), re.DOTALL)
    except re.error:
        return re.compile(re.escape(pattern))


def matches(text: str, pattern: str) -> bool:
    """Whether the whole text matches."""
    return regex(pattern).fullmatch(text) is not None


def glob(fs: FileSystem, cwd: str, pattern: str) -> list[str]:
    """The paths that a pattern matches, sorted; relative as the pattern is."""
    absolute = pattern.startswith("/")
    parts = [p for p in pattern.split("/") if p]
    found = ["/" if absolute else ""]
    for n, part in enumerate(parts):
        last = n == len(parts) - 1
        step: list[str] = []
        for base in found:
            step += _glob_one(fs, cwd, base, part, last=last)
        found = step
    if pattern.endswith("/"):
        found = [path + "/" for path in found]
    return sorted(found)


def _glob_one(fs: FileSystem, cwd: str, base: str, part: str, *, last: bool) -> list[str]:
    directory = base if base.startswith("/") else f"{cwd.rstrip('/')}/{base}"
    if not _OPEN.search(part):
        path = base + re.sub(r"\\(.)", r"\1", part)
        node = fs.find(path if path.startswith("/") else f"{cwd.rstrip('/')}/{path}", follow=not last)
        return [path if last else path + "/"] if node is not None else []
    try:
        names = fs.list(directory)
    except OSError:
        return []
    wanted = regex(part, path=True)
    out = []
    for name in names:
        if (name.startswith(".") and not part.startswith((".", "\\."))) or not wanted.fullmatch(name):
            continue
        if last:
            out.append(base + name)
        else:
            node = fs.find(f"{directory.rstrip('/')}/{name}")
            if node is not None and node.kind == DIRECTORY:
                out.append(base + name + "/")
    return out


def trim(text: str, pattern: str, op: str) -> str:
    """${x%pattern}, ${x%%pattern}, ${x#pattern}, ${x##pattern}."""
    wanted = regex(pattern, lazy=op == "#")
    if op in ("#", "##"):
        found = wanted.match(text)
        return text if found is None else text[found.end() :]
    if op == "%":  # as much as possible stays before it
        found = compile_expression(rf"(.*)(?:{wanted.pattern})\Z", re.DOTALL).match(text)
        return text if found is None else found.group(1)
    found = compile_expression(rf"(?:{wanted.pattern})\Z", re.DOTALL).search(text)
    return text if found is None else text[: found.start()]
