"""A real kubectl reads the OpenAPI documents of a served cluster: explain, validation, apply, diff."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.cli import new_home, run_cli
from support.kubectl import find_kubectl
from support.served import served

Kubectl = Callable[..., subprocess.CompletedProcess[str]]

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx, ports: [{containerPort: 80}]}
      - {name: side, image: busybox}
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as found:
        yield found.url


@pytest.fixture(scope="module")
def kubectl(url: str, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    program = find_kubectl()
    home = tmp_path_factory.mktemp("kubectl")

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "--server", url, *arguments],
            env={"HOME": str(home), "KUBECONFIG": os.devnull, "PATH": os.defpath},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.fixture(scope="module")
def sim_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_home(tmp_path_factory.mktemp("sim"))


EXPLAINED = [
    "pods",
    "pod.spec --recursive",
    "pod.spec.containers.resources",
    "pod.spec.restartPolicy",
    "svc.spec.ports",
    "svc.spec.ipFamilies",
    "configmap --recursive",
    "deployment.spec.template --recursive",
    "cronjob.spec.concurrencyPolicy",
    "hpa.spec",
    "hpa.spec --api-version=autoscaling/v1",
    "ingress.spec --recursive",
    "clusterroles",
    "storageclasses --recursive",
    "validatingwebhookconfigurations.webhooks",
    "crd.spec.names",
    "leases.spec --recursive",
    "endpointslices",
    "svc.spec.ports.targetPort",
    "pod.spec.containers.resources.limits",
    "nosuchtype",
    "svc.spec.nosuch",
    "deploy.spec.template.nosuch.foo",
    "deployments.apps.spec.replicas",
    "deployments.appsx.spec",
    "deploy.apps.spec",
    "DEPLOYMENTS.spec",
    "Deployment.spec",
    "events.events.k8s.io.action",
    "horizontalpodautoscalers.v1.autoscaling",
    "pods.spec.",
    "pod..spec",
    ".pods",
    "pods.spec.containers[0].name",
    "podsx.spec",
    "pods --api-version=apps/v1",
    "hpa --api-version=v1",
    "hpa --api-version=foo/v1",
    "hpa --api-version=a/b/c",
    "nosuchtype --api-version=v1",
]


@pytest.mark.parametrize("line", EXPLAINED)
def test_explain_says_what_kubesim_itself_says(kubectl: Kubectl, sim_home: Path, line: str) -> None:
    real = kubectl("explain", *line.split())
    ours = run_cli(sim_home, "explain", *line.split())
    assert (real.returncode, real.stdout, real.stderr) == (ours.code, ours.out, ours.err)


def test_explain_reads_version_2_in_protobuf(kubectl: Kubectl) -> None:
    found = kubectl("explain", "--output=plaintext-openapiv2", "deployment.spec.strategy")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("KIND:     Deployment\nVERSION:  apps/v1\n\nRESOURCE: strategy <Object>\n")
    assert "   rollingUpdate\t<Object>\n" in found.stdout
    whole = kubectl("explain", "--output=plaintext-openapiv2", "pod", "--recursive")
    assert (whole.returncode, whole.stdout.count("\n") > 900) == (0, True)


def test_every_resource_can_be_explained(kubectl: Kubectl) -> None:
    names = kubectl("api-resources", "--output=name").stdout.split()
    assert len(names) > 50
    failed = [n for n in names if kubectl("explain", n.partition(".")[0]).returncode]
    assert failed == []


def test_apply_merges_by_the_schema_and_diff_shows_what_would_change(kubectl: Kubectl) -> None:
    made = kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 1)
    assert (made.stdout, made.stderr) == ("deployment.apps/web created\n", "")
    assert kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 1).stdout == "deployment.apps/web unchanged\n"
    # Somebody else's container: the list is merged by name, so that it stays.
    patch = '{"spec":{"template":{"spec":{"containers":[{"name":"other","image":"busybox"}]}}}}'
    assert kubectl("patch", "deployment", "web", "-p", patch).returncode == 0
    differs = kubectl("diff", "-f", "-", stdin=DEPLOYMENT % 3)
    assert differs.returncode == 1
    changed = [line for line in differs.stdout.splitlines() if line.startswith(("+  ", "-  "))]
    assert [c for c in changed if "replicas" in c] == ["-  replicas: 1", "+  replicas: 3"]
    assert kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 3).stdout == "deployment.apps/web configured\n"
    names = kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[*].name}")
    assert set(names.stdout.split()) == {"web", "side", "other"}
    assert kubectl("diff", "-f", "-", stdin=DEPLOYMENT % 3).returncode == 0


UNKNOWN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\nnosuch: 1\n"


def test_server_is_left_to_validate_what_it_says_it_can(kubectl: Kubectl) -> None:
    """kubectl looks for `fieldValidation` among the parameters of the PATCH of that kind."""
    asked = kubectl("create", "-f", "-", "--validate=strict", "-v=6", stdin=UNKNOWN)
    assert "fieldValidation=Strict" in asked.stderr
    assert "/openapi/v2" not in asked.stderr
    refused = kubectl("create", "-f", "-", "--validate=strict", stdin=UNKNOWN)
    assert refused.returncode == 1
    assert 'strict decoding error: unknown field "nosuch"' in refused.stderr
    warned = kubectl("create", "-f", "-", "--validate=warn", stdin=UNKNOWN)
    assert (warned.stdout, warned.stderr) == (
        "configmap/odd created\n",
        'Warning: unknown field "nosuch"\n',
    )
    replaced = kubectl("replace", "-f", "-", "--validate=ignore", stdin=UNKNOWN)
    assert (replaced.stdout, replaced.stderr) == ("configmap/odd replaced\n", "")


def test_dry_run_is_left_to_the_server(kubectl: Kubectl) -> None:
    never = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: never}\n"
    tried = kubectl("apply", "-f", "-", "--dry-run=server", stdin=never)
    assert tried.stdout == "configmap/never created (server dry run)\n"
    assert 'configmaps "never" not found' in kubectl("get", "configmap", "never").stderr
