"""The real kubectl against a served cluster: by the kubeconfig's certificate, by tokens, by nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.kubectl import find_kubectl

from kubesim.cluster.build import Cluster, build
from kubesim.cluster.config import ClusterConfig
from kubesim.cluster.containers import make_runtime
from kubesim.cluster.controlplane import ControlPlane
from kubesim.cluster.home import Home
from kubesim.cluster.kubeconfig import write_kubeconfig
from kubesim.storage.memory import MemoryStorage


@dataclass
class Told:
    code: int
    out: str
    err: str


@dataclass
class Kubectl:
    """kubectl with a served cluster."""

    program: str
    folder: Path
    cluster: Cluster
    url: str

    def write(self) -> Path:
        return write_kubeconfig(Home(self.folder), "default", self.url, self.cluster.authority)

    def __call__(self, *arguments: str) -> Told:
        """As the administrator."""
        return self._run(str(self.write()), *arguments)

    def as_nobody(self, *arguments: str) -> Told:
        """With the certificate of the authority alone. A password stands for nothing, and is not asked for then."""
        return self.with_flags("--username=a", "--password=b", *arguments)

    def with_flags(self, *arguments: str) -> Told:
        ca = self.folder / "ca.crt"
        ca.write_bytes(self.cluster.authority.ca_pem)
        return self._run(os.devnull, f"--server={self.url}", f"--certificate-authority={ca}", *arguments)

    def _run(self, config: str, *arguments: str) -> Told:
        told = subprocess.run(
            [self.program, *arguments],
            env={"KUBECONFIG": config, "HOME": str(self.folder)},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Told(told.returncode, told.stdout, told.stderr)


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    program, folder = find_kubectl(), tmp_path_factory.mktemp("home")
    (folder / "sims" / "default").mkdir(parents=True)
    cluster = build(ClusterConfig(nodes=1), MemoryStorage(), runtime=make_runtime)
    cluster.settle()
    plane = ControlPlane(cluster)
    plane.start()
    try:
        context = cluster.authority.server_context()
        url = plane.serve(authenticator=cluster.server.authenticator, context=context)
        yield Kubectl(program, folder, cluster, url)
    finally:
        plane.stop()
        cluster.close()


def test_the_kubeconfig_makes_an_administrator(kubectl: Kubectl) -> None:
    told = kubectl("auth", "whoami")
    assert told.err == ""
    lines = [line.split(None, 1) for line in told.out.splitlines()[1:]]
    assert lines[:2] == [
        ["Username", "kubernetes-admin"],
        ["Groups", "[kubeadm:cluster-admins system:authenticated]"],
    ]
    assert "X509SHA256=" in told.out


def test_a_namespace_that_kubectl_set_stays(kubectl: Kubectl) -> None:
    assert kubectl("config", "set-context", "--current", "--namespace=kube-public").code == 0
    kubectl.write()
    assert kubectl("config", "view", "--minify", "-o", "jsonpath={..namespace}").out == "kube-public"
    assert kubectl("get", "configmaps", "-o", "name").out == "configmap/kube-root-ca.crt\n"
    assert kubectl("config", "set-context", "--current", "--namespace=default").code == 0


def test_a_token_that_kubectl_made_lets_in(kubectl: Kubectl) -> None:
    token = kubectl("create", "token", "default").out
    told = kubectl.with_flags(f"--token={token}", "auth", "whoami")
    assert told.err == ""
    assert "system:serviceaccount:default:default" in told.out
    assert "[system:serviceaccounts system:serviceaccounts:default system:authenticated]" in told.out


def test_a_token_ends_with_its_secret(kubectl: Kubectl) -> None:
    assert kubectl("create", "secret", "generic", "s").code == 0
    made = kubectl(
        "create", "token", "default", "--bound-object-kind=Secret", "--bound-object-name=s", "--duration=10m"
    )
    flag = f"--token={made.out}"
    assert kubectl.with_flags(flag, "get", "pods").code == 0
    assert kubectl("delete", "secret", "s").code == 0
    told = kubectl.with_flags(flag, "get", "pods")
    assert (told.code, told.err) == (1, "error: You must be logged in to the server (Unauthorized)\n")


def test_a_token_for_somebody_else_is_refused(kubectl: Kubectl) -> None:
    token = kubectl("create", "token", "default", "--audience=https://example.com").out
    told = kubectl.with_flags(f"--token={token}", "get", "pods")
    assert told.err == "error: You must be logged in to the server (Unauthorized)\n"


def test_a_token_that_cannot_be_is_not_made(kubectl: Kubectl) -> None:
    told = kubectl("create", "token", "nobody")
    assert told.err == 'error: failed to create token: serviceaccounts "nobody" not found\n'
    told = kubectl("create", "token", "default", "--duration=1m")
    assert told.err == (
        'error: failed to create token: TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: '
        "Invalid value: 60: may not specify a duration less than 10 minutes\n"
    )


def test_a_forged_token_is_refused(kubectl: Kubectl) -> None:
    told = kubectl.with_flags("--token=forged", "get", "pods")
    assert (told.code, told.err) == (1, "error: You must be logged in to the server (Unauthorized)\n")


def test_nobody_reads_the_version_and_nothing_else(kubectl: Kubectl) -> None:
    assert kubectl.as_nobody("get", "--raw", "/readyz").out == "ok"
    assert '"gitVersion":"v1.32.' in kubectl.as_nobody("get", "--raw", "/version").out
    told = kubectl.as_nobody("get", "--raw", "/api/v1/pods")
    assert told.err == (
        'Error from server (Forbidden): pods is forbidden: User "system:anonymous" cannot list resource "pods" in API '
        'group "" at the cluster scope\n'
    )
    told = kubectl.as_nobody("get", "--raw", "/metrics")
    assert told.err == (
        'Error from server (Forbidden): forbidden: User "system:anonymous" cannot get path "/metrics"\n'
    )


def test_another_authority_is_not_trusted(kubectl: Kubectl) -> None:
    other = kubectl.folder / "other.crt"
    other.write_bytes(build(ClusterConfig(nodes=0), MemoryStorage()).authority.ca_pem)
    told = kubectl.with_flags(f"--certificate-authority={other}", "--token=x", "get", "pods")
    assert told.code == 1
    assert "x509: certificate signed by unknown authority" in told.err


def test_the_administrator_asks_as_somebody_else(kubectl: Kubectl) -> None:
    told = kubectl("auth", "whoami", "--as=jane", "--as-group=dev")
    assert [line.split(None, 1) for line in told.out.splitlines()[1:]] == [
        ["Username", "jane"],
        ["Groups", "[dev system:authenticated]"],
    ]
