"""The real kubectl, where one is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

RELEASE = re.compile(r"v1\.32\.[0-9]+")


def find_kubectl() -> str:
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
