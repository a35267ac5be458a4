from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.apis.serviceselectors import entries_selecting, selector_entry
from kubesim.controllers.matching import SelectorIndex, match_all, pairs_to_look_up

LABELS = st.dictionaries(st.sampled_from("abcde"), st.sampled_from("12"), max_size=5)
SELECTORS = st.dictionaries(st.integers(0, 20), LABELS, max_size=8)


@pytest.mark.parametrize(
    ("selector", "picked"),
    [
        pytest.param({"app": "web"}, [0, 2], id="one label"),
        pytest.param({"app": "web", "tier": "front"}, [0], id="all labels"),
        pytest.param({"app": "none"}, [], id="a value that nobody has"),
        pytest.param({}, [], id="no labels pick nothing"),
    ],
)
def test_a_selector_picks_what_has_all_its_labels(selector: dict[str, str], picked: list[int]) -> None:
    objects = [{"app": "web", "tier": "front"}, {"app": "db"}, {"app": "web"}, {}]
    assert match_all({"s": selector}, objects) == {"s": picked}


@settings(max_examples=60)
@given(selectors=SELECTORS, objects=st.lists(LABELS, max_size=20))
def test_the_index_finds_what_comparing_each_pair_finds(
    selectors: dict[int, dict[str, str]], objects: list[dict[str, str]]
) -> None:
    naive = {
        key: [i for i, labels in enumerate(objects) if s and all(labels.get(k) == v for k, v in s.items())]
        for key, s in selectors.items()
    }
    assert match_all(selectors, objects) == naive
    index = SelectorIndex(selectors)
    for position, labels in enumerate(objects):
        assert sorted(index.picking(labels)) == sorted(k for k, found in naive.items() if position in found)


@settings(max_examples=60)
@given(selector=LABELS.filter(bool), more=LABELS)
def test_a_pod_finds_the_entry_of_each_service_that_selects_it(
    selector: dict[str, str], more: dict[str, str]
) -> None:
    assert selector_entry(selector) in set(entries_selecting({**more, **selector}))


@pytest.mark.parametrize(
    ("selectors", "pairs"),
    [
        pytest.param(
            [{"tier": "web", "app": "a"}, {"tier": "web", "app": "b"}],
            [("app", "a"), ("app", "b")],
            id="the label that tells them apart",
        ),
        pytest.param(
            [{"tier": "web", "app": "a"}, {"app": "a"}], [("app", "a")], id="one that is needed anyway"
        ),
    ],
)
def test_pods_are_looked_up_by_few_and_telling_labels(
    selectors: list[dict[str, str]], pairs: list[tuple[str, str]]
) -> None:
    assert pairs_to_look_up(selectors) == pairs


def test_a_thousand_selectors_cost_what_they_pick() -> None:
    objects = [{"app": f"s{i * 7 % 1000}", "tier": "web"} for i in range(5000)]
    found = match_all({i: {"tier": "web", "app": f"s{i}"} for i in range(1000)}, objects)
    assert all(len(positions) == 5 for positions in found.values())
