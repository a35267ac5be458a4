"""`cp` both ways; its messages are compared with the real kubectl's (tests/kubectl/parity/lines)."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ways import WAYS, Way, way_to

from kubesim.cli.copypaths import clean, is_below

PODS = """\
apiVersion: v1
kind: Pod
metadata: {name: box}
spec:
  containers:
  - {name: box, image: busybox, command: [sh, -c, "trap 'exit 0' TERM; sleep 100000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: liar}
spec:
  containers:
  - {name: box, image: busybox, command: [sh, -c, "trap 'exit 0' TERM; sleep 100000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: bare}
spec:
  containers:
  - {name: pause, image: "registry.k8s.io/pause:3.10"}
"""
TAR = "/usr/local/bin/tar"
NO_TAR = 'exec: "tar": executable file not found in $PATH: unknown\n'


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with way_to(request.param, tmp_path_factory.mktemp("cp"), PODS) as found:
        found.run("wait", "--for=condition=Ready", "pod/box", "pod/liar", "pod/bare").check()
        yield found


def pretend(way: Way, script: str, archive: bytes = b"") -> None:
    """Let the `tar` of the Pod `liar` be a script that finds an archive in /tmp/whole.tar."""
    way.run("exec", "-i", "liar", "--", "sh", "-c", "cat > /tmp/whole.tar", stdin=archive.decode()).check()
    make = f"mkdir -p /usr/local/bin; rm -f /tmp/second; cat > {TAR}; chmod 755 {TAR}"
    way.run("exec", "-i", "liar", "--", "sh", "-c", make, stdin=f"#!/bin/sh\n{script}\n").check()


def archive_of(*names: str, content: str = "x" * 1000) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    return whole.getvalue()


def test_a_directory_there_and_back(way: Way, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    long = "n" * 120
    (sent / "deeper" / long).mkdir(parents=True)
    (sent / "empty").mkdir()
    data = os.urandom(3_000_001)
    (sent / "deeper" / long / "data").write_bytes(data)
    (sent / "run.sh").write_text("echo hi\n")
    (sent / "run.sh").chmod(0o750)
    (sent / "nothing").touch()
    (sent / "ümläut ").write_text("y")
    there = f"/tmp/{tmp_path.name}"
    assert way.run("cp", "sent", f"box:{there}", cwd=tmp_path).check().out == ""
    assert way.run("exec", "box", "--", "stat", "-c", "%a", f"{there}/run.sh").out == "750\n"
    assert way.run("cp", f"box:{there}", "back", cwd=tmp_path).code == 0
    back = tmp_path / "back"
    assert (back / "deeper" / long / "data").read_bytes() == data
    assert (back / "run.sh").read_text() == "echo hi\n"
    assert (back / "nothing").read_bytes() == b""
    assert (back / "ümläut ").read_text() == "y"
    assert (back / "empty").is_dir()


def test_what_is_written_here_has_the_rights_of_ones_mask(way: Way, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        way.run("cp", "box:/etc/passwd", "new/passwd", cwd=tmp_path).check()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "new" / "passwd").stat().st_mode) == 0o640


def test_a_path_that_is_not_there_is_a_failure(way: Way, tmp_path: Path) -> None:
    found = way.run("cp", "box:/nosuch", "x", cwd=tmp_path)
    assert (found.code, found.err) == (2, "command terminated with exit code 2\n")
    assert found.out.startswith("tar: /nosuch: Cannot stat: No such file or directory\n")
    assert not (tmp_path / "x").exists()


def test_an_image_without_tar(way: Way, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    for words in (("f", "bare:/f"), ("bare:/f", "g")):
        found = way.run("cp", *words, cwd=tmp_path)
        assert (found.code, found.out) == (1, "")
        assert found.err.endswith(NO_TAR)


def test_what_is_in_the_way_here(way: Way, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    found = way.run("cp", "box:/etc/passwd", "folder", cwd=tmp_path)
    assert (found.code, found.err) == (1, "error: open folder: is a directory\n")
    found = way.run("cp", "box:/etc/passwd", "file/below/it", cwd=tmp_path)
    assert (found.code, found.err) == (1, "error: mkdir file: not a directory\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read(way: Way, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "secret").touch(0o000)
    found = way.run("cp", "d", "box:/tmp/unread", cwd=tmp_path)
    assert (found.code, found.err) == (1, "error: open d/secret: permission denied\n")


def test_a_socket_cannot_be_copied(way: Way, tmp_path: Path) -> None:
    import socket

    (tmp_path / "d").mkdir()
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "d" / "s"))
        found = way.run("cp", "d", "box:/tmp/sockets", cwd=tmp_path)
    assert (found.code, found.err) == (1, "error: archive/tar: sockets not supported\n")


@pytest.mark.parametrize("target", ["got", ".", "..", "../..", "../other"])
def test_nothing_is_written_outside(way: Way, tmp_path: Path, target: str) -> None:
    """Whatever the container says that its files are called."""
    place = tmp_path / "a" / "b" / "c"
    place.mkdir(parents=True)
    names = ("x/../../../../../../../../evil", "x/../evil", "x/fine")
    pretend(way, "cat /tmp/whole.tar", archive_of(*names))
    found = way.run("cp", "liar:x", target, cwd=place)
    destination = (place / target).resolve()
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert written == [destination / "fine"]
    assert found.err.count("is outside target destination, skipping\n") == 2
    pretend(way, "cat /tmp/whole.tar", archive_of("/etc/evil"))
    assert way.run("cp", "liar:x", target, cwd=place).err == "error: tar contents corrupted\n"


def test_an_archive_that_breaks_off(way: Way, tmp_path: Path) -> None:
    pretend(way, "head -c 1100 /tmp/whole.tar", archive_of("x"))
    found = way.run("cp", "liar:x", "got", cwd=tmp_path)
    assert (found.code, found.out) == (1, "Dropping out copy after 0 retries\n")
    assert found.err == "error: unexpected EOF\n"


def test_a_copy_that_breaks_off_is_resumed(way: Way, tmp_path: Path) -> None:
    script = "if [ -e /tmp/second ]; then cat /tmp/whole.tar; else touch /tmp/second; head -c 1100 /tmp/whole.tar; fi"
    pretend(way, script, archive_of("x", content="0123456789" * 100))
    found = way.run("cp", "liar:x", "got", "--retries=3", cwd=tmp_path)
    assert (found.code, found.out, found.err) == (0, "Resuming copy at 1100 bytes, retry 1/3\n", "")
    assert (tmp_path / "got").read_text() == "0123456789" * 100


@pytest.mark.parametrize(
    ("base", "target", "below"),
    [
        ("a", "a", True),
        ("a", "a/b", True),
        ("a", "ab", False),
        ("a", "../a", False),
        (".", "x/y", True),
        (".", "../x", False),
        (".", "..", False),
        ("..", "../x", True),
        ("..", "../../x", False),
        ("../..", "../../../x", False),
        ("/", "/etc", True),
        ("/a", "/ab", False),
    ],
)
def test_below(base: str, target: str, below: bool) -> None:
    assert clean(base) == base
    assert is_below(base, target) is below
