import copy

import pytest
from support.schemas import CONFIG_MAP, DEPLOYMENT, POD, SERVICE, node_of

from kubesim.apimachinery.patch import StrategicPatchError, apply_strategic_patch


def containers(*items):
    return {"spec": {"containers": list(items)}}


def ports(*items):
    return {"spec": {"ports": list(items)}}


def named(name, **more):
    return {"name": name, **more}


@pytest.mark.parametrize(
    ("gvk", "original", "patch", "made"),
    [
        pytest.param(POD, containers(named("a", image="1"), named("b", image="1")), containers(named("b", image="2")), containers(named("a", image="1"), named("b", image="2")), id="items-merge-by-key"),
        pytest.param(POD, containers(named("a", image="1")), containers(named("a", image="1"), named("c", image="3")), containers(named("a", image="1"), named("c", image="3")), id="items-are-added"),
        pytest.param(POD, containers(named("a"), named("b")), containers({"name": "a", "$patch": "delete"}), containers(named("b")), id="patch-delete-of-an-item"),
        pytest.param(POD, containers(named("a"), named("b")), containers({"$patch": "replace"}, named("c")), containers(named("c")), id="patch-replace-of-a-list"),
        pytest.param(POD, containers(named("a", env=[named("X", value="1"), named("Y", value="2")])), containers(named("a", env=[named("X", value="9")])), containers(named("a", env=[named("X", value="9"), named("Y", value="2")])), id="lists-within-items-merge"),
        pytest.param(POD, containers(named("a", image="i", resources={"limits": {"cpu": "1"}})), containers({"name": "a", "resources": None}), containers(named("a", image="i")), id="null-removes-a-field"),
        pytest.param(POD, containers(named("a", command=["x", "y"])), containers(named("a", command=["z"])), containers(named("a", command=["z"])), id="lists-without-strategy-are-replaced"),
        pytest.param(POD, {"spec": {"tolerations": [{"key": "a"}]}}, {"spec": {"tolerations": [{"key": "b"}]}}, {"spec": {"tolerations": [{"key": "b"}]}}, id="atomic-lists-are-replaced"),
        pytest.param(SERVICE, ports({"port": 80, "targetPort": 1}, {"port": 443}), ports({"port": 80, "targetPort": 9376}), ports({"port": 80, "targetPort": 9376}, {"port": 443}), id="ports-merge-by-port"),
        pytest.param(SERVICE, {"spec": {"selector": {"a": "b"}}}, {"spec": {"selector": {"c": "d"}}}, {"spec": {"selector": {"a": "b", "c": "d"}}}, id="an-atomic-map-is-merged-all-the-same"),
        pytest.param(SERVICE, {"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["c"]}}, {"metadata": {"finalizers": ["c", "a", "b"]}}, id="scalars-merge"),
        pytest.param(SERVICE, {"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, {"metadata": {"finalizers": ["b"]}}, id="delete-from-primitive-list"),
        pytest.param(SERVICE, {"metadata": {}}, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, {"metadata": {}}, id="delete-from-a-list-that-is-not-there"),
        pytest.param(SERVICE, {"metadata": {"finalizers": ["a", "b", "c"]}}, {"metadata": {"$setElementOrder/finalizers": ["c", "d", "a"], "finalizers": ["d"]}}, {"metadata": {"finalizers": ["b", "c", "d", "a"]}}, id="set-element-order-of-scalars"),
        pytest.param(POD, containers(named("a"), named("b"), named("srv")), {"spec": {"$setElementOrder/containers": [named("b"), named("a")]}}, containers(named("b"), named("a"), named("srv")), id="set-element-order-without-changes"),
        pytest.param(POD, containers(named("a"), named("srv"), named("b")), {"spec": {"$setElementOrder/containers": [named("b"), named("c"), named("a")], "containers": [named("c")]}}, containers(named("srv"), named("b"), named("c"), named("a")), id="server-items-stay-before-the-one-they-were-before"),
        pytest.param(POD, {"spec": {}}, {"spec": {"$setElementOrder/containers": [named("a"), named("b")], "containers": [named("a"), named("b")]}}, containers(named("a"), named("b")), id="set-element-order-of-a-new-list"),
        pytest.param(DEPLOYMENT, {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, {"spec": {"strategy": {"type": "Recreate"}}}, id="retain-keys"),
        pytest.param(POD, {"spec": {"volumes": [named("v", emptyDir={})]}}, {"spec": {"volumes": [named("v", hostPath={"path": "/"}, **{"$retainKeys": ["name", "hostPath"]})]}}, {"spec": {"volumes": [named("v", hostPath={"path": "/"})]}}, id="retain-keys-of-an-item"),
        pytest.param(POD, {"spec": {"securityContext": {"runAsUser": 1, "fsGroup": 2}}}, {"spec": {"securityContext": {"$patch": "replace", "fsGroup": 3}}}, {"spec": {"securityContext": {"fsGroup": 3}}}, id="patch-replace-of-an-object"),
        pytest.param(POD, {"spec": {"securityContext": {"runAsUser": 1}}}, {"spec": {"securityContext": {"$patch": "delete"}}}, {"spec": {"securityContext": {}}}, id="patch-delete-of-an-object"),
        pytest.param(POD, {"spec": {}}, {"spec": {"securityContext": {"$patch": "delete"}}}, {"spec": {}}, id="patch-delete-of-what-is-not-there"),
        pytest.param(POD, {"spec": {}}, {"spec": {"containers": [{"name": "a", "$patch": "delete"}, named("b")]}}, containers(named("b")), id="directives-in-new-lists-are-dropped"),
        pytest.param(POD, {"spec": {}}, {"spec": {"securityContext": {"runAsUser": None, "fsGroup": 1}, "nodeName": None}}, {"spec": {"securityContext": {"fsGroup": 1}}}, id="null-in-new-objects-is-dropped"),
        pytest.param(CONFIG_MAP, {"data": {"a": "1", "b": "2"}}, {"data": {"a": None, "c": "3"}}, {"data": {"b": "2", "c": "3"}}, id="maps-merge"),
        pytest.param(SERVICE, {"spec": {"type": "ClusterIP"}}, {"spec": {"ports": "x"}}, {"spec": {"type": "ClusterIP", "ports": "x"}}, id="types-are-not-looked-at"),
        pytest.param(SERVICE, {"spec": {"ports": [{"port": 1}]}}, {"spec": {"ports": "x"}}, {"spec": {"ports": "x"}}, id="another-type-replaces"),
        pytest.param(SERVICE, {"spec": {}}, {"spec": {"foo": {"bar": 1}}}, {"spec": {"foo": {"bar": 1}}}, id="unknown-fields-are-left-to-conversion"),
    ],
)  # fmt: skip
def test_a_patch_is_applied(gvk, original, patch, made):
    before = copy.deepcopy((original, patch))
    assert apply_strategic_patch(original, patch, node_of(gvk)) == made
    assert (original, patch) == before


@pytest.mark.parametrize(
    ("gvk", "original", "patch", "text", "code"),
    [
        pytest.param(POD, containers(named("a")), containers({"image": "x"}), "map: map[image:x] does not contain declared merge key: name", 500, id="no-merge-key"),
        pytest.param(POD, containers(named("a")), containers({"$patch": "delete"}), "map: map[$patch:delete] does not contain declared merge key: name", 500, id="no-merge-key-to-delete"),
        pytest.param(POD, containers(named("a")), containers({"name": "a", "$patch": "merge"}), "merging lists cannot yet be specified in the patch", 500, id="merge-directive"),
        pytest.param(POD, containers(named("a")), containers({"name": "a", "$patch": "foo"}), "unknown patch type: foo in map: map[$patch:foo name:a]", 500, id="unknown-directive"),
        pytest.param(POD, containers(named("a")), containers("x"), "list element types are not identical: [[map[name:a]] [x]]", 500, id="mixed-types"),
        pytest.param(POD, containers(named("a")), containers([]), "list element types are not identical: [[map[name:a]] [[]]]", 500, id="list-among-objects"),
        pytest.param(POD, {"spec": {"containers": []}}, containers([]), "lists of lists are not supported", 422, id="lists-of-lists"),
        pytest.param(DEPLOYMENT, {"spec": {"strategy": {}}}, {"spec": {"strategy": {"$retainKeys": ["type"], "x": 1}}}, "invalid patch format of retainKeys", 400, id="retain-keys-do-not-match"),
        pytest.param(DEPLOYMENT, {"spec": {"strategy": {}}}, {"spec": {"strategy": {"$retainKeys": 1}}}, "invalid patch format of retainKeys", 400, id="retain-keys-are-no-list"),
        pytest.param(SERVICE, {"metadata": {}}, {"metadata": {"$deleteFromPrimitiveList": ["a"]}}, "invalid patch format of primitive list", 400, id="delete-directive-without-field"),
        pytest.param(SERVICE, {"metadata": {}}, {"metadata": {"$setElementOrder": ["a"]}}, "invalid patch format of setElementOrder list", 400, id="order-directive-without-field"),
        pytest.param(SERVICE, {"metadata": {}}, {"metadata": {"$setElementOrder/finalizers": "a"}}, "expected a []interface {}, but received a string", 500, id="order-is-no-list"),
        pytest.param(SERVICE, {"metadata": {"finalizers": ["a"]}}, {"metadata": {"$setElementOrder/finalizers": ["b"], "finalizers": ["c"]}}, "The order in patch list:\n[c]\n doesn't match $setElementOrder list:\n[b]\n", 500, id="order-does-not-match"),
        pytest.param(SERVICE, {"spec": {"foo": {"a": 1}}}, {"spec": {"foo": {"b": 1}}}, 'unable to find api field in struct ServiceSpec for the json field "foo"', 500, id="unknown-field"),
    ],
)  # fmt: skip
def test_a_patch_is_refused(gvk, original, patch, text, code):
    with pytest.raises(StrategicPatchError) as refused:
        apply_strategic_patch(original, patch, node_of(gvk))
    assert (str(refused.value), refused.value.code) == (text, code)


def test_without_a_schema_objects_merge_and_lists_are_replaced():
    made = apply_strategic_patch({"a": {"b": 1}, "l": [1]}, {"a": {"c": 2}, "l": [2]}, None)
    assert made == {"a": {"b": 1, "c": 2}, "l": [2]}
