"""docs/compatibility.md has a row for each test of the network, and each row a test."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_rows_and_tests_are_the_same() -> None:
    page = (HERE.parents[1] / "docs" / "compatibility.md").read_text()
    section = page.split("## Kubernetes' own tests of the network\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`(test_\w+)`", section))
    tests = {
        name
        for path in HERE.glob("test_network_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert named == tests - {"test_rows_and_tests_are_the_same"}
