"""A node's shell: its name, its tools, the programs that others bring, files that stay."""

from __future__ import annotations

from support.machines import Lab

from kubesim.runtime.application import Listener, Peer
from kubesim.runtime.applications.base import Server
from kubesim.runtime.container import Streams
from kubesim.runtime.images import Catalogue
from kubesim.runtime.network_view import Isolated
from kubesim.runtime.node import NodeMachine
from kubesim.runtime.process import Process


def _node(lab: Lab, listeners: list[Listener]) -> NodeMachine:
    def save(process: Process) -> int:
        process.print("*nat")
        return 0

    network = Isolated(lambda: listeners, addresses=["172.18.0.3"])
    return NodeMachine(
        "node-1", state=lab.state, clock=lab.clock, catalogue=Catalogue.load(), network=network, addresses=["172.18.0.3"],
        programs={"iptables-save": save},
    )  # fmt: skip


def _run(node: NodeMachine, script: str) -> tuple[int, str, str]:
    streams, out, err = Streams.captured()
    code = node.exec(["bash", "-c", script], streams)
    return code, out.decode(), err.decode()


def test_node_has_its_name_tools_and_injected_programs() -> None:
    node = _node(Lab({}), [])
    assert _run(node, "hostname; whoami; pwd; iptables-save; ip route | head -1") == (
        0, "node-1\nroot\n/root\n*nat\ndefault via 172.18.0.1 dev eth0 \n", "",
    )  # fmt: skip
    assert "172.18.0.3\tnode-1\n" in _run(node, "cat /etc/hosts")[1]


def test_node_reaches_what_listens_on_it() -> None:
    lab = Lab({})
    lab.start("web", "nginx")
    nginx = lab.runtime.listeners("web")[0].application
    assert isinstance(nginx, Server)
    node = _node(lab, [Listener("TCP", 30080, "*", nginx)])
    assert (
        _run(node, "curl -s 172.18.0.3:30080 | head -4 | tail -1")[1] == "<title>Welcome to nginx!</title>\n"
    )
    assert nginx.open(Peer("1.2.3.4", 5)).greeting == b""


def test_what_is_written_on_a_node_stays() -> None:
    lab = Lab({})
    _run(_node(lab, []), "echo x > /tmp/note")
    assert _run(_node(lab, []), "cat /tmp/note")[1] == "x\n"
