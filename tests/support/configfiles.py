"""The kubeconfig file that the transcript of `config` begins with."""

from __future__ import annotations

from pathlib import Path

TRANSCRIPT = Path(__file__).parent.parent / "cli" / "config.txt"
_CONFIG = """\
apiVersion: v1
kind: Config
clusters:
- cluster:
    server: https://192.0.2.1:6443
    certificate-authority-data: aGVsbG8=
  name: c1
- cluster: {server: "http://x", insecure-skip-tls-verify: true}
  name: c2
contexts:
- context: {cluster: c1, user: u1, namespace: n1}
  name: ctx1
- context: {cluster: c2, user: u2}
  name: ctx2
current-context: ctx1
preferences: {}
users:
- name: u1
  user: {token: abc, client-key-data: aGVsbG8=}
- name: u2
  user: {username: a, password: b}
"""


def write_files(directory: Path) -> None:
    """Write it, and a certificate that is none."""
    (directory / "config.yaml").write_text(_CONFIG, encoding="utf-8")
    (directory / "ca.crt").write_text("certificate\n", encoding="utf-8")
