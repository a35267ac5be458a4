"""The way in: `kubesim` and `python -m kubesim`."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # 128 + SIGINT, as a shell has it


def main() -> int:
    """Run the command line of this process; the exit code. Ctrl-C ends it at any moment without a traceback."""
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
