"""The real kubectl and kubesim's own commands beside each other: the same lines, each on a cluster of its own.

Files of lines stand in `tests/kubectl/parity/lines`. A line is what stands after the word `kubectl`; words like `NAME=value`
before it set variables, `< FILE` after it gives standard input, `#` begins a remark. The lines of a file build on each
other. In the clusters of a file that has the word FROZEN in its first remark time stands still: there, the order of events is
not left to chance.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.cli import new_home, run_cli

from kubesim import Cluster

DIRECTORY = Path(__file__).parent.parent / "kubectl" / "parity"
SEED = "parity"
ASSIGNMENT = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True, slots=True)
class Line:
    """One command line, as a shell would take it apart."""

    text: str
    words: tuple[str, ...]
    env: dict[str, str]
    stdin: str

    @classmethod
    def parse(cls, text: str) -> Line:
        words = shlex.split(text)
        env: dict[str, str] = {}
        while ASSIGNMENT.match(words[0]):
            name, _, value = words.pop(0).partition("=")
            env[name] = value
        stdin = ""
        if len(words) > 2 and words[-2] == "<":
            stdin = words.pop()
            words.pop()
        return cls(text, tuple(words), env, stdin)

    def input(self, folder: Path) -> str:
        return (folder / self.stdin).read_text() if self.stdin else ""


def clock_of(path: Path) -> str:
    """The time at which the clocks of a file's clusters stand still, if they do."""
    return "2026-01-01T09:00:00Z" if "FROZEN" in path.read_text(encoding="utf-8").partition("\n")[0] else ""


def read_lines(path: Path) -> list[Line]:
    """The lines of a file."""
    texts = path.read_text(encoding="utf-8").splitlines()
    return [Line.parse(text) for text in texts if text and not text.startswith("#")]


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


Program = Callable[[Line], Said]


@contextmanager
def real_kubectl(program: str, folder: Path, clock: str = "") -> Iterator[Program]:
    """A real kubectl, and a new served cluster that its kubeconfig leads to."""
    files, home = _files(folder / "real"), folder / "real-home"
    home.mkdir()
    link = home / "kubectl"  # messages name the program as it was called
    link.symlink_to(program)
    with Cluster(nodes=2, seed=SEED, clock=clock or None) as cluster, cluster.serve() as served:
        env = _environment(home) | {"KUBECONFIG": str(served.kubeconfig)}

        def say(line: Line) -> Said:
            done = subprocess.run(
                [link, *line.words],
                cwd=files,
                env=env | line.env,
                input=line.input(files),
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            return Said(done.returncode, done.stdout, done.stderr)

        yield say


@contextmanager
def own_commands(folder: Path, clock: str = "") -> Iterator[Program]:
    """kubesim's own commands, and a new cluster in a home."""
    files = _files(folder / "own")
    home = new_home(folder, "--nodes", "2", "--seed", SEED, *(["--clock", clock] if clock else []))

    def say(line: Line) -> Said:
        env = _environment(home) | line.env
        done = run_cli(home, *line.words, stdin=line.input(files), env=env, cwd=files, program="kubectl")
        return Said(done.code, done.out, done.err)

    yield say


def _files(folder: Path) -> Path:
    shutil.copytree(DIRECTORY / "files", folder)
    return folder


def _environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC", "TERM": "dumb"}


_HEADING = re.compile(r"[A-Z][A-Z ()-]+$")
# What two clusters cannot have in common: times, what counts requests, the place.
_AGE = r"(?:<invalid>|\d+[smhdy](?:\d+[smhd])?)"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), instead)
    for pattern, instead in (
        (r"https?://(?:127\.0\.0\.1|172\.18\.0\.2|localhost):\d+", "<server>"),
        (r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----(?:\\n)?", "<certificate>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "<time>"),
        (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", "<time>"),
        (r"^([EWIF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", r"\1<klog> "),
        (r"(resourceVersion\\?\"?: ?\\?\")\d+", r"\1<version>"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \+0000", "<time>"),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uid>"),
        (r"X509SHA256=[0-9a-f]{64}", "X509SHA256=<hash>"),
        (r"containerd://[0-9a-f]{64}", "<container>"),
        (r"\.[0-9a-f]{16}\b", ".<event>"),
        (r"(Resource Version: +)\d+", r"\1<version>"),
        (r"/\S*/kubectl-edit-\w+\.yaml", "<edited>"),
        (r"/\S*?/(LIVE|MERGED)-\w+/", r"\1/"),
        (r"/\S*/(?:own|real)/", "<here>/"),
        (rf" +{_AGE}(?: \((?:x\d+ over )?{_AGE}(?: ago)?\))?(?= |$)", "  <age>"),
        (rf"\({_AGE} ago\)", "(<age> ago)"),
        (rf"^{_AGE}(?: \(x\d+ over {_AGE}\))? +", "<age>  "),
    )
)


_DRAWN = re.compile(
    r"(?P<address>\b10\.(?!96\.0\.1\b)(?:\d+\.){2}\d+\b)"
    r"|(?P<port>(?<![\w.])3[0-2]\d{3}\b)|(?P<suffix>(?<=-)[bcdfghjklmnpqrstvwxz2456789]{5}(?![\w-]))"
)


class Normaliser:
    """Takes out of one side's texts what differs between two clusters, or between two moments of one.

    What is drawn (addresses, node ports, ends of names) is numbered in the order in which it is first seen: the
    two sides must speak of the same things.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def __call__(self, said: Said) -> Said:
        return Said(said.code, self._text(said.out), self._text(said.err))

    def _text(self, text: str) -> str:
        for pattern, instead in _RULES:
            text = pattern.sub(instead, text)
        return "".join(self._line(line) for line in text.splitlines(keepends=True))

    def _line(self, line: str) -> str:
        drawn = _DRAWN.sub(self._number, line)
        if drawn == line and "<age>" not in line and not _HEADING.match(line):
            return line
        return re.sub(r"(?<=\S) {2,}", "  ", drawn)  # a column is as wide as what stands in it

    def _number(self, found: re.Match[str]) -> str:
        kind = found.lastgroup or ""
        count = sum(name.startswith(f"<{kind}-") for name in self._numbers.values())
        return self._numbers.setdefault(found[0], f"<{kind}-{count + 1}>")
