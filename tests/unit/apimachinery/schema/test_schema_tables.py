import stat

import pytest
from support.schemas import DEPLOYMENT, POD, SERVICE, default_schema, node_of

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.schema import available_versions, load_schema


@pytest.mark.parametrize("version", available_versions())
def test_every_published_version_compiles_and_knows_its_kinds(version):
    schema = load_schema(version)
    assert {SERVICE, POD, DEPLOYMENT} <= set(schema.kinds())
    for gvk in schema.kinds():
        assert schema.decode(gvk, {}).obj == {}
        assert schema.decode(gvk, schema.encode(gvk, {})).unknown == []


@pytest.mark.parametrize("version", ["1.5", "2.0", "latest", ""])
def test_an_unknown_version_names_those_there_are(version):
    with pytest.raises(ValueError, match=r"no schema for Kubernetes version .*there are 1\.25, .*1\.37"):
        load_schema(version)


@pytest.mark.parametrize("version", ["1.32", "v1.32", "1.32.13"])
def test_a_version_may_have_a_v_and_a_patch_number(version):
    assert load_schema(version).version == "1.32"


def test_kinds_have_no_lists_and_no_options():
    kinds = {gvk.kind for gvk in default_schema().kinds()}
    assert not {k for k in kinds if k.endswith(("List", "Options"))} - {"PodSchedulingContextList"}
    assert not {"Status", "WatchEvent", "APIGroup"} & kinds


def test_definition_of_a_kind():
    assert default_schema().definition_of(SERVICE) == "io.k8s.api.core.v1.Service"
    assert default_schema().definition_of(GroupVersionKind("", "v1", "Servce")) is None


def test_the_cache_is_for_its_owner_alone_and_gives_the_same_schema(tmp_path):
    folder = tmp_path / "made" / "here"
    first = load_schema("1.32", folder)
    files = sorted(folder.iterdir())
    assert [f.suffix for f in files] == [".cold", ".hot"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    assert load_schema("1.32", folder).kinds() == first.kinds()


@pytest.mark.parametrize(
    "damage", [b"", b"kubesim schema\n", b"kubesim schema\n\x01\0\0\0\0\0\0\0", b"x" * 100], ids=repr
)
def test_a_damaged_cache_is_made_again(tmp_path, damage):
    load_schema("1.32", tmp_path)
    for file in tmp_path.iterdir():
        file.write_bytes(damage)
    assert load_schema("1.32", tmp_path).definition_of(POD) == "io.k8s.api.core.v1.Pod"
    assert all(len(file.read_bytes()) > 1000 for file in tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert load_schema("1.32", blocked / "cache").definition_of(POD) == "io.k8s.api.core.v1.Pod"


@pytest.mark.parametrize(
    ("gvk", "path", "facts"),
    [
        (SERVICE, ["spec", "ports"], ("map", ("port", "protocol"), "port", ("merge",), "")),
        (SERVICE, ["spec", "selector"], ("", (), "", (), "atomic")),
        (SERVICE, ["spec", "clusterIPs"], ("atomic", (), "", (), "")),
        (SERVICE, ["metadata", "labels"], ("", (), "", (), "granular")),
        (SERVICE, ["metadata", "finalizers"], ("set", (), "", ("merge",), "")),
        (SERVICE, ["metadata", "ownerReferences"], ("map", ("uid",), "uid", ("merge",), "")),
        (POD, ["spec", "containers"], ("map", ("name",), "name", ("merge",), "")),
        (POD, ["spec", "volumes"], ("map", ("name",), "name", ("merge", "retainKeys"), "")),
        (POD, ["spec", "tolerations"], ("atomic", (), "", (), "")),
        (DEPLOYMENT, ["spec", "strategy"], ("", (), "", ("retainKeys",), "granular")),
        (DEPLOYMENT, ["spec", "selector"], ("", (), "", (), "atomic")),
    ],
    ids=lambda v: ".".join(v) if isinstance(v, list) else None,
)
def test_merge_facts_of_a_field(gvk, path, facts):
    node = node_of(gvk)
    for name in path:
        node = node.child(name)
    assert (node.list_type, node.list_map_keys, node.merge_key, node.patch_strategies, node.map_type) == facts


def test_a_node_leads_through_lists_and_maps():
    containers = node_of(POD).child("spec").child("containers")
    assert containers.items.definition == "io.k8s.api.core.v1.Container"
    assert containers.items.fields[:2] == ("name", "image")
    assert containers.child("name") is None
    assert containers.items.child("resources").child("limits").child("cpu").field[0] == 9
    assert node_of(POD).child("nosuch") is None
