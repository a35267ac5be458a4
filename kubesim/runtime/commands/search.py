"""find, xargs, which."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import UsageError, parse
from kubesim.runtime.expressions import compile_expression
from kubesim.runtime.filesystem import DEVICE, DIRECTORY, FILE, LINK, Node
from kubesim.runtime.process import Process
from kubesim.runtime.shell.patterns import matches

Test = Callable[[str, Node], bool]


def _any_of(left: Test, right: Test) -> Test:
    return lambda path, node: left(path, node) or right(path, node)


def _all_of(left: Test, right: Test) -> Test:
    return lambda path, node: left(path, node) and right(path, node)


class _Find:
    def __init__(self, process: Process, words: list[str]) -> None:
        self.process = process
        self.words = words
        self.at = 0
        self.acts = False
        self.max_depth = 999
        self.min_depth = 0
        self.deep_first = False
        self.batches: list[tuple[list[str], list[str]]] = []
        self.pruned = False
        self.quit = False

    def peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def take(self) -> str:
        word = self.peek()
        self.at += 1
        return word

    def value(self, name: str) -> str:
        if self.at >= len(self.words):
            raise UsageError(f"missing argument to `{name}'")
        return self.take()

    def either(self) -> Test:
        left = self.both()
        while self.peek() in ("-o", "-or"):
            self.at += 1
            left = _any_of(left, self.both())
        return left

    def both(self) -> Test:
        left = self.single()
        while self.peek() and self.peek() not in ("-o", "-or", ")"):
            if self.peek() in ("-a", "-and"):
                self.at += 1
            left = _all_of(left, self.single())
        return left

    def single(self) -> Test:
        word = self.take()
        if word in ("!", "-not"):
            inner = self.single()
            return lambda p, n: not inner(p, n)
        if word == "(":
            inner = self.either()
            if self.take() != ")":
                raise UsageError(
                    "invalid expression; I was expecting to find a ')' somewhere but did not see one."
                )
            return inner
        return self.primary(word)

    def primary(self, word: str) -> Test:  # noqa: C901 - a case for each thing there is
        match word:
            case "-name" | "-iname":
                pattern = self.value(word)
                lower = word == "-iname"
                return lambda p, n: matches(
                    _base(p).lower() if lower else _base(p), pattern.lower() if lower else pattern
                )
            case "-path" | "-wholename":
                pattern = self.value(word)
                return lambda p, n: matches(p, pattern)
            case "-regex":
                expression = compile_expression(self.value(word))
                return lambda p, n: expression.fullmatch(p) is not None
            case "-type":
                kinds = {"f": FILE, "d": DIRECTORY, "l": LINK, "c": DEVICE}
                kind = self.value(word)
                if kind not in (*kinds, "b", "p", "s"):
                    raise UsageError(f"Unknown argument to -type: {kind}")
                return lambda p, n: n.kind == kinds.get(kind)
            case "-size":
                return self.size(self.value(word))
            case "-empty":
                return lambda p, n: (
                    not self.process.machine.fs.list(self.process.path(p))
                    if n.kind == DIRECTORY
                    else n.size == 0
                )
            case "-mtime" | "-mmin" | "-newer" | "-perm" | "-user" | "-group" | "-uid":
                return self.attribute(word, self.value(word))
            case "-true":
                return lambda p, n: True
            case "-false":
                return lambda p, n: False
            case "-maxdepth" | "-mindepth":
                number = int(self.value(word))
                if word == "-maxdepth":
                    self.max_depth = number
                else:
                    self.min_depth = number
                return lambda p, n: True
            case "-depth":
                self.deep_first = True
                return lambda p, n: True
            case "-xdev" | "-mount" | "-noleaf":
                return lambda p, n: True
        return self.action(word)

    def size(self, text: str) -> Test:
        match = re.fullmatch(r"([-+]?)(\d+)([cwbkMG]?)", text)
        if match is None:
            raise UsageError(f"Invalid argument `{text}' to -size")
        unit = {"c": 1, "w": 2, "b": 512, "": 512, "k": 1024, "M": 1 << 20, "G": 1 << 30}[match.group(3)]
        wanted = int(match.group(2))
        return lambda p, n: _signed(match.group(1), -(-n.size // unit), wanted)

    def attribute(self, word: str, text: str) -> Test:
        fs = self.process.machine.fs
        now = self.process.timeline.now()
        if word in ("-mtime", "-mmin"):
            unit = 86400 if word == "-mtime" else 60
            sign, number = text[:1] if text[:1] in "+-" else "", int(text.lstrip("+-"))
            return lambda p, n: _signed(sign, int((now - n.mtime) // unit), number)
        if word == "-newer":
            reference = fs.stat(self.process.path(text)).mtime
            return lambda p, n: n.mtime > reference
        if word == "-perm":
            bits = int(text.lstrip("-/"), 8)
            if text[0] == "-":
                return lambda p, n: n.mode & bits == bits
            return lambda p, n: bool(n.mode & bits) if text[0] == "/" else n.mode & 0o7777 == bits
        if word == "-group":
            return lambda p, n: self.process.machine.groups().get(n.gid, str(n.gid)) == text
        return lambda p, n: (
            (self.process.machine.user_name(n.uid) or str(n.uid)) == text or str(n.uid) == text
        )

    def action(self, word: str) -> Test:
        self.acts = True
        match word:
            case "-print":
                return lambda p, n: self.say(p + "\n")
            case "-print0":
                return lambda p, n: self.say(p + "\0")
            case "-ls":
                return lambda p, n: self.say(p + "\n")
            case "-printf":
                template = self.value(word)
                return lambda p, n: self.say(self.formatted(template, p, n))
            case "-delete":
                self.deep_first = True
                return self.delete
            case "-prune":
                self.acts = False
                return self.prune
            case "-quit":
                return self.stop
            case "-exec" | "-ok" | "-execdir":
                return self.execute()
        raise UsageError(
            f"unknown predicate `{word}'"
            if self.process.machine.flavour == "gnu"
            else f"unrecognized: {word}"
        )

    def say(self, text: str) -> bool:
        self.process.write(text)
        return True

    def formatted(self, template: str, path: str, node: Node) -> str:
        values = {
            "p": path,
            "f": _base(path),
            "h": posixpath.dirname(path),
            "s": str(node.size),
            "m": f"{node.mode:o}",
            "y": {FILE: "f", DIRECTORY: "d", LINK: "l"}.get(node.kind, "c"),
            "u": self.process.machine.user_name(node.uid) or str(node.uid),
            "P": path.partition("/")[2],
            "l": node.link,
            "%": "%",
        }
        text = re.sub(r"%(.)", lambda m: values.get(m.group(1), m.group()), template)
        return text.replace("\\n", "\n").replace("\\t", "\t").replace("\\0", "\0")

    def delete(self, path: str, node: Node) -> bool:
        fs = self.process.machine.fs
        try:
            if node.kind == DIRECTORY:
                fs.remove_directory(self.process.path(path))
            else:
                fs.remove(self.process.path(path))
        except OSError as error:
            self.process.fail(f"cannot delete '{path}': {error.strerror}")
            return False
        return True

    def prune(self, path: str, node: Node) -> bool:
        del path, node
        self.pruned = True
        return True

    def stop(self, path: str, node: Node) -> bool:
        del path, node
        self.quit = True
        return True

    def execute(self) -> Test:
        words: list[str] = []
        while self.peek() not in (";", "") and not (self.peek() == "+" and words and words[-1] == "{}"):
            words.append(self.take())
        end = self.take()
        if not end:
            raise UsageError("missing argument to `-exec'")
        if end == "+":
            paths: list[str] = []
            self.batches.append((words, paths))

            def collect(path: str, node: Node) -> bool:
                del node
                paths.append(path)
                return True

            return collect

        def run(path: str, node: Node) -> bool:
            del node
            argv = [word.replace("{}", path) for word in words]
            try:
                return self.process.run(argv) == 0
            except OSError as error:
                self.process.fail(f"'{argv[0]}': {error.strerror}")
                return False

        return run

    def walk(self, name: str, test: Test) -> int:
        fs = self.process.machine.fs
        node = fs.find(self.process.path(name), follow=False)
        if node is None:
            shown = f"'{name}'" if self.process.machine.flavour == "gnu" else name
            return self.process.fail(f"{shown}: No such file or directory")
        self._visit(name, node, test, 0)
        return 0

    def _visit(self, name: str, node: Node, test: Test, depth: int) -> None:
        if self.quit:
            return
        self.process.budget.step()
        self.pruned = False
        if not self.deep_first and depth >= self.min_depth:
            test(name, node)
        if node.kind == DIRECTORY and depth < self.max_depth and not self.pruned and not self.quit:
            try:
                names = self.process.machine.fs.list(self.process.path(name))
            except OSError as error:
                self.process.fail(f"'{name}': {error.strerror}")
                names = []
            for inner in names:
                path = f"{name.rstrip('/')}/{inner}" if name != "/" else f"/{inner}"
                found = self.process.machine.fs.find(self.process.path(path), follow=False)
                if found is not None:
                    self._visit(path, found, test, depth + 1)
        if self.deep_first and depth >= self.min_depth:
            test(name, node)


def _base(path: str) -> str:
    return posixpath.basename(path.rstrip("/")) or "/"


def _signed(sign: str, value: int, wanted: int) -> bool:
    return value > wanted if sign == "+" else value < wanted if sign == "-" else value == wanted


@program
def find(process: Process) -> int:
    words = [w for w in process.args if w not in ("-H", "-L", "-P")]
    names = []
    while words and not words[0].startswith("-") and words[0] not in ("!", "("):
        names.append(words.pop(0))
    search = _Find(process, words)
    test: Test = search.either() if words else (lambda p, n: True)
    if search.at < len(words):
        raise UsageError(f"paths must precede expression: `{words[search.at]}'")
    if not search.acts:
        test = _all_of(test, lambda path, node: search.say(path + "\n"))
    code = 0
    for name in names or ["."]:
        code = search.walk(name, test) or code
    for command, paths in search.batches:
        if paths:
            process.run([w for w in command if w != "{}"] + paths)
    return code


@program
def xargs(process: Process) -> int:
    opts = parse(
        process,
        "0n:I:rtP:d:L:s:a:x",
        {
            "null": "0",
            "max-args=": "n",
            "replace=": "I",
            "no-run-if-empty": "r",
            "verbose": "t",
            "max-procs=": "P",
            "delimiter=": "d",
            "max-lines=": "L",
            "arg-file=": "a",
        },
        stop=True,
    )
    text = (
        process.read_file(opts.get("a")).decode("utf-8", "surrogateescape")
        if "a" in opts
        else process.read_text()
    )
    command = opts.args or ["echo"]
    if "0" in opts:
        items = [item for item in text.split("\0") if item]
    elif "d" in opts:
        items = text.removesuffix("\n").split(opts.get("d").replace("\\n", "\n"))
    elif "I" in opts or "L" in opts:
        items = [line.strip() for line in text.split("\n") if line.strip()]
    else:
        items = _words(text)
    if "I" in opts:
        runs = [[word.replace(opts.get("I"), item) for word in command] for item in items]
    elif not items:
        runs = [] if "r" in opts or process.machine.flavour == "busybox" else [list(command)]
    else:
        step = int(opts.get("n") or opts.get("L") or "1000")
        runs = [[*command, *items[n : n + step]] for n in range(0, len(items), step)]
    code = 0
    for argv in runs:
        if "t" in opts:
            process.error(" ".join(argv))
        try:
            status = process.run(argv)
        except OSError as error:
            return process.fail(f"{argv[0]}: {error.strerror}", 127 if error.errno == 2 else 126)
        if status == 255:
            return process.fail(f"{argv[0]}: exited with status 255; aborting", 124)
        code = 123 if status else code
    return code


def _words(text: str) -> list[str]:
    """Words as xargs reads them: blanks separate, quotes and backslashes protect."""
    pieces = re.findall(r"""(?:\\.|"[^"\n]*"|'[^'\n]*'|[^\s"'\\])+""", text, re.DOTALL)
    marks = re.compile(r"""\\(.)|"([^"]*)"|'([^']*)'""")
    found = [marks.sub(lambda m: m.group(1) or m.group(2) or m.group(3) or "", piece) for piece in pieces]
    if text.count("'") % 2 and "'" in text and '"' not in text:
        raise UsageError(
            "unmatched single quote; by default quotes are special to xargs unless you use the -0 option"
        )
    return found


def which(process: Process) -> int:
    every = "-a" in process.args
    code = 0
    for name in [a for a in process.args if not a.startswith("-")]:
        directories = [process.env.get("PATH", "")] if not every else process.env.get("PATH", "").split(":")
        found = [p for p in (process.machine.which(name, d, process.cwd) for d in directories) if p]
        for path in found:
            process.print(path)
        code = code if found else 1
    return code
