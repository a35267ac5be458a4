"""The kubeconfig of a served cluster."""

from __future__ import annotations

import stat
from base64 import b64decode
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from kubesim.cluster.config import ClusterConfig
from kubesim.cluster.home import Home, HomeError
from kubesim.cluster.kubeconfig import write_kubeconfig
from kubesim.cluster.pki import Authority
from kubesim.storage.memory import MemoryStorage
from kubesim.util.ids import SystemIdentities

URL = "https://127.0.0.1:6443"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    for name in ("default", "shop"):
        (home.make() / name).mkdir(mode=0o700)
    return home


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.of(MemoryStorage(), SystemIdentities(), ClusterConfig())


def test_it_leads_to_the_cluster_as_its_administrator(home: Home, authority: Authority) -> None:
    path = write_kubeconfig(home, "default", URL, authority)
    assert path == home.path / "sims" / "default" / "kubeconfig"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = yaml.safe_load(path.read_text())
    assert {k: config[k] for k in ("apiVersion", "kind", "current-context")} == {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "kubesim",
    }
    assert config["contexts"] == [
        {"name": "kubesim", "context": {"cluster": "kubesim", "user": "kubesim-admin"}}
    ]
    cluster = config["clusters"][0]["cluster"]
    assert cluster["server"] == URL
    assert b64decode(cluster["certificate-authority-data"]) == authority.ca_pem
    user = config["users"][0]["user"]
    certificate = x509.load_pem_x509_certificate(b64decode(user["client-certificate-data"]))
    assert certificate.subject.rfc4514_string() == "CN=kubernetes-admin,O=kubeadm:cluster-admins"
    assert b64decode(user["client-key-data"]).startswith(b"-----BEGIN EC PRIVATE KEY-----")


def test_another_cluster_has_a_context_of_its_own(home: Home, authority: Authority) -> None:
    config = yaml.safe_load(write_kubeconfig(home, "shop", URL, authority).read_text())
    assert config["current-context"] == "kubesim-shop"
    assert config["users"][0]["name"] == "kubesim-shop-admin"


def test_what_a_user_set_stays(home: Home, authority: Authority) -> None:
    path = write_kubeconfig(home, "default", URL, authority)
    config = yaml.safe_load(path.read_text())
    config["contexts"][0]["context"]["namespace"] = "shop"
    config["contexts"].append({"name": "mine", "context": {"cluster": "kubesim", "user": "bob"}})
    config["users"].append({"name": "bob", "user": {"token": "t"}})
    config["current-context"] = "mine"
    path.write_text(yaml.safe_dump(config))
    write_kubeconfig(home, "default", "https://127.0.0.1:7000", authority)
    again = yaml.safe_load(path.read_text())
    contexts = {c["name"]: c["context"] for c in again["contexts"]}
    assert contexts["kubesim"]["namespace"] == "shop"
    assert contexts["mine"] == {"cluster": "kubesim", "user": "bob"}
    assert again["current-context"] == "mine"
    assert {u["name"] for u in again["users"]} == {"bob", "kubesim-admin"}
    assert again["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:7000"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "]",
        "- a\n",
        "contexts: 1\nclusters: [1]\ncurrent-context: gone\n",
        "\0",
        "contexts: [{name: kubesim}]\n",
    ],
    ids=["empty", "no YAML", "a list", "other types", "binary", "an empty context"],
)
def test_a_damaged_file_is_made_anew(home: Home, authority: Authority, text: str) -> None:
    path = home.sim_kubeconfig("default")
    path.write_text(text)
    write_kubeconfig(home, "default", URL, authority)
    config = yaml.safe_load(path.read_text())
    assert config["current-context"] == "kubesim"
    assert config["contexts"][0]["context"] == {"cluster": "kubesim", "user": "kubesim-admin"}


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path, authority: Authority) -> None:
    with pytest.raises(HomeError, match="cannot write"):
        write_kubeconfig(Home(tmp_path), "default", URL, authority)
