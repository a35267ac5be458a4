"""The transcript of `create` holds what a kubectl of that version prints, where one is installed."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from support.createfiles import ENVIRONMENT, TRANSCRIPT, write_files
from support.kubectl import find_kubectl
from support.transcripts import Recorded, read_transcript


@pytest.fixture(scope="module")
def kubectl() -> str:
    return find_kubectl()


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
