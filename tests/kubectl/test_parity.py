"""The real kubectl says, of a served cluster, what kubesim's own commands say of theirs: output, errors and exit codes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.kubectl import find_kubectl
from support.parity import DIRECTORY, Line, Normaliser, Said, clock_of, own_commands, read_lines, real_kubectl
from support.transcripts import read_transcript

SCRIPTS = sorted((DIRECTORY / "lines").glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_kubectl_and_kubesim_say_the_same(script: Path, tmp_path: Path) -> None:
    differences = []
    clock = clock_of(script)
    normal = Normaliser(), Normaliser()
    with (
        real_kubectl(find_kubectl(), tmp_path, clock) as real,
        own_commands(tmp_path, clock) as own,
        ThreadPoolExecutor(1) as meanwhile,
    ):
        for line in read_lines(script):
            answer = meanwhile.submit(real, line)
            ours = normal[1](own(line))
            theirs = normal[0](answer.result())
            if theirs != ours:
                differences.append(f"$ kubectl {line.text}\n{_difference(theirs, ours)}")
    if differences:
        pytest.fail(f"{len(differences)} lines differ\n\n" + "\n\n".join(differences), pytrace=False)


def test_what_kubesim_lacks_is_as_recorded(tmp_path: Path) -> None:
    """Scaling, rollouts, draining, certificates, kubeconfig: in kubesim it is the server alone that is asked."""
    differences = []
    normal = Normaliser()
    with real_kubectl(find_kubectl(), tmp_path) as real:
        for recorded in read_transcript(DIRECTORY / "recorded.txt"):
            said = normal(real(Line.parse(recorded.line)))
            expected = Said(recorded.code, _text(recorded.out), _text(recorded.err))
            if Said(said.code, _text(said.out.splitlines()), _text(said.err.splitlines())) != expected:
                differences.append(f"$ kubectl {recorded.line}\n{_difference(expected, said)}")
    if differences:
        pytest.fail(f"{len(differences)} lines differ\n\n" + "\n\n".join(differences), pytrace=False)


def _text(lines: Sequence[str]) -> str:
    """Lines as a transcript holds them: whether the last one ends is not told."""
    return "\n".join(lines)


def _difference(theirs: Said, ours: Said) -> str:
    pieces = []
    for name in ("out", "err"):
        pair = [getattr(said, name).splitlines() for said in (theirs, ours)]
        pieces += difflib.unified_diff(*pair, f"expected {name}", f"found {name}", n=1, lineterm="")
    if theirs.code != ours.code:
        pieces.append(f"exit {theirs.code} of kubectl, {ours.code} of kubesim")
    return "\n".join(pieces)
