"""`check`: every reason code by its manifest, in files and in a cluster; the forms of output; exit codes; silence."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from support.cli import PROJECT, new_home, run_cli

from kubesim import Cluster, StatusError
from kubesim.diagnosis.reasons import REASONS

MISTAKES = PROJECT / "manifests" / "mistakes"


class Case(NamedTuple):
    """What `check` says of a manifest: `planned` of the file, `live` of a cluster to which it was applied; None: nothing."""

    object: str
    planned: tuple[str, str] | None
    live: tuple[str, str] | None = ("", "")
    """Severity and field; two empty texts: the same as planned."""
    refused: bool = False


CASES = {
    1: Case("service/shop", ("error", "spec.selector.app")),
    2: Case("service/shop", ("error", "metadata.namespace")),
    3: Case("pod/client", ("error", "spec.containers[0].env[0].value")),
    4: Case("service/web", ("error", "spec.ports[0].targetPort")),
    5: Case("service/web", ("error", "spec.ports[0].targetPort")),
    6: Case("service/web", ("error", "spec.ports[0].targetPort"), None, refused=True),
    7: Case(
        "pod/web", ("error", "spec.containers[0].readinessProbe.httpGet.port"), ("error", "spec.selector")
    ),
    8: Case("service/web", ("error", "spec.ports[0].protocol")),
    9: Case("service/second", ("error", "spec.ports[0].nodePort"), None, refused=True),
    10: Case("service/web", ("error", "spec.ports[0].nodePort"), None, refused=True),
    11: Case("service/web", ("error", "spec.ports[0].targetPort")),
    12: Case("service/web", ("error", "spec.ports[0].port")),
    13: Case("statefulset/db", ("error", "spec.serviceName")),
    14: Case("service/web", None, ("warning", "spec.externalTrafficPolicy")),
    15: Case("pod/web-1", ("info", "spec.containers[0].env[0].value")),
    16: Case("pod/client", ("warning", "spec.containers[0].command[2]")),
    17: Case("pod/client", ("warning", "spec.containers[0].command[2]")),
    18: Case("service/partner", ("warning", "spec.ports[0].targetPort")),
    19: Case("service/web", ("error", "spec.clusterIP"), None, refused=True),
    20: Case("service/web", ("info", "spec.sessionAffinity")),
    21: Case("service/web", ("error", "spec.ports[0].targetPort")),
    22: Case("service/database", ("error", "spec.selector")),
    23: Case("service/web", ("error", "spec.ports[0].name"), None, refused=True),
    24: Case("networkpolicy/web", ("error", "spec.ingress[0].ports[0].port")),
    25: Case("service/web", None, ("warning", "spec.loadBalancerClass")),
    26: Case("ingress/shop", ("error", "spec.rules[0].http.paths[0].backend.service.name")),
    27: Case("ingress/shop", ("error", "spec.ingressClassName")),
    28: Case(
        "ingress/second",
        ("warning", "spec.rules[0].http.paths[0].path"),
        ("error", "spec.rules[0].http.paths[0].path"),
    ),
    29: Case("ingress/shop", ("error", "spec.tls[0].secretName")),
    30: Case("ingress/shop", ("warning", "spec.tls[0].hosts[0]")),
    31: Case("service/web", None, ("warning", "metadata.annotations[service.kubernetes.io/topology-mode]")),
    32: Case("service/web", ("info", "spec.loadBalancerSourceRanges")),
    33: Case("service/web", None, None),
}
OF_INGRESSES = range(26, 31)
"""They want an ingress controller."""


def manifest(code: int) -> Path:
    (found,) = MISTAKES.glob(f"{code:02d}-*.yaml")
    return found


def findings(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["findings"]
    return found


def shown(finding: dict[str, Any]) -> tuple[str, tuple[str, str]]:
    ref = finding["object"]
    return f"{ref['kind'].lower()}/{ref['name']}", (finding["severity"], finding["field"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_home(tmp_path_factory.mktemp("check"))


def test_there_is_a_manifest_for_each_code_and_no_other():
    assert (
        [int(p.name[:2]) for p in sorted(MISTAKES.glob("*.yaml"))]
        == [r.code for r in REASONS[1:]]
        == list(CASES)
    )


@pytest.mark.parametrize("code", CASES)
def test_a_mistake_is_found_in_its_file(home, code):
    case, path = CASES[code], manifest(code)
    done = run_cli(home, "check", "--alone", "-f", str(path), "-o", "json", "--level", "info")
    found = [f for f in findings(done.out) if f["code"] == code]
    others = [f for f in findings(done.out) if f["code"] != code]
    assert done.err == ""
    assert [f for f in others if f["severity"] != "info"] == []
    if case.planned is None:
        assert (found, done.code) == ([], 0)
        return
    assert shown(found[0]) == (case.object, case.planned)
    assert found[0]["message"]
    assert found[0]["fix"]
    assert done.code == (1 if case.planned[0] == "error" else 0)
    line = path.read_text().splitlines()[found[0]["source"]["line"] - 1]
    last = case.planned[1].rpartition(".")[2].partition("[")[0]
    assert (
        last in line
        or line.lstrip().startswith(("-", "metadata"))
        or case.planned[1].startswith("spec.selector")
    )


@pytest.mark.parametrize("code", [c for c, case in CASES.items() if not case.refused])
def test_a_mistake_is_found_in_the_cluster(code):
    case, documents = CASES[code], list(yaml.safe_load_all(manifest(code).read_text()))
    with Cluster(nodes=2, seed=1, clock="2026-01-01T09:00:00Z", ingress=code in OF_INGRESSES) as cluster:
        for document in documents:
            cluster.apply(document)
            cluster.advance(2)
        cluster.advance(10)
        done = cluster.kubectl("check -A -o json --level info")
    wanted = case.planned if case.live == ("", "") else case.live
    found = [shown(f) for f in findings(done.stdout) if f["code"] == code]
    if wanted is None:  # only a request shows it
        assert (findings(done.stdout), done.exit_code) == ([], 0)
        return
    assert found[0][1] == wanted
    assert found[0][0] == (case.object if code != 7 else "service/web")
    assert done.exit_code == (1 if wanted and wanted[0] == "error" else 0)


@pytest.mark.parametrize("code", [c for c, case in CASES.items() if case.refused])
def test_what_is_refused_does_not_get_into_the_cluster(code, tmp_path):
    home = new_home(tmp_path)
    done = run_cli(home, "apply", "-f", str(manifest(code)))
    assert done.code == 1
    assert "is invalid" in done.err


def test_both_times_are_told_of_a_service_that_came_too_late():
    first, *rest = yaml.safe_load_all(manifest(16).read_text())
    with Cluster(seed=1, clock="2026-01-01T09:00:00Z") as cluster:
        cluster.apply(first)
        cluster.advance(60)
        for document in rest:
            cluster.apply(document)
        done = cluster.kubectl("check -o json")
    (found,) = findings(done.stdout)
    started, made = found["evidence"]
    assert started.startswith("container client started at 2026-01-01T09:00:0")
    assert made == "service/catalog was made at 2026-01-01T09:01:00Z"


def test_a_probe_that_fails_is_named_with_what_it_saw():
    with Cluster(seed=1, clock="2026-01-01T09:00:00Z") as cluster:
        cluster.apply(manifest(7))
        cluster.advance(10)
        done = cluster.kubectl("check")
    assert done.exit_code == 1
    assert "spec.containers[0].readinessProbe (httpGet :8080/): Readiness probe failed: Get " in done.stdout
    assert "connect: connection refused" in done.stdout


def test_our_own_examples_are_met_with_silence(home):
    for folder in ("walkthrough", "services", "dns", "pods", "namespaces"):
        done = run_cli(home, "check", "--alone", "-f", f"manifests/{folder}", cwd=PROJECT)
        assert (done.code, done.out, done.err) == (0, "", ""), folder


SOUND = {
    "a token of the default account": """
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers: [{name: a, image: nginx, volumeMounts: [{name: token, mountPath: /token}]}]
  volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: token}}]}}]
""",
    "an image as a volume": """
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers: [{name: a, image: nginx, volumeMounts: [{name: files, mountPath: /files, subPath: part}]}]
  volumes: [{name: files, image: {reference: example.com/files:1}}]
""",
    "a Service of another family": """
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4], ports: [{port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: a}
subsets: [{addresses: [{ip: 192.0.2.1}], ports: [{port: 80}]}]
""",
    "a StatefulSet behind one address": """
apiVersion: v1
kind: Service
metadata: {name: queue}
spec: {selector: {app: queue}, ports: [{port: 5672}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: queue}
spec:
  serviceName: queue
  selector: {matchLabels: {app: queue}}
  template:
    metadata: {labels: {app: queue}}
    spec: {containers: [{name: queue, image: rabbitmq, ports: [{containerPort: 5672}]}]}
""",
}


@pytest.mark.parametrize("text", SOUND.values(), ids=list(SOUND))
def test_sound_manifests_are_met_with_silence(home, text):
    done = run_cli(home, "check", "--alone", "-f", "-", stdin=text)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_a_cluster_of_one_family_refuses_the_other(home):
    done = run_cli(home, "check", "-f", "-", stdin=SOUND["a Service of another family"])
    assert done.code == 1
    assert "not configured on this cluster" in done.out


def test_a_fresh_cluster_is_met_with_silence(home):
    done = run_cli(home, "check", "-A", "--level", "info")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_the_text_names_file_document_field_and_fix(home):
    done = run_cli(home, "check", "--alone", "-f", "manifests/mistakes/04-target-port.yaml", cwd=PROJECT)
    assert done.out == (
        "manifests/mistakes/04-target-port.yaml:29 (document 2): service/web in namespace default "
        "spec.ports[0].targetPort: error 4 NothingListens\n"
        "    nothing listens on port 8080/TCP in pod/web\n"
        "      what listens: nginx on 80/TCP\n"
        "    fix: write targetPort: 80\n"
        "1 error; docs/mistakes.md explains each number\n"
    )


def test_sarif_has_a_rule_for_each_code_and_a_place_for_each_result(home):
    done = run_cli(home, "check", "--alone", "-f", str(manifest(1)), "-o", "sarif")
    (run,) = json.loads(done.out)["runs"]
    assert [r["id"] for r in run["tool"]["driver"]["rules"]] == [f"kubesim/{n}" for n in range(len(REASONS))]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("kubesim/1", "error")
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": str(manifest(1))}, "region": {"startLine": 26}}


def test_github_gets_a_workflow_command_a_finding(home):
    done = run_cli(
        home,
        "check",
        "--alone",
        "-f",
        "manifests/mistakes/10-node-port-range.yaml",
        "-o",
        "github",
        cwd=PROJECT,
    )
    (line,) = done.out.splitlines()
    head, _, text = line.partition("::service/web")
    assert (
        head == "::error file=manifests/mistakes/10-node-port-range.yaml,line=27,title=10 NodePortOutOfRange"
    )
    assert "%0Afix: write a number from 30000 to 32767" in text


def test_manifests_are_checked_together_with_what_the_cluster_has(tmp_path):
    home = new_home(tmp_path)
    run_cli(home, "apply", "-f", str(manifest(9)))  # the first of the two Services is taken
    third = """
apiVersion: v1
kind: Service
metadata: {name: third}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30090}]}
"""
    done = run_cli(home, "check", "-f", "-", stdin=third)
    assert "node port 30090 is taken by service/first in namespace default" in done.out
    assert done.code == 1
    assert run_cli(home, "check", "--alone", "-f", "-", stdin=third).check().out == ""
    assert run_cli(home, "get", "service", "third").code == 1


def test_a_live_pod_with_other_labels_is_named_for_a_new_service(tmp_path):
    home = new_home(tmp_path)
    run_cli(home, "run", "frontend", "--image=nginx", "--labels=app=frontend").check()
    text = """
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {app: fronted}, ports: [{port: 80}]}
"""
    done = run_cli(home, "check", "-f", "-", stdin=text)
    assert "nearest is pod/frontend: it has app=frontend: one letter differs" in done.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "error parsing STDIN"),
        ("just: words", "apiVersion not set"),
        (
            "apiVersion: v1\nkind: Servise\nmetadata: {name: a}",
            'no matches for kind "Servise" in version "v1"',
        ),
        ("- 1\n- 2", "invalid object to validate"),
        ("\x00\x01", "error"),
    ],
    ids=["yaml", "no kind", "unknown kind", "a list", "binary"],
)
def test_what_cannot_be_read_is_bad_input(home, text, said):
    done = run_cli(home, "check", "--alone", "-f", "-", stdin=text)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    "words",
    [
        ["-f", "no-such-file.yaml"],
        ["-o", "xml"],
        ["--level", "everything"],
        ["--alone"],
        ["-R"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_bad_input(home, words):
    done = run_cli(home, "check", *words)
    assert done.code == 2
    assert done.err.startswith("error: ")


def test_custom_resources_are_nobody_elses_business(home):
    text = "apiVersion: stable.example.com/v1\nkind: CronTab\nmetadata: {name: a}\nspec: {image: x}\n"
    assert run_cli(home, "check", "--alone", "-f", "-", stdin=text).check().out == ""
    done = run_cli(home, "check", "--alone", "-f", "-", "--level", "info", stdin=text).check()
    assert "STDIN:1 (document 1): crontab/a apiVersion: info 0 Refused" in done.out


def test_a_bad_document_does_not_hide_what_is_wrong_with_others(home):
    text = manifest(1).read_text() + "---\napiVersion: v1\nkind: Nonsense\nmetadata: {name: x}\n"
    done = run_cli(home, "check", "--alone", "-f", "-", stdin=text)
    assert done.code == 2
    assert "error 1 SelectorMatchesNothing" in done.out
    assert 'no matches for kind "Nonsense"' in done.err


def test_what_the_server_refuses_otherwise_is_told_with_its_words(home):
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: UPPER}\nspec: {ports: [{port: 80}]}\n"
    done = run_cli(home, "check", "--alone", "-f", "-", stdin=text)
    assert done.code == 1
    assert "service/UPPER in namespace default metadata.name: error 0 Refused" in done.out


def test_items_of_a_list_have_their_lines(home):
    text = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec:
    type: NodePort
    ports:
    - port: 80
      nodePort: 80
"""
    done = run_cli(home, "check", "--alone", "-f", "-", stdin=text)
    assert done.out.startswith("STDIN:11 (document 1): service/web")


def test_nothing_changes_in_the_cluster(tmp_path):
    home = new_home(tmp_path)
    before = run_cli(home, "get", "all,endpoints,namespaces", "-A", "-o", "name").check().out
    run_cli(home, "check", "-R", "-f", "manifests/mistakes", cwd=PROJECT)
    assert run_cli(home, "get", "all,endpoints,namespaces", "-A", "-o", "name").check().out == before


def test_a_kustomization_is_built_and_checked(tmp_path):
    home = new_home(tmp_path)
    overlay = PROJECT / "manifests" / "kustomize" / "overlays" / "staging"
    assert run_cli(home, "check", "--alone", "-k", str(overlay)).check().out == ""
    (tmp_path / "kustomization.yaml").write_text("namePrefix: my-\nresources: [web.yaml]\n")
    (tmp_path / "web.yaml").write_text(manifest(4).read_text())
    done = run_cli(home, "check", "--alone", "-k", str(tmp_path))
    assert (
        f"{tmp_path} (document 1): service/my-web in namespace default spec.ports[0].targetPort: error 4"
        in done.out
    )


ODD = {
    "items that are nothing": "apiVersion: v1\nkind: List\nitems: [null, {}, {kind: Service}, {apiVersion: a/b/c, kind: X}]",
    "no name": "apiVersion: v1\nkind: Service\nmetadata: {}\nspec: {ports: [{port: 80}]}",
    "a name with a slash": "apiVersion: v1\nkind: Service\nmetadata: {name: a/b}\nspec: {ports: [{port: 80}]}",
    "no spec": "apiVersion: v1\nkind: Service\nmetadata: {name: a}",
    "a spec of text": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: text",
    "nulls": "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: null}\nspec: {ports: null, selector: null}",
    "a null port": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [null], selector: {a: b}}",
    "a Pod without containers": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}",
    "a template without labels": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n"
        "spec: {selector: {matchLabels: {a: b}}, template: {spec: {containers: [{name: c, image: 'n ginx'}]}}}"
    ),
    "a policy of nulls": (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n"
        "spec: {podSelector: null, ingress: [null, {from: null, ports: [{}]}]}"
    ),
    "an Ingress of nulls": (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\n"
        "spec: {rules: [{http: null}, {http: {paths: [{pathType: Prefix, path: /, backend: {service: null}}]}}]}"
    ),
    "a long name": f"apiVersion: v1\nkind: Service\nmetadata: {{name: {'a' * 300}}}\nspec: {{ports: [{{port: 80}}]}}",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_odd_objects_are_told_and_never_break_the_command(home, text):
    done = run_cli(home, "check", "--alone", "--level", "info", "-f", "-", stdin=text)
    assert done.code in (0, 1, 2)
    assert "mistake in kubesim" not in done.err
    assert bool(done.err) is (done.code == 2)


def test_variants_of_one_thing_in_a_directory_do_not_make_each_other_wrong(tmp_path):
    home = new_home(tmp_path)
    folder = tmp_path / "variants"
    folder.mkdir()
    for word in ("cpu", "gpu"):
        workload = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "model"},
            "spec": {
                "selector": {"matchLabels": {"machine": word}},
                "template": {
                    "metadata": {"labels": {"machine": word}},
                    "spec": {"containers": [{"name": "c", "image": "example.com/model"}]},
                },
            },
        }
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "model"},
            "spec": {"selector": {"machine": word}, "ports": [{"port": 80}]},
        }
        (folder / f"{word}.yaml").write_text(yaml.safe_dump_all([workload, service]))
    done = run_cli(home, "check", "--alone", "-f", str(folder), "-o", "json")
    assert {f["code"] for f in findings(done.out)} == {0}  # the selector of a Deployment is immutable


@pytest.mark.parametrize("alone", [[], ["--alone"]], ids=["with the cluster", "alone"])
def test_a_cluster_of_a_program_checks_manifests_too(alone):
    with Cluster(nodes=1) as cluster:
        done = cluster.kubectl(["check", *alone, "-f", str(manifest(4)), "-o", "json"])
        assert cluster.list("services") != []
        assert [s["metadata"]["name"] for s in cluster.list("services")] == ["kubernetes"]
    assert (done.exit_code, done.stderr) == (1, "")
    assert [f["code"] for f in findings(done.stdout)] == [4]


COMMANDS = [
    (path, line)
    for path in sorted(MISTAKES.glob("*.yaml"))
    for line in re.findall(r"^#(?: Try:)? +((?:kubectl|kubesim) .*)$", path.read_text(), re.MULTILINE)
]


@pytest.mark.parametrize(("path", "line"), COMMANDS, ids=[f"{p.stem}: {c[:40]}" for p, c in COMMANDS])
def test_what_a_mistake_says_to_try_can_be_tried(path, line, monkeypatch):
    """Every command is there and understands its words; what it shows stands behind it in brackets."""
    monkeypatch.chdir(PROJECT)
    command = re.sub(r" {2,}\(.*\)$", "", line)
    ingress = int(path.name[:2]) in OF_INGRESSES
    with Cluster(nodes=2, seed=1, clock="2026-01-01T09:00:00Z", ingress=ingress) as cluster:
        with contextlib.suppress(StatusError):  # some are refused
            cluster.apply(path)
        cluster.advance(5)
        for part in command.split("; "):
            done = cluster.kubectl(shlex.split(part.split(" | ")[0])[1:])
            assert "unknown" not in done.stderr, part
            assert "mistake in kubesim" not in done.stderr
    if "connection refused" in line:
        assert "refused" in done.stdout + done.stderr
    if "times out" in line:
        assert "timed out" in done.stdout + done.stderr


def test_ingresses_of_several_files_may_be_variants(tmp_path):
    """Kubernetes' own examples of Ingresses have one host and path twice."""
    home = new_home(tmp_path)
    first, second = (d for d in yaml.safe_load_all(manifest(28).read_text()) if d["kind"] == "Ingress")
    for name, document in (("fanout", first), ("wildcard", second)):
        (tmp_path / "variants").mkdir(exist_ok=True)
        (tmp_path / "variants" / f"{name}.yaml").write_text(yaml.safe_dump(document))
    words = ("check", "--alone", "-f", str(tmp_path / "variants"))
    assert run_cli(home, *words).check().out == ""
    done = run_cli(home, *words, "--level", "info", "-o", "json")
    assert [(f["code"], f["severity"]) for f in findings(done.out)] == [(28, "info")]
