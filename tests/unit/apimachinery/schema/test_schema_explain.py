import pytest
from support.schemas import POD, SERVICE, cache_directory

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.schema.explain import FieldNotFoundError, explain_node

CRD = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")


def explained(gvk, *path):
    return explain_node("1.32", gvk, path, cache_dir=cache_directory())


def test_a_kind_has_its_own_description_and_its_fields_in_order():
    node = explained(SERVICE)
    assert node.type == "Service"
    assert node.summary.startswith("Service is a named abstraction of software service (for example, mysql)")
    assert [(c.name, c.type) for c in node.children] == [
        ("apiVersion", "string"),
        ("kind", "string"),
        ("metadata", "ObjectMeta"),
        ("spec", "ServiceSpec"),
        ("status", "ServiceStatus"),
    ]
    assert not any(c.enum for c in node.children)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("metadata.labels", "map[string]string"),
        ("metadata.creationTimestamp", "string"),
        ("metadata.finalizers", "[]string"),
        ("metadata.generation", "integer"),
        ("spec.ports", "[]ServicePort"),
        ("spec.ports.targetPort", "IntOrString"),
        ("spec.publishNotReadyAddresses", "boolean"),
        ("status.conditions.lastTransitionTime", "string"),
        ("metadata.managedFields.fieldsV1", "FieldsV1"),
    ],
)
def test_types_as_kubectl_words_them(path, word):
    assert explained(SERVICE, *path.split(".")).type == word


def test_quantities_are_named_in_maps():
    assert explained(POD, "spec", "containers", "resources", "limits").type == "map[string]Quantity"


def test_a_field_is_described_with_the_object_it_refers_to():
    assert explained(SERVICE, "spec", "sessionAffinityConfig").descriptions == (
        "sessionAffinityConfig contains the configurations of session affinity.",
        "SessionAffinityConfig represents the configurations of session affinity.",
    )


def test_required_fields_and_enumerations():
    ports = {c.name: c for c in explained(SERVICE, "spec", "ports").children}
    assert [n for n, c in ports.items() if c.required] == ["port"]
    assert ports["protocol"].enum == ("SCTP", "TCP", "UDP")
    assert ports["protocol"].summary.endswith(
        'Default is TCP.\n\nPossible enum values:\n - `"SCTP"` is the SCTP protocol.\n'
        ' - `"TCP"` is the TCP protocol.\n - `"UDP"` is the UDP protocol.'
    )


def test_cycles_show_by_their_definition():
    schema = explained(CRD, "spec", "versions", "schema", "openAPIV3Schema")
    assert schema.child("not").definition == schema.definition
    assert schema.child("properties").definition == schema.definition


def test_a_missing_field_is_named_by_the_last_part():
    with pytest.raises(FieldNotFoundError, match=r'^field "below" does not exist$'):
        explained(SERVICE, "spec", "nosuch", "below")
