"""What curl tells of a transfer: the progress meter, warnings, and what `--write-out` asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from kubesim.runtime.commands.curl_options import CurlOptions
from kubesim.runtime.http1 import HTTPResponse
from kubesim.runtime.process import Process

_HEAD = (
    b"  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
    b"                                 Dload  Upload   Total   Spent    Left  Speed\n"
)
_ZERO = b"\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0"
_WIDTH = 79


def warn(process: Process, options: CurlOptions, text: str) -> None:
    """A warning, over as many lines as it needs: src/tool_msgs.c."""
    if options.on("silent"):
        return
    lead = "Warning: "
    width = _WIDTH - 1 - len(lead)
    while len(text) > width:
        cut = text.rfind(" ", 0, width)
        cut = width - 1 if cut <= 0 else cut
        process.error(f"{lead}{text[: cut + 1]}")
        text = text[cut + 1 :]
    process.error(f"{lead}{text}")


class Meter:
    """The progress meter: not shown where the answer goes to a terminal. Its last row has no line break until it ends."""

    def __init__(self, process: Process, options: CurlOptions) -> None:
        to_file = options.on("output") or options.on("remote-name")
        silent = options.on("silent") or options.off("progress-meter")
        self._process = process
        self._bar = options.on("progress-bar") and not silent
        self._on = not silent and not self._bar and bool(to_file or not process.interactive)
        self._begun = False

    def begin(self) -> None:
        """A transfer goes to work."""
        if self._on and not self._begun:
            self._begun = True
            self._process.err.write(_HEAD + _ZERO)

    def again(self) -> None:
        """The same once more, after it failed."""
        if self._on:
            self._process.err.write(_ZERO)

    def end(self, received: int, total: int, sent: int = 0, *, is_known: bool = True) -> None:
        """Bytes that came, of so many that were to come, if that was known, and that were sent."""
        if self._bar and received:
            self._process.err.write(b"\r" + b"#" * (_WIDTH - 7) + b" 100.0%\n")
        if not self._on:
            return
        self._begun = True
        if not total and not received and not sent:
            self._process.err.write(_ZERO + b"\n")
            return
        done = 100 if received and received == total else 0
        every = total + sent
        share = done if is_known else 0
        upload = _five(sent * 1000) if sent else "    0"
        speed = _five(received * 1000) if received else "    0"
        self._process.err.write(
            f"\r{100 if done or (sent and not total) else 0:3d} {_five(every)}  {share:3d} {_five(received)}  "
            f"{100 if sent else 0:3d} {_five(sent)}  {speed}  {upload} --:--:-- --:--:-- --:--:-- {speed}\n".encode()
        )


def _five(size: int) -> str:
    """A number in five characters, as the meter shows it."""
    if size < 100_000:
        return f"{size:5d}"
    if size < 10_000 * 1024:
        return f"{size // 1024:4d}k"
    return f"{size // (1024 * 1024):4d}M"


_TOKEN = re.compile(r"%(?:\{([^}]*)\}|header\{([^}]*)\}|output\{([^}]*)\}|%)|\\(.)", re.DOTALL)


def write_out(process: Process, template: str, facts: dict[str, str], answer: HTTPResponse | None) -> None:
    """What `-w` asks for: src/tool_writeout.c."""
    if template.startswith("@"):
        template = process.read_file(template[1:]).decode("utf-8", "replace")
    write: Callable[[str], object] = process.write

    def to_err(text: str) -> None:
        process.err.write(text.encode("utf-8", "surrogateescape"))

    at = 0
    for token in _TOKEN.finditer(template):
        write(template[at : token.start()])
        at = token.end()
        name, header, _, escaped = token.groups()
        if escaped is not None:
            write({"n": "\n", "r": "\r", "t": "\t"}.get(escaped, f"\\{escaped}"))
        elif token.group() == "%%":
            write("%")
        elif header is not None:
            write((answer.header(header) if answer is not None else None) or "")
        elif name in ("stderr", "stdout"):
            write = to_err if name == "stderr" else process.write
        elif name == "json":
            write(_as_json(facts))
        elif name == "header_json":
            write(_headers_as_json(answer))
        elif name is not None and name not in facts:
            process.error(f"curl: unknown --write-out variable: '{name}'")
        elif name is not None:
            write(facts[name])
    write(template[at:])


def _as_json(facts: dict[str, str]) -> str:
    return json.dumps(
        {k: int(v) if v.isdigit() else v for k, v in sorted(facts.items())}, separators=(",", ":")
    )


def _headers_as_json(answer: HTTPResponse | None) -> str:
    found: dict[str, list[str]] = {}
    for name, value in answer.headers if answer is not None else ():
        found.setdefault(name.lower(), []).append(value)
    rows = [f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in found.items()]
    return "{" + ",\n".join(rows) + "\n}"
