"""A container's life: starting, waiting, ending, and going on in a later process."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.machines import Lab

from kubesim.runtime.application import Listener, Peer
from kubesim.runtime.container import (
    ContainerPort,
    ContainerSpec,
    ContainerState,
    ExecError,
    Mount,
    NotRunning,
    StartError,
)
from kubesim.runtime.http1 import HTTPRequest


def _watch(lab: Lab, name: str, *moments: int) -> list[tuple[int, ContainerState, str]]:
    """How a container fares at some seconds after the start, each time seen by a new process."""
    began = lab.clock.now()
    found = []
    for moment in moments:
        lab.clock.set(began + timedelta(seconds=moment))
        state = lab.fresh().advance(name)
        found.append((moment, state, lab.runtime.logs(name)))
    return found


@pytest.mark.parametrize(
    ("script", "logs"),
    [
        pytest.param("sleep 5; echo done; exit 3", {0: "", 5: "done\n#3"}, id="exit code"),
        pytest.param("for i in 1 2 3; do echo $i; sleep 1; done; echo end", {0: "1\n", 1: "1\n2\n", 3: "1\n2\n3\nend\n#0"}, id="for"),
        pytest.param("i=0; until [ $i -ge 2 ]; do i=$((i+1)); echo try $i; sleep 2; done; echo ok", {0: "try 1\n", 2: "try 1\ntry 2\n", 4: "try 1\ntry 2\nok\n#0"}, id="until"),
        pytest.param("f() { local x=$1; sleep 1; echo in $x; }; f a; f b", {0: "", 1: "in a\n", 2: "in a\nin b\n#0"}, id="function"),
        pytest.param("(x=1; sleep 1; echo sub $x); echo after $x", {0: "", 1: "sub 1\nafter\n#0"}, id="subshell"),
        pytest.param("if sleep 1; then echo yes; fi && sleep 1 && echo chained", {1: "yes\n", 2: "yes\nchained\n#0"}, id="and-or"),
        pytest.param("case a in a) sleep 1; echo c;; esac", {0: "", 1: "c\n#0"}, id="case"),
        pytest.param("sleep 2 & echo begun; wait; echo waited", {0: "begun\n", 1: "begun\n", 2: "begun\nwaited\n#0"}, id="job"),
        pytest.param("{ echo a; sleep 1; echo b; } > /tmp/log; cat /tmp/log", {0: "", 1: "a\nb\n#0"}, id="redirected"),
        pytest.param("exec > /tmp/o; echo x; sleep 1; echo y; exec >&2; cat /tmp/o", {0: "", 1: "x\ny\n#0"}, id="exec redirect"),
        pytest.param("x=$(sleep 3; date +%S); echo $x", {0: "", 2: "", 3: "03\n#0"}, id="substitution"),
        pytest.param("sleep 1 | cat; echo piped", {0: "", 1: "piped\n#0"}, id="pipe"),
        pytest.param("sh -c 'sleep 1; echo inner'; echo outer", {0: "", 1: "inner\nouter\n#0"}, id="nested shell"),
        pytest.param("timeout 3 sleep 10; echo $?", {2: "", 3: "143\n#0"}, id="timeout"),
        pytest.param("set -e; sleep 1; false; echo no", {1: "#1"}, id="errexit"),
        pytest.param("eval 'sleep 1; echo e'; echo f", {0: "", 1: "e\nf\n#0"}, id="eval"),
        pytest.param("echo 'sleep 1; echo s' > /s; . /s; echo t", {0: "", 1: "s\nt\n#0"}, id="source"),
    ],
)  # fmt: skip
def test_script_goes_on_in_later_processes_where_it_stood(script: str, logs: dict[int, str]) -> None:
    lab = Lab({})
    lab.start("c", "busybox", "sh", "-c", script)
    for moment, state, log in _watch(lab, "c", *logs):
        wanted, ended, code = logs[moment].partition("#")
        assert (log, state.running, state.exit_code) == (wanted, not ended, int(code) if ended else None), (
            moment
        )
        if ended and state.finished_at is not None:
            assert (state.finished_at - state.started_at).total_seconds() == moment


def test_log_lines_bear_the_moment_at_which_they_were_written() -> None:
    lab = Lab({})
    lab.start("c", "busybox", "sh", "-c", "while true; do date +%S; sleep 5; done")
    lab.clock.advance(timedelta(seconds=11))
    lines = lab.runtime.logs("c", timestamps=True).splitlines()
    assert [line.split()[1] for line in lines] == ["00", "05", "10"]
    assert lines[1].startswith("2025-01-01T12:00:05.000000000Z ")
    assert lab.runtime.logs("c", tail=1) == "10\n"
    assert lab.runtime.logs("c", since=lab.clock.now() - timedelta(seconds=7)) == "05\n10\n"


def test_an_endless_loop_needs_nobody_to_look_and_catches_up_quickly() -> None:
    lab = Lab({})
    lab.start("c", "busybox", "sh", "-c", "n=0; while true; do n=$((n+1)); date +%H:%M:%S; sleep 1; done")
    lab.clock.advance(timedelta(days=365))
    state = lab.fresh().advance("c")
    assert (state.running, state.look_again) == (True, None)
    assert lab.runtime.logs("c", tail=1) == lab.clock.now().strftime("%H:%M:%S\n")


def test_a_loop_that_polls_tells_when_to_look_again() -> None:
    lab = Lab({("db.default.svc.cluster.local.", "A"): ["10.96.3.3"]})
    zone, lab.zone = lab.zone, None
    lab.start("init", "busybox:1.28", "sh", "-c", "until nslookup db; do echo waiting; sleep 2; done")
    state = lab.runtime.status("init")
    assert state.look_again is not None
    for wire in lab.wires.values():
        wire._zone = zone
    lab.clock.set(state.look_again)
    assert (lab.runtime.advance("init").exit_code, "waiting\n" in lab.runtime.logs("init")) == (0, True)


@pytest.mark.parametrize(
    ("image", "argv", "text"),
    [
        ("nginx", ("nosuch",), 'exec: "nosuch": executable file not found in $PATH: unknown'),
        ("nginx", ("/nosuch",), 'exec: "/nosuch": stat /nosuch: no such file or directory: unknown'),
        ("nginx", ("/etc",), 'exec: "/etc": is a directory: unknown'),
        ("nginx", ("/etc/passwd",), 'exec: "/etc/passwd": permission denied: unknown'),
    ],
)
def test_what_cannot_be_started_has_runcs_text(image: str, argv: tuple[str, ...], text: str) -> None:
    lab = Lab({})
    with pytest.raises(StartError) as caught:
        lab.start("c", image, *argv)
    assert str(caught.value) == (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
        f"unable to start container process: error during container init: {text}"
    )
    assert caught.value.exit_code == 128


def test_exec_of_an_unknown_command_has_runcs_text() -> None:
    lab = Lab({})
    lab.start("c", "nginx")
    with pytest.raises(ExecError) as caught:
        lab.run("c", "nosuch")
    assert str(caught.value) == (
        'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not '
        "found in $PATH: unknown"
    )


def test_exec_needs_a_running_container() -> None:
    lab = Lab({})
    lab.start("c", "busybox", "true")
    with pytest.raises(NotRunning):
        lab.run("c", "ls")
    with pytest.raises(NotRunning):
        lab.run("never", "ls")


def test_termination_message_is_what_was_written_there() -> None:
    lab = Lab({})
    lab.start("c", "busybox", "sh", "-c", "echo why > /dev/termination-log; exit 2")
    state = lab.runtime.status("c")
    assert (state.message, state.exit_code, state.reason) == ("why\n", 2, "Error")


def test_command_and_args_replace_what_kubernetes_says_they_replace() -> None:
    lab = Lab({})
    lab.start("both", "curlimages/curl", "echo", args=("x",))
    lab.start("args", "curlimages/curl", args=("--version",))
    assert lab.runtime.logs("both") == "x\n"
    assert lab.runtime.logs("args").startswith("curl 8.11.0 ")


def test_environment_is_in_containerds_order() -> None:
    lab = Lab({})
    lab.start("my-pod", "nginx", env={"KUBERNETES_SERVICE_HOST": "10.96.0.1", "A": "1"})
    out = lab.run("my-pod", "env")[1].splitlines()
    assert out[:3] == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME=my-pod",
        "NGINX_VERSION=1.27.3",
    ]
    assert out[-3:] == ["KUBERNETES_SERVICE_HOST=10.96.0.1", "A=1", "HOME=/root"]


@pytest.mark.parametrize(
    ("image", "argv", "code", "at_once"),
    [
        pytest.param("nginx", (), 0, True, id="nginx"),
        pytest.param("httpd", (), 0, True, id="httpd"),
        pytest.param("traefik/whoami", (), 2, True, id="a Go server"),
        pytest.param("registry.k8s.io/pause:3.10", (), 0, True, id="pause"),
        pytest.param("busybox", ("sleep", "1000"), 137, False, id="sleep ignores SIGTERM as process 1"),
        pytest.param("busybox", ("sh", "-c", "while true; do sleep 1; done"), 137, False, id="shell"),
        pytest.param("busybox", ("sh", "-c", "trap 'echo bye; exit 0' TERM; while true; do sleep 1; done"), 0, True, id="trap"),
        pytest.param("nginx", ("sh", "-c", "echo x; nginx -g 'daemon off;'"), 0, True, id="the last program takes the shell's place"),
    ],
)  # fmt: skip
def test_stopping_takes_what_the_program_takes(
    image: str, argv: tuple[str, ...], code: int, at_once: bool
) -> None:
    lab = Lab({})
    lab.start("c", image, *argv)
    lab.clock.advance(timedelta(seconds=3))
    state = lab.fresh().stop("c", 30)
    assert state.finished_at is not None
    waited = (state.finished_at - lab.clock.now()).total_seconds()
    assert (state.exit_code, waited <= 1, state.running) == (code, at_once, not at_once)
    lab.clock.advance(timedelta(seconds=waited))
    ended = lab.fresh().advance("c")
    assert (ended.exit_code, ended.finished_at, ended.running) == (code, state.finished_at, False)
    assert lab.runtime.listeners("c") == []


@pytest.mark.parametrize(
    ("delay", "grace", "code", "waited"),
    [
        pytest.param("10", 30, 0, 10, id="a server that takes its time"),
        pytest.param("60", 30, 137, 30, id="not longer than it has"),
        pytest.param("0", 30, 2, 0, id="no time"),
    ],
)
def test_a_container_that_is_ending_answers_until_it_has_ended(
    delay: str, grace: int, code: int, waited: int
) -> None:
    lab = Lab({})
    lab.start(
        "c",
        "registry.k8s.io/e2e-test-images/agnhost:2.53",
        "/agnhost",
        "netexec",
        f"--delay-shutdown={delay}",
    )
    state = lab.runtime.stop("c", grace)
    assert state.finished_at is not None
    assert (state.exit_code, (state.finished_at - lab.clock.now()).total_seconds()) == (code, waited)
    assert bool(lab.fresh().listeners("c")) is (waited > 0)
    lab.clock.advance(timedelta(seconds=waited))
    assert lab.fresh().listeners("c") == []
    assert lab.runtime.status("c").exit_code == code


def test_a_container_that_is_ending_is_killed_when_its_time_is_cut_short() -> None:
    lab = Lab({})
    lab.start(
        "c", "registry.k8s.io/e2e-test-images/agnhost:2.53", "/agnhost", "netexec", "--delay-shutdown=100"
    )
    assert lab.runtime.stop("c", 100).running
    state = lab.runtime.stop("c", 0)
    assert (state.running, state.exit_code, state.finished_at) == (False, 137, lab.clock.now())


def test_files_and_packages_stay_for_a_later_process() -> None:
    lab = Lab({})
    lab.start("c", "nginx")
    lab.sh(
        "c",
        "echo hi > /usr/share/nginx/html/index.html; rm /etc/motd; rm /etc/passwd; mkdir -p /a/b; ln -s b /a/l",
    )
    lab.sh("c", "apt-get update; apt-get install -y dnsutils")
    lab.fresh()
    assert (
        lab.sh("c", "cat /usr/share/nginx/html/index.html; ls /etc/passwd; readlink /a/l; which nslookup")[1]
        == "hi\nb\n/usr/bin/nslookup\n"
    )


def _answer(listener: Listener, target: str = "/") -> str:
    application: Any = listener.application
    return application.handle(HTTPRequest("GET", target, [("Host", "x")]), Peer("10.0.0.1", 9)).body.decode()


def test_a_server_goes_on_in_a_later_process_with_its_log() -> None:
    lab = Lab({})
    lab.start("c", "nginx")
    _answer(lab.runtime.listeners("c")[0])
    lab.runtime.flush()
    lab.fresh()
    assert [(x.protocol, x.port) for x in lab.runtime.listeners("c")] == [("TCP", 80), ("TCP", 80)]
    assert '"GET / HTTP/1.1" 200 615' in lab.runtime.logs("c", tail=1)


def test_processes_listen_until_they_are_killed() -> None:
    lab = Lab({})
    lab.start("c", "busybox", "sleep", "infinity")
    assert lab.sh("c", "httpd -f -p 8080 -h /tmp & echo $!")[1].strip().isdigit()
    assert [x.port for x in lab.fresh().listeners("c")] == [8080]
    assert "httpd -f -p 8080" in lab.sh("c", "ps")[1]
    lab.sh("c", "pkill httpd")
    assert lab.runtime.listeners("c") == []


def test_killing_the_server_that_the_main_shell_waits_for_lets_the_shell_go_on() -> None:
    lab = Lab({})
    lab.start("c", "busybox", "sh", "-c", "httpd -f -p 80; echo ended $?; exit 4")
    ended = []
    lab.runtime.on_exit = ended.append
    lab.sh("c", "kill $(pidof httpd)")
    assert (lab.runtime.status("c").exit_code, lab.runtime.logs("c"), ended) == (4, "ended 143\n", ["c"])


def test_unknown_image_echoes_on_its_declared_ports_alone() -> None:
    lab = Lab({})
    lab.start("web", "example.com/team/app", ports=(ContainerPort(9090), ContainerPort(53, "UDP")))
    lab.start("none", "example.com/team/app")
    assert [(x.protocol, x.port) for x in lab.runtime.listeners("web")] == [("TCP", 9090), ("UDP", 53)]
    assert "Pod: web\nNamespace: default\nNode: node-1\n" in _answer(lab.runtime.listeners("web")[0])
    assert (lab.runtime.listeners("none"), lab.runtime.status("none").running) == ([], True)


def test_containers_of_a_pod_share_volumes_and_keep_them() -> None:
    lab = Lab({})
    shared = Mount(path="/data", source="uid/scratch")
    config = Mount(path="/etc/app", source="uid/config", files={"a/b.conf": b"x=1\n"})
    lab.start("one", "busybox", "sleep", "infinity", mounts=(shared, config))
    lab.start("two", "busybox", "sleep", "infinity", mounts=(replace(shared, path="/in"),))
    lab.sh("one", "echo hello > /data/f")
    assert lab.sh("two", "cat /in/f; echo more >> /in/f")[1] == "hello\n"
    lab.fresh()
    code, out, err = lab.sh("one", "cat /data/f /etc/app/a/b.conf; echo no > /etc/app/new")
    assert (out, err) == ("hello\nmore\nx=1\n", "sh: can't create /etc/app/new: Read-only file system\n")
    lab.runtime.write_volume("uid/config", {"c.conf": b"y\n"})
    assert lab.sh("one", "ls /etc/app; cat /etc/app/c.conf")[1] == "c.conf\ny\n"
    assert code == 1


def test_a_volume_is_mounted_where_the_links_of_the_image_lead() -> None:
    lab = Lab({})
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    lab.start("c", "nginx", mounts=(Mount(path=path, source="uid/token", files={"token": b"abc"}),))
    for shown in (path, path.removeprefix("/var")):
        assert lab.runtime.exec_capture("c", ["cat", f"{shown}/token"])[1] == b"abc"
    assert (
        b" on /run/secrets/kubernetes.io/serviceaccount type" in lab.runtime.exec_capture("c", ["mount"])[1]
    )


def test_sub_path_shows_one_file_of_a_volume() -> None:
    lab = Lab({})
    page = Mount(
        path="/usr/share/nginx/html/index.html",
        source="u/p",
        sub_path="page",
        files={"page": b"mine\n", "other": b""},
    )
    lab.start("c", "nginx", mounts=(page,))
    assert _answer(lab.runtime.listeners("c")[0]) == "mine\n"
    assert lab.sh("c", "ls /usr/share/nginx/html")[1] == "50x.html\nindex.html\n"


def test_user_and_read_only_root_are_enforced() -> None:
    lab = Lab({})
    lab.start("user", "busybox", "sleep", "infinity", run_as_user=1000)
    assert lab.sh("user", "id -u; echo x > /etc/x; echo y > /tmp/y && cat /tmp/y") == (
        0, "1000\ny\n", "sh: can't create /etc/x: Permission denied\n",
    )  # fmt: skip
    lab.start("ro", "busybox", "sleep", "infinity", read_only_root=True)
    assert lab.sh("ro", "echo x > /tmp/x")[2] == "sh: can't create /tmp/x: Read-only file system\n"


def test_what_a_container_is_told_of_itself() -> None:
    lab = Lab({})
    lab.start("my-pod", "busybox", "sleep", "infinity", domain="sub.default.svc.cluster.local")
    assert (
        lab.sh("my-pod", "hostname; hostname -f; hostname -i")[1]
        == "my-pod\nmy-pod.sub.default.svc.cluster.local\n10.244.1.2\n"
    )
    assert (
        "10.244.1.2\tmy-pod.sub.default.svc.cluster.local\tmy-pod\n" in lab.sh("my-pod", "cat /etc/hosts")[1]
    )


@pytest.mark.parametrize(
    ("image", "env", "code", "said"),
    [
        ("postgres", {}, 1, "superuser password is not specified"),
        ("postgres", {"POSTGRES_PASSWORD": "x"}, None, "database system is ready to accept connections"),
        ("mysql", {}, 1, "Database is uninitialized and password option is not specified"),
        ("mysql", {"MYSQL_ROOT_PASSWORD": "x"}, None, "ready for connections"),
        ("hashicorp/http-echo", {}, 127, "Missing -text option!"),
    ],
)
def test_images_that_want_settings_say_so(
    image: str, env: dict[str, str], code: int | None, said: str
) -> None:
    lab = Lab({})
    lab.start("c", image, env=env)
    assert (lab.runtime.status("c").exit_code, said in lab.runtime.logs("c")) == (code, True)


def test_logs_are_bounded() -> None:
    lab = Lab({})
    lab.start(
        "c",
        "busybox",
        "sh",
        "-c",
        "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done",
    )
    size = sum(len(v) for v in lab.state.items("runtime/c/log/").values())
    assert size < 1_200_000
    assert lab.runtime.logs("c", tail=1).startswith("line 20000 ")


def test_removing_a_container_leaves_nothing() -> None:
    lab = Lab({})
    lab.start("c", "nginx")
    lab.sh("c", "touch /x")
    lab.runtime.remove("c")
    assert lab.state.items("runtime/c/") == {}
    with pytest.raises(NotRunning):
        lab.runtime.status("c")


def test_a_spec_survives_the_state_store() -> None:
    lab = Lab({})
    mount = Mount(path="/m", source="s", files={"k": b"\xff\0"})
    lab.start(
        "c",
        "busybox",
        "sleep",
        "infinity",
        mounts=(mount,),
        ports=(ContainerPort(1, "UDP", "n"),),
        env={"B": "1", "A": "2"},
    )
    machine = lab.fresh().machine("c")
    assert machine.facts["ports"] == [["UDP", 1, "n"]]
    assert lab.run("c", "cat", "/m/k")[1].encode("utf-8", "surrogateescape") == b"\xff\0"
    assert ContainerSpec(id="x", name="x", image="x").env == {}


def test_names_and_values_that_are_no_utf8_survive() -> None:
    lab = Lab({})
    lab.start("c", "busybox", "sh", "-c", "x=$(printf '\\377'); sleep 5; printf $x > /tmp/out")
    lab.sh("c", "touch /tmp/$(printf '\\376')")
    lab.clock.advance(timedelta(seconds=5))
    assert lab.fresh().advance("c").exit_code == 0


def test_looking_at_a_container_that_does_nothing_writes_nothing() -> None:
    lab = Lab({})
    lab.start("c", "nginx")
    before = dict(lab.state.items(""))
    lab.clock.advance(timedelta(hours=1))
    lab.runtime.advance("c")
    lab.runtime.logs("c")
    assert lab.state.items("") == before


MANY_VARIABLES = {f"SVC_{n}_SERVICE_HOST": f"10.96.0.{n}" for n in range(200)}


def test_containers_share_what_is_kept_of_a_large_environment() -> None:
    lab = Lab({})
    alone = sum(len(v) for v in lab.state.items("runtime/").values())
    for name in ("a", "b", "c"):
        lab.start(name, "busybox", "sleep", "inf", env=dict(MANY_VARIABLES))
    size = sum(len(v) for v in lab.state.items("runtime/").values()) - alone
    assert size < 3 * len(str(MANY_VARIABLES))
    lab.fresh()
    assert lab.run("c", "printenv", "SVC_199_SERVICE_HOST") == (0, "10.96.0.199\n", "")


def test_a_shared_environment_goes_with_the_last_container_that_has_it() -> None:
    lab = Lab({})
    for name in ("a", "b"):
        lab.start(name, "busybox", "sleep", "inf", env=dict(MANY_VARIABLES))
    lab.fresh().remove("a")
    assert lab.run("b", "printenv", "SVC_7_SERVICE_HOST") == (0, "10.96.0.7\n", "")
    lab.fresh().remove("b")
    assert lab.state.items("runtime/") == {}
