"""Requests as a user makes them: from Pods, from nodes and from outside, with what the tools print and how they exit."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import Result, new_home, run_cli, run_process

WEB = "<title>Welcome to nginx!</title>"
POD_YAML = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: LABEL}}
spec:
  nodeName: NODE
  containers:
  - {name: c, image: IMAGE, ARGS}
"""


class User:
    """Somebody with a cluster: nginx `web` on the first node, a shell `box` (busybox) and `tools` (Debian) on the second."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.pod("web", "nginx", node="node-1")
        self.pod("box", "busybox", args="args: [sleep, '36000']")
        self.pod("tools", "nicolaka/netshoot", args="args: [sleep, '36000']")
        self("create service clusterip web --tcp=80").check()
        self("create service nodeport port --tcp=80 --node-port=30080").check()
        self("patch service port -p", '{"spec":{"selector":{"app":"web"}}}').check()
        self.ip = self.out("get pod web -o jsonpath={.status.podIP}")
        self.vip = self.out("get svc web -o jsonpath={.spec.clusterIP}")

    def pod(
        self, name: str, image: str, *, node: str = "node-2", label: str = "", args: str = "stdin: false"
    ) -> None:
        text = POD_YAML.replace("NAME", name).replace("LABEL", label or name).replace("NODE", node)
        self("apply -f -", stdin=text.replace("IMAGE", image).replace("ARGS", args)).check()

    def __call__(self, line: str, *more: str, stdin: str = "", env: dict[str, str] | None = None) -> Result:
        return run_cli(self.home, *line.split(), *more, stdin=stdin, env=env)

    def out(self, line: str, *more: str) -> str:
        return self(line, *more).check().out

    def sh(self, pod: str, script: str) -> Result:
        return self(f"exec {pod} --", "sh", "-c", script)

    def log(self, pod: str) -> list[str]:
        return [
            line.split()[0]
            for line in self.out(f"logs {pod}").splitlines()
            if '"GET ' in line or '"HEAD ' in line
        ]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> User:
    return User(
        new_home(tmp_path_factory.mktemp("network"), "--seed", "1", "--clock", "2026-01-01T09:00:00Z")
    )


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(new_home(tmp_path, "--seed", "1", "--clock", "2026-01-01T09:00:00Z"))


CURL = [
    # (from, URL, exit code, what is said): what curl prints and how it exits.
    ("node/node-1", "http://VIP", 0, ""),
    ("node/node-2", "http://VIP", 0, ""),
    ("node/node-1", "http://IP", 0, ""),
    ("pod/box", "http://web", 0, ""),
    ("pod/box", "http://web.default.svc.cluster.local/", 0, ""),
    ("outside", "http://172.18.0.3:30080", 0, ""),
    ("outside", "http://172.18.0.4:30080", 0, ""),
    ("outside", "http://VIP", 28, "curl: (28) Connection timed out after 2001 milliseconds\n"),
    ("outside", "http://IP", 28, "curl: (28) Connection timed out after 2001 milliseconds\n"),
    ("outside", "http://web", 6, "curl: (6) Could not resolve host: web\n"),
    ("node/node-1", "http://web", 6, "curl: (6) Could not resolve host: web\n"),
    ("pod/box", "http://wbe", 6, "curl: (6) Could not resolve host: wbe\n"),
    ("pod/box", "http://web.other", 6, "curl: (6) Could not resolve host: web.other\n"),
    ("pod/box", "http://IP:81", 7, "curl: (7) Failed to connect to IP port 81 after 0 ms: Couldn't connect to server\n"),
    ("outside", "http://172.18.0.3:30081", 7, "curl: (7) Failed to connect to 172.18.0.3 port 30081 after 0 ms: Couldn't connect to server\n"),
    ("pod/box", "http://VIP:81", 28, "curl: (28) Connection timed out after 2001 milliseconds\n"),
    ("pod/box", "http://web/nothing", 22, "curl: (22) The requested URL returned error: 404\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "url", "code", "said"),
    CURL,
    ids=[f"{u.removeprefix('http://')} from {p}" for p, u, _, _ in CURL],
)
def test_curl_from_everywhere(shared: User, place: str, url: str, code: int, said: str) -> None:
    def known(text: str) -> str:
        return text.replace("VIP", shared.vip).replace("IP", shared.ip)

    done = shared(f"curl --from {place} -sS -f -m 2 {known(url)}")
    assert (done.code, done.err) == (code, known(said))
    assert (WEB in done.out) is (code == 0)


TOOLS = [
    ("tools", "dig +short +search web", 0, "VIP\n", ""),
    ("tools", "host web.default.svc.cluster.local", 0, "web.default.svc.cluster.local has address VIP\n", ""),
    ("tools", "curl -s -o /dev/null -w '%{http_code} %{remote_ip}:%{remote_port}' web", 0, "200 VIP:80", ""),
    ("tools", "curl -sSk -o /dev/null -w '%{http_code}' https://kubernetes.default", 0, "403", ""),
    ("tools", "for a in OWN 10.244.1.1 BOX IP; do ping -c 1 $a | grep -o ttl=..; done", 0, "ttl=64\nttl=64\nttl=63\nttl=62\n", ""),
    ("tools", "ip route", 0, "default via 10.244.1.1 dev eth0 \n10.244.1.0/24 via 10.244.1.1 dev eth0  src OWN \n10.244.1.1 dev eth0 scope link  src OWN \n", ""),
    ("tools", "ip -br -4 addr show eth0 | cut -d' ' -f1", 0, "eth0@ifPEER\n", ""),
    ("tools", "hostname -i", 0, "OWN\n", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pod", "script", "code", "out", "err"), TOOLS, ids=[t[1].split("|")[0] for t in TOOLS]
)
def test_tools_in_pods(shared: User, pod: str, script: str, code: int, out: str, err: str) -> None:
    own, box = (shared.out(f"get pod {name} -o jsonpath={{.status.podIP}}") for name in ("tools", "box"))

    def known(text: str) -> str:
        text = (
            text.replace("VIP", shared.vip).replace("IP", shared.ip).replace("OWN", own).replace("BOX", box)
        )
        return text.replace("PEER", str(2 + int(own.rpartition(".")[2])))

    done = shared.sh(pod, known(script))
    expected = known(err) + (f"command terminated with exit code {code}\n" if code else "")
    assert (done.code, done.out, done.err) == (code, known(out), expected)


def test_requests_are_in_the_log_of_who_answered(user: User) -> None:
    user.out(f"ssh node-1 -- curl -s {user.vip}")
    user.out(f"ssh node-2 -- curl -s {user.vip}")
    user.out("curl -s http://172.18.0.4:30080")
    user.sh("box", "wget -q -O - web").check()
    box = user.out("get pod box -o jsonpath={.status.podIP}")
    assert user.log("web") == ["10.244.0.1", "172.18.0.4", "172.18.0.4", box]


def test_load_is_shared_and_can_be_counted(user: User) -> None:
    for n in (1, 2, 3):
        user.pod(
            f"app-{n}", "hashicorp/http-echo", label="app", args=f"args: ['-listen=:80', '-text=app-{n}']"
        )
    user("create service clusterip app --tcp=80").check()
    done = user.sh("tools", "for i in $(seq 60); do curl -s app; done | sort | uniq -c")
    counts = {name: int(n) for n, name in (line.split() for line in done.check().out.splitlines())}
    assert set(counts) == {"app-1", "app-2", "app-3"}
    assert sum(counts.values()) == 60
    assert min(counts.values()) >= 8
    assert counts == {name: user.out(f"logs {name}").count("GET /") for name in counts}


def test_nslookup_has_to_be_installed_in_nginx(user: User) -> None:
    missing = user("exec web -- nslookup web")
    assert missing.code == 1
    assert 'exec: "nslookup": executable file not found in $PATH' in missing.err
    user.sh("web", "apt update && apt-get -y install dnsutils").check()
    said = user("exec web -- nslookup web").check().out
    assert f"Name:\tweb.default.svc.cluster.local\nAddress: {user.vip}\n" in said
    for name in ("web.default", "web.default.svc", "web.default.svc.cluster.local"):
        assert f"Address: {user.vip}\n" in user(f"exec web -- nslookup {name}").check().out
    failed = user("exec web -- nslookup web.other")
    assert (failed.code, "** server can't find web.other: NXDOMAIN" in failed.out) == (1, True)


def test_names_across_namespaces(user: User) -> None:
    user.out("create namespace other")
    user.out("run far -n other --image=nicolaka/netshoot --command -- sleep 36000")
    names = {"web": 6, "web.default": 0, "web.default.svc": 0, "web.default.svc.cluster.local": 0}
    for name, code in names.items():
        assert user(f"exec far -n other -- curl -sS -o /dev/null {name}").code == code, name
        assert user(f"curl --from pod/far --namespace other -sS -o /dev/null {name}").code == code, name


def test_headless_and_external_names(user: User) -> None:
    user.pod("web-2", "nginx", label="web")
    user("create service clusterip headless --clusterip=None --tcp=80").check()
    user("patch service headless -p", '{"spec":{"selector":{"app":"web"}}}').check()
    user("create service externalname alias --external-name=web.default.svc.cluster.local").check()
    other = user.out("get pod web-2 -o jsonpath={.status.podIP}")
    found = user.sh("tools", "dig +short headless.default.svc.cluster.local | sort").check().out.split()
    assert found == sorted([user.ip, other])
    seen = user.sh(
        "tools", "for i in $(seq 20); do curl -s -o /dev/null -w '%{remote_ip}\\n' headless; done | sort -u"
    )
    assert seen.check().out.split() == sorted([user.ip, other])
    alias = user.sh("tools", "dig +short alias.default.svc.cluster.local").check().out
    assert alias == f"web.default.svc.cluster.local.\n{user.vip}\n"
    assert WEB in user.sh("tools", "curl -s alias").check().out


def test_dns_policy_default_asks_the_resolver_of_the_node(user: User) -> None:
    overrides = '{"apiVersion":"v1","spec":{"dnsPolicy":"Default"}}'
    user(
        "run plain --image=nicolaka/netshoot --overrides", overrides, "--command", "--", "sleep", "36000"
    ).check()
    assert "nameserver 172.18.0.1" in user.out("exec plain -- cat /etc/resolv.conf")
    failed = user("exec plain -- curl -sS web.default.svc.cluster.local")
    assert failed.err.startswith("curl: (6) Could not resolve host: web.default.svc.cluster.local\n")
    assert user(f"exec plain -- curl -sS -o /dev/null {user.vip}").code == 0


def test_images_of_ones_own_are_in_a_file_of_the_home(user: User) -> None:
    entry = "{names: [example.com/mine], like: nginx, files: {/usr/share/nginx/html/index.html: my own}}"
    (user.home / "images").mkdir()
    (user.home / "images" / "mine.yaml").write_text("images: {mine: " + entry + "}")
    user.pod("mine", "example.com/mine:1")
    assert user.out("exec mine -- curl -s localhost") == "my own"


def test_service_names_a_node_that_answers(user: User) -> None:
    user.pod("far", "nginx")  # on the second node
    user("create service nodeport far --tcp=80 --node-port=30090").check()
    user("patch service far -p", '{"spec": {"externalTrafficPolicy": "Local"}}').check()
    url = user.out("service far").splitlines()[1].split()[4]
    assert url == "http://172.18.0.4:30090"
    assert WEB in user.out(f"curl -sS -m 2 {url}")
    assert "--from node/node-1 https://10.96.0.1:443" in user("service kubernetes").err


def test_a_policy_shuts_others_out(user: User) -> None:
    policy = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-box}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: box}}}]}]
"""
    user("apply -f -", stdin=policy).check()
    assert user.sh("box", "wget -q -O /dev/null -T 2 web").code == 0
    shut = user.sh("tools", "curl -sS -m 2 web")
    assert (shut.code, shut.err.splitlines()[0]) == (
        28,
        "curl: (28) Connection timed out after 2001 milliseconds",
    )
    assert user(f"ssh node-1 -- curl -s -o /dev/null {user.ip}").code == 0
    user.out("delete networkpolicy only-box")
    assert user.sh("tools", "curl -s -o /dev/null web").code == 0


class TestSSH:
    def test_what_a_node_knows_of_its_network(self, shared: User) -> None:
        route = shared.out("ssh node-1 -- ip route").splitlines()
        assert route[0] == "default via 172.18.0.1 dev eth0 "
        assert route[1].startswith(f"{shared.ip} dev veth")
        assert route[2:] == [
            "10.244.1.0/24 via 172.18.0.4 dev eth0 ",
            "172.18.0.0/16 dev eth0 proto kernel scope link src 172.18.0.3 ",
        ]
        assert "inet 172.18.0.3/16 brd 172.18.255.255 scope global eth0" in shared.out(
            "ssh node-1 -- ip addr"
        )
        assert {"10250", "10256"} <= {
            row.split()[3].rpartition(":")[2] for row in shared.out("ssh node-1 -- ss -ltn").splitlines()[1:]
        }

    def test_iptables_save_prints_the_rules_that_packets_take(self, shared: User) -> None:
        said = shared.out("ssh node-1 -- iptables-save")
        assert [line for line in said.splitlines() if line.startswith("*")][-1] == "*nat"
        nat = shared.out("ssh node-1 -- iptables-save -t nat")
        assert nat.splitlines()[1] == "*nat"
        assert nat.splitlines()[-2] == "COMMIT"
        assert f"-d {shared.vip}/32 -p tcp" in nat
        assert f"--to-destination {shared.ip}:80" in nat
        assert "--dport 30080" in nat
        assert shared("ssh node-1 -- iptables-save --nonsense").code == 1

    def test_exit_codes_are_those_of_the_command(self, shared: User) -> None:
        assert [shared("ssh node-1 --", *words).code for words in (["true"], ["sh", "-c", "exit 7"], ["nosuch"], ["/tmp"])] == [0, 7, 127, 126]  # fmt: skip
        assert shared("ssh node-1 -- nosuch").err == "bash: line 1: nosuch: command not found\n"
        gone = shared("ssh node-9 -- true")
        assert (gone.code, gone.err) == (1, 'Error from server (NotFound): nodes "node-9" not found\n')

    def test_a_script_on_standard_input_and_a_line_in_one_word(self, shared: User) -> None:
        done = shared("ssh node-2", stdin="hostname\nexit 3\n")
        assert (done.code, done.out) == (3, "node-2\n")
        assert shared.out("ssh node-2 --", "hostname | tr n N; echo $?") == "Node-2\n0\n"

    def test_iptables_lists_the_same_rules(self, shared: User) -> None:
        saved = shared.out("ssh node-1 -- iptables-save -t nat").splitlines()
        listed = shared.out("ssh node-1 -- iptables -t nat -S").splitlines()
        assert [line for line in listed if line.startswith("-A")] == [x for x in saved if x.startswith("-A")]
        assert listed[:5] == [
            "-P PREROUTING ACCEPT",
            "-P INPUT ACCEPT",
            "-P OUTPUT ACCEPT",
            "-P POSTROUTING ACCEPT",
            next(f"-N {line.split()[0][1:]}" for line in saved if line.startswith(":KUBE")),
        ]
        one = shared.out("ssh node-1 -- iptables -t nat -S KUBE-NODEPORTS").splitlines()
        assert one[0] == "-N KUBE-NODEPORTS"
        assert all("--dport" in line for line in one[1:])
        refused = shared("ssh node-1 -- iptables -t nat -F")
        assert (refused.code, "rules are kube-proxy's to change" in refused.err) == (2, True)
        nothing = shared("ssh node-1 -- iptables -t nat -S NOSUCH")
        assert (nothing.code, nothing.err) == (
            1,
            "iptables v1.8.9 (nf_tables): chain `NOSUCH' in table `nat' is incompatible, use 'nft' tool.\n",
        )

    def test_what_is_written_on_a_node_stays_there(self, user: User) -> None:
        user.out("ssh node-1 --", "echo mine > /tmp/note")
        assert user.out("ssh node-1 -- cat /tmp/note") == "mine\n"
        assert user("ssh node-2 -- cat /tmp/note").code == 1


class TestWords:
    def test_curl_without_a_url_shows_its_help(self, shared: User) -> None:
        done = shared("curl")
        assert (done.code, done.out) == (2, "")
        assert "kubesim curl [--from outside|node/NAME|pod/NAME]" in done.err
        assert shared("curl --help").out == done.err

    def test_places_that_are_none(self, shared: User) -> None:
        unknown = shared("curl --from moon http://web")
        assert (unknown.code, unknown.err) == (1, 'error: there is no place "moon" to look from: outside, node/NAME or pod/NAME\n')  # fmt: skip
        missing = shared("curl --from pod/nobody http://web")
        assert missing.err == 'Error from server (NotFound): pods "nobody" not found\n'
        assert shared("curl http://web --from").err == "error: flag needs an argument: --from\n"

    @pytest.mark.parametrize("place", ["outside", "pod/box", "node-2"])
    def test_what_curl_writes_stays_where_it_ran(self, user: User, tmp_path: Path, place: str) -> None:
        url = f"http://{user.ip if place != 'outside' else '172.18.0.3:30080'}/index.html"
        here = tmp_path / "here"
        here.mkdir()

        def curl(words: str) -> Result:
            start = f"curl --from {place if place != 'node-2' else 'node/node-2'} -s"
            return run_cli(user.home, *f"{start} {words} {url}".split(), cwd=here)

        for words in (
            "-o page.html",
            "-O",
            "-o /dev/null",
            "-D head -o x",
            "--create-dirs --output-dir /tmp/new -O",
        ):
            assert curl(words).check().out == ""
        shown = user.out(f"ssh {place} -- grep -c Welcome page.html index.html /tmp/new/index.html")
        assert shown == "page.html:2\nindex.html:2\n/tmp/new/index.html:2\n"
        assert user.out(f"ssh {place} -- head -n 1 head") == "HTTP/1.1 200 OK\r\n"
        assert curl("--output-dir /tmp/new -o a/b").code == 23
        lost = curl(f"-o {here}/page.html")
        assert (lost.code, lost.out, list(here.iterdir())) == (23, "", [])
        assert "files of the simulated computer alone" in lost.err

    def test_each_place_has_its_own_files(self, user: User) -> None:
        user("run node-1 --image=busybox -- sleep 3600").check()
        for place in ("node-1", "outside", "pod/box", "pod/node-1"):
            assert user(f"ssh {place} -- cat /tmp/note").code == 1
            user.out(f"ssh {place} --", f"echo {place} > /tmp/note")
            assert user.out(f"ssh {place} -- cat /tmp/note") == f"{place}\n"

    def test_a_pod_that_has_ended_is_no_place(self, user: User) -> None:
        user("run over --image=busybox --restart=Never -- true").check()
        done = user("curl --from pod/over http://web")
        assert (done.code, done.err) == (
            1,
            'error: pod "over" has no place in the network: its phase is Succeeded\n',
        )

    def test_a_server_elsewhere_has_no_such_places(self, shared: User) -> None:
        done = shared("--server https://127.0.0.1:1 curl http://web")
        assert (done.code, done.err) == (1, "error: this works with simulated clusters of this home alone, not with a server elsewhere\n")  # fmt: skip


def test_a_cold_process_does_the_same(user: User) -> None:
    done = run_process(user.home, "curl", "-sS", "http://172.18.0.3:30080")
    assert (done.code, WEB in done.out) == (0, True)
    assert user.log("web") == ["10.244.0.1"]


def test_a_container_that_is_told_to_end_is_started_again(user: User) -> None:
    user.pod("agn", "registry.k8s.io/e2e-test-images/agnhost:2.47", args="args: [netexec]")
    ip = user.out("get pod agn -o jsonpath={.status.podIP}")
    user.sh("tools", f"curl -s {ip}:8080/exit?code=3")
    assert (
        user.out("get pod agn -o jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}")
        == "3"
    )
