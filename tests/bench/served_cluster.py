"""`python -m tests.bench.served_cluster DIRECTORY`: a cluster in a file, served over TLS, for the benchmarks.

Prints a JSON object: `port`, and the files `ca`, `cert` and `key` of its administrator. Reads commands: `rss` prints the
resident memory in KiB, `pods` the number of Pods that run, an empty line or the end ends it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

from kubesim.cluster.config import ClusterConfig
from kubesim.cluster.controlplane import ControlPlane
from kubesim.cluster.home import Home
from kubesim.cluster.open import create_cluster, open_cluster
from kubesim.cluster.pki import ADMIN


def resident() -> int:
    """KiB of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def main() -> None:
    folder = Path(sys.argv[1])
    home = Home(folder / "home")
    create_cluster(home, ClusterConfig(nodes=100))
    cluster = open_cluster(home, "default")
    plane = ControlPlane(cluster)
    plane.start()
    url = plane.serve()
    certificate, key = cluster.authority.client_certificate(*ADMIN)
    files = {"ca": cluster.authority.ca_pem, "cert": certificate, "key": key}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    told = {"port": urlsplit(url).port, **{name: str(folder / name) for name in files}}
    print(json.dumps(told), flush=True)
    for line in sys.stdin:
        match line.strip():
            case "rss":
                print(resident(), flush=True)
            case "settle":
                plane.settle()
                print("settled", flush=True)
            case _:
                break
    plane.stop()
    cluster.close()


if __name__ == "__main__":
    main()
