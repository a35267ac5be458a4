"""Network programs of containers print what the real ones print, and exit as they do.

`tests/cli/programs/*.txt` were recorded by `tests/golden/programs.py`, which runs the real programs in a network namespace
that has the addresses of this cluster, with kubesim at the other end.
"""

from __future__ import annotations

import difflib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.programs import CLEANING, DIRECTORY, make_cluster, normal, place_of, play, transcripts
from support.stage import missing
from support.transcripts import Shown, read_shown, write_shown

from kubesim import Cluster

RECORDER = Path(__file__).parents[1] / "golden" / "programs.py"
LIVE = ("dig", "host", "nslookup")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with make_cluster() as cluster:
        yield cluster


def differences(cluster: Cluster, transcript: Path, recorded: list[Shown]) -> list[str]:
    """How the simulation differs from what real programs did, line by line."""
    cluster.exec(place_of(transcript), ["sh", "-c", CLEANING])
    found: list[str] = []
    for real in recorded:
        texts = [
            write_shown(normal(transcript, shown)).splitlines()
            for shown in (real, play(cluster, transcript, real))
        ]
        found += difflib.unified_diff(*texts, "the real program", "kubesim", lineterm="", n=100)
    return found


@pytest.mark.parametrize("transcript", transcripts(), ids=lambda path: path.stem)
def test_recorded_programs(cluster: Cluster, transcript: Path) -> None:
    recorded = read_shown(transcript)
    assert recorded
    assert "\n".join(differences(cluster, transcript, recorded)) == ""


def test_transcripts_are_read_as_they_were_written(tmp_path: Path) -> None:
    shown = [
        Shown("a", "no end", "", 0),
        Shown("b", "\n\n# no remark\n2> out\nexit 3\n", "\r1\r2\n\\c\n\\\\\n", 3, ("# in any order",)),
        Shown("c", "", "\n", 1),
    ]
    path = tmp_path / "t.txt"
    path.write_text("\n".join(["# Head.\n", *map(write_shown, shown)]), encoding="utf-8")
    assert read_shown(path) == shown


def test_programs_of_this_computer(cluster: Cluster, tmp_path: Path) -> None:
    """The same with the programs as they are here, where they are of the versions that were recorded."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    chosen = [DIRECTORY / f"{name}.txt" for name in LIVE]
    command = [sys.executable, str(RECORDER), "--into", str(tmp_path), "--only-same", *map(str, chosen)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = sorted(tmp_path.glob("*.txt"))
    if not found:
        pytest.skip("the programs here are of other versions than those that were recorded")
    for path in found:
        assert "\n".join(differences(cluster, path, read_shown(path))) == ""
