"""`check` on manifests in which anything may stand anywhere: findings or bad input, never a failure of its own."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.cli import PROJECT, new_home, run_cli

EXAMPLES = [
    document
    for path in sorted((PROJECT / "manifests").rglob("*.yaml"))
    if "kustomize" not in path.parts
    for document in yaml.safe_load_all(path.read_text())
    if document
]
ODD = [
    None,
    "",
    0,
    -1,
    70_000,
    "x",
    [],
    {},
    True,
    "80",
    3.5,
    ["a"],
    {"a": "b"},
    "None",
    "127.0.0.1",
    "::1",
    [None],
    [{}],
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a document with each of its keys."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A few examples, with odd values in some places, or something left out."""
    found = deepcopy(draw(st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=5)))
    for _ in range(draw(st.integers(0, 4))):
        everywhere = [p for d in found for p in places(d)]
        if not everywhere:
            break  # the only place was left out before
        container, key = draw(st.sampled_from(everywhere))
        if draw(st.booleans()) and isinstance(container, dict):
            container.pop(key, None)
        elif isinstance(container, dict) or key < len(container):
            container[key] = deepcopy(draw(st.sampled_from(ODD)))
    text: str = yaml.safe_dump_all([d for d in found if d])
    return text


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return new_home(tmp_path_factory.mktemp("odd"))


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(text=documents(), form=st.sampled_from(["text", "json", "sarif", "github"]))
def test_any_manifest_is_answered(home, text, form):
    done = run_cli(home, "check", "--alone", "--level", "info", "-o", form, "-f", "-", stdin=text)
    assert done.code in (0, 1, 2)
    assert "mistake in kubesim" not in done.err, done.err
    assert bool(done.err) is (done.code == 2)
