"""nginx' configuration: its grammar, and what of it the simulated nginx acts on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from kubesim.runtime.filesystem import FileSystem
from kubesim.runtime.shell.patterns import MAGIC, glob

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([{};])|((?:\\.|\$\{[^}]*\}|[^\s{};"'\\])+)""",
    re.DOTALL,
)

KNOWN = frozenset(
    [
        "user",
        "worker_processes",
        "error_log",
        "pid",
        "events",
        "worker_connections",
        "http",
        "include",
        "default_type",
        "log_format",
        "access_log",
        "sendfile",
        "tcp_nopush",
        "tcp_nodelay",
        "keepalive_timeout",
        "gzip",
        "gzip_types",
        "gzip_vary",
        "gzip_proxied",
        "gzip_comp_level",
        "server",
        "listen",
        "server_name",
        "location",
        "root",
        "alias",
        "index",
        "try_files",
        "return",
        "rewrite",
        "proxy_pass",
        "proxy_set_header",
        "proxy_http_version",
        "proxy_redirect",
        "proxy_read_timeout",
        "proxy_connect_timeout",
        "proxy_send_timeout",
        "proxy_buffering",
        "proxy_buffers",
        "proxy_buffer_size",
        "proxy_next_upstream",
        "proxy_cache",
        "proxy_cache_bypass",
        "proxy_hide_header",
        "proxy_pass_header",
        "proxy_ssl_verify",
        "proxy_ssl_server_name",
        "proxy_intercept_errors",
        "proxy_request_buffering",
        "upstream",
        "autoindex",
        "add_header",
        "expires",
        "error_page",
        "deny",
        "allow",
        "stub_status",
        "set",
        "if",
        "client_max_body_size",
        "client_body_buffer_size",
        "client_header_buffer_size",
        "large_client_header_buffers",
        "server_tokens",
        "charset",
        "types",
        "types_hash_max_size",
        "server_names_hash_bucket_size",
        "map",
        "geo",
        "resolver",
        "resolver_timeout",
        "ssl_certificate",
        "ssl_certificate_key",
        "ssl_protocols",
        "ssl_ciphers",
        "ssl_session_cache",
        "ssl_session_timeout",
        "ssl_prefer_server_ciphers",
        "auth_basic",
        "auth_basic_user_file",
        "limit_req",
        "limit_req_zone",
        "limit_conn",
        "limit_conn_zone",
        "real_ip_header",
        "set_real_ip_from",
        "real_ip_recursive",
        "keepalive",
        "keepalive_requests",
        "least_conn",
        "ip_hash",
        "zone",
        "internal",
        "satisfy",
        "open_file_cache",
        "etag",
        "if_modified_since",
        "stream",
        "multi_accept",
        "use",
        "daemon",
        "worker_rlimit_nofile",
        "load_module",
        "env",
        "log_not_found",
        "merge_slashes",
        "absolute_redirect",
        "port_in_redirect",
        "server_name_in_redirect",
        "client_body_timeout",
        "client_header_timeout",
        "send_timeout",
        "reset_timedout_connection",
        "aio",
        "directio",
        "hash",
        "random",
        "sub_filter",
        "sub_filter_once",
        "http2",
        "break",
        "fastcgi_pass",
        "fastcgi_param",
        "fastcgi_index",
        "uwsgi_pass",
        "mirror",
        "auth_request",
        "proxy_temp_path",
        "client_body_temp_path",
        "fastcgi_temp_path",
        "uwsgi_temp_path",
        "scgi_temp_path",
        "error_log",
        "underscores_in_headers",
        "ignore_invalid_headers",
        "default_server",
        "proxy_ignore_headers",
        "proxy_cookie_path",
        "output_buffers",
        "postpone_output",
    ]
)


class ConfigError(Exception):
    """A configuration that nginx refuses; `str()` is what follows `[emerg] `."""


@dataclass(slots=True)
class Directive:
    """One directive, with its block if it has one."""

    name: str
    args: list[str]
    block: list[Directive] | None
    where: str
    """file:line"""


@dataclass(slots=True)
class _Reader:
    fs: FileSystem
    depth: int = 0
    count: int = field(default=0)

    def file(self, path: str, origin: str = "") -> list[Directive]:
        self.depth += 1
        if self.depth > 16:
            raise ConfigError(f"too many nested includes in {path}:1")
        try:
            text = self.fs.read(path).decode("utf-8", "replace")
        except OSError as error:
            raise ConfigError(f'open() "{path}" failed ({error.errno}: {error.strerror}){origin}') from None
        tokens = _tokenised(text, path)
        found, _ = self.block(tokens, 0, path, top=True)
        self.depth -= 1
        return found

    def block(
        self, tokens: Sequence[tuple[str, bool, int]], at: int, path: str, *, top: bool
    ) -> tuple[list[Directive], int]:
        found: list[Directive] = []
        words: list[str] = []
        while at < len(tokens):
            text, special, line = tokens[at]
            at += 1
            if not special:
                words.append(text)
                continue
            if text == "}":
                if words or top:
                    raise ConfigError(f'unexpected "}}" in {path}:{line}')
                return found, at
            if not words:
                raise ConfigError(f'unexpected "{text}" in {path}:{line}')
            inner: list[Directive] | None = None
            if text == "{":
                inner, at = self.block(tokens, at, path, top=False)
            found += self.directive(words, inner, f"{path}:{line}")
            words = []
        end = tokens[-1][2] if tokens else 1
        if words:
            raise ConfigError(f'unexpected end of file, expecting ";" or "}}" in {path}:{end}')
        if not top:
            raise ConfigError(f'unexpected end of file, expecting "}}" in {path}:{end}')
        return found, at

    def directive(self, words: list[str], inner: list[Directive] | None, where: str) -> list[Directive]:
        self.count += 1
        if self.count > 20_000:
            raise ConfigError(f"too many directives in {where}")
        if words[0] != "include":
            return [Directive(words[0], words[1:], inner, where)]
        if len(words) != 2:
            raise ConfigError(f'invalid number of arguments in "include" directive in {where}')
        path = words[1] if words[1].startswith("/") else f"/etc/nginx/{words[1]}"
        names = glob(self.fs, "/", path) if MAGIC.search(path) else [path]
        return [directive for name in names for directive in self.file(name, f" in {where}")]


@lru_cache(maxsize=64)
def _tokenised(text: str, path: str) -> tuple[tuple[str, bool, int], ...]:
    """The tokens of a file: an image's own files are the same in each of its containers."""
    return tuple(_tokens(text, path))


def _tokens(text: str, path: str) -> Iterator[tuple[str, bool, int]]:
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ConfigError(
                f'unexpected end of file, expecting ";" or "}}" in {path}:{line + text.count(chr(10), at)}'
            )
        line += match.group().count("\n")
        at = match.end()
        for group in (1, 2):
            quoted = match.group(group)
            if quoted is not None:
                yield (
                    re.sub(
                        r"\\(.)",
                        lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m.group(1), m.group(1)),
                        quoted,
                    ),
                    False,
                    line,
                )
        if match.group(3):
            yield match.group(3), True, line
        elif match.group(4):
            yield match.group(4), False, line


def _check(directives: list[Directive], context: str) -> None:
    for directive in directives:
        if context in ("types", "map", "geo"):
            continue
        if directive.name not in KNOWN:
            raise ConfigError(f'unknown directive "{directive.name}" in {directive.where}')
        if (
            directive.block is None
            and directive.name in ("http", "server", "location", "events", "upstream")
            and context != "upstream"
        ):
            raise ConfigError(f'directive "{directive.name}" has no opening "{{" in {directive.where}')
        places = {
            "server": ("http", "upstream", "stream"),
            "location": ("server", "location", "if"),
            "listen": ("server",),
            "proxy_pass": ("location", "if", "server"),
            "server_name": ("server",),
        }
        allowed = places.get(directive.name)
        if allowed and context not in allowed:
            raise ConfigError(f'"{directive.name}" directive is not allowed here in {directive.where}')
        if directive.block is not None:
            _check(directive.block, directive.name)


def load(fs: FileSystem, path: str = "/etc/nginx/nginx.conf") -> list[dict[str, Any]]:
    """The servers of a configuration, as plain values. Raises ConfigError."""
    top = _Reader(fs).file(path)
    _check(top, "main")
    if not any(d.name == "events" for d in top):
        raise ConfigError('no "events" section in configuration')
    http = next((d for d in top if d.name == "http"), None)
    servers: list[dict[str, Any]] = []
    upstreams: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for directive in http.block or [] if http else []:
        if directive.name == "upstream":
            upstreams[directive.args[0]] = [
                d.args[0] for d in directive.block or [] if d.name == "server" and "down" not in d.args
            ]
        elif directive.name == "server":
            servers.append(_server(directive, shared))
        else:
            _setting(shared, directive)
    for server in servers:
        server["upstreams"] = upstreams
    return servers


def _server(directive: Directive, shared: dict[str, Any]) -> dict[str, Any]:
    server: dict[str, Any] = {"listen": [], "names": [], "locations": [], **_inherited(shared)}
    for inner in directive.block or []:
        if inner.name == "listen":
            server["listen"].append(_listen(inner))
        elif inner.name == "server_name":
            server["names"] += inner.args
        elif inner.name != "location":
            _setting(server, inner)
    for inner in directive.block or []:
        if inner.name == "location":
            server["locations"].append(_location(inner, server))
    if not server["listen"]:
        server["listen"].append(["*", 80, False, False])
    return server


def _inherited(above: dict[str, Any]) -> dict[str, Any]:
    return {
        k: v
        for k, v in above.items()
        if k
        not in ("listen", "names", "locations", "return", "rewrites", "upstreams", "try_files", "proxy_pass")
    }


def _listen(directive: Directive) -> list[Any]:
    text = directive.args[0] if directive.args else ""
    match = re.fullmatch(r"(?:(\[[0-9a-fA-F:]*\]|[\w.*-]+):)?(\d+)", text)
    if match:
        address, port = (match.group(1) or "*").strip("[]"), int(match.group(2))
    elif text and not text.isdigit() and not text.startswith("unix:"):
        address, port = text.strip("[]"), 80
    else:
        raise ConfigError(f'invalid parameter "{text}" in {directive.where}')
    if not 0 < port < 65536:
        raise ConfigError(f'invalid port in "{text}" of the "listen" directive in {directive.where}')
    return [address, port, "default_server" in directive.args, "ssl" in directive.args]


_LISTS = {
    "add_header": "headers",
    "proxy_set_header": "proxy_headers",
    "rewrite": "rewrites",
    "error_page": "error_pages",
    "set": "sets",
}


def _setting(target: dict[str, Any], directive: Directive) -> None:
    name, args = directive.name, directive.args
    if name in _LISTS:
        key = _LISTS[name]
        target[key] = [*(target.get(key) or []), args]
    elif name in ("deny", "allow"):
        target["rules"] = [*(target.get("rules") or []), [name, args[0] if args else "all"]]
    elif name in (
        "root",
        "alias",
        "default_type",
        "proxy_pass",
        "autoindex",
        "client_max_body_size",
        "auth_basic",
        "server_tokens",
    ):
        target[name] = args[0] if args else ""
        if name == "proxy_pass":
            target["proxy_where"] = directive.where
    elif name in ("index", "try_files", "return", "large_client_header_buffers", "client_header_buffer_size"):
        target[name] = args
    elif name == "access_log":
        target["access_log"] = args
    elif name == "stub_status":
        target["stub_status"] = True
    elif name == "if" and directive.block is not None:
        inner: dict[str, Any] = {}
        for each in directive.block:
            _setting(inner, each)
        target["ifs"] = [*(target.get("ifs") or []), [" ".join(args).strip("()").strip(), inner]]
    elif name == "log_format":
        target["formats"] = {**(target.get("formats") or {}), args[0]: "".join(args[1:])}
    elif name == "map" and len(args) == 2:
        table = {d.name: d.args[0] if d.args else "" for d in directive.block or []}
        target["maps"] = {**(target.get("maps") or {}), args[1].lstrip("$"): [args[0], table]}


def _location(directive: Directive, server: dict[str, Any]) -> dict[str, Any]:
    args = directive.args
    if not args:
        raise ConfigError(f'invalid number of arguments in "location" directive in {directive.where}')
    modifier, pattern = (args[0], args[1]) if len(args) > 1 else ("", args[0])
    if modifier not in ("", "=", "~", "~*", "^~"):
        raise ConfigError(f'invalid location modifier "{modifier}" in {directive.where}')
    if modifier.startswith("~"):
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(
                f'pcre2_compile() failed: {error} in "{pattern}" in {directive.where}'
            ) from None
    location: dict[str, Any] = {"modifier": modifier, "pattern": pattern, **_inherited(server)}
    own: dict[str, Any] = {}
    for inner in directive.block or []:
        _setting(own, inner)
    location.update(own)
    location["locations"] = [
        _location(inner, location) for inner in directive.block or [] if inner.name == "location"
    ]
    return location


def proxied_hosts(servers: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The host names that nginx resolves when it starts, and where they stand."""
    for server in servers:
        for location in _all_locations(server["locations"]):
            target = location.get("proxy_pass")
            if not target or "$" in target:
                continue
            host = re.sub(r"^\w+://", "", target).partition("/")[0]
            if host in server["upstreams"]:
                for each in server["upstreams"][host]:
                    yield each.rpartition(":")[0] or each, location["proxy_where"]
            else:
                yield host.rpartition(":")[0] if re.search(r":\d+$", host) else host, location["proxy_where"]


def _all_locations(locations: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for location in locations:
        yield location
        yield from _all_locations(location["locations"])
