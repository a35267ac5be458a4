"""What was probably meant: distances, slips of the pen, and what differs between labels and a selector."""

from __future__ import annotations

import pytest

from kubesim.diagnosis.nearest import closest, cost, differences, distance, is_near, is_slip


@pytest.mark.parametrize(
    ("one", "two", "wanted"),
    [
        ("", "", 0),
        ("web", "", 3),
        ("web", "web", 0),
        ("web", "wed", 1),
        ("web", "wbe", 1),
        ("frontend", "front-end", 1),
        ("frontend", "fronted", 1),
        ("kitten", "sitting", 3),
    ],
)
def test_distance_counts_letters_and_swaps(one, two, wanted):
    assert distance(one, two) == distance(two, one) == wanted


@pytest.mark.parametrize(
    ("one", "two", "near"),
    [
        ("web", "Web", True),
        ("frontend", "fronted", True),
        ("frontend", "forntend", True),
        ("web", "db", False),
        ("web", "wed", False),  # too short to tell a slip from another word
        ("app", "api", False),
        ("database", "db", False),
        ("v1", "v2", False),
        ("frontend-1", "frontend-2", False),
        ("release-10", "release", False),
        ("blue-team", "blue-teams", True),
    ],
)
def test_near_is_what_was_probably_meant(one, two, near):
    assert is_near(one, two) is near


def test_closest_prefers_the_fewest_letters_and_gives_nothing_where_nothing_is_near():
    assert closest("frontend", ["backend", "fronted", "front-ends"]) == "fronted"
    assert closest("frontend", ["frontend"]) == ""
    assert closest("frontend", ["redis"]) == ""


@pytest.mark.parametrize(
    ("labels", "texts", "slip"),
    [
        ({"app": "Shop"}, ["it has app=Shop: the value differs in case"], True),
        ({"app": "shopp"}, ["it has app=shopp: one letter differs"], True),
        ({"App": "shop"}, ["it has App=shop: the key differs in case"], True),
        ({"application": "shop"}, ["it has no label app"], False),
        ({"app": "bakery"}, ["it has app=bakery"], False),
        ({}, ["it has no label app"], False),
        ({"app": "shop", "more": "labels"}, [], False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_differences_say_what_a_pod_has_instead(labels, texts, slip):
    found = differences({"app": "shop"}, labels)
    assert [d.text for d in found] == texts
    assert is_slip(found) is slip


def test_slips_cost_less_than_other_values_and_those_less_than_missing_labels():
    selector = {"app": "shop"}
    slip, other, missing = (cost(differences(selector, x)) for x in ({"app": "Shop"}, {"app": "bakery"}, {}))
    assert 0 < slip < other < missing
