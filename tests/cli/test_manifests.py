"""The examples in manifests/: each directory can be applied as it is, twice, and shows what its comments say."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli import PROJECT, new_home, run_cli

MANIFESTS = PROJECT / "manifests"
DIRECTORIES = ("walkthrough", "services", "dns", "pods", "namespaces", "images")
OVERLAY = "manifests/kustomize/overlays/staging"
# As kubectl has it: the API server gives these Pods one volume more than their files name, and the order of two lists
# of different length counts as a difference. The patch that says so changes nothing.
ORDER_OF_VOLUMES = {"pod/configured", "pod/prepared", "pod/pair"}


def _home(tmp_path: Path, *options: str) -> Path:
    return new_home(tmp_path, "--seed", "manifests", *options)


def _apply(home: Path, *words: str) -> list[str]:
    done = run_cli(home, "apply", *words, cwd=PROJECT).check()
    assert done.err == ""
    return done.out.splitlines()


def _get(home: Path, *words: str) -> Any:
    return json.loads(run_cli(home, "get", *words, "-o", "json").check().out)


def _contents(home: Path, results: list[str]) -> dict[str, Any]:
    """All objects of the kinds that an apply has named, but for what changes by itself: status and resourceVersion."""
    kinds = ",".join(sorted({line.split("/")[0] for line in results}))
    found = {}
    for item in _get(home, kinds, "-A")["items"]:
        metadata = item["metadata"]
        item.pop("status", None)
        del metadata["resourceVersion"]
        found[f"{item['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"] = item
    return found


def _slices(home: Path, service: str) -> list[Any]:
    items: list[Any] = _get(home, "endpointslices", "-l", f"kubernetes.io/service-name={service}")["items"]
    return items


def _addresses(home: Path, service: str, *words: str) -> list[str]:
    subsets = _get(home, "endpoints", service, *words).get("subsets", [])
    return [address["ip"] for subset in subsets for address in subset.get("addresses", [])]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the examples of Services are there. Tests leave it as it is."""
    home = _home(tmp_path_factory.mktemp("services"))
    _apply(home, "-f", "manifests/services/")
    return home


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Likewise, with the examples of Pods."""
    home = _home(tmp_path_factory.mktemp("pods"))
    _apply(home, "-f", "manifests/pods/")
    return home


def test_every_directory_of_examples_is_tried_here():
    assert {p.name for p in MANIFESTS.iterdir()} == {*DIRECTORIES, "kustomize", "mistakes"}


@pytest.mark.parametrize("file", sorted(MANIFESTS.rglob("*.yaml")), ids=lambda f: f.stem)
def test_each_example_says_what_it_shows_and_what_to_try(file: Path):
    if file.name == "guestbook.yaml" or file.parent.name == "walkthrough":
        return  # told by its kustomization; told by docs/walkthrough.sh
    comment = file.read_text().split("apiVersion")[0]
    assert comment.startswith("# ")
    assert "# Try: " in comment


def _tries(directory: str) -> Iterator[tuple[str, bool]]:
    """The commands that the examples of a directory propose, and whether each one succeeds."""
    for file in sorted((MANIFESTS / directory).rglob("*.yaml")):
        comment = "\n".join(line[1:] for line in file.read_text().splitlines() if line.startswith("#"))
        commands = comment.partition(" Try: ")[2].replace("\\\n", " ")
        for line in filter(None, map(str.strip, commands.splitlines())):
            command, _, remark = line.partition("   (")
            yield command, not remark.startswith("refused")


@pytest.mark.parametrize("directory", [*DIRECTORIES, "kustomize"])
def test_what_is_proposed_can_be_typed_as_it_stands(tmp_path: Path, directory: str):
    home = _home(tmp_path)
    words = ("-k", OVERLAY) if directory == "kustomize" else ("-f", f"manifests/{directory}/")
    _apply(home, *words)
    for command, succeeds in _tries(directory):
        if re.search(r"[;|$]", command):
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            env = {
                "PATH": path,
                "HOME": str(tmp_path),
                "KUBESIM_HOME": str(home),
                "KUBESIM_AUTOSTART": "0",
                "LANG": "C.UTF-8",
            }
            script = f"set -e; sleep() {{ :; }}; {command}"
            code = subprocess.run(
                ["bash", "-c", script], cwd=PROJECT, env=env, capture_output=True
            ).returncode
        else:
            program, *line = shlex.split(command)
            assert program == "kubesim"
            code = run_cli(home, *line, cwd=PROJECT).code
        assert (code == 0) is succeeds, command


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_a_directory_applies_strictly_and_a_second_time_without_a_change(tmp_path: Path, directory: str):
    home = _home(tmp_path)
    words = ("-f", f"manifests/{directory}/", "--validate=strict")
    first = _apply(home, *words)
    assert {line.split()[1] for line in first} == {"created"}
    before = _contents(home, first)
    again = _apply(home, *words)
    assert {line.split()[0] for line in again if not line.endswith(" unchanged")} <= ORDER_OF_VOLUMES
    assert [line.split()[0] for line in again] == [line.split()[0] for line in first]
    assert _contents(home, again) == before


def test_all_directories_fit_into_one_cluster(tmp_path: Path):
    home = _home(tmp_path)
    folders = [word for name in DIRECTORIES for word in ("-f", f"manifests/{name}/")]
    assert {line.split()[1] for line in _apply(home, *folders)} == {"created"}


def test_cluster_ip_stands_for_two_pods(services: Path):
    assert len(_addresses(services, "web")) == 2


def test_headless_service_has_endpoints_and_no_address(services: Path):
    assert _get(services, "service", "peers")["spec"]["clusterIP"] == "None"
    assert len(_addresses(services, "peers")) == 2


def test_fixed_node_port_is_kept_and_refused_to_others(services: Path):
    assert _get(services, "service", "shop")["spec"]["ports"][0]["nodePort"] == 30080
    words = ("create", "service", "nodeport", "other", "--tcp=80", "--node-port=30080")
    assert "provided port is already allocated" in run_cli(services, *words).err


def test_load_balancer_waits_for_a_cloud(tmp_path: Path):
    home = _home(tmp_path)
    _apply(home, "-f", "manifests/services/load-balancer.yaml")
    assert "<pending>" in run_cli(home, "get", "service", "front-door").out
    status = '{"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.10"}]}}}'
    words = ("patch", "service", "front-door", "--subresource=status", "--type=merge", "-p", status)
    run_cli(home, *words).check()
    assert "203.0.113.10" in run_cli(home, "get", "service", "front-door").out


def test_external_name_has_neither_address_nor_endpoints(services: Path):
    assert "clusterIP" not in _get(services, "service", "partner")["spec"]
    assert _slices(services, "partner") == []


def test_own_endpoints_are_mirrored_into_a_slice(services: Path):
    (mirrored,) = _slices(services, "legacy-db")
    assert [e["addresses"] for e in mirrored["endpoints"]] == [["192.0.2.10"], ["192.0.2.11"]]


def test_own_slice_is_the_only_one_and_has_no_endpoints_object(services: Path):
    assert [s["metadata"]["name"] for s in _slices(services, "legacy-api")] == ["legacy-api-1"]
    assert run_cli(services, "get", "endpoints", "legacy-api").code == 1


def test_named_target_port_is_looked_up_in_each_pod(services: Path):
    assert sorted(s["ports"][0]["port"] for s in _slices(services, "renamed")) == [5000, 6000]


def test_ports_of_several_protocols_stay_apart(services: Path):
    (only,) = _slices(services, "talk")
    found = {(p["name"], p["protocol"], p["port"]) for p in only["ports"]}
    assert found == {("http", "TCP", 8080), ("http-alt", "TCP", 8080), ("datagrams", "UDP", 8081)}


def test_session_affinity_has_its_time(services: Path):
    spec = _get(services, "service", "sticky")["spec"]
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 600}}


def test_dual_stack_is_preferred_and_got_where_there_are_both(services: Path, tmp_path: Path):
    assert _get(services, "service", "both")["spec"]["ipFamilies"] == ["IPv4"]
    home = _home(tmp_path, "--service-cidr", "10.96.0.0/12,fd00:10:96::/112")
    _apply(home, "-f", "manifests/services/dual-stack.yaml")
    spec = _get(home, "service", "both")["spec"]
    assert spec["ipFamilies"] == ["IPv4", "IPv6"]
    assert len(spec["clusterIPs"]) == 2


def test_local_traffic_has_its_pod_on_one_node(services: Path):
    (only,) = _slices(services, "audit")
    assert [e["nodeName"] for e in only["endpoints"]] in (["node-1"], ["node-2"])


def test_unready_pod_is_published_only_where_that_is_asked_for(services: Path):
    assert _addresses(services, "strict") == []
    assert len(_addresses(services, "early")) == 1
    assert "statuscode: 404" in run_cli(services, "describe", "pod", "warming-up").out


def test_hostname_and_subdomain_reach_the_endpoints(tmp_path: Path):
    home = _home(tmp_path)
    _apply(home, "-f", "manifests/dns/")
    (subset,) = _get(home, "endpoints", "team")["subsets"]
    assert [a["hostname"] for a in subset["addresses"]] == ["alpha", "beta"]
    files = {
        name: run_cli(home, "exec", f"dns-{name}", "--", "cat", "/etc/resolv.conf").check().out
        for name in ("cluster-first", "default", "none")
    }
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in files["cluster-first"]
    assert "cluster.local" not in files["default"]
    assert files["none"].splitlines()[0] == "search corp.example.com"


def test_init_container_prepares_what_the_other_one_sees(pods: Path):
    page = run_cli(pods, "exec", "prepared", "-c", "nginx", "--", "cat", "/usr/share/nginx/html/index.html")
    assert page.check().out == "made before nginx started\n"
    assert run_cli(pods, "logs", "prepared", "-c", "prepare").check().out == "done\n"


def test_environment_comes_from_where_it_is_said_to_come_from(pods: Path):
    env = run_cli(pods, "exec", "configured", "--", "env").check().out.splitlines()
    address = _get(pods, "pod", "configured")["status"]["podIP"]
    assert {
        "PLAIN=written here",
        "COLOR=green",
        "DB_password=not-so-secret",
        f"MY_IP={address}",
        f"GREETING=green on {address}",
    } <= set(env)
    assert (
        run_cli(pods, "exec", "configured", "--", "cat", "/etc/app/motd").check().out
        == "read from a ConfigMap\n"
    )


def test_containers_of_a_pod_share_a_volume(pods: Path):
    words = ("exec", "pair", "-c", "reader", "--", "cat", "/shared/note")
    assert run_cli(pods, *words).check().out == "written by pair\n"


def test_restart_policy_decides_what_an_ended_container_means(pods: Path):
    phases = {item["metadata"]["name"]: item["status"]["phase"] for item in _get(pods, "pods")["items"]}
    assert phases["never-good"] == "Succeeded"
    assert phases["never-bad"] == "Failed"
    assert phases["on-failure"] == phases["always"] == "Running"
    assert phases["healthy"] == phases["forgetful"] == "Running"


def test_same_service_in_two_namespaces_has_endpoints_of_its_own(tmp_path: Path):
    home = _home(tmp_path)
    _apply(home, "-f", "manifests/namespaces/")
    red, blue = (_addresses(home, "color", "-n", namespace) for namespace in ("red", "blue"))
    assert len(red) == len(blue) == 1
    assert red != blue


def test_kustomize_overlay_makes_a_staging_environment(tmp_path: Path):
    home = _home(tmp_path)
    first = _apply(home, "-k", OVERLAY)
    assert {line.split()[1] for line in first} == {"created"}
    assert {line.split()[1] for line in _apply(home, "-k", OVERLAY)} == {"unchanged"}
    assert _get(home, "service", "staging-guestbook")["spec"]["type"] == "NodePort"
    assert len(_addresses(home, "staging-guestbook")) == 1
    env = run_cli(home, "exec", "staging-guestbook", "--", "env").check().out
    assert "GREETING=hello from staging" in env.splitlines()
    assert _get(home, "pod", "staging-guestbook")["spec"]["containers"][0]["image"] == "nginx:1.27-alpine"
