"""Expansion of words: parameters, commands, arithmetic, tilde, field splitting, file names, quote removal."""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from kubesim.runtime.shell import patterns
from kubesim.runtime.shell.arithmetic import ArithmeticProblem, evaluate
from kubesim.runtime.shell.syntax import Part, Simple, Word

if TYPE_CHECKING:
    from kubesim.runtime.shell.interpreter import Shell

DEFAULT_IFS = " \t\n"
_MAX_WORD = 4 * 1024 * 1024


class ExpansionFailed(Exception):
    """An expansion that ends the shell; what there is to say has been said."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class _Fields:
    """The fields that a word becomes, each as text and as a pattern."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str | None]] = []
        self._text: list[str] = []
        self._pattern: list[str] = []
        self._present = False
        self._magic = False

    def quoted(self, text: str) -> None:
        self._present = True
        self._text.append(text)
        self._pattern.append(patterns.escape(text))

    def plain(self, text: str) -> None:
        if not text:
            return
        self._present = True
        self._text.append(text)
        self._pattern.append(text)
        if patterns.MAGIC.search(text):
            self._magic = True

    def end(self) -> None:
        """What follows belongs to a new field."""
        if self._present:
            self.done.append(("".join(self._text), "".join(self._pattern) if self._magic else None))
        self._text, self._pattern, self._present, self._magic = [], [], False, False


def split(text: str, ifs: str) -> tuple[list[str], bool, bool]:
    """The fields of a text, and whether it begins and ends with a separator."""
    if not text:
        return [], False, False
    if not ifs:
        return [text], False, False
    if ifs == DEFAULT_IFS:
        return re.findall(r"[^ \t\n]+", text), text[0] in ifs, text[-1] in ifs
    blanks = "".join(c for c in ifs if c in DEFAULT_IFS)
    others = "".join(c for c in ifs if c not in DEFAULT_IFS)
    leading = bool(blanks) and text[0] in blanks
    body = text.strip(blanks) if blanks else text
    if not body:
        return [], True, True
    if not others:
        fields = [f for f in re.split(f"[{re.escape(blanks)}]+", body) if f]
        return fields, leading, text[-1] in blanks
    pad = f"[{re.escape(blanks)}]*" if blanks else ""
    gap = f"|[{re.escape(blanks)}]+" if blanks else ""
    fields = re.split(f"{pad}[{re.escape(others)}]{pad}{gap}", body)
    trailing = text[-1] in ifs
    if fields and not fields[-1]:
        fields.pop()
        trailing = True
    return fields, leading, trailing


class Expander:
    """Expands the words of one shell."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    # Whole words

    def words(self, words: list[Word]) -> list[str]:
        """The fields of several words: what a command gets."""
        out: list[str] = []
        for word in words:
            if len(word) == 1:
                kind, text = word[0][0], word[0][1]
                if kind == "sq" or (kind == "lit" and not patterns.MAGIC.search(text) and "{" not in text):
                    out.append(text)
                    continue
            if self._shell.flavour.bash:
                for single in _braces(word):
                    out += self._fields(single)
            else:
                out += self._fields(word)
        return out

    def _fields(self, word: Word) -> list[str]:
        fields = _Fields()
        for part in word:
            self._part(part, fields)
        fields.end()
        shell = self._shell
        out: list[str] = []
        for text, pattern in fields.done:
            if pattern is not None and "f" not in shell.options:
                found = patterns.glob(shell.machine.fs, shell.cwd, pattern)
                shell.budget.step(len(found) // 8)
                if found:
                    out += found
                    continue
            out.append(text)
        return out

    def text(self, word: Word) -> str:
        """A word as one text: no splitting, no file names (assignments, redirections, `case`)."""
        if len(word) == 1 and word[0][0] in ("lit", "sq"):
            return str(word[0][1])
        return "".join(self._quoted_part(part) for part in word)

    def pattern(self, word: Word) -> str:
        """A word as a pattern: what was quoted matches itself."""
        out = []
        for part in word:
            if part[0] == "lit":
                out.append(part[1])
            elif part[0] in ("sq", "dq", "tilde"):
                out.append(patterns.escape(self._quoted_part(part)))
            else:
                out.append(self._quoted_part(part))
        return "".join(out)

    # Parts

    def _part(self, part: Part, fields: _Fields) -> None:
        kind = part[0]
        if kind == "lit":
            fields.plain(part[1])
        elif kind in ("sq", "tilde"):
            fields.quoted(self._quoted_part(part))
        elif kind == "dq":
            self._double_quoted(part[1], fields)
        elif kind == "par" and part[1] in ("@", "*") and part[2] == "":
            for n, value in enumerate(self._shell.positional):
                if n:
                    fields.end()
                self._split_into(value, fields)
        elif kind == "par" and part[2] in ("-", ":-", "+", ":+"):
            self._alternative(part, fields)
        else:
            self._split_into(self._quoted_part(part), fields)

    def _alternative(self, part: Part, fields: _Fields) -> None:
        """${x-word} and ${x+word}: the word keeps its own quoting."""
        value = self.parameter(part[1], part[4])
        missing = value is None or (":" in part[2] and value == "")
        if part[2][-1] == "-" and not missing:
            self._split_into(value or "", fields)
        elif missing == (part[2][-1] == "-"):
            for inner in part[3]:
                if inner[0] == "lit":
                    self._split_into(inner[1], fields)
                else:
                    self._part(inner, fields)

    def _split_into(self, text: str, fields: _Fields) -> None:
        found, leading, trailing = split(text, self._shell.ifs)
        if leading:
            fields.end()
        for n, value in enumerate(found):
            if n:
                fields.end()
            if value:
                fields.plain(value)
            else:
                fields.quoted("")
        if trailing:
            fields.end()

    def _double_quoted(self, parts: Word, fields: _Fields) -> None:
        if not parts:
            fields.quoted("")
            return
        for part in parts:
            values = self._several(part)
            if values is None:
                fields.quoted(self._quoted_part(part))
                continue
            for n, value in enumerate(values):
                if n:
                    fields.end()
                fields.quoted(value)
            if not values and len(parts) > 1:
                fields.quoted("")

    def _several(self, part: Part) -> list[str] | None:
        """The values of "$@" and "${array[@]}", each of which is a field of its own."""
        if part[0] != "par" or part[2] not in ("", "-", ":-", "+", ":+", ":"):
            return None
        if part[1] == "@":
            positional = self._shell.positional
            if part[2] == ":":
                return self._slice([self._shell.origin.name, *positional], part[3], start=1)
            if part[2] in ("", "-", ":-") and (positional or part[2] == ""):
                return list(positional)
            return list(positional) if not part[2] else None
        if part[4] is not None and part[2] in ("", ":") and self.text(part[4]) == "@":
            values = self._shell.array(part[1])
            return values if part[2] == "" else self._slice(values, part[3])
        return None

    def _slice(self, values: list[str], word: Word, *, start: int = 0) -> list[str]:
        offset, _, length = self.text(word).partition(":")
        begin = self.arithmetic(offset)
        begin = max(begin + len(values), 0) if begin < 0 else begin
        begin = max(begin, 0 if begin == 0 and not start else begin)
        return values[begin:] if not length else values[begin : begin + max(self.arithmetic(length), 0)]

    def _quoted_part(self, part: Part) -> str:
        """A part as one text."""
        kind = part[0]
        if kind in ("lit", "sq"):
            return str(part[1])
        if kind == "par":
            return self._parameter(part)
        if kind == "dq":
            return "".join(self._quoted_part(inner) for inner in part[1])
        if kind == "cmd":
            return self._command(part)
        if kind == "ari":
            return str(self.arithmetic(self.text(part[1])))
        return self._tilde(part[1])

    def _tilde(self, user: str) -> str:
        if not user:
            return self._shell.get("HOME") or "/"
        found = next((u for u in self._shell.machine.users() if u.name == user), None)
        return found.home if found else f"~{user}"

    def _command(self, part: Part) -> str:
        shell = self._shell
        items = part[1].items
        if len(items) == 1 and isinstance(items[0][0], Simple):
            simple = items[0][0]
            if not simple.words and not simple.assignments and len(simple.redirects) == 1:
                only = simple.redirects[0]
                if only.op == "<":  # $(<file)
                    data = shell.read_file(self.text(only.target))
                    return data.decode("utf-8", "surrogateescape").rstrip("\n")
        data = shell.capture(part[1])
        if len(data) > _MAX_WORD:
            data = data[:_MAX_WORD]
        return data.decode("utf-8", "surrogateescape").replace("\0", "").rstrip("\n")

    def arithmetic(self, text: str) -> int:
        """Compute an expression. Raises ExpansionFailed, having said why."""
        shell = self._shell
        try:
            return evaluate(text, shell.arithmetic_value, shell.assign_text)
        except ArithmeticProblem as problem:
            shell.complain(shell.flavour.arithmetic(problem))
            raise ExpansionFailed(1 if shell.flavour.bash else 2) from None

    # Parameters

    def parameter(self, name: str, index: Word | None) -> str | None:
        """A parameter's value, None where it is not set."""
        shell = self._shell
        if name.startswith("!") and len(name) > 1:
            target = shell.get(name[1:])
            return shell.get(target) if target else None
        if index is None:
            return shell.get(name)
        key = self.text(index)
        values = shell.array(name)
        if key in ("@", "*"):
            return " ".join(values) if values else None
        position = self.arithmetic(key)
        if position < 0:
            position += len(values)
        return values[position] if 0 <= position < len(values) else None

    def _parameter(self, part: Part) -> str:
        _, name, op, word, index = part
        shell = self._shell
        if op == "len":
            return self._length(name, index)
        value = self.parameter(name, index)
        if op == "":
            if value is None:
                shell.check_set(name)
                return ""
            return value
        missing = value is None or (op[0] == ":" and len(op) > 1 and value == "")
        action = op[-1]
        if action in "-=?+" and op in ("-", ":-", "=", ":=", "?", ":?", "+", ":+"):
            return self._conditional(name, op, word, value, missing=missing)
        if value is None:
            shell.check_set(name)
            value = ""
        if op[0] in "%#":
            return patterns.trim(value, self.pattern(word), op)
        if op[0] == "/":
            return self._replace(value, word, everywhere=op == "//")
        if op == ":":
            return self._substring(value, word)
        if op in ("^", ",") and value:
            return (value[0].upper() if op == "^" else value[0].lower()) + value[1:]
        return value.upper() if op == "^^" else value.lower()

    def _conditional(self, name: str, op: str, word: Word, value: str | None, *, missing: bool) -> str:
        shell = self._shell
        action = op[-1]
        if action == "+":
            return "" if missing else self.text(word)
        if not missing:
            return value or ""
        if action == "-":
            return self.text(word)
        if action == "=":
            text = self.text(word)
            shell.assign_text(name, text)
            return text
        text = self.text(word)
        default = shell.flavour.null(name) if ":" in op else shell.flavour.unset(name)
        if shell.flavour.bash and ":" not in op:
            default = f"{name}: parameter not set"
        shell.complain(f"{name}: {text}" if text else default)
        raise ExpansionFailed(shell.flavour.unset_status)

    def _length(self, name: str, index: Word | None) -> str:
        shell = self._shell
        if name in ("@", "*"):
            return str(len(shell.positional))
        if index is not None and self.text(index) in ("@", "*"):
            return str(len(shell.array(name)))
        value = self.parameter(name, index)
        if value is None:
            shell.check_set(name)
        return str(len(value or ""))

    def _substring(self, value: str, word: Word) -> str:
        offset, _, length = self.text(word).partition(":")
        begin = self.arithmetic(offset)
        if begin < 0:
            begin = max(len(value) + begin, 0)
        if not length:
            return value[begin:]
        size = self.arithmetic(length)
        return value[begin : size if size < 0 else begin + size]

    def _replace(self, value: str, word: Word, *, everywhere: bool) -> str:
        """${x/pattern/text}: the first unquoted slash ends the pattern."""
        before: list[Part] = []
        after: list[Part] = []
        target = before
        for part in word:
            if target is before and part[0] == "lit" and "/" in part[1]:
                head, _, rest = part[1].partition("/")
                before.append(("lit", head))
                target = after
                after.append(("lit", rest))
            else:
                target.append(part)
        pattern, text = self.pattern(tuple(before)), self.text(tuple(after))
        if not pattern:
            return value
        if pattern[0] == "#" and not everywhere:
            return patterns.regex(pattern[1:]).sub(
                lambda m: text if m.start() == 0 else m.group(), value, count=1
            )
        if pattern[0] == "%" and not everywhere:
            trimmed = patterns.trim(value, pattern[1:], "%%")
            return trimmed + text if trimmed != value else value
        return patterns.regex(pattern).sub(lambda _: text, value, count=0 if everywhere else 1)


def _braces(word: Word) -> list[Word]:
    """Bash's brace expansion: a{b,c}d, {1..5}."""
    if not any(part[0] == "lit" and "{" in part[1] for part in word):
        return [word]
    # What is not literal stands as one character of the private use area while braces are worked out.
    kept: list[Part] = []
    text = ""
    for part in word:
        if part[0] == "lit":
            text += part[1]
        else:
            text += chr(0xE000 + len(kept))
            kept.append(part)
    out: list[Word] = []
    for variant in _expand_braces(text, 0):
        parts: list[Part] = []
        for piece in re.split("([\ue000-\uf8ff])", variant):
            if piece and "\ue000" <= piece <= "\uf8ff" and ord(piece) - 0xE000 < len(kept):
                parts.append(kept[ord(piece) - 0xE000])
            elif piece:
                parts.append(("lit", piece))
        out.append(tuple(parts))
    return out


_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?|([a-zA-Z])\.\.([a-zA-Z])")


def _expand_braces(text: str, start: int) -> list[str]:
    opening = text.find("{", start)
    if opening < 0 or len(text) > 4096:
        return [text]
    depth = 0
    commas = []
    for i in range(opening, len(text)):
        c = text[i]
        if c == "{":
            depth += 1
        elif c == "," and depth == 1:
            commas.append(i)
        elif c == "}":
            depth -= 1
            if depth == 0:
                break
    else:
        return [text]
    head, inner, tail = text[:opening], text[opening + 1 : i], text[i + 1 :]
    choices: list[str] = []
    if commas:
        edges = [opening, *commas, i]
        for a, b in pairwise(edges):
            choices += _expand_braces(text[a + 1 : b], 0)
    else:
        span = _RANGE.fullmatch(inner)
        if span is None:
            return _expand_braces(text, opening + 1)
        choices = _range(span)
    rests = _expand_braces(tail, 0)
    return list(islice((head + choice + rest for choice in choices for rest in rests), 65536))


def _range(span: re.Match[str]) -> list[str]:
    if span.group(4):
        a, b = ord(span.group(4)), ord(span.group(5))
        return [chr(c) for c in range(a, b + (1 if b >= a else -1), 1 if b >= a else -1)]
    a, b, step = int(span.group(1)), int(span.group(2)), abs(int(span.group(3) or 1)) or 1
    width = max(len(t) for t in span.group(1, 2)) if re.match(r"-?0\d", span.group(1)) else 0
    values = range(a, b + (1 if b >= a else -1), step if b >= a else -step)
    return [f"{n:0{width}d}" for n in values[:65536]]
