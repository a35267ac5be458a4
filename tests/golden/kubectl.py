"""Replays recorded kubectl sessions with the real kubectl, on a fresh served cluster with one node.

    python tests/golden/kubectl.py DIRECTORY [arguments of its replay.py]

The kubectl is the one that the tests use: `KUBECTL`, or the one on the path.
"""

from __future__ import annotations

import argparse
import base64
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest
import yaml
from support.kubectl import find_kubectl

from kubesim import Cluster
from kubesim.embedded.serving import Served


def main() -> int:
    parser = argparse.ArgumentParser(description="Replay recorded kubectl sessions with the real kubectl.")
    parser.add_argument("directory", type=Path, help="where replay.py and its recorded cases are")
    given, others = parser.parse_known_args()
    replay = given.directory.resolve() / "replay.py"
    if not replay.exists():
        parser.error(f"there is no {replay}")
    try:
        kubectl = find_kubectl()
    except pytest.skip.Exception as reason:
        parser.error(str(reason))
    with (
        tempfile.TemporaryDirectory(prefix="golden-") as name,
        Cluster(nodes=1) as cluster,
        cluster.serve() as served,
    ):
        folder = Path(name)
        program = folder / "kubectl"  # kubectl names itself in its messages as it was called
        program.symlink_to(kubectl)
        environment = {**os.environ, "KUBECONFIG": str(served.kubeconfig), "HOME": name}
        raw = [f"SERVER={served.url}", f"CURL={curl(served, folder)}"]
        words = [f"--raw-env={item}" for item in raw]
        done = subprocess.run(
            [sys.executable, replay, f"--cli={program}", *words, *others], env=environment, check=False
        )
    return done.returncode


def curl(served: Served, folder: Path) -> str:
    """The words of a curl that shows the certificate of the kubeconfig."""
    user = yaml.safe_load(served.kubeconfig.read_text())["users"][0]["user"]
    words = ["curl", "--silent", "--cacert", str(served.ca)]
    for option, key in (("--cert", "client-certificate-data"), ("--key", "client-key-data")):
        file = folder / key
        file.write_bytes(base64.b64decode(user[key]))
        words += [option, str(file)]
    return " ".join(words)


if __name__ == "__main__":
    sys.exit(main())
