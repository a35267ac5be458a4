import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.schemas import CONFIG_MAP, DEPLOYMENT, POD, SERVICE, node_of

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.managedfields import fields_v1, record_update
from kubesim.apimachinery.managedfields.sets import difference, ordered, union, without

T1, T2, T3 = (f"2026-11-23T02:45:3{n}Z" for n in (1, 2, 3))
REPLICATION_CONTROLLER = GroupVersionKind("", "v1", "ReplicationController")


def service(**spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}], **spec},
    }


def recorded(old, new, manager, gvk=SERVICE, **how):
    how = {"time": T1, "api_version": gvk.api_version, "node": node_of(gvk)} | how
    return record_update(old, new, manager=manager, **how)


def stored(obj):
    """What the next update finds: the object as it was written, with a uid."""
    made = copy.deepcopy(obj)
    made["metadata"]["uid"] = "u"
    return made


def fields_of(entries, manager):
    found = [e["fieldsV1"] for e in entries if e["manager"] == manager]
    return found[0] if found else None


def test_a_service_made_by_kubectl_run():
    obj = service(selector={"run": "my-pod"}, sessionAffinity="None", internalTrafficPolicy="Cluster")
    assert recorded(None, obj, "kubectl-run") == [
        {
            "manager": "kubectl-run",
            "operation": "Update",
            "apiVersion": "v1",
            "time": T1,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:spec": {
                    "f:internalTrafficPolicy": {},
                    "f:ports": {
                        ".": {},
                        'k:{"port":80,"protocol":"TCP"}': {
                            ".": {},
                            "f:port": {},
                            "f:protocol": {},
                            "f:targetPort": {},
                        },
                    },
                    "f:selector": {},
                    "f:sessionAffinity": {},
                    "f:type": {},
                }
            },
        }
    ]
    assert obj["metadata"]["managedFields"][0]["manager"] == "kubectl-run"


def test_a_pod_owns_what_go_always_writes_and_not_what_an_empty_one_has():
    obj = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "i"}]}}
    assert fields_v1(obj, node_of(POD)) == {
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {
            "f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}, "f:name": {}, "f:resources": {}}}
        },
    }


@pytest.mark.parametrize(
    ("gvk", "obj", "fields"),
    [
        pytest.param(CONFIG_MAP, {"data": {"a": "1"}}, {"f:data": {".": {}, "f:a": {}}}, id="map"),
        pytest.param(CONFIG_MAP, {"metadata": {"generateName": "g-", "name": "g-1"}}, {"f:metadata": {"f:generateName": {}}}, id="generate-name"),
        pytest.param(CONFIG_MAP, {"metadata": {"finalizers": ["x/y"]}}, {"f:metadata": {"f:finalizers": {".": {}, 'v:"x/y"': {}}}}, id="set"),
        pytest.param(CONFIG_MAP, {"metadata": {"ownerReferences": [{"uid": "u", "name": "n", "kind": "K", "apiVersion": "v1"}]}}, {"f:metadata": {"f:ownerReferences": {".": {}, 'k:{"uid":"u"}': {}}}}, id="atomic-items"),
        pytest.param(CONFIG_MAP, {"metadata": {"uid": "u", "resourceVersion": "1", "creationTimestamp": T1, "generation": 1, "selfLink": "x", "namespace": "n"}}, {}, id="system-metadata"),
        pytest.param(SERVICE, {"spec": {"ports": [{"port": 80}], "clusterIPs": ["a"]}}, {"f:spec": {"f:clusterIPs": {}, "f:ports": {".": {}, 'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:targetPort": {}}}}}, id="default-of-a-key"),
        pytest.param(SERVICE, {"spec": {"ports": [], "clusterIP": "", "selector": {}}}, {}, id="zero-values"),
        pytest.param(DEPLOYMENT, {"spec": {"replicas": 0, "template": {"metadata": {"labels": {"a": "b"}}}}}, {"f:spec": {"f:replicas": {}, "f:template": {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}}}, id="structs-are-there-from-the-start"),
        pytest.param(REPLICATION_CONTROLLER, {"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}, {"f:spec": {"f:template": {".": {}, "f:metadata": {".": {}, "f:creationTimestamp": {}, "f:labels": {".": {}, "f:a": {}}}, "f:spec": {".": {}, "f:containers": {}}}}}, id="pointers-to-structs-are-not"),
        pytest.param(POD, {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}, {"f:spec": {"f:volumes": {".": {}, 'k:{"name":"v"}': {".": {}, "f:emptyDir": {}, "f:name": {}}}}}, id="empty-objects"),
    ],
)  # fmt: skip
def test_fields_of_a_new_object(gvk, obj, fields):
    assert fields_v1(obj, node_of(gvk)) == fields


def test_changed_fields_move_to_who_changed_them():
    first = service()
    recorded(None, first, "kubectl-create")
    second = stored(first)
    second["spec"]["ports"][0]["targetPort"] = 9376
    second["spec"]["type"] = "NodePort"
    second["metadata"]["labels"] = {"m": "1"}
    entries = recorded(stored(first), second, "kubectl-patch", time=T2)
    assert fields_of(entries, "kubectl-create") == {
        "f:spec": {
            "f:ports": {".": {}, 'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:protocol": {}}}
        }
    }
    assert fields_of(entries, "kubectl-patch") == {
        "f:metadata": {"f:labels": {".": {}, "f:m": {}}},
        "f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:targetPort": {}}}, "f:type": {}},
    }
    assert [e["time"] for e in entries] == [T1, T2]


def test_a_manager_that_comes_again_has_one_entry_with_the_newer_time():
    first = service()
    recorded(None, first, "kubectl-edit")
    second = stored(first)
    second["spec"]["type"] = "NodePort"
    entries = recorded(stored(first), second, "kubectl-edit", time=T2)
    assert [(e["manager"], e["time"]) for e in entries] == [("kubectl-edit", T2)]
    assert fields_of(entries, "kubectl-edit") == fields_v1(service(), node_of(SERVICE))


def test_nothing_changed_keeps_entries_and_times():
    first = service()
    before = copy.deepcopy(recorded(None, first, "kubectl-create"))
    assert recorded(stored(first), stored(first), "kubectl-patch", time=T2) == before


def test_what_is_removed_leaves_every_manager_and_no_time_changes():
    first = service(selector={"a": "b"}, externalIPs=["1.2.3.4"])
    recorded(None, first, "kubectl-create")
    second = stored(first)
    del second["spec"]["externalIPs"]
    entries = recorded(stored(first), second, "kubectl-patch", time=T2)
    assert [(e["manager"], e["time"]) for e in entries] == [("kubectl-create", T1)]
    assert "f:externalIPs" not in fields_of(entries, "kubectl-create")["f:spec"]


def test_an_entry_that_owns_nothing_any_more_goes():
    first = service()
    recorded(None, first, "a")
    second = stored(first)
    second["metadata"]["labels"] = {"x": "1"}
    recorded(stored(first), second, "b", time=T2)
    third = stored(second)
    third["metadata"]["labels"] = {"x": "2"}
    entries = recorded(stored(second), third, "c", time=T3)
    assert fields_of(entries, "b") == {"f:metadata": {"f:labels": {}}}
    fourth = stored(third)
    del fourth["metadata"]["labels"]
    entries = recorded(stored(third), fourth, "a", time=T3)
    assert [e["manager"] for e in entries] == ["a"]


def test_a_removed_list_item_is_nobodys():
    first = service(ports=[{"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}])
    recorded(None, first, "a")
    second = stored(first)
    del second["spec"]["ports"][1]
    fields = fields_of(recorded(stored(first), second, "b", time=T2), "a")
    assert list(fields["f:spec"]["f:ports"]) == [".", 'k:{"port":80,"protocol":"TCP"}']


def test_status_belongs_to_its_own_subresource():
    first = service()
    recorded(None, first, "kubectl-create")
    second = stored(first)
    second["status"] = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}
    second["spec"]["type"] = "NodePort"
    entries = recorded(stored(first), second, "kubelet", subresource="status", time=T2)
    assert entries[1]["subresource"] == "status"
    assert list(entries[1]) == [
        "manager",
        "operation",
        "apiVersion",
        "time",
        "fieldsType",
        "fieldsV1",
        "subresource",
    ]
    assert entries[1]["fieldsV1"] == {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}
    assert fields_of(entries, "kubectl-create")["f:spec"]["f:type"] == {}
    third = stored(second)
    third["status"] = {}
    assert recorded(stored(second), third, "kubectl-edit", time=T3) == entries


def test_paths_that_a_kind_resets_can_be_named():
    first = service()
    recorded(None, first, "a", reset_fields=[("status",), ("spec", "ports")])
    assert fields_of(first["metadata"]["managedFields"], "a") == {"f:spec": {"f:type": {}}}


def test_an_object_that_is_not_tracked_stays_so():
    old = stored(service())
    new = stored(service(type="NodePort"))
    assert recorded(old, new, "a") == []
    assert "managedFields" not in new["metadata"]


@pytest.mark.parametrize("reset", [[], [{}]], ids=["empty-list", "empty-entry"])
def test_a_request_can_reset_them(reset):
    first = service()
    recorded(None, first, "a")
    second = stored(first)
    second["metadata"]["managedFields"] = reset
    assert recorded(stored(first), second, "b") == []


def test_a_request_that_leaves_them_out_loses_nothing():
    first = service()
    before = copy.deepcopy(recorded(None, first, "a"))
    second = stored(first)
    del second["metadata"]["managedFields"]
    assert recorded(stored(first), second, "b") == before


def test_entries_that_cannot_be_read_are_taken_from_the_live_object():
    first = service()
    before = copy.deepcopy(recorded(None, first, "a"))
    second = stored(first)
    second["metadata"]["managedFields"] = [{"manager": "x", "operation": "Foo"}]
    assert recorded(stored(first), second, "b") == before


def test_without_a_name_a_manager_is_unknown():
    assert [e["manager"] for e in recorded(None, service(), "")] == ["unknown"]


def test_the_oldest_of_many_managers_are_put_together():
    obj = service()
    recorded(None, obj, "m00")
    for number in range(1, 14):
        new = stored(obj)
        new["metadata"].setdefault("labels", {})[f"l{number}"] = "x"
        recorded(stored(obj), new, f"m{number:02}", time=f"2026-11-23T02:46:{number:02}Z")
        obj = new
    entries = obj["metadata"]["managedFields"]
    assert [e["manager"] for e in entries] == ["ancient-changes", *(f"m{n:02}" for n in range(5, 14))]
    ancient = entries[0]
    assert ancient["time"] == "2026-11-23T02:46:04Z"
    assert set(ancient["fieldsV1"]["f:metadata"]["f:labels"]) == {".", "f:l1", "f:l2", "f:l3", "f:l4"}
    assert "f:type" in ancient["fieldsV1"]["f:spec"]


def test_entries_are_ordered_by_operation_time_and_name():
    first = service()
    recorded(None, first, "z", time=T2)
    first["metadata"]["managedFields"].insert(
        0, {"manager": "k", "operation": "Apply", "apiVersion": "v1", "time": T3, "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": {"f:q": {}}}}}
    )  # fmt: skip
    second = stored(first)
    second["metadata"]["labels"] = {"x": "1"}
    entries = recorded(stored(first), second, "a", time=T2)
    assert [(e["operation"], e["manager"]) for e in entries] == [
        ("Apply", "k"),
        ("Update", "a"),
        ("Update", "z"),
    ]


PATHS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("cd"), st.sampled_from("ef")).flatmap(
    lambda path: st.integers(1, 3).map(lambda size: path[:size])), max_size=6)  # fmt: skip


def set_of(paths):
    made = {}
    for path in paths:
        node = {}
        for step in reversed(path):
            node = {"f:" + step: node}
        made = union(made, node)
    return made


def members(fields, path=()):
    found = set()
    for key, below in fields.items():
        if key == ".":
            continue
        if not below or "." in below:
            found.add((*path, key[2:]))
        found |= members(below, (*path, key[2:]))
    return found


@given(PATHS, PATHS)
@settings(max_examples=200, deadline=None)
def test_sets_of_fields_behave_as_sets(left, right):
    a, b = set_of(left), set_of(right)
    assert members(a) == set(left)
    assert members(union(a, b)) == set(left) | set(right)
    assert members(difference(a, b)) == set(left) - set(right)
    assert members(without(a, b)) == {p for p in set(left) if not any(p[: len(q)] == q for q in set(right))}
    assert ordered(union(a, b)) == union(b, a)
    assert difference(a, a) == {}
