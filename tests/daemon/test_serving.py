"""`up` and `serve`: the API of a cluster over HTTPS, for the real kubectl."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.background import Background, eventually, kill
from support.cli import Result
from support.edge import curl, take_port
from support.kubectl import find_kubectl

from kubesim.network.edge.server import ipv6_host

SERVED = re.compile(
    r"sim/(\S+) is served at (https://\S+)\nIts names are answered at 127.0.0.1:\d+\n"
    r"(?:Its Pods, [^\n]*\n)?(?:Services that can be opened from here: kubesim service\n)?For kubectl and other clients:\n\n  (export KUBECONFIG=\S+)\n"
)


def up(warm: Background, *words: str) -> tuple[str, Path]:
    """The URL and the kubeconfig of a cluster that is served now."""
    found = SERVED.fullmatch(warm.run("up", *words).check().out)
    assert found
    return found[2], Path(found[3].removeprefix("export KUBECONFIG="))


def kubectl(kubeconfig: Path, *words: str) -> Result:
    env = {"PATH": os.environ["PATH"], "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}
    done = subprocess.run([find_kubectl(), *words], capture_output=True, text=True, env=env, timeout=30)
    return Result(done.returncode, done.stdout, done.stderr)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_up_says_where_and_stays(warm: Background) -> None:
    url, kubeconfig = up(warm, "--port=0")
    status = warm.status()
    assert status["idleSeconds"] is None
    [sim] = status["sims"]
    assert sim["dns"].startswith("127.0.0.1:")
    del sim["dns"]
    expected = {"name": "default", "commands": 0, "urls": [url], "kubeconfig": str(kubeconfig)}
    assert sim == expected | {"ports": [], "warnings": [], "reachable": False}
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    assert up(warm, "--port=0") == (url, kubeconfig)  # it is served already
    assert warm.run("cluster-info").check().out.startswith(f"Kubernetes control plane is running at {url}\n")


def test_up_prints_a_line_for_the_shell(warm: Background) -> None:
    result = warm.shell('eval "$(kubesim up --port=0 --print-env)"; echo "$KUBECONFIG"').check()
    assert result.out == f"{warm.home}/sims/default/kubeconfig\n"


def test_up_starts_even_where_no_command_does(warm: Background) -> None:
    warm.run("up", "--port=0", KUBESIM_AUTOSTART="0").check()
    assert warm.status()["running"]


def test_kubectl_works_with_what_is_served(warm: Background) -> None:
    _, kubeconfig = up(warm, "--port=0")
    assert kubectl(kubeconfig, "run", "web", "--image=nginx", "--port=80", "--expose").check().out == (
        "service/web created\npod/web created\n"
    )
    address = warm.run("get", "endpoints", "web", "-o", "jsonpath={.subsets[0].addresses[0].ip}").check().out
    warm.run("create", "ns", "there").check()
    seen = kubectl(kubeconfig, "get", "pod", "web", "-o", "jsonpath={.status.podIP}")
    assert seen.check().out == address != ""
    assert kubectl(kubeconfig, "get", "ns", "there", "-o", "name").check().out == "namespace/there\n"


def test_kubectl_sees_a_process_that_was_killed_again(warm: Background) -> None:
    url, kubeconfig = up(warm, f"--port={free_port()}")
    kill(warm.pid)
    warm.run("create", "ns", "later").check()
    eventually(lambda: warm.status()["sims"][0]["urls"] == [url])
    assert kubectl(kubeconfig, "get", "ns", "later", "-o", "name").check().out == "namespace/later\n"


def test_cluster_made_anew_is_served_where_the_old_one_was(warm: Background) -> None:
    url, kubeconfig = up(warm, f"--port={free_port()}")
    warm.run("create", "ns", "old").check()
    warm.run("sim", "reset").check()
    assert warm.status()["sims"][0]["urls"] == [url]
    assert (
        kubectl(kubeconfig, "get", "ns", "old").err
        == 'Error from server (NotFound): namespaces "old" not found\n'
    )


def test_two_clusters_are_served_side_by_side(warm: Background) -> None:
    warm.run("sim", "create", "other", "--no-use").check()
    first, one = up(warm, "--port=0")
    second, two = up(warm, "--port=0", "--sim=other")
    assert first != second
    kubectl(two, "create", "ns", "only-there").check()
    assert "only-there" not in kubectl(one, "get", "ns", "-o", "name").check().out


def test_down_ends_serving_for_good(warm: Background) -> None:
    up(warm, "--port=0")
    warm.run("down").check()
    warm.run("get", "ns").check()
    assert warm.status()["sims"][0]["urls"] == []


def test_taken_port_is_refused(warm: Background) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = warm.run("up", f"--port={port}")
    assert (result.code, result.err) == (
        1,
        f"error: cannot serve at 127.0.0.1:{port}: address already in use\n",
    )


@pytest.mark.parametrize(
    "words", [("extra",), ("--idle-timeout=-1s",), ("--bind-address=nowhere.invalid",)], ids=" ".join
)
def test_up_with_wrong_words(warm: Background, words: tuple[str, ...]) -> None:
    result = warm.run("up", *words)
    assert result.code == 1
    assert result.err.startswith("error: ")


def test_up_with_an_idle_time_leaves(warm: Background) -> None:
    warm.run("up", "--port=0", "--idle-timeout=300ms").check()
    eventually(lambda: warm.run("status").code == 3)


def test_serve_is_the_process_of_the_home(warm: Background) -> None:
    warm.run("get", "ns").check()
    before = warm.pid
    process = warm.start("serve", "--port=0")
    assert process.stdout is not None
    assert SERVED.match(
        (process.stdout.readline() + b"".join(process.stdout.readline() for _ in range(4))).decode()
    )
    assert warm.pid == process.pid != before
    warm.run("create", "ns", "a").check()
    other = warm.run("serve", "--port=0")
    assert (other.code, other.err) == (
        1, f"error: cannot serve: another `kubesim serve` serves this home already: process {process.pid}\n"
    )  # fmt: skip
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr is not None
    assert process.stderr.read() == b""


@pytest.mark.parametrize("end", ["SIGTERM", "down"])
def test_serve_ends_well(warm: Background, end: str) -> None:
    process = warm.start("serve", "--port=0")
    assert process.stdout is not None
    process.stdout.readline()
    if end == "down":
        warm.run("down").check()
    else:
        process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_serve_in_a_home_that_is_gone_ends(warm: Background) -> None:
    process = warm.start("serve", "--port=0")
    assert process.stdout is not None
    process.stdout.readline()

    def is_removed() -> bool:
        shutil.rmtree(warm.home, ignore_errors=True)  # it may still be writing down that it serves
        return not warm.home.exists()

    eventually(is_removed)
    assert process.wait(20) == 0


@pytest.mark.skipif(not ipv6_host("127.0.0.1"), reason="this computer has no ::1")
def test_services_of_a_dual_stack_cluster_are_opened_in_both_families(warm: Background) -> None:
    warm.run("sim", "create", "dual", "--service-cidr=10.96.0.0/16,fd00:10:96::/112").check()
    warm.run("run", "web", "--image=nginx:1.27", "--port=80").check()
    warm.run("expose", "pod", "web", "--type=NodePort").check()
    warm.run("patch", "service", "web", "-p", '{"spec": {"ipFamilyPolicy": "PreferDualStack"}}').check()
    number = warm.run("get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}").check().out
    up(warm, "--port=0")
    urls = warm.run("service", "web", "--url").check().out.split()
    assert urls == [f"http://127.0.0.1:{number}", f"http://[::1]:{number}"]
    assert [curl("-g", url).stdout.count("Welcome to nginx!") > 0 for url in urls] == [True, True]
    table = warm.run("service").check().out
    assert f"http://[fc00:f853:ccd:e793::3]:{number}" in table
    assert f"[::1]:{number}" in warm.run("status").check().out
    assert warm.run("down").code == 0


def test_services_are_opened_while_the_cluster_is_served(warm: Background) -> None:
    warm.run("run", "web", "--image=nginx:1.27", "--port=80").check()
    warm.run("expose", "pod", "web", "--type=NodePort").check()
    number = warm.run("get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}").check().out
    told = warm.run("service", "web", "--url")
    assert (told.code, told.err) == (
        1, "error: the cluster is not served: `kubesim up` opens this on your computer\n"
    )  # fmt: skip
    up(warm, "--port=0")
    url = warm.run("service", "web", "--url").check().out
    assert url == f"http://127.0.0.1:{number}\n"
    assert "Welcome to nginx!" in curl(url.strip()).stdout
    assert "172.18.0.3" in warm.run("service").check().out
    eventually(lambda: '"GET / HTTP/1.1" 200' in warm.run("logs", "web").out)
    warm.run("delete", "service", "web").check()
    eventually(lambda: curl(url.strip()).returncode == 7)
    assert warm.run("down").code == 0


def test_a_node_port_that_is_taken_is_a_warning(warm: Background) -> None:
    with socket.socket() as taken:
        number = take_port(taken, range(30600, 30700))
        warm.run("create", "service", "nodeport", "web", "--tcp=80", f"--node-port={number}").check()
        result = warm.run("up", "--port=0").check()
        assert result.err == (
            f"Warning: service default/web: the node port {number}/TCP cannot be opened at 127.0.0.1 of this computer: "
            "address already in use; it answers inside of the simulation alone\n"
        )
        assert "PortNotOpened" in warm.run("events", "--for=service/web").check().out
        told = warm.run("service", "web", "--url")
        assert told.code == 1
        assert "could not be opened" in told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("service", "kubernetes"),
            "has no node port and no address of a load balancer: nodes and Pods reach it at 10.96.0.1",
        ),
        (("service", "nobody"), 'services "nobody" not found'),
        (("service", "a", "b"), "at most one NAME may be given"),
    ],
    ids=["cluster IP", "missing", "two names"],
)
def test_service_says_why_nothing_leads_to_it(warm: Background, words: tuple[str, ...], told: str) -> None:
    result = warm.run(*words)
    assert result.code == 1
    assert told in result.err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_cluster_addresses_are_reachable_where_that_is_asked_for(warm: Background) -> None:
    warm.run("run", "web", "--image=nginx:1.27").check()
    warm.run("expose", "pod", "web", "--port=18080", "--target-port=80").check()
    up(warm, "--port=0")
    assert warm.run("service", "web", "--url").code == 1
    result = warm.run("up", "--reachable").check()
    assert "10.96.0.1 at 127.96.0.1" in result.out
    address = warm.run("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}").check().out
    url = warm.run("service", "web", "--url").check().out.strip()
    assert url == f"http://127.{address.partition('.')[2]}:18080"
    assert "Welcome to nginx!" in curl(url).stdout


def test_an_ingress_is_opened_while_the_cluster_is_served(warm: Background) -> None:
    warm.run(
        "sim", "create", "lab", "--ingress", "--load-balancer-pool=172.18.255.200-172.18.255.250"
    ).check()
    warm.run("run", "web", "--image=nginx:1.27", "--port=80", "--expose").check()
    warm.run("create", "ingress", "web", "--class=nginx", "--rule=web.test/*=web:80").check()
    assert "172.18.255.200" in warm.run("get", "ingress", "web").check().out
    seen = warm.run("curl", "-sS", "-H", "Host: web.test", "http://172.18.255.200").check()
    assert "Welcome to nginx!" in seen.out
    up(warm, "--port=0")
    urls = warm.run("service", "ingress-nginx-controller", "-n", "ingress-nginx", "--url").check().out.split()
    assert any("Welcome to nginx!" in curl("-H", "Host: web.test", url).stdout for url in urls)
    assert "lab" in warm.run("sim", "list").check().out
