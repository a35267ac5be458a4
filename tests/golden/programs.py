"""Records what real network programs print, for `tests/cli/test_like_real_programs.py`.

    python tests/golden/programs.py [--root DIRECTORY] [--busybox PROGRAM] [--into DIRECTORY] [TRANSCRIPT...]

As root on Linux. Each command line of the transcripts (`tests/cli/programs/*.txt`; all of them, unless some are named) is
run by the real programs in a network namespace that has the addresses of the tests' cluster, with kubesim at the other end;
then the file is written anew with what they printed. A new case is a new line `$ COMMAND` in a transcript. What differs from
before only in times, ports and the like stays as it was.

The programs are those of this computer, or of a Debian in `--root`. Those in the repository are from Debian 12, and
`curl-8.txt` from Debian 13:

    debootstrap --variant=minbase --include=curl,bind9-dnsutils,bind9-host,wget,iputils-ping,netcat-openbsd bookworm DIR
    debootstrap --variant=minbase --include=curl trixie DIR

The transcripts `busybox-*.txt` are from busybox 1.37.0 with `make defconfig` (and without CONFIG_TC), which is how the image
`busybox` is made; without `--busybox` they are left out. Needs iproute2, iptables and util-linux besides.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.programs import CLEANING, DEBIAN, make_cluster, normal, place_of, transcripts
from support.stage import Stage, missing, play_really
from support.transcripts import Shown, read_shown, write_shown

ATTEMPTS = 3
INSIDE = "--inside"


def main() -> int:
    parser = argparse.ArgumentParser(description="Record what real network programs print.")
    parser.add_argument("--root", type=Path, default=Path("/"), help="where the programs' file system is")
    parser.add_argument("--busybox", type=Path, help="a busybox that needs nothing but the root's C library")
    parser.add_argument("--into", type=Path, help="a directory to write to, in place of the transcripts'")
    parser.add_argument(
        "--only-same",
        action="store_true",
        help="leave out transcripts of programs of other versions than here",
    )
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("transcripts", nargs="*", type=Path)
    given = parser.parse_args()
    reason = missing()
    if reason:
        parser.error(reason)
    if not given.inside:
        words = ["unshare", "-n", "-m", sys.executable, *sys.argv, INSIDE]
        os.execvp(words[0], words)
    with make_cluster() as cluster, Stage(cluster, given.root, given.busybox).entered() as stage:
        for transcript in given.transcripts or [
            t for t in transcripts() if place_of(t) == DEBIAN or given.busybox
        ]:
            if not given.only_same or is_same_version(stage, transcript):
                record(stage, transcript, given.into or transcript.parent)
    return 0


def is_same_version(stage: Stage, transcript: Path) -> bool:
    """Whether the program is the one that was recorded, but for its distribution's own corrections."""
    _, _, version = stage.version(transcript).partition(" ")
    return bool(version) and f" {version.partition('-')[0]}-" in transcript.read_text(encoding="utf-8")


def record(stage: Stage, transcript: Path, directory: Path) -> None:
    """Run the command lines of a transcript, and write it with what they printed."""
    place = place_of(transcript)
    text = transcript.read_text(encoding="utf-8").partition("\n\n")[0]
    remarks = [line for line in text.split("\n") if line.startswith("#") and not line.startswith("# From ")]
    blocks = ["\n".join([*remarks, f"# From {stage.version(transcript)}."]) + "\n"]
    stage.run(place, CLEANING)
    for before in read_shown(transcript):
        print("$", before.line, file=sys.stderr, flush=True)
        blocks.append(write_shown(run(stage, transcript, before)))
    (directory / transcript.name).write_text("\n".join(blocks), encoding="utf-8")


def run(stage: Stage, transcript: Path, before: Shown) -> Shown:
    """What a command line prints; what it printed before, where that is the same. Another answer has to be given several
    times: where a computer is busy, a packet is lost now and then.
    """
    for _ in range(ATTEMPTS):
        now = play_really(stage, place_of(transcript), before)
        if normal(transcript, now) == normal(transcript, before):
            return before
        if not (before.out or before.err or before.code):
            break
    return now


if __name__ == "__main__":
    sys.exit(main())
