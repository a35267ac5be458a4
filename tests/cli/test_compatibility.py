"""docs/compatibility.md speaks of the commands and images that there are."""

from __future__ import annotations

import re

import yaml
from support.cli import PROJECT

from kubesim.cli.main import MODULES

PAGE = (PROJECT / "docs" / "compatibility.md").read_text()
KUBECTL = """
annotate api-resources api-versions apply attach auth autoscale certificate cluster-info completion config cordon cp
create debug delete describe diff drain edit events exec explain expose get kustomize label logs options patch plugin
port-forward proxy replace rollout run scale set taint top uncordon version wait
"""


def _absent() -> set[str]:
    line = re.search(r"^Not there yet: (.*)\.$", PAGE, re.MULTILINE)
    return set(line[1].split(", ")) if line else set()


def test_every_command_of_kubectl_is_there_or_named_as_absent():
    assert set(KUBECTL.split()) - set(MODULES) == _absent(), (
        "docs/compatibility.md: name what is absent, and only that"
    )


def test_every_image_of_the_catalogue_is_named():
    images = yaml.safe_load((PROJECT / "kubesim" / "runtime" / "images.yaml").read_text())["images"]
    described = PAGE.split("### Images that behave")[1].split("## Commands")[0]
    other_words = {
        "nginx-unprivileged": "unprivileged",
        "nginx-hello": "nginxdemos/hello",
        "jmalloc-echo": "jmalloc",
    }
    assert [name for name in images if other_words.get(name, name) not in described] == []


def test_every_row_of_a_table_says_how_far_it_goes():
    tables = PAGE.split("### Images that behave")[0].splitlines() + PAGE.split("## Commands")[1].splitlines()
    rows = [line for line in tables if line.startswith("| ") and not line.startswith("| area |")]
    levels = [line.split(" | ")[1 if not line.startswith("| |") else 0].strip("| ") for line in rows]
    assert {level for level in levels if level} == {"same", "simplified", "absent"}
