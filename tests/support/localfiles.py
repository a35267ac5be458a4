"""The files that the transcript of `--local` names."""

from __future__ import annotations

from pathlib import Path

TRANSCRIPT = Path(__file__).parent.parent / "cli" / "local.txt"
_CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"
_POD = """\
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {x: "1"}}
spec:
  containers:
  - {name: c, image: nginx, env: [{name: A, value: b}]}
"""
_BINDING = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a}
roleRef: {kind: Role, name: x, apiGroup: rbac.authorization.k8s.io}
subjects: [{kind: User, name: z, apiGroup: rbac.authorization.k8s.io}]
"""
_FILES = {
    "pod.yaml": _POD,
    "wrong.yaml": _POD.replace("image: nginx", "image: 3"),
    "pod-and-map.yaml": f"{_POD}---\n{_CONFIG_MAP}",
    "pod-and-foo.yaml": f"{_POD}---\napiVersion: example.com/v1\nkind: Foo\nmetadata: {{name: b}}\n",
    "svc.yaml": """\
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {ports: [{port: 80}], selector: {q: r}}
""",
    "deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: zz}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: c, image: nginx}, {name: d, image: x}], initContainers: [{name: i, image: q}]}
""",
    "binding.yaml": _BINDING,
    "clusterbinding.yaml": _BINDING.replace("RoleBinding", "ClusterRoleBinding").replace(
        "{kind: Role,", "{kind: ClusterRole,"
    ),
}


def write_files(directory: Path) -> None:
    """Write them into a directory."""
    for name, contents in _FILES.items():
        (directory / name).write_text(contents, encoding="utf-8")
