"""curl's command line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# Options with a value, by their long names; short names map to long ones.
_VALUED = frozenset(
    [
        "request",
        "header",
        "data",
        "data-raw",
        "data-binary",
        "data-ascii",
        "data-urlencode",
        "json",
        "form",
        "output",
        "write-out",
        "max-time",
        "connect-timeout",
        "user",
        "user-agent",
        "referer",
        "cookie",
        "cookie-jar",
        "resolve",
        "connect-to",
        "proxy",
        "cacert",
        "cert",
        "key",
        "capath",
        "max-redirs",
        "retry",
        "retry-delay",
        "retry-max-time",
        "upload-file",
        "range",
        "interface",
        "dump-header",
        "stderr",
        "limit-rate",
        "noproxy",
        "url",
        "config",
        "unix-socket",
        "dns-servers",
        "ciphers",
        "tls-max",
        "local-port",
        "trace",
        "trace-ascii",
        "form-string",
        "speed-limit",
        "speed-time",
        "time-cond",
        "keepalive-time",
        "proto",
        "proto-redir",
        "rate",
        "variable",
        "url-query",
        "output-dir",
        "aws-sigv4",
        "oauth2-bearer",
        "expect100-timeout",
        "happy-eyeballs-timeout-ms",
        "create-file-mode",
        "pinnedpubkey",
    ]
)


_FLAGS = frozenset(
    [
        "silent",
        "show-error",
        "fail",
        "fail-early",
        "fail-with-body",
        "include",
        "head",
        "verbose",
        "insecure",
        "location",
        "location-trusted",
        "remote-name",
        "remote-header-name",
        "compressed",
        "get",
        "no-buffer",
        "ipv4",
        "ipv6",
        "http1.0",
        "http1.1",
        "http2",
        "http2-prior-knowledge",
        "globoff",
        "progress-bar",
        "no-progress-meter",
        "retry-connrefused",
        "retry-all-errors",
        "tcp-nodelay",
        "path-as-is",
        "basic",
        "digest",
        "create-dirs",
        "parallel",
        "remove-on-error",
        "no-keepalive",
        "http3",
        "tlsv1.2",
        "tlsv1.3",
        "next",
        "raw",
        "styled-output",
        "post301",
        "post302",
        "post303",
        "anyauth",
        "disable",
        "ssl-no-revoke",
        "version",
        "help",
        "manual",
        "tr-encoding",
        "http0.9",
        "xattr",
        "no-alpn",
    ]
)


_SHORT = {
    "X": "request", "H": "header", "d": "data", "F": "form", "o": "output", "w": "write-out", "m": "max-time",
    "u": "user", "A": "user-agent", "e": "referer", "b": "cookie", "c": "cookie-jar", "x": "proxy", "T": "upload-file",
    "r": "range", "D": "dump-header", "E": "cert", "K": "config", "s": "silent", "S": "show-error", "f": "fail",
    "i": "include", "I": "head", "v": "verbose", "k": "insecure", "L": "location", "O": "remote-name",
    "J": "remote-header-name", "G": "get", "N": "no-buffer", "4": "ipv4", "6": "ipv6", "0": "http1.0", "g": "globoff",
    "#": "progress-bar", "q": "disable", "V": "version", "h": "help", "Z": "parallel", "M": "manual", "P": "ftp-port",
    "y": "speed-time", "Y": "speed-limit", "z": "time-cond", "a": "append", "j": "junk-session-cookies", "n": "netrc",
    "p": "proxytunnel", "R": "remote-time", "1": "tlsv1", "2": "sslv2", "3": "sslv3", ":": "next", "B": "use-ascii",
}  # fmt: skip


class UsageProblem(Exception):
    """Options that curl cannot read."""


@dataclass(slots=True)
class CurlOptions:
    """What was given: options by their long names, URLs, and what is to be sent, in order."""

    values: dict[str, list[str]] = field(default_factory=dict)
    urls: list[str] = field(default_factory=list)
    data: list[tuple[str, str]] = field(default_factory=list)

    def on(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str) -> str:
        found = self.values.get(name)
        return found[-1] if found else ""

    def seconds(self, name: str) -> float | None:
        text = self.get(name)
        if not text:
            return None
        if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
            raise UsageProblem(
                f"option {'-m' if name == 'max-time' else '--' + name}: expected a proper numerical parameter"
            )
        return float(text) or None


def parse_options(words: list[str]) -> CurlOptions:
    options = CurlOptions()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            options.urls += rest
            break
        if word.startswith("--"):
            _long(options, word, rest)
        elif word.startswith("-") and len(word) > 1:
            _short(options, word, rest)
        else:
            options.urls.append(word)
    return options


def _set(options: CurlOptions, name: str, value: str) -> None:
    if name.startswith("data") or name in ("json", "form", "form-string"):
        options.data.append((name, value))
    if name == "url":
        options.urls.append(value)
    options.values.setdefault(name, []).append(value)


def _long(options: CurlOptions, word: str, rest: list[str]) -> None:
    name, equals, value = word[2:].partition("=")
    if name.startswith("no-") and name[3:] in _FLAGS and name not in _FLAGS:
        options.values.pop(name[3:], None)
        return
    names = [n for n in (*_VALUED, *_FLAGS) if n == name] or sorted(
        n for n in (*_VALUED, *_FLAGS) if n.startswith(name)
    )
    if not names:
        raise UsageProblem(f"option {word}: is unknown")
    if len(names) > 1:
        raise UsageProblem(f"option {word}: is ambiguous")
    if names[0] in _VALUED:
        if not equals:
            if not rest:
                raise UsageProblem(f"option {word}: requires parameter")
            value = rest.pop(0)
        _set(options, names[0], value)
    else:
        _set(options, names[0], "")


def _short(options: CurlOptions, word: str, rest: list[str]) -> None:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        name = _SHORT.get(letter)
        if name is None:
            raise UsageProblem(f"option -{letter}{letters}: is unknown")
        if name in _VALUED:
            if not letters and not rest:
                raise UsageProblem(f"option -{letter}: requires parameter")
            _set(options, name, letters or rest.pop(0))
            return
        _set(options, name, "")
