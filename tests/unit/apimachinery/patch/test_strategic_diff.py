import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.schemas import DEPLOYMENT, POD, SERVICE, node_of

from kubesim.apimachinery.patch import PatchConflictError, PreconditionFailedError, apply_strategic_patch
from kubesim.apimachinery.patch.preconditions import IDENTITY_UNCHANGED
from kubesim.apimachinery.patch.strategic_diff import create_three_way_patch, create_two_way_patch
from kubesim.apimachinery.patch.values import same

NAMES = st.sampled_from(["a", "b", "c", "d"])


def unique(items, key):
    return st.lists(items, max_size=4, unique_by=lambda item: item[key])


ENV = unique(st.fixed_dictionaries({"name": NAMES}, optional={"value": NAMES}), "name")
CONTAINERS = unique(
    st.fixed_dictionaries(
        {"name": NAMES},
        optional={
            "image": NAMES,
            "command": st.lists(NAMES, max_size=3),
            "env": ENV,
            "ports": unique(st.fixed_dictionaries({"containerPort": st.integers(1, 4)}, optional={"name": NAMES}), "containerPort"),
            "resources": st.fixed_dictionaries({}, optional={"limits": st.dictionaries(NAMES, NAMES, max_size=2)}),
        },
    ),
    "name",
)  # fmt: skip
VOLUMES = unique(
    st.fixed_dictionaries(
        {"name": NAMES}, optional={"emptyDir": st.just({}), "hostPath": st.just({"path": "/"})}
    ),
    "name",
)
PODS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries(
            {}, optional={"labels": st.dictionaries(NAMES, NAMES, max_size=3), "finalizers": st.lists(NAMES, max_size=3, unique=True)}
        ),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "containers": CONTAINERS,
                "volumes": VOLUMES,
                "tolerations": st.lists(st.fixed_dictionaries({"key": NAMES}), max_size=2),
                "nodeSelector": st.dictionaries(NAMES, NAMES, max_size=2),
                "hostNetwork": st.booleans(),
            },
        ),
    },
)  # fmt: skip


@given(PODS, PODS)
@settings(max_examples=300, deadline=None)
def test_applying_the_difference_gives_the_other_object(before, after):
    node = node_of(POD)
    copies = copy.deepcopy((before, after))
    made = apply_strategic_patch(before, create_two_way_patch(before, after, node), node)
    assert same(made, after)
    assert (before, after) == copies


@given(PODS)
@settings(max_examples=50, deadline=None)
def test_an_object_that_was_applied_before_makes_no_patch_but_orders(obj):
    patch = create_three_way_patch(obj, obj, obj, node_of(POD))
    # Scalar lists are compared with their sorted selves, as in the original, so that an order may be asked for.
    assert {k for part in patch.values() for k in part} <= {"$setElementOrder/finalizers"}
    assert apply_strategic_patch(obj, patch, node_of(POD)) == obj


@given(PODS, PODS)
@settings(max_examples=150, deadline=None)
def test_nobody_else_changed_anything_then_three_ways_are_two(original, modified):
    node = node_of(POD)
    patch = create_three_way_patch(original, modified, original, node)
    assert same(apply_strategic_patch(original, patch, node), modified)


@given(PODS, PODS, PODS)
@settings(max_examples=200, deadline=None)
def test_what_is_asked_for_is_there_and_what_was_withdrawn_is_gone(original, modified, current):
    node = node_of(POD)
    made = apply_strategic_patch(current, create_three_way_patch(original, modified, current, node), node)
    spec, wanted, before = (o.get("spec", {}) for o in (made, modified, original))
    for key in ("nodeSelector",):
        for name, value in wanted.get(key, {}).items():
            assert spec[key][name] == value
    if "hostNetwork" in wanted:
        assert spec["hostNetwork"] == wanted["hostNetwork"]
    there = {c["name"]: c for c in spec.get("containers", [])}
    for container in wanted.get("containers", []):
        assert container["name"] in there
        if "image" in container:
            assert there[container["name"]]["image"] == container["image"]
    gone = {c["name"] for c in before.get("containers", [])} - {
        c["name"] for c in wanted.get("containers", [])
    }
    if "containers" in wanted or "containers" not in before:
        assert not gone & set(there)


def pod(*containers, **spec):
    return {"spec": {"containers": list(containers), **spec}}


@pytest.mark.parametrize(
    ("gvk", "original", "modified", "patch"),
    [
        pytest.param(SERVICE, {"spec": {"type": "A"}}, {"spec": {"type": "B"}}, {"spec": {"type": "B"}}, id="scalar"),
        pytest.param(SERVICE, {"spec": {"type": "A"}}, {"spec": {}}, {"spec": {"type": None}}, id="removed"),
        pytest.param(SERVICE, {"spec": {"ports": [{"port": 1, "name": "x"}]}}, {"spec": {"ports": [{"port": 2, "name": "x"}]}}, {"spec": {"$setElementOrder/ports": [{"port": 2}], "ports": [{"port": 2, "name": "x"}, {"port": 1, "$patch": "delete"}]}}, id="another-key"),
        pytest.param(POD, pod({"name": "a", "image": "1"}, {"name": "b"}), pod({"name": "a", "image": "2"}, {"name": "b"}), {"spec": {"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}], "containers": [{"name": "a", "image": "2"}]}}, id="item-changed"),
        pytest.param(POD, pod({"name": "a"}, {"name": "b"}), pod({"name": "b"}, {"name": "a"}), {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}, id="order-changed"),
        pytest.param(SERVICE, {"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["b", "c"]}}, {"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["b", "c"]}}, id="scalars"),
        pytest.param(DEPLOYMENT, {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}, {"spec": {"strategy": {"type": "Recreate"}}}, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate", "rollingUpdate": None}}}, id="retain-keys"),
    ],
)  # fmt: skip
def test_the_patch_between_two_objects(gvk, original, modified, patch):
    assert create_two_way_patch(original, modified, node_of(gvk)) == patch


def test_apply_leaves_alone_what_others_have_set():
    original = pod({"name": "a", "image": "1"}, hostNetwork=True)
    current = pod(
        {"name": "a", "image": "1", "resources": {}}, {"name": "sidecar"}, hostNetwork=True, nodeName="n"
    )
    modified = pod({"name": "a", "image": "2"})
    patch = create_three_way_patch(original, modified, current, node_of(POD))
    assert patch == {
        "spec": {
            "$setElementOrder/containers": [{"name": "a"}],
            "containers": [{"name": "a", "image": "2"}],
            "hostNetwork": None,
        }
    }
    made = apply_strategic_patch(current, patch, node_of(POD))
    assert made == pod({"name": "a", "image": "2", "resources": {}}, {"name": "sidecar"}, nodeName="n")


def test_without_a_last_applied_configuration_nothing_is_removed():
    current = pod({"name": "a", "image": "1"}, nodeName="n")
    assert create_three_way_patch(None, pod({"name": "a", "image": "1"}), current, node_of(POD)) == {}


def test_conflicts_are_found_where_overwriting_is_not_allowed():
    original, current, modified = ({"spec": {"type": t}} for t in ("A", "B", "C"))
    with pytest.raises(PatchConflictError, match="conflicts with changes made from original to current"):
        create_three_way_patch(original, modified, current, node_of(SERVICE), overwrite=False)
    same_change = create_three_way_patch(original, current, current, node_of(SERVICE), overwrite=False)
    assert same_change == {}


@pytest.mark.parametrize("path", ["apiVersion", "kind", "metadata.name"])
def test_a_patch_must_not_change_what_an_object_is(path):
    def obj(value):
        head, _, tail = path.partition(".")
        return {head: {tail: value} if tail else value}

    with pytest.raises(PreconditionFailedError, match=r"^precondition failed for: map\["):
        create_three_way_patch(
            obj("x"), obj("y"), obj("x"), node_of(SERVICE), preconditions=IDENTITY_UNCHANGED
        )
    with pytest.raises(PreconditionFailedError):
        create_two_way_patch(obj("x"), obj("y"), node_of(SERVICE), preconditions=IDENTITY_UNCHANGED)
