"""The transcript of `create` holds what a kubectl of that version prints, where one is installed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support.createfiles import ENVIRONMENT, TRANSCRIPT, write_files
from support.transcripts import Recorded, read_transcript

RELEASE = re.compile(r"v1\.32\.[0-9]+")


def _kubectl() -> str:
    """A kubectl of the right version: `KUBECTL`, or the one on the path, or `kubectl.1.32` beside that one, where
    several are installed behind a wrapper.
    """
    found = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if not found:
        pytest.skip("no kubectl is installed")
    beside = Path(found).resolve().with_name("kubectl.1.32")
    if beside.exists():
        found = str(beside)
    version = subprocess.run([found, "version", "--client", "-o", "json"], capture_output=True, check=True)
    name = json.loads(version.stdout)["clientVersion"]["gitVersion"]
    if not RELEASE.fullmatch(name):  # wrappers, such as gcloud's, word some errors otherwise
        pytest.skip(f"the kubectl that is installed is {name}, no release of 1.32")
    return found


@pytest.fixture(scope="module")
def kubectl() -> str:
    return _kubectl()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("files")
    write_files(directory)
    return directory


@pytest.mark.parametrize("recorded", read_transcript(TRANSCRIPT), ids=lambda r: r.line)
def test_transcript_is_what_kubectl_prints(kubectl: str, files: Path, recorded: Recorded) -> None:
    result = subprocess.run(
        [kubectl, *shlex.split(recorded.line)],
        cwd=files,
        env={"KUBECONFIG": os.devnull, "HOME": str(files), **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert result.stderr.splitlines() == list(recorded.err)
    assert result.stdout.splitlines() == list(recorded.out)
    assert result.returncode == recorded.code
