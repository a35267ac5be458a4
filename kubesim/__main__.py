"""The way in: `kubesim` and `python -m kubesim`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process; the exit code."""
    from kubesim.cli.main import run
    from kubesim.cli.process import process_streams

    return run(sys.argv[1:], process_streams())


if __name__ == "__main__":
    sys.exit(main())
