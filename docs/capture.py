"""Run the terminal sessions of a page again, and write what they print now.

    python docs/capture.py README.md

A session is a block of code in the language `console`. Lines that begin with `$ ` are commands; what stands below one is
what it printed, on either stream. A block begins with no cluster at all; commands run at the top of the project.
The program `kubesim` is the one beside this Python.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]
SESSION = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.M | re.S)
PROMPT = "$ "


def captured(text: str) -> str:
    """The page with the sessions as they go now."""
    return SESSION.sub(lambda found: replayed(found[0]), text)


def replayed(session: str) -> str:
    """One session as it goes now."""
    commands = [line for line in session.splitlines() if line.startswith(PROMPT)]
    with tempfile.TemporaryDirectory() as home:
        return "".join(f"{command}\n{_output(command.removeprefix(PROMPT), home)}" for command in commands)


def _output(command: str, home: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "HOME": home, "KUBESIM_HOME": home, "LANG": "C.UTF-8", "TZ": "UTC"}
    env["KUBESIM_AUTOSTART"] = "0"  # the home goes with the block
    done = subprocess.run(  # noqa: S603  a command of our own page
        ["bash", "-c", command],  # noqa: S607  whichever bash there is
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=PROJECT,
        env=env,
        text=True,
        check=False,
    )
    return done.stdout if not done.stdout or done.stdout.endswith("\n") else f"{done.stdout}\n"


def main() -> None:
    """Write the pages named on the command line anew."""
    for name in sys.argv[1:]:
        page = Path(name)
        page.write_text(captured(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
