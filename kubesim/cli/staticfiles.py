"""Files of a directory over HTTP, as net/http's FileServer gives them."""

from __future__ import annotations

import mimetypes
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

_TEXT: Final = "text/plain; charset=utf-8"
_SAFE: Final = "/:@!$&'()*+,;=~"
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}
_PAGE: Final = '<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n{}</pre>\n'
_RANGE: Final = re.compile(r"bytes=\s*(\d*)-(\d*)\s*")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose body is at hand."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


def serve_file(folder: Path, name: str, query: str, wanted: Mapping[str, str]) -> Reply:
    """What a path below the folder is; `wanted` are the request's headers, their names in small letters.

    The path cannot lead out of the folder; symbolic links in it are followed.
    """
    path = posixpath.normpath(f"/{name.lstrip('/')}")
    if f"/{name}".endswith("/index.html"):
        return _moved("./", query)
    file = folder / path.lstrip("/")
    try:
        if "\0" in path:
            raise FileNotFoundError
        is_folder = file.is_dir()
        if is_folder and name and not name.endswith("/"):
            return _moved(f"{posixpath.basename(path)}/", query)
        if not is_folder and name.endswith("/"):
            return _moved(f"../{posixpath.basename(path)}", query)
        if is_folder and (file / "index.html").is_file():
            file, is_folder = file / "index.html", False
        return _listing(file, wanted) if is_folder else _content(file, wanted)
    except FileNotFoundError:
        return _failure(404, "404 page not found")
    except PermissionError:
        return _failure(403, "403 Forbidden")
    except OSError:
        return _failure(500, "500 Internal Server Error")


def _failure(status: int, text: str) -> Reply:
    return Reply(status, {"Content-Type": _TEXT, "X-Content-Type-Options": "nosniff"}, f"{text}\n".encode())


def _moved(location: str, query: str) -> Reply:
    location = quote(location, safe=_SAFE)
    return Reply(301, {"Location": f"{location}?{query}" if query else location})


def _listing(folder: Path, wanted: Mapping[str, str]) -> Reply:
    changed = folder.stat().st_mtime
    modified = {"Last-Modified": formatdate(changed, usegmt=True)}
    if _is_unchanged(changed, wanted):
        return Reply(304, modified)
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
    lines = []
    for name in names:
        link = quote(name, safe=_SAFE)
        if ":" in link.split("/")[0]:
            link = f"./{link}"  # or it would be taken for a scheme
        shown = "".join(_ESCAPES.get(c, c) for c in name)
        lines.append(f'<a href="{link}">{shown}</a>\n')
    body = _PAGE.format("".join(lines))
    return Reply(
        200, {"Content-Type": "text/html; charset=utf-8", **modified}, body.encode("utf-8", "replace")
    )


def _content(file: Path, wanted: Mapping[str, str]) -> Reply:
    data = file.read_bytes()
    changed = file.stat().st_mtime
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": _type_of(file, data),
        "Last-Modified": formatdate(changed, usegmt=True),
    }
    if _is_unchanged(changed, wanted):
        return Reply(304, {"Last-Modified": headers["Last-Modified"]})
    found = _RANGE.fullmatch(wanted.get("range", ""))
    if found is None or not (found[1] or found[2]):
        return Reply(200, headers | {"Content-Length": str(len(data))}, data)
    if found[1]:
        first, last = int(found[1]), int(found[2]) if found[2] else len(data) - 1
    else:
        first, last = max(0, len(data) - int(found[2])), len(data) - 1
    last = min(last, len(data) - 1)
    if first > last:
        body = b"invalid range: failed to overlap\n"
        refused = {"Content-Range": f"bytes */{len(data)}", "Content-Type": _TEXT}
        return Reply(416, refused | {"X-Content-Type-Options": "nosniff"}, body)
    part = data[first : last + 1]
    shown = {"Content-Length": str(len(part)), "Content-Range": f"bytes {first}-{last}/{len(data)}"}
    return Reply(206, headers | shown, part)


def _is_unchanged(changed: float, wanted: Mapping[str, str]) -> bool:
    try:
        since = parsedate_to_datetime(wanted["if-modified-since"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return False
    return int(changed) <= since


def _type_of(file: Path, data: bytes) -> str:
    found, encoding = mimetypes.guess_type(file.name)
    if found and not encoding:
        return f"{found}; charset=utf-8" if found.startswith("text/") else found
    start = data[:512]
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "text/html; charset=utf-8"
    return "application/octet-stream" if b"\0" in start else _TEXT
