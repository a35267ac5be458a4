"""The files that the transcript of `create` names."""

from __future__ import annotations

from pathlib import Path

TRANSCRIPT = Path(__file__).parent.parent / "cli" / "create.txt"
# What the lines of e.env without a value find in the environment.
ENVIRONMENT = {"FROM_ENV": "yes"}
_FILES = {
    "dir/a.txt": b"hello\n",
    "dir/b.conf": b"x=1",
    "dir/sub/c.txt": b"left out",
    "bin.dat": b"\xff\xfe\x00",
    "e.env": b"\xef\xbb\xbf# comment\n\n  A=1\nB=two words \nFROM_ENV\nC=\r\n",
    "bad.env": b"A B=1\n",
    "latin1.env": b"OK=1\nA=\xff\n",
}


def write_files(directory: Path) -> None:
    """Write them below a directory; a link in dir is left out, as a directory in it is."""
    for name, contents in _FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    (directory / "dir/link").symlink_to("a.txt")
