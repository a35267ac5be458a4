"""The cluster's authority: what it makes is what clients and servers of TLS accept."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store
from support.cli import PROJECT
from support.cluster import make_cluster

from kubesim.client.resources import CONFIG_MAPS, PODS
from kubesim.cluster.build import Cluster
from kubesim.cluster.config import ClusterConfig
from kubesim.cluster.containers import make_runtime
from kubesim.cluster.pki import CA_KEY_NOTE, CA_NOTE, TOKEN_KEY_NOTE, Authority
from kubesim.storage.interface import Storage
from kubesim.storage.memory import MemoryStorage
from kubesim.storage.sql import SQLStorage
from kubesim.util.clock import SystemClock
from kubesim.util.ids import SystemIdentities

PROGRAM = """
import sys
from kubesim.cluster.config import ClusterConfig
from kubesim.cluster.pki import Authority
from kubesim.storage.sql import SQLStorage
from kubesim.util.clock import SystemClock
from kubesim.util.ids import SystemIdentities
storage = SQLStorage(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
found = Authority.of(storage, SystemIdentities(), ClusterConfig())
sys.stdout.write((found.ca_pem + found.token_key_pem).decode())
"""
OLD = b"-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "c", "image": "nginx"}]},
}


def authority(storage: Storage | None = None, seed: str | None = None) -> Authority:
    return Authority.of(storage or MemoryStorage(), SystemIdentities(seed), ClusterConfig())


def pem(pair: tuple[bytes, bytes]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair[0])


def test_an_authority_is_made_once_and_found_again() -> None:
    storage = MemoryStorage()
    first, second = authority(storage), authority(storage)
    assert (first.ca_pem, first.token_key_pem) == (second.ca_pem, second.token_key_pem)
    assert storage.get_note(CA_NOTE) == first.ca_pem


def test_one_seed_makes_one_authority_and_none_makes_another_each_time() -> None:
    seeded = [authority(seed="1") for _ in range(2)]
    assert seeded[0].ca_pem == seeded[1].ca_pem
    assert seeded[0].token_key_pem == seeded[1].token_key_pem
    assert len({a.ca_pem for a in (seeded[0], authority(seed="2"), authority(), authority())}) == 4


def test_the_two_keys_differ() -> None:
    storage = MemoryStorage()
    authority(storage, seed="1")
    assert storage.get_note(CA_KEY_NOTE) != storage.get_note(TOKEN_KEY_NOTE)


def test_two_processes_at_once_make_one_authority(tmp_path: Path) -> None:
    path = tmp_path / "cluster.db"
    SQLStorage(path).close()
    command = [sys.executable, "-c", PROGRAM, str(path)]
    env = {"PYTHONPATH": str(PROJECT)}
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True)
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    told = [racer.communicate("go\n", timeout=60)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert len(set(told)) == 1
    assert "BEGIN CERTIFICATE" in told[0]


def test_the_server_is_accepted_under_each_of_its_names() -> None:
    made = authority()
    certificate = pem(made.server_certificate(["cluster.example", "192.0.2.7"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "cluster.example",
    ]
    addresses = [str(a) for a in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["127.0.0.1", "::1", "172.18.0.2", "10.96.0.1", "192.0.2.7"]
    store = Store([x509.load_pem_x509_certificate(made.ca_pem)])
    verifier = PolicyBuilder().store(store).build_server_verifier(x509.DNSName("kubernetes.default.svc"))
    assert verifier.verify(certificate, [])[0] == certificate


def test_a_service_range_of_ones_own_has_its_own_first_address() -> None:
    cluster = make_cluster(service_cidrs=("10.50.0.0/16",))
    names = pem(cluster.authority.server_certificate()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert "10.50.0.1" in [str(a) for a in names.value.get_values_for_type(x509.IPAddress)]


def test_a_client_is_named_with_its_groups() -> None:
    made = authority()
    certificate = pem(made.client_certificate("jane", ["dev", "ops"]))
    subject = certificate.subject
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["jane"]
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["dev", "ops"]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(made.ca_pem))


def test_certificates_follow_the_real_clock_where_the_clusters_stands_still() -> None:
    certificate = pem(make_cluster().authority.server_certificate())
    now = SystemClock().now()
    assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc
    assert now - certificate.not_valid_before_utc < timedelta(hours=2)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl is installed")
def test_openssl_accepts_the_chain(tmp_path: Path) -> None:
    made = authority()
    (tmp_path / "ca.crt").write_bytes(made.ca_pem)
    (tmp_path / "server.crt").write_bytes(made.server_certificate()[0])
    (tmp_path / "client.crt").write_bytes(made.client_certificate("jane")[0])
    for purpose, name in (("sslserver", "server.crt"), ("sslclient", "client.crt")):
        command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.crt", name]
        told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert told.stdout == f"{name}: OK\n", told.stderr


def test_a_client_with_a_certificate_is_known_after_the_handshake(tmp_path: Path) -> None:
    made = authority()
    certificate, key = made.client_certificate("jane", ["dev"])
    assert shake_hands(made, made, tmp_path, certificate + key) == ssl.PEM_cert_to_DER_cert(
        certificate.decode()
    )


def test_a_client_without_a_certificate_is_let_in_unknown(tmp_path: Path) -> None:
    made = authority()
    assert shake_hands(made, made, tmp_path, b"") is None


def test_a_client_of_another_authority_is_not_let_in(tmp_path: Path) -> None:
    made = authority()
    with pytest.raises(ssl.SSLError):
        shake_hands(made, made, tmp_path, b"".join(authority().client_certificate("kubernetes-admin")))


def test_a_client_trusts_no_other_authority(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError):
        shake_hands(authority(), authority(), tmp_path, b"")


def shake_hands(server: Authority, trusted: Authority, folder: Path, client: bytes) -> bytes | None:
    """The client's certificate as the server of an authority sees it. The client shows what `client` holds."""
    client_context = ssl.create_default_context(cadata=trusted.ca_pem.decode())
    # Stricter than Python 3.11 is by itself, as 3.13 is.
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    if client:
        (folder / "client.pem").write_bytes(client)
        client_context.load_cert_chain(folder / "client.pem")
    seen: list[bytes | None] = []
    failures: list[ssl.SSLError] = []
    ours, theirs = socket.socketpair()
    ours.settimeout(30)
    theirs.settimeout(30)

    def serve() -> None:
        try:
            with server.server_context().wrap_socket(ours, server_side=True) as tls:
                seen.append(tls.getpeercert(binary_form=True))
                tls.sendall(b"hello")
        except ssl.SSLError as error:
            failures.append(error)
        finally:
            ours.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client_context.wrap_socket(theirs, server_hostname="127.0.0.1") as tls:
            tls.recv(5)
    finally:
        theirs.close()
        thread.join()
    if failures:
        raise failures[0]
    return seen[0]


def test_pods_find_the_certificate_that_verifies_the_server() -> None:
    cluster = make_cluster(settle=True)
    published = cluster.client.get(CONFIG_MAPS, "kube-root-ca.crt", "default")["data"]["ca.crt"]
    assert published == cluster.authority.ca_pem.decode()
    known = cluster.client.get(CONFIG_MAPS, "extension-apiserver-authentication", "kube-system")["data"]
    assert known["client-ca-file"] == published


def test_a_cluster_of_an_older_kubesim_gets_an_authority_and_publishes_it() -> None:
    storage = MemoryStorage()
    make_cluster(storage, settle=True)
    with storage.transaction() as tx:
        tx.set_note(CA_NOTE, OLD)
        tx.set_note(CA_KEY_NOTE, None)
        tx.set_note(TOKEN_KEY_NOTE, None)
    cluster = make_cluster(storage)
    before = cluster.client.get(CONFIG_MAPS, "kube-root-ca.crt", "default")["data"]["ca.crt"]
    made = cluster.authority.ca_pem.decode()
    assert made not in (before, OLD.decode())
    assert not cluster.is_settled()
    cluster.settle()
    for namespace in ("default", "kube-system"):
        found = cluster.client.get(CONFIG_MAPS, "kube-root-ca.crt", namespace)["data"]["ca.crt"]
        assert found == made
    known = cluster.client.get(CONFIG_MAPS, "extension-apiserver-authentication", "kube-system")["data"]
    assert known["client-ca-file"] == made


def test_settling_alone_gives_an_older_cluster_its_authority() -> None:
    storage = MemoryStorage()
    old = make_cluster(storage, settle=True)
    with storage.transaction() as tx:
        tx.set_note(CA_NOTE, OLD)
        tx.set_note(CA_KEY_NOTE, None)
    cluster = make_cluster(storage, runtime=make_runtime)
    cluster.settle()
    cluster.client.create(PODS, POD, "default")
    cluster.settle()
    made = cluster.authority.ca_pem
    assert made != old.authority.ca_pem
    assert read_in_pod(cluster, "ca.crt") == made


def test_a_pod_finds_the_authority_and_a_token() -> None:
    cluster = make_cluster(runtime=make_runtime, settle=True)
    cluster.client.create(PODS, POD, "default")
    cluster.settle()
    assert read_in_pod(cluster, "ca.crt") == cluster.authority.ca_pem
    user = cluster.server.authenticator.review(read_in_pod(cluster, "token").decode()).user
    assert user.name == "system:serviceaccount:default:default"


def read_in_pod(cluster: Cluster, name: str) -> bytes:
    status = cluster.client.get(PODS, "web", "default")["status"]["containerStatuses"][0]
    container = status["containerID"].partition("://")[2]
    path = f"/var/run/secrets/kubernetes.io/serviceaccount/{name}"
    assert cluster.runtime is not None
    code, out, err = cluster.runtime.exec_capture(container, ["cat", path])
    assert (code, err) == (0, b"")
    return out
