"""`python -m tests.bench.server_certificate DIRECTORY CHAIN KEY`: another server certificate of a benchmark's cluster."""

from __future__ import annotations

import sys
from pathlib import Path

from kubesim.cluster.home import Home
from kubesim.cluster.open import open_cluster


def main() -> None:
    cluster = open_cluster(Home(Path(sys.argv[1]) / "home"), "default")
    chain, key = cluster.authority.server_certificate()
    Path(sys.argv[2]).write_bytes(chain)
    Path(sys.argv[3]).write_bytes(key)
    cluster.close()


if __name__ == "__main__":
    main()
