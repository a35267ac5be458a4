"""curl's command line: its options, and the URLs that braces and brackets stand for."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

# Options with a value, by their long names; short names map to long ones. Those of 7.88 and of 8.14.
_VALUED_NAMES = """
abstract-unix-socket alt-svc aws-sigv4 cacert capath cert cert-type ciphers config connect-timeout connect-to
continue-at cookie cookie-jar create-file-mode crlfile curves data data-ascii data-binary data-raw
data-urlencode delegation dns-interface dns-ipv4-addr dns-ipv6-addr dns-servers doh-url dump-header ech egd-file
engine etag-compare etag-save expect100-timeout form form-string ftp-account ftp-alternative-to-user ftp-method
ftp-port ftp-ssl-ccc-mode happy-eyeballs-timeout-ms haproxy-clientip header hostpubmd5 hostpubsha256 hsts
interface ip-tos ipfs-gateway json keepalive-cnt keepalive-time key key-type krb libcurl limit-rate local-port
login-options mail-auth mail-from mail-rcpt max-filesize max-redirs max-time netrc-file noproxy oauth2-bearer
output output-dir parallel-max pass pinnedpubkey preproxy proto proto-default proto-redir proxy proxy-cacert
proxy-capath proxy-cert proxy-cert-type proxy-ciphers proxy-crlfile proxy-header proxy-key proxy-key-type
proxy-pass proxy-pinnedpubkey proxy-service-name proxy-tls13-ciphers proxy-tlsauthtype proxy-tlspassword
proxy-tlsuser proxy-user proxy1.0 pubkey quote random-file range rate referer request request-target resolve
retry retry-delay retry-max-time sasl-authzid service-name sigalgs socks4 socks4a socks5 socks5-gssapi-service
socks5-hostname speed-limit speed-time ssl-sessions stderr telnet-option tftp-blksize time-cond tls-max
tls13-ciphers tlsauthtype tlspassword tlsuser trace trace-ascii trace-config unix-socket upload-file
upload-flags url url-query user user-agent variable vlan-priority write-out
"""
_VALUED = frozenset(_VALUED_NAMES.split())
_FLAG_NAMES = """
alpn anyauth append basic buffer ca-native cert-status clobber compressed compressed-ssh create-dirs crlf digest
disable disable-eprt disable-epsv disallow-username-in-url doh-cert-status doh-insecure dump-ca-embed fail
fail-early fail-with-body false-start form-escape ftp-create-dirs ftp-pasv ftp-pret ftp-skip-pasv-ip ftp-ssl-ccc
ftp-ssl-control get globoff haproxy-protocol head help http0.9 http1.0 http1.1 http2 http2-prior-knowledge http3
http3-only ignore-content-length include insecure ipv4 ipv6 junk-session-cookies keepalive list-only location
location-trusted mail-rcpt-allowfails manual metalink mptcp negotiate netrc netrc-optional next npn ntlm ntlm-wb
parallel parallel-immediate path-as-is post301 post302 post303 progress-bar progress-meter proxy-anyauth
proxy-basic proxy-ca-native proxy-digest proxy-http2 proxy-insecure proxy-negotiate proxy-ntlm
proxy-ssl-allow-beast proxy-ssl-auto-client-cert proxy-tlsv1 proxytunnel raw remote-header-name remote-name
remote-name-all remote-time remove-on-error retry-all-errors retry-connrefused sasl-ir sessionid show-error
show-headers silent skip-existing socks5-basic socks5-gssapi socks5-gssapi-nec ssl ssl-allow-beast
ssl-auto-client-cert ssl-no-revoke ssl-reqd ssl-revoke-best-effort sslv2 sslv3 styled-output
suppress-connect-headers tcp-fastopen tcp-nodelay tftp-no-options tls-earlydata tlsv1 tlsv1.0 tlsv1.1 tlsv1.2
tlsv1.3 tr-encoding trace-ids trace-time use-ascii verbose version xattr
"""
_FLAGS = frozenset(_FLAG_NAMES.split())
_SAME = {"show-headers": "include", "data-ascii": "data"}
_SHORT = {
    "X": "request", "H": "header", "d": "data", "F": "form", "o": "output", "w": "write-out", "m": "max-time",
    "u": "user", "A": "user-agent", "e": "referer", "b": "cookie", "c": "cookie-jar", "x": "proxy", "T": "upload-file",
    "r": "range", "D": "dump-header", "E": "cert", "K": "config", "s": "silent", "S": "show-error", "f": "fail",
    "i": "include", "I": "head", "v": "verbose", "k": "insecure", "L": "location", "O": "remote-name",
    "J": "remote-header-name", "G": "get", "4": "ipv4", "6": "ipv6", "0": "http1.0", "g": "globoff",
    "#": "progress-bar", "q": "disable", "V": "version", "h": "help", "Z": "parallel", "M": "manual", "P": "ftp-port",
    "y": "speed-time", "Y": "speed-limit", "z": "time-cond", "a": "append", "j": "junk-session-cookies", "n": "netrc",
    "p": "proxytunnel", "R": "remote-time", "1": "tlsv1", "2": "sslv2", "3": "sslv3", ":": "next", "B": "use-ascii",
    "C": "continue-at", "l": "list-only", "Q": "quote", "t": "telnet-option", "U": "proxy-user",
}  # fmt: skip
MAX_GLOBBED = 10_000


class UsageProblem(Exception):
    """Options that curl cannot read."""

    def __init__(self, text: str, code: int = 2) -> None:
        super().__init__(text)
        self.code = code


class GlobProblem(Exception):
    """A URL whose braces or brackets cannot be read."""


@dataclass(slots=True)
class CurlOptions:
    """What was given: options by their long names, URLs, and what is to be sent, in order."""

    values: dict[str, list[str]] = field(default_factory=dict)
    urls: list[str] = field(default_factory=list)
    data: list[tuple[str, str]] = field(default_factory=list)

    def on(self, name: str) -> bool:
        return name in self.values

    def off(self, name: str) -> bool:
        """Whether it was turned off by `--no-`."""
        return f"no-{name}" in self.values

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


def parse_options(words: list[str]) -> list[CurlOptions]:
    """One for each part of a command line that `--next` divides. Raises UsageProblem."""
    parts = [CurlOptions()]
    rest = list(words)
    while rest:
        options = parts[-1]
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
        if options.on("next"):
            del options.values["next"]
            parts.append(CurlOptions())
    return parts


def _set(options: CurlOptions, name: str, value: str) -> None:
    name = _SAME.get(name, name)
    if name.startswith("data") or name in ("json", "form", "form-string"):
        options.data.append((name, value))
    if name == "url":
        options.urls.append(value)
    options.values.setdefault(name, []).append(value)


def _long(options: CurlOptions, word: str, rest: list[str]) -> None:
    name, equals, value = word[2:].partition("=")
    if name.startswith("no-") and name[3:] in _FLAGS:
        options.values.pop(name[3:], None)
        options.values[name] = [""]
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
        if letter == "N":
            options.values["no-buffer"] = [""]
            continue
        name = _SHORT.get(letter)
        if name is None:
            raise UsageProblem(f"option -{letter}{letters}: is unknown")
        if name in _VALUED:
            if not letters and not rest:
                raise UsageProblem(f"option -{letter}: requires parameter")
            _set(options, name, letters or rest.pop(0))
            return
        _set(options, name, "")


# Braces and brackets: src/tool_urlglob.c

_ADDRESS = re.compile(r"\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:%[^\]]*)?\]")
_NUMBERS = re.compile(r"\[(\d+)-(\d+)(?::(\d+))?\]")
_LETTERS = re.compile(r"\[([a-zA-Z])-([a-zA-Z])(?::(\d+))?\]")


def glob(url: str) -> list[tuple[str, list[str]]]:
    """The URLs that one stands for, each with what its braces and brackets became. Raises GlobProblem."""
    parts: list[list[str] | str] = []
    at = 0
    while at < len(url):
        if url[at] == "{":
            end = url.find("}", at)
            if end < 0:
                raise _problem(url, len(url), "unmatched brace")
            parts.append(url[at + 1 : end].split(","))
            at = end + 1
        elif url[at] == "[" and (address := _ADDRESS.match(url, at)):
            parts.append(address.group())
            at = address.end()
        elif url[at] == "[":
            choices, at = _range(url, at)
            parts.append(choices)
        elif url[at] in "]}":
            raise _problem(url, at + 1, f"unmatched close {'brace' if url[at] == '}' else 'bracket'}/bracket")
        else:
            end = min((i for i in (url.find(c, at + 1) for c in "{[]}") if i >= 0), default=len(url))
            parts.append(url[at:end])
            at = end
    choices_of = [part if isinstance(part, list) else [part] for part in parts]
    found = []
    for chosen in itertools.islice(itertools.product(*choices_of), MAX_GLOBBED):
        picked = [text for text, part in zip(chosen, parts, strict=True) if isinstance(part, list)]
        found.append(("".join(chosen), picked))
    return found or [("", [])]


def _range(url: str, at: int) -> tuple[list[str], int]:
    numbers, letters = _NUMBERS.match(url, at), _LETTERS.match(url, at)
    if numbers and int(numbers[1]) <= int(numbers[2]) < int(numbers[1]) + MAX_GLOBBED:
        width = len(numbers[1]) if numbers[1].startswith("0") else 0
        step = int(numbers[3] or 1) or 1
        return [f"{n:0{width}d}" for n in range(int(numbers[1]), int(numbers[2]) + 1, step)], numbers.end()
    if letters and letters[1] <= letters[2]:
        step = int(letters[3] or 1) or 1
        return [chr(n) for n in range(ord(letters[1]), ord(letters[2]) + 1, step)], letters.end()
    raise _problem(url, at + 2, "bad range specification" if numbers is None else "bad range")


def _problem(url: str, position: int, what: str) -> GlobProblem:
    return GlobProblem(f"{what} in URL position {position}:\n{url}\n{' ' * (position - 1)}^")
