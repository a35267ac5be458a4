"""What curl sends: method, body and headers."""

from __future__ import annotations

import posixpath
from base64 import b64encode
from urllib.parse import quote_plus

from kubesim.runtime.commands.curl_connection import CurlError, Release
from kubesim.runtime.commands.curl_options import CurlOptions, UsageProblem
from kubesim.runtime.commands.curl_report import warn
from kubesim.runtime.commands.transfer import URL
from kubesim.runtime.http1 import Headers
from kubesim.runtime.process import Process

TRY = "try 'curl --help' or 'curl --manual' for more information"
_BOUNDARY = "------------------------d74496d66958873e"
_REPLACED = frozenset(
    (
        "host",
        "user-agent",
        "accept",
        "content-type",
        "authorization",
        "content-length",
        "cookie",
        "referer",
        "expect",
    )
)
"""Headers of its own that `-H` replaces."""
_EXPECTED = 1024 * 1024
"""Newer ones ask before they send more than this."""


class Requests:
    """Those of one part of a command line."""

    def __init__(self, process: Process, release: Release, options: CurlOptions) -> None:
        self.process = process
        self.release = release
        self.options = options

    def payload(self, url: URL) -> tuple[str, bytes, Headers]:
        """Method, body, and the headers that belong to it."""
        options = self.options
        pieces: list[bytes] = []
        extra: Headers = []
        for name, value in options.data:
            if name in ("form", "form-string"):
                return self._form()
            pieces.append(self._data(name, value))
            if name == "json":
                extra = [("Content-Type", "application/json"), ("Accept", "application/json")]
        body = b"".join(pieces) if options.on("json") else b"&".join(pieces)
        if options.on("get") and pieces:
            url.target += ("&" if "?" in url.target else "?") + body.decode("utf-8", "surrogateescape")
            return options.get("request") or ("HEAD" if options.on("head") else "GET"), b"", []
        if options.on("upload-file"):
            return self._upload(url)
        if options.data:
            if not extra:
                extra = [("Content-Type", "application/x-www-form-urlencoded")]
            return options.get("request") or "POST", body, [("Content-Length", str(len(body))), *extra]
        return options.get("request") or ("HEAD" if options.on("head") else "GET"), b"", []

    def _upload(self, url: URL) -> tuple[str, bytes, Headers]:
        name = self.options.get("upload-file")
        try:
            body = self.process.read_file(name)
        except OSError:
            text = f"cannot open '{name}'" if self.release.modern else f"Can't open '{name}'!"
            self.process.error(f"curl: {text}\ncurl: {TRY}")
            raise CurlError(26, "Failed to open/read local data from file/application") from None
        if url.target.endswith("/") and name != "-":
            url.target += posixpath.basename(name)
        extra: Headers = [("Content-Length", str(len(body)))]
        if not self.release.since(8, 7) or len(body) > _EXPECTED:
            extra.append(("Expect", "100-continue"))
        return self.options.get("request") or "PUT", body, extra

    def _data(self, name: str, value: str) -> bytes:
        if name == "data-urlencode":
            key, equals, text = value.partition("=")
            return (
                f"{key}={quote_plus(text)}" if equals and key else quote_plus(text if equals else value)
            ).encode()
        if value.startswith("@") and name != "data-raw":
            try:
                data = self.process.read_file(value[1:])
            except OSError:
                return self._no_data(name, value[1:])
            return data if name in ("data-binary", "json") else data.replace(b"\n", b"").replace(b"\r", b"")
        return value.encode("utf-8", "surrogateescape")

    def _no_data(self, name: str, path: str) -> bytes:
        if self.release.modern:
            if not self.options.on("silent"):
                self.process.error(f"curl: Failed to open {path}")
            option = "-d" if name == "data" else f"--{name}"
            raise UsageProblem(f"option {option}: error encountered when reading a file", 26)
        warn(self.process, self.options, f'Couldn\'t read data from file "{path}", this makes an empty POST.')
        return b""

    def _form(self) -> tuple[str, bytes, Headers]:
        out = bytearray()
        for name, value in self.options.data:
            if name not in ("form", "form-string"):
                continue
            key, _, text = value.partition("=")
            head = f'Content-Disposition: form-data; name="{key}"'
            data = text.encode("utf-8", "surrogateescape")
            if text.startswith(("@", "<")) and name == "form":
                path = text[1:].partition(";")[0]
                try:
                    data = self.process.read_file(path)
                except OSError:
                    raise CurlError(26, "Failed to open/read local data from file/application") from None
                if text[0] == "@":
                    head += (
                        f'; filename="{posixpath.basename(path)}"\r\nContent-Type: application/octet-stream'
                    )
            out += f"--{_BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
        out += f"--{_BOUNDARY}--\r\n".encode()
        body = bytes(out)
        extra = [
            ("Content-Length", str(len(body))),
            ("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}"),
        ]
        return self.options.get("request") or "POST", body, extra

    def headers(self, url: URL, extra: Headers) -> Headers:
        options = self.options
        fields: Headers = [("Host", url.authority)]
        if url.user or options.get("user"):
            token = b64encode((options.get("user") or url.user).encode()).decode()
            fields.append(("Authorization", f"Basic {token}"))
        if options.on("oauth2-bearer"):
            fields.append(("Authorization", f"Bearer {options.get('oauth2-bearer')}"))
        if options.on("range"):
            fields.append(("Range", f"bytes={options.get('range')}"))
        agent = options.get("user-agent") if options.on("user-agent") else f"curl/{self.release.version}"
        fields += [("User-Agent", agent), ("Accept", "*/*")]
        if options.on("compressed"):
            fields.append(("Accept-Encoding", "deflate, gzip, br, zstd"))
        if options.on("referer"):
            fields.append(("Referer", options.get("referer")))
        if options.on("cookie"):
            fields.append(("Cookie", options.get("cookie")))
        if any(k == "Accept" for k, _ in extra):
            fields = [f for f in fields if f[0] != "Accept"]
        fields += extra
        for text in options.values.get("header", []):
            self._own_header(fields, text)
        return [f for f in fields if f[1] or f[0] != "User-Agent"]

    def _own_header(self, fields: Headers, text: str) -> None:
        """One of `-H`: a header without a value is not sent, `NAME;` is sent without one."""
        if text.startswith("@"):
            if self.release.modern and not self._is_file(text[1:]):
                raise UsageProblem("option -H: error encountered when reading a file", 26)
            return
        name, colon, value = text.partition(":")
        if not colon:
            if text.endswith(";"):
                fields.append((text[:-1], ""))
            return
        place = next((n for n, f in enumerate(fields) if f[0].lower() == name.lower()), None)
        if name.lower() in _REPLACED and place is not None:
            fields[place : place + 1] = [(name, value.strip())] if value.strip() else []
        elif value.strip():
            fields.append((name, value.strip()))

    def _is_file(self, path: str) -> bool:
        return self.process.machine.fs.find(self.process.path(path)) is not None
