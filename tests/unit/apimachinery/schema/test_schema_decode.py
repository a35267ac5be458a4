import copy

import pytest
from support.schemas import DEPLOYMENT, POD, SECRET, SERVICE, default_schema

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.schema import DecodeError
from kubesim.apimachinery.schema.decode import Odd, decode_struct
from kubesim.apimachinery.schema.duplicates import find_duplicate_fields
from kubesim.apimachinery.schema.mistakes import Walk

NODE = GroupVersionKind("", "v1", "Node")
LEASE = GroupVersionKind("coordination.k8s.io", "v1", "Lease")
CRON_JOB = GroupVersionKind("batch", "v1", "CronJob")
QUANTITY = r"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def at(path, value):
    """An object that has one value, at a path of names and list positions."""
    for step in reversed(path.split(".")):
        value = [value] if step == "0" else {step: value}
    return value


def decoded(gvk, obj, **how):
    return default_schema().decode(gvk, obj, **how)


@pytest.mark.parametrize(
    ("gvk", "path", "value", "text"),
    [
        (SERVICE, "spec.ports.0.port", "x", "cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32"),
        (SERVICE, "spec.ports.0.port", 1.5, "cannot unmarshal number 1.5 into Go struct field ServicePort.spec.ports.port of type int32"),
        (SERVICE, "spec.ports.0.port", 3000000000, "cannot unmarshal number 3000000000 into Go struct field ServicePort.spec.ports.port of type int32"),
        (SERVICE, "spec.ports.0.port", True, "cannot unmarshal bool into Go struct field ServicePort.spec.ports.port of type int32"),
        (SERVICE, "spec.ports.0.protocol", 6, "cannot unmarshal number into Go struct field ServicePort.spec.ports.protocol of type v1.Protocol"),
        (SERVICE, "spec.ports", "x", "cannot unmarshal string into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort"),
        (SERVICE, "spec.ports", {"port": 80}, "cannot unmarshal object into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort"),
        (SERVICE, "spec.ports.0", 80, "cannot unmarshal number into Go struct field ServiceSpec.spec.ports of type v1.ServicePort"),
        (SERVICE, "spec.ports.0.targetPort", 1.5, "cannot unmarshal number 1.5 into Go struct field ServicePort.spec.ports.targetPort of type int32"),
        (SERVICE, "spec.ports.0.targetPort", {}, "cannot unmarshal object into Go struct field ServicePort.spec.ports.targetPort of type int32"),
        (SERVICE, "spec.sessionAffinity", 5, "cannot unmarshal number into Go struct field ServiceSpec.spec.sessionAffinity of type v1.ServiceAffinity"),
        (SERVICE, "spec.clusterIPs", {}, "cannot unmarshal object into Go struct field ServiceSpec.spec.clusterIPs of type []string"),
        (SERVICE, "spec", "x", "cannot unmarshal string into Go struct field Service.spec of type v1.ServiceSpec"),
        (SERVICE, "spec", [], "cannot unmarshal array into Go struct field Service.spec of type v1.ServiceSpec"),
        (SERVICE, "metadata.labels.app", 1, "cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"),
        (SERVICE, "metadata.labels", [], "cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
        (SERVICE, "metadata.name", 12, "cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string"),
        (SERVICE, "metadata.creationTimestamp", 12, "cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string"),
        (POD, "spec.containers.0.env.0.value", 1, "cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string"),
        (POD, "spec.containers.0.command", "sh", "cannot unmarshal string into Go struct field Container.spec.containers.command of type []string"),
        (POD, "spec.containers.0.resources.limits", [], "cannot unmarshal array into Go struct field ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList"),
        (POD, "spec.hostNetwork", "yes", "cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool"),
        (SECRET, "data.a", 1, "cannot unmarshal number into Go struct field Secret.data of type []uint8"),
        (DEPLOYMENT, "spec.replicas", "3", "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (CRON_JOB, "spec.jobTemplate.spec.template.spec.containers", {}, "cannot unmarshal object into Go struct field PodSpec.spec.jobTemplate.spec.template.spec.containers of type []v1.Container"),
    ],
    ids=lambda v: v if isinstance(v, str) and " " not in v else None,
)  # fmt: skip
def test_wrong_types_are_refused_in_gos_words(gvk, path, value, text):
    with pytest.raises(DecodeError) as refused:
        decoded(gvk, at(path, value))
    assert str(refused.value) == "json: " + text


@pytest.mark.parametrize(
    ("gvk", "path", "value", "text"),
    [
        (POD, "spec.containers.0.resources.limits.cpu", "lots", QUANTITY),
        (POD, "spec.containers.0.resources.limits.cpu", "", QUANTITY),
        (POD, "spec.containers.0.resources.limits.cpu", {}, QUANTITY),
        (POD, "spec.containers.0.resources.limits.cpu", "1Q", QUANTITY),
        (POD, "spec.containers.0.resources.limits.cpu", "1KiB", QUANTITY),
        (POD, "spec.containers.0.resources.limits.cpu", "1mm", "unable to parse quantity's suffix"),
        (POD, "status.startTime", "yesterday", 'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"'),
        (POD, "status.startTime", "", 'parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'),
        (POD, "status.startTime", "2024-01-01", 'parsing time "2024-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        (POD, "status.startTime", "2024-01-01T00:00:00", 'parsing time "2024-01-01T00:00:00" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'),
        (POD, "status.startTime", "2024-13-01T00:00:00Z", 'parsing time "2024-13-01T00:00:00Z": month out of range'),
        (POD, "status.startTime", "2024-02-30T00:00:00Z", 'parsing time "2024-02-30T00:00:00Z": day out of range'),
        (POD, "status.startTime", "2024-01-01T24:00:00Z", 'parsing time "2024-01-01T24:00:00Z": hour out of range'),
        (POD, "status.startTime", "2024-01-01T00:00:00Z!", 'parsing time "2024-01-01T00:00:00Z!": extra text: "!"'),
        (LEASE, "spec.renewTime", "2024-01-01T00:00:00Z", 'parsing time "2024-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"'),
        (SECRET, "data.a", "$$", "illegal base64 data at input byte 0"),
        (SECRET, "data.a", "YQ", "illegal base64 data at input byte 0"),
        (SECRET, "data.a", "YWJj!", "illegal base64 data at input byte 4"),
        (SECRET, "data.a", "YQ==YQ==", "illegal base64 data at input byte 4"),
        (SECRET, "data.a", "YQ=", "illegal base64 data at input byte 3"),
        (SECRET, "data.a", "plain text", "illegal base64 data at input byte 5"),
    ],
    ids=lambda v: v if isinstance(v, str) and len(v) < 30 else None,
)  # fmt: skip
def test_values_that_decode_themselves_are_refused_in_gos_words(gvk, path, value, text):
    with pytest.raises(DecodeError) as refused:
        decoded(gvk, at(path, value))
    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("gvk", "path", "value", "kept"),
    [
        (POD, "spec.containers.0.resources.limits.cpu", "1000m", "1"),
        (POD, "spec.containers.0.resources.limits.cpu", 0.5, "500m"),
        (POD, "spec.containers.0.resources.limits.cpu", 2, "2"),
        (POD, "spec.containers.0.resources.limits.memory", "1024Mi", "1Gi"),
        (POD, "spec.containers.0.resources.limits.memory", " 1Gi ", "1Gi"),
        (POD, "status.startTime", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        (POD, "status.startTime", "2024-02-29T00:00:00.75Z", "2024-02-29T00:00:00Z"),
        (POD, "status.startTime", "2024-01-01T01:30:00+02:00", "2023-12-31T23:30:00Z"),
        (LEASE, "spec.renewTime", "2024-01-01T00:00:00.000100Z", "2024-01-01T00:00:00.000100Z"),
        (SECRET, "data.a", "YWJj\nZA==", "YWJjZA=="),
        (SERVICE, "spec.ports.0.port", 80.0, 80),
        (SERVICE, "spec.ports.0.targetPort", "http", "http"),
    ],
    ids=lambda v: repr(v) if not isinstance(v, str) or len(v) < 30 else None,
)
def test_values_become_canonical(gvk, path, value, kept):
    assert decoded(gvk, at(path, value)).obj == at(path, kept)


@pytest.mark.parametrize(
    ("gvk", "path", "value"),
    [
        (SERVICE, "spec.clusterIP", None),
        (SERVICE, "spec.ports", None),
        (SERVICE, "spec.ports", []),
        (SERVICE, "spec.clusterIP", ""),
        (SERVICE, "spec.publishNotReadyAddresses", False),
        (SERVICE, "metadata.labels", {}),
        (SERVICE, "metadata.creationTimestamp", "0001-01-01T00:00:00Z"),
        (POD, "spec.nodeSelector", None),
    ],
    ids=str,
)
def test_zero_values_that_go_leaves_out_are_dropped(gvk, path, value):
    head, _, tail = path.rpartition(".")
    assert decoded(gvk, at(path, value)).obj == at(head, {})
    assert tail


@pytest.mark.parametrize(
    ("gvk", "path", "value"),
    [
        (DEPLOYMENT, "spec.replicas", 0),
        (POD, "spec.volumes.0.emptyDir", {}),
        (POD, "spec.enableServiceLinks", False),
        (SERVICE, "spec.allocateLoadBalancerNodePorts", False),
        (POD, "spec.containers.0.securityContext", {}),
    ],
    ids=str,
)
def test_zero_values_behind_pointers_are_kept(gvk, path, value):
    assert decoded(gvk, at(path, value)).obj == at(path, value)


@pytest.mark.parametrize(
    ("gvk", "obj", "kept"),
    [
        (SERVICE, {"metadata": {"labels": {"a": None}}}, {"metadata": {"labels": {"a": ""}}}),
        (SERVICE, {"metadata": {"finalizers": ["x", None]}}, {"metadata": {"finalizers": ["x", ""]}}),
        (SERVICE, {"spec": {"ports": [None]}}, {"spec": {"ports": [{}]}}),
        (SECRET, {"data": {"a": None}}, {"data": {"a": ""}}),
        (POD, at("spec.containers.0.resources.limits", {"cpu": None}), at("spec.containers.0.resources.limits", {"cpu": "0"})),
    ],
    ids=["map", "scalars", "objects", "bytes", "quantities"],
)  # fmt: skip
def test_null_in_lists_and_maps_is_the_zero_value(gvk, obj, kept):
    assert decoded(gvk, obj).obj == kept


def test_unknown_fields_are_pruned_and_named_by_path():
    obj = {
        "spec": {"ports": [{"port": 80, "targetport": 1}], "foo": {"bar": 1}, "selector": {"any": "x"}},
        "extra": 1,
    }
    before = copy.deepcopy(obj)
    made, unknown = decoded(SERVICE, obj)
    assert made == {"spec": {"ports": [{"port": 80}], "selector": {"any": "x"}}}
    assert unknown == [
        'unknown field "extra"',
        'unknown field "spec.foo"',
        'unknown field "spec.ports[0].targetport"',
    ]
    assert obj == before


def test_unknown_fields_of_a_text_come_in_its_order():
    obj = {"spec": {"ports": [{"targetport": 1}], "foo": 1}, "extra": 1}
    texts = ['unknown field "spec.ports[0].targetport"', 'unknown field "spec.foo"', 'unknown field "extra"']
    assert decoded(SERVICE, obj, sort_keys=False).unknown == texts


def test_field_names_are_case_sensitive():
    assert decoded(SERVICE, {"Spec": {}}).unknown == ['unknown field "Spec"']


def test_at_most_a_hundred_unknown_fields_are_named():
    assert len(decoded(SERVICE, {"spec": {f"f{i}": 1 for i in range(200)}}).unknown) == 100


def test_the_first_wrong_type_is_reported():
    obj = {"spec": {"type": 1, "clusterIP": 2}}
    with pytest.raises(DecodeError, match=r"ServiceSpec\.spec\.clusterIP "):
        decoded(SERVICE, obj)
    with pytest.raises(DecodeError, match=r"ServiceSpec\.spec\.type "):
        decoded(SERVICE, obj, sort_keys=False)


def test_an_error_of_a_value_that_decodes_itself_goes_before_wrong_types():
    obj = {
        "metadata": {"labels": {"a": 1}},
        "spec": {"containers": [{"resources": {"limits": {"cpu": "x"}}}]},
    }
    with pytest.raises(DecodeError, match="quantities must match"):
        decoded(POD, obj)


def test_a_decoded_object_shares_nothing():
    obj = {
        "metadata": {"labels": {"a": "b"}, "finalizers": ["x"], "managedFields": [{"fieldsV1": {"f:a": {}}}]}
    }
    made = decoded(SERVICE, obj).obj
    made["metadata"]["labels"]["a"] = "c"
    made["metadata"]["finalizers"].append("y")
    made["metadata"]["managedFields"][0]["fieldsV1"]["f:a"]["f:b"] = {}
    assert obj["metadata"]["labels"] == {"a": "b"}
    assert obj["metadata"]["finalizers"] == ["x"]
    assert obj["metadata"]["managedFields"] == [{"fieldsV1": {"f:a": {}}}]


@pytest.mark.parametrize(
    "obj",
    [
        {"metadata": {"name": "p", "labels": {"a": "b"}, "creationTimestamp": "2024-01-01T00:00:00+01:00"}},
        at("spec.containers.0", {"name": "c", "resources": {"limits": {"cpu": "1000m"}}, "ports": [{"containerPort": 0}]}),
        {"spec": {"hostNetwork": False, "tolerations": [], "terminationGracePeriodSeconds": 0, "overhead": {"cpu": 1}}},
        {"status": {"conditions": [{"type": "Ready", "lastProbeTime": None}]}},
    ],
    ids=["metadata", "containers", "zeros", "status"],
)  # fmt: skip
def test_the_slow_walk_agrees_with_the_fast_one(obj):
    schema = default_schema()
    position = schema._position(POD)
    fast = decode_struct(schema._definitions, position, obj)
    slow, unknown = Walk(schema._definitions, schema._go_types(), sort_keys=True).decode(position, obj)
    assert (fast, []) == (slow, unknown)


def test_the_fast_walk_gives_up_on_what_is_odd():
    schema = default_schema()
    with pytest.raises(Odd):
        decode_struct(schema._definitions, schema._position(POD), {"spec": []})


@pytest.mark.parametrize(
    ("gvk", "path", "value", "text"),
    [
        (SERVICE, "spec.ports", "x", "cannot restore slice from string"),
        (SERVICE, "spec.ports", {"a": 1}, "cannot restore slice from map"),
        (SERVICE, "spec", "x", "cannot restore struct from: string"),
        (SERVICE, "spec.selector", [], "cannot restore map from slice"),
        (SERVICE, "spec.sessionAffinity", 5, "cannot convert int64 to v1.ServiceAffinity"),
        (SERVICE, "spec.ports.0.port", "x", "unrecognized type: int32"),
        (SERVICE, "spec.ports.0.port", 1.5, "cannot convert float64 to int32"),
        (
            SERVICE,
            "spec.ports.0.targetPort",
            1.5,
            "json: cannot unmarshal number 1.5 into Go value of type int32",
        ),
        (SERVICE, "metadata.name", True, "unrecognized type: string"),
        (SECRET, "data.a", "$", "error decoding from json: illegal base64 data at input byte 0"),
        (POD, "status.startTime", 1, "json: cannot unmarshal number into Go value of type string"),
        (POD, "spec.overhead.cpu", "x", QUANTITY),
    ],
    ids=lambda v: v if isinstance(v, str) and " " not in v else None,
)
def test_conversion_after_a_strategic_patch_has_its_own_words(gvk, path, value, text):
    with pytest.raises(DecodeError) as refused:
        default_schema().convert(gvk, at(path, value))
    assert str(refused.value) == text


def test_conversion_sorts_unknown_fields_and_prunes_them():
    obj = {"spec": {"ports": [{"x": 1, "port": 1}], "foo": 1}, "zzz": 1}
    made, unknown = default_schema().convert(SERVICE, obj)
    assert made == {"spec": {"ports": [{"port": 1}]}}
    assert unknown == ['unknown field "spec.foo"', 'unknown field "spec.ports[0].x"', 'unknown field "zzz"']


def test_a_kind_that_is_not_there_is_a_key_error():
    with pytest.raises(KeyError):
        decoded(GroupVersionKind("", "v1", "Servce"), {})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a":1,"b":{"c":1}}', []),
        ('{"a":1,"a":2}', ['duplicate field "a"']),
        ('{"spec":{"ports":[{"port":1,"port":2}],"ports":[]}}', ['duplicate field "spec.ports[0].port"', 'duplicate field "spec.ports"']),
        ('{"a":1,"a":2,"a":3}', ['duplicate field "a"']),
    ],
    ids=["none", "top", "nested", "once"],
)  # fmt: skip
def test_duplicate_fields_of_a_text(text, found):
    assert find_duplicate_fields(text) == found
