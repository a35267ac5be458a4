import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubesim.apimachinery.patch import (
    PatchConflictError,
    PatchError,
    PreconditionFailedError,
    apply_merge_patch,
    create_merge_patch,
)
from kubesim.apimachinery.patch.preconditions import IDENTITY_UNCHANGED
from kubesim.apimachinery.patch.three_way_json import create_three_way_json_patch
from kubesim.apimachinery.patch.values import same

SCALARS = st.one_of(st.booleans(), st.integers(-3, 3), st.text("ab", max_size=2), st.floats(-2, 2, width=16))
# A merge patch cannot say null inside an object; null items of lists it can.
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(st.one_of(st.none(), below), max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), below, max_size=3),
    max_leaves=8,
)  # fmt: skip
OBJECTS = st.dictionaries(st.text("abc", min_size=1, max_size=2), VALUES, max_size=4)


@pytest.mark.parametrize(
    ("doc", "patch", "made"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({"a": 1}, {"b": [None, {"c": None}]}, {"a": 1, "b": [None, {}]}),
    ],
    ids=str,
)
def test_examples_of_rfc_7386(doc, patch, made):
    before = copy.deepcopy((doc, patch))
    assert apply_merge_patch(doc, patch) == made
    assert (doc, patch) == before


@pytest.mark.parametrize("patch", [None, 1, "x", True], ids=str)
def test_a_patch_that_is_no_object_is_a_bad_request(patch):
    with pytest.raises(PatchError, match=r"^Invalid JSON Patch$") as refused:
        apply_merge_patch({}, patch)
    assert refused.value.code == 400


@given(OBJECTS, OBJECTS)
@settings(max_examples=150, deadline=None)
def test_applying_the_difference_gives_the_other_object(before, after):
    assert same(apply_merge_patch(before, create_merge_patch(before, after)), after)


@given(OBJECTS)
@settings(max_examples=50, deadline=None)
def test_an_object_does_not_differ_from_itself(obj):
    assert create_merge_patch(obj, copy.deepcopy(obj)) == {}


@given(OBJECTS, OBJECTS)
@settings(max_examples=100, deadline=None)
def test_applying_twice_is_applying_once(doc, patch):
    once = apply_merge_patch(doc, patch)
    assert same(apply_merge_patch(once, patch), once)


@given(OBJECTS, OBJECTS, OBJECTS)
@settings(max_examples=150, deadline=None)
def test_a_three_way_patch_has_what_was_asked_for_and_drops_what_was_withdrawn(original, modified, current):
    try:
        patch = create_three_way_json_patch(original, modified, current)
    except PatchConflictError:
        return
    made = apply_merge_patch(current, patch)
    for key, value in modified.items():
        if not isinstance(value, dict):
            assert same(made[key], value)
    assert not [k for k in original if k not in modified and k in made]
    for key in current:
        if key not in original and key not in modified:
            assert same(made[key], current[key])


def test_a_three_way_patch_must_not_change_what_an_object_is():
    with pytest.raises(PreconditionFailedError, match=r"^precondition failed for: map\[kind:B\]$"):
        create_three_way_json_patch({}, {"kind": "B"}, {"kind": "A"}, preconditions=IDENTITY_UNCHANGED)
    with pytest.raises(PreconditionFailedError):
        create_three_way_json_patch(
            {}, {"metadata": {"name": "b"}}, {"metadata": {"name": "a"}}, preconditions=IDENTITY_UNCHANGED
        )
    patch = create_three_way_json_patch(
        {}, {"metadata": {"labels": {"a": "b"}}}, {}, preconditions=IDENTITY_UNCHANGED
    )
    assert patch == {"metadata": {"labels": {"a": "b"}}}
