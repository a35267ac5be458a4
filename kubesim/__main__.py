"""The way in: `kubesim` and `python -m kubesim`.

The warm process of the home runs the command where there is one (`kubesim.thin`); else this process does.
"""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130  # 128 + SIGINT, as a shell has it


def main() -> int:
    """Run the command line of this process; the exit code. Ctrl-C ends it at any moment without a traceback."""
    try:
        from kubesim import thin

        code = thin.run(sys.argv[1:])
    except KeyboardInterrupt:
        return INTERRUPTED
    if code is None:
        return run_here()
    # Nothing is left to write or to tidy up: taking Python down costs more than all that was done here.
    os._exit(code)


def run_here() -> int:
    """Run it in this very process."""
    try:
        from kubesim.cli.main import run
        from kubesim.cli.process import exit_when_interrupted_unseen, process_streams

        exit_when_interrupted_unseen(INTERRUPTED)
        return run(sys.argv[1:], process_streams())
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        from kubesim.cli.process import let_go

        let_go()


if __name__ == "__main__":
    sys.exit(main())
