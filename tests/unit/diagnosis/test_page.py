"""docs/mistakes.md explains every code, in the same four steps."""

from __future__ import annotations

import re

import pytest
from support.cli import PROJECT

from kubesim.diagnosis.reasons import REASONS

PAGE = (PROJECT / "docs" / "mistakes.md").read_text()
SECTIONS = {int(m[1]): m[2] for m in re.finditer(r"^## (\d+)\. .*\n((?:(?!^## ).*\n)*)", PAGE, re.MULTILINE)}


def test_there_is_a_section_for_each_code():
    assert list(SECTIONS) == [r.code for r in REASONS[1:]]


@pytest.mark.parametrize("code", SECTIONS)
def test_a_section_says_what_is_seen_why_how_to_find_it_and_the_fix(code):
    steps = re.findall(r"^\*\*([\w ]+):\*\*", SECTIONS[code], re.MULTILINE)
    assert steps == ["Seen", "Why", "With kubectl", "Fix"]


def test_the_table_of_steps_has_every_code():
    table = PAGE.split("| step |")[1].split("\n\n")[0]
    numbers = {int(n) for row in table.splitlines()[2:] for n in re.findall(r"\d+", row.rsplit("|", 2)[1])}
    assert numbers == {r.code for r in REASONS[1:]}
