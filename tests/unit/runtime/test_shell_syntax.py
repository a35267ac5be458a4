"""Scripts that are none: where each shell stops, in its own words, and with which code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.machines import Lab

_MACHINES = {"dash": ("debian", "sh"), "busybox": ("busybox", "sh"), "bash": ("debian", "bash")}


def _recorded() -> list[Any]:
    rows = yaml.safe_load(Path(__file__).with_name("shell_syntax_cases.yaml").read_text())
    return [
        pytest.param(
            shell,
            row["script"],
            row.get("mode", "command"),
            row[shell] if isinstance(row[shell], dict) else {"err": row[shell]},
            id=f"{number}-{shell}",
        )
        for number, row in enumerate(rows)
        for shell in _MACHINES
        if shell in row
    ]


@pytest.fixture(scope="module")
def lab() -> Lab:
    lab = Lab({})
    for image in ("debian", "busybox"):
        lab.start(image, image, "sleep", "infinity", working_dir="/tmp")
    return lab


@pytest.mark.parametrize(("shell", "script", "mode", "expected"), _recorded())
def test_a_broken_script_is_refused_in_the_words_of_the_shell(
    lab: Lab, shell: str, script: str, mode: str, expected: dict[str, Any]
) -> None:
    image, name = _MACHINES[shell]
    if mode == "command":
        code, out, err = lab.run(image, name, "-c", script)
    elif mode == "stdin":
        code, out, err = lab.run(image, name, data=script.encode())
    else:
        lab.run(image, "sh", "-c", "cat > s.sh", data=script.encode())
        code, out, err = lab.run(image, name, "s.sh")
    assert (err, out, code) == (expected["err"] + "\n", expected.get("out", ""), expected.get("exit", 2))


def test_a_here_document_is_read_from_the_shells_own_input(lab: Lab) -> None:
    text = b"cat <<E\nif then\nE\necho after\ncat <<E\nto the end\n"
    assert lab.run("debian", "sh", data=text) == (0, "if then\nafter\nto the end\n", "")


def test_words_of_bash_that_busybox_knows_too(lab: Lab) -> None:
    script = "function f { [[ $1 == a* && -n $2 ]] && echo yes; }; f abc d; f b d; [[ a"
    assert lab.run("busybox", "sh", "-c", script) == (2, "yes\n", "sh: missing ]]\n")
