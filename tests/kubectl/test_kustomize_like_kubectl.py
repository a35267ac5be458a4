"""The kept outputs of `kustomize` are what a kubectl with that kustomize prints, where one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.kustomizations import Case, cases

KUSTOMIZE = "Kustomize Version: v5.5.0"


@pytest.fixture(scope="module")
def kubectl() -> str:
    """A kubectl with kustomize v5.5: `KUBECTL`, the one on the path, or `kubectl.1.32` beside that one."""
    found = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if not found:
        pytest.skip("no kubectl is installed")
    beside = Path(found).resolve().with_name("kubectl.1.32")
    program = str(beside) if beside.exists() else found
    version = subprocess.run(
        [program, "version", "--client"], capture_output=True, text=True, check=True
    ).stdout
    if KUSTOMIZE not in version:
        pytest.skip(f"the kubectl that is installed has another kustomize: {version!r}")
    return program


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_kept_output_is_kubectls(kubectl: str, case: Case, tmp_path: Path) -> None:
    case.write(tmp_path)
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [kubectl, "kustomize", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.stdout == case.out
    assert done.stderr.replace(str(tmp_path), "ROOT") == case.err
