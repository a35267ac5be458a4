"""`kustomize` and `-k` make of a kustomization what kubectl 1.32 (kustomize v5.5.0) makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import new_home, run_cli
from support.kustomizations import Case, cases

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {k: v}\n"


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_output_is_kubectls(case: Case, tmp_path: Path) -> None:
    case.write(tmp_path)
    result = run_cli(tmp_path, "kustomize", ".", cwd=tmp_path)
    assert result.out == case.out
    assert result.err.replace(str(tmp_path), "ROOT") == case.err
    assert result.code == (1 if "error: " in case.err else 0)


def test_hash_is_of_kind_and_content(tmp_path: Path) -> None:
    write(tmp_path, kustomization="configMapGenerator: [{name: app, literals: [color=red]}]\n")
    result = run_cli(tmp_path, "kustomize", cwd=tmp_path).check()
    assert result.out == (
        "apiVersion: v1\ndata:\n  color: red\nkind: ConfigMap\nmetadata:\n  name: app-d7568b82h8\n"
    )


def test_charts_are_refused_with_a_way_out(tmp_path: Path) -> None:
    write(tmp_path, kustomization="helmCharts: [{name: nginx, version: 1.2.3}]\n")
    result = run_cli(tmp_path, "kustomize", cwd=tmp_path)
    assert result.code == 1
    assert "run `helm template` and name its output under resources" in result.err


def test_git_repositories_are_refused_with_a_way_out(tmp_path: Path) -> None:
    write(tmp_path, kustomization="resources: [github.com/org/repo//base?ref=v1]\n")
    result = run_cli(tmp_path, "kustomize", cwd=tmp_path)
    assert result.code == 1
    assert "is a git repository: clone it and name its directory" in result.err


def test_output_goes_to_a_file(tmp_path: Path) -> None:
    write(tmp_path, kustomization="resources: [cm.yaml]\n", cm=CONFIG_MAP)
    run_cli(tmp_path, "kustomize", ".", "-o", "all.txt", cwd=tmp_path).check()
    assert (tmp_path / "all.txt").read_text().startswith("apiVersion: v1\ndata:\n  k: v\n")


def test_output_goes_to_a_file_for_each_object(tmp_path: Path) -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: Reader}\n"
    write(tmp_path, kustomization="resources: [cm.yaml, role.yaml]\n", cm=CONFIG_MAP, role=role)
    (tmp_path / "out").mkdir()
    run_cli(tmp_path, "kustomize", ".", "-o", "out", cwd=tmp_path).check()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "rbac.authorization.k8s.io_v1_clusterrole_reader.yaml",
        "v1_configmap_cm.yaml",
    ]


def test_files_may_lie_outside_when_the_restriction_is_off(tmp_path: Path) -> None:
    write(
        tmp_path,
        kustomization="resources: [a]\n",
        a__kustomization="resources: [../cm.yaml]\n",
        cm=CONFIG_MAP,
    )
    refused = run_cli(tmp_path, "kustomize", ".", cwd=tmp_path)
    assert "security; file" in refused.err
    allowed = run_cli(tmp_path, "kustomize", ".", "--load-restrictor=LoadRestrictionsNone", cwd=tmp_path)
    assert "name: cm" in allowed.check().out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        pytest.param(["a", "b"], "error: specify one path to kustomization.yaml\n", id="two"),
        pytest.param(
            ["nosuch"],
            "error: must build at directory: not a valid directory: evalsymlink failure on 'nosuch' : "
            "lstat ROOT/nosuch: no such file or directory\n",
            id="missing",
        ),
        pytest.param(
            ["--load-restrictor=x"],
            "error: illegal flag value --load-restrictor x; legal values: "
            "[LoadRestrictionsRootOnly LoadRestrictionsNone]\n",
            id="restrictor",
        ),
    ],
)
def test_wrong_use_is_told_as_kubectl_tells_it(words: list[str], error: str, tmp_path: Path) -> None:
    result = run_cli(tmp_path, "kustomize", *words, cwd=tmp_path)
    assert (result.code, result.err.replace(str(tmp_path), "ROOT")) == (1, error)


def test_kustomization_is_applied_in_the_order_of_kinds(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n"
    write(
        tmp_path,
        kustomization="resources: [svc.yaml, cm.yaml]\nnamePrefix: my-\n",
        svc=service,
        cm=CONFIG_MAP,
    )
    result = run_cli(home, "apply", "-k", ".", cwd=tmp_path).check()
    assert result.out == "configmap/my-cm created\nservice/my-web created\n"


def test_old_fields_are_warned_of_when_applied(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    write(tmp_path, kustomization="resources: [cm.yaml]\ncommonLabels: {a: b}\n", cm=CONFIG_MAP)
    result = run_cli(home, "apply", "-k", ".", cwd=tmp_path).check()
    assert result.err == (
        "# Warning: 'commonLabels' is deprecated. Please use 'labels' instead. "
        "Run 'kustomize edit fix' to update your Kustomization automatically.\n"
    )
