"""`proxy` with the real curl; what it refuses is compared with the real kubectl (tests/kubectl/parity/lines)."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.background import eventually
from support.edge import curl
from support.manifests import WEB
from support.ways import WAYS, Way, way_to

PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with way_to(request.param, tmp_path_factory.mktemp("proxy"), WEB) as found:
        found.run("wait", "--for=condition=Ready", "pod/web").check()
        yield found


@pytest.fixture(scope="module")
def url(way: Way) -> Iterator[str]:
    """Of a proxy as it is without flags."""
    with way.listening("proxy", "--port=0") as (port, _):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("files")
    (place / "secret").write_text("not for you")
    pages = place / "pages"
    (pages / "sub").mkdir(parents=True)
    (pages / "a.txt").write_text("hello\n")
    (pages / "b & c.txt").write_text("amp\n")
    (pages / "sub" / "index.html").write_text("<html>x</html>\n")
    return pages


def status(*words: str) -> str:
    return curl("-o", os.devnull, "-w", "%{http_code} %{redirect_url}", "--path-as-is", *words).stdout.strip()


def body(*words: str) -> str:
    return curl("--path-as-is", *words).stdout


def test_the_api_and_what_is_behind_it(url: str) -> None:
    assert json.loads(body(f"{url}/version"))["major"] == "1"
    assert json.loads(body(f"{url}/"))["paths"]
    assert json.loads(body(f"{url}{PODS}?labelSelector=app%3Dweb"))["items"][0]["metadata"]["name"] == "web"
    assert "Welcome to nginx!" in body(f"{url}{PODS}/web/proxy/")
    assert "Welcome to nginx!" in body(f"{url}/api/v1/namespaces/default/services/web:http/proxy/")
    assert status(f"{url}/nosuch") == "404"


@pytest.mark.parametrize("how", [[], ["-H", "Transfer-Encoding: chunked"]], ids=["length", "chunks"])
def test_writes(url: str, how: list[str]) -> None:
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "made"},
        "data": {"x": "y" * 200_000},
    }
    words = ["-H", "Content-Type: application/json", "--data-binary", "@-", *how]
    command = ["curl", "-sS", "-m", "20", *words, f"{url}{CONFIG_MAPS}"]
    told = subprocess.run(command, input=json.dumps(made), capture_output=True, text=True, check=True)
    assert json.loads(told.stdout)["data"] == made["data"]
    assert json.loads(body("-X", "DELETE", f"{url}{CONFIG_MAPS}/made"))["status"] == "Success"


def test_one_connection_for_several_requests(url: str) -> None:
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        stream = connection.makefile("rb")
        for wanted in (b"200", b"403", b"200", b"301", b"404"):
            path = {b"403": b"/api/v1/pods/web/exec", b"301": b"//x", b"404": b"/nosuch"}.get(
                wanted, b"/version"
            )
            connection.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
            assert stream.readline().split()[1] == wanted
            head = b"".join(iter(stream.readline, b"\r\n")).lower()
            stream.read(int(head.partition(b"content-length: ")[2].split()[0]))


def test_watches_stream(way: Way, url: str) -> None:
    command = ["curl", "-sSN", "-m", "20", f"{url}{PODS}?watch=1&fieldSelector=metadata.name%3Dweb"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline())["type"] == "ADDED"
        way.run("annotate", "pod", "web", "seen=yes", "--overwrite").check()
        event = json.loads(watch.stdout.readline())
        assert (event["type"], event["object"]["metadata"]["annotations"]["seen"]) == ("MODIFIED", "yes")
        watch.kill()


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ([], f"{PODS}/web/exec"),
        ([], f"{PODS}/web/attach?x=y"),
        (["-H", "Host: evil.example"], "/version"),
        (["-H", "Host: localhost.evil.example:8001"], "/version"),
        (["-H", "Host: [::1]:8001"], "/version"),  # as kubectl has it, whose expression waits for brackets
        (["-H", "Host: a:b:localhost"], "/version"),
    ],
)
def test_refused(url: str, words: list[str], path: str) -> None:
    assert status(*words, url + path) == "403"
    assert body(*words, url + path) == "Forbidden\n"


def test_filters_of_ones_own(way: Way) -> None:
    flags = ("--reject-methods=POST,PUT", "--accept-paths=^/version$", "--accept-hosts=.*")
    with way.listening("proxy", "--port=0", *flags) as (port, _):
        url = f"http://127.0.0.1:{port}"
        assert status("-H", "Host: evil.example", f"{url}/version") == "200"
        assert status("-X", "POST", f"{url}/version") == "403"
        assert status(f"{url}/api") == "403"


def test_files(way: Way, files: Path) -> None:
    with way.listening("proxy", "--port=0", f"--www={files}", "--api-prefix=/k8s") as (port, _):
        url = f"http://127.0.0.1:{port}"
        assert body(f"{url}/static/a.txt") == "hello\n"
        assert body(f"{url}/static/b%20&%20c.txt") == "amp\n"
        assert body("-H", "Range: bytes=1-2", f"{url}/static/a.txt") == "el"
        assert body(f"{url}/static/sub/") == "<html>x</html>\n"
        assert '<a href="b%20&%20c.txt">b &amp; c.txt</a>\n<a href="sub/">sub/</a>\n' in body(
            f"{url}/static/"
        )
        assert status(f"{url}/static/sub") == f"301 {url}/static/sub/"
        assert status(f"{url}/static") == f"301 {url}/static/"
        assert status(f"{url}/static/nosuch") == "404"
        assert json.loads(body(f"{url}/k8s/version"))["major"] == "1"
        assert status(f"{url}/k8s") == f"301 {url}/k8s/"
        assert status(f"{url}/version") == "404"
        assert status("-H", "Host: evil.example", f"{url}/k8s/version") == "403"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret",
        "/static/%2e%2e/secret",
        "/static/..%2fsecret",
        "/static/sub/../../secret",
        "/static//../secret",
    ],
)
def test_no_file_outside(way: Way, files: Path, path: str) -> None:
    with way.listening("proxy", "--port=0", f"--www={files}") as (port, _):
        assert "not for you" not in body("-L", f"http://127.0.0.1:{port}{path}")


def test_requests_are_made_on_behalf_of_whom_the_flags_name(way: Way) -> None:
    review = '{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}'
    with way.listening("proxy", "--port=0", "--as=jane", "--as-group=team") as (port, _):
        url = f"http://127.0.0.1:{port}/apis/authentication.k8s.io/v1/selfsubjectreviews"
        told = json.loads(body("-H", "Content-Type: application/json", "-d", review, url))
    assert told["status"]["userInfo"]["username"] == "jane"
    assert "team" in told["status"]["userInfo"]["groups"]


def test_upgraded_connections(way: Way) -> None:
    """kubesim's own commands through it: a WebSocket, and SPDY."""
    with way.listening("proxy", "--port=0", "--disable-filter") as (port, _):
        through = replace(way, first=[f"--server=http://127.0.0.1:{port}"])
        text = "x" * 300_000
        assert through.run("exec", "-i", "web", "--", "cat", stdin=text).check().out == text
        with through.listening("port-forward", "web", ":80") as (inner, _):
            assert "Welcome to nginx!" in curl(f"http://127.0.0.1:{inner}").stdout


def test_a_unix_socket_for_oneself(way: Way, tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with way.start("proxy", f"--unix-socket={path}") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"Starting to serve on {path}\n"
        assert json.loads(body("--unix-socket", str(path), "http://localhost/version"))["major"] == "1"
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_ends_with_control_c_while_somebody_watches(way: Way) -> None:
    with way.listening("proxy", "--port=0") as (port, process):
        command = ["curl", "-sSN", "-m", "20", f"http://127.0.0.1:{port}{PODS}?watch=1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as watch:
            assert watch.stdout is not None
            assert watch.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=20) == ("", "")
            assert process.returncode == 130
            eventually(lambda: watch.poll() is not None)


def test_a_server_that_is_not_there(way: Way) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()[1]
    nowhere = replace(way, first=[f"--server=http://127.0.0.1:{dead}"])
    with nowhere.listening("proxy", "--port=0") as (port, process):
        told = f"dial tcp 127.0.0.1:{dead}: connect: connection refused"
        assert status(f"http://127.0.0.1:{port}/version") == "500"
        assert body(f"http://127.0.0.1:{port}/version") == f"{told}\n"
        process.kill()
        _, err = process.communicate()
        assert f"Error while proxying request: {told}" in err
