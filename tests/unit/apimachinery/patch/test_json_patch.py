import copy

import pytest

from kubesim.apimachinery.patch import JSONPatchError, apply_json_patch
from kubesim.apimachinery.patch.json_patch import MAX_OPERATIONS, strict_errors

DOC = {"a": {"b": [1, 2, 3], "c": None, "x/y": 1, "m~n": 2}, "t": "s"}


@pytest.mark.parametrize(
    ("patch", "path", "value"),
    [
        ([{"op": "add", "path": "/t", "value": 1}], ["t"], 1),
        ([{"op": "add", "path": "/new", "value": {"z": []}}], ["new"], {"z": []}),
        ([{"op": "add", "path": "/a/b/1", "value": 9}], ["a", "b"], [1, 9, 2, 3]),
        ([{"op": "add", "path": "/a/b/-", "value": 9}], ["a", "b"], [1, 2, 3, 9]),
        ([{"op": "add", "path": "/a/b/3", "value": 9}], ["a", "b"], [1, 2, 3, 9]),
        ([{"op": "add", "path": "/a/b/-1", "value": 9}], ["a", "b"], [1, 2, 3, 9]),
        ([{"op": "add", "path": "/a/b/-4", "value": 9}], ["a", "b"], [9, 1, 2, 3]),
        ([{"op": "remove", "path": "/a/b/0"}], ["a", "b"], [2, 3]),
        ([{"op": "remove", "path": "/a/b/-1"}], ["a", "b"], [1, 2]),
        ([{"op": "replace", "path": "/a/x~1y", "value": 5}], ["a", "x/y"], 5),
        ([{"op": "replace", "path": "/a/m~0n", "value": 5}], ["a", "m~n"], 5),
        ([{"op": "replace", "path": "/nosuch", "value": 5}], ["nosuch"], 5),
        ([{"op": "replace", "path": "/a/b/2", "value": 5}], ["a", "b"], [1, 2, 5]),
        ([{"op": "move", "from": "/a/b/0", "path": "/a/b/2"}], ["a", "b"], [2, 3, 1]),
        ([{"op": "move", "from": "/t", "path": "/a/t"}], ["a", "t"], "s"),
        ([{"op": "copy", "from": "/a/b", "path": "/d"}], ["d"], [1, 2, 3]),
        ([{"op": "test", "path": "/a/c", "value": None}], ["t"], "s"),
        ([{"op": "test", "path": "/nosuch", "value": None}], ["t"], "s"),
        ([{"op": "test", "path": "/a/b", "value": [1, 2, 3]}], ["t"], "s"),
        ([{"op": "test", "path": "", "value": DOC}], ["t"], "s"),
        ([{"op": "replace", "path": "", "value": {"n": 1}}], ["n"], 1),
        ([], ["t"], "s"),
    ],
    ids=lambda v: f"{v[0]['op']} {v[0]['path']}" if isinstance(v, list) and v and isinstance(v[0], dict) else None,
)  # fmt: skip
def test_operations_change_a_copy(patch, path, value):
    before = copy.deepcopy(DOC)
    made = apply_json_patch(DOC, patch)
    for step in path:
        made = made[step]
    assert made == value
    assert before == DOC


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ({"op": "remove", "path": "/nosuch"}, "error in remove for path: '/nosuch': Unable to remove nonexistent key: nosuch: missing value"),
        ({"op": "remove", "path": "/nosuch/x"}, 'remove operation does not apply: doc is missing path: "/nosuch/x": missing value'),
        ({"op": "remove", "path": "/a/b/3"}, "error in remove for path: '/a/b/3': Unable to access invalid index: 3: invalid index referenced"),
        ({"op": "remove", "path": "/a/b/x"}, "error in remove for path: '/a/b/x': strconv.Atoi: parsing \"x\": invalid syntax"),
        ({"op": "remove", "path": ""}, 'remove operation does not apply: doc is missing path: "": missing value'),
        ({"op": "remove"}, "remove operation failed to decode path: missing value"),
        ({"op": "add", "path": "/t/x", "value": 1}, 'add operation does not apply: doc is missing path: "/t/x": missing value'),
        ({"op": "add", "path": "/a/b/9", "value": 1}, "error in add for path: '/a/b/9': Unable to access invalid index: 9: invalid index referenced"),
        ({"op": "add", "path": "/a/b/x", "value": 1}, "error in add for path: '/a/b/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax"),
        ({"op": "replace", "path": "/nosuch/x", "value": 1}, "replace operation does not apply: doc is missing path: /nosuch/x: missing value"),
        ({"op": "replace", "path": "/a/b/3", "value": 1}, "replace operation does not apply: doc is missing key: /a/b/3: missing value"),
        ({"op": "replace", "value": 1}, "replace operation failed to decode path: operation missing path field: missing value"),
        ({"op": "replace", "path": 1}, "replace operation failed to decode path: json: cannot unmarshal number into Go value of type string"),
        ({"op": "test", "path": "/t", "value": "x"}, "testing value /t failed: test failed"),
        ({"op": "test", "path": "/a/b/0", "value": 1.0}, "testing value /a/b/0 failed: test failed"),
        ({"op": "test", "path": "/a/b/0", "value": True}, "testing value /a/b/0 failed: test failed"),
        ({"op": "test", "path": "/nosuch/x", "value": 1}, "test operation does not apply: is missing path: /nosuch/x: missing value"),
        ({"op": "test", "path": "/a/b/7", "value": 1}, "error in test for path: '/a/b/7': Unable to access invalid index: 7: invalid index referenced"),
        ({"op": "move", "from": "/nosuch", "path": "/t"}, "error in move for path: 'nosuch': Unable to remove nonexistent key: nosuch: missing value"),
        ({"op": "move", "from": "/nosuch/x", "path": "/t"}, "move operation does not apply: doc is missing from path: /nosuch/x: missing value"),
        ({"op": "move", "path": "/t"}, "move operation failed to decode from: operation, missing from field: missing value"),
        ({"op": "copy", "from": "/t", "path": "/nosuch/x"}, "copy operation does not apply: doc is missing destination path: /nosuch/x: missing value"),
        ({"op": "frobnicate", "path": "/t"}, "Unexpected kind: frobnicate"),
        ({"path": "/t"}, "Unexpected kind: unknown"),
    ],
    ids=lambda v: " ".join(str(x) for x in list(v.values())[:2]) if isinstance(v, dict) else None,
)  # fmt: skip
def test_what_does_not_fit_is_a_422_with_the_librarys_text(operation, text):
    with pytest.raises(JSONPatchError) as refused:
        apply_json_patch(DOC, [{"op": "add", "path": "/z", "value": 1}, operation])
    assert (str(refused.value), refused.value.code) == (text, 422)
    assert "z" not in DOC


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        ({"op": "add"}, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
        ("x", "json: cannot unmarshal string into Go value of type jsonpatch.Patch"),
        ([1], "json: cannot unmarshal number into Go value of type jsonpatch.Operation"),
    ],
    ids=["object", "string", "number in list"],
)
def test_what_is_no_patch_is_a_bad_request(patch, text):
    with pytest.raises(JSONPatchError) as refused:
        apply_json_patch(DOC, patch)
    assert (str(refused.value), refused.value.code) == (text, 400)


def test_too_many_operations_are_refused():
    operation = {"op": "test", "path": "/t", "value": "s"}
    assert apply_json_patch(DOC, [operation] * MAX_OPERATIONS) == DOC
    with pytest.raises(JSONPatchError) as refused:
        apply_json_patch(DOC, [operation] * (MAX_OPERATIONS + 1))
    assert str(refused.value) == "The allowed maximum operations in a JSON patch is 10000, got 10001"
    assert refused.value.code == 413


def test_strict_validation_names_unknown_fields_of_operations():
    assert strict_errors([{"op": "add", "path": "/a", "value": 1}, {"foo": 1}]) == [
        'json patch unknown field "[1].foo"'
    ]


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        ({}, "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        ([{"op": 1}], "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string"),
    ],
    ids=["object", "op"],
)  # fmt: skip
def test_strict_validation_refuses_what_is_no_patch(patch, text):
    with pytest.raises(JSONPatchError) as refused:
        strict_errors(patch)
    assert (str(refused.value), refused.value.code) == (text, 400)


def test_values_of_a_patch_are_copied():
    value = {"n": []}
    made = apply_json_patch(
        {}, [{"op": "add", "path": "/v", "value": value}, {"op": "copy", "from": "/v", "path": "/w"}]
    )
    made["v"]["n"].append(1)
    assert value == {"n": []}
    assert made["w"] == {"n": []}
