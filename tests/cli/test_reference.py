"""docs/cli.md is what the command table says."""

from __future__ import annotations

from support.cli import PROJECT

from kubesim.cli.main import MODULES, commands
from kubesim.cli.reference import render


def test_the_page_of_commands_is_up_to_date():
    assert (PROJECT / "docs" / "cli.md").read_text() == render(), "docs/cli.md is out of date: run make docs"


def test_every_command_and_subcommand_has_its_part():
    page = render().splitlines()
    for word, command in commands():
        assert f"## kubesim {word}" in page
        for inner in command.subcommands:
            assert inner.hidden or f"### kubesim {word} {inner.name}" in page


def test_kubesims_own_commands_are_there_with_their_options():
    assert {"sim", "reconcile"} <= set(MODULES)
    assert "| `--seed` |" in render()


def test_no_line_ends_in_spaces():
    assert [line for line in render().splitlines() if line != line.rstrip()] == []
