"""What is kept from one round to the next is only kept while nothing of its kind has changed."""

from __future__ import annotations

import pytest

from kubesim.client.resources import CONFIG_MAPS, NAMESPACES, SERVICES
from kubesim.client.unchanged import Unchanged
from kubesim.cluster.build import Cluster, build
from kubesim.cluster.config import ClusterConfig
from kubesim.storage.memory import MemoryStorage


@pytest.fixture
def cluster() -> Cluster:
    return build(ClusterConfig(nodes=1), MemoryStorage())


def config_map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def test_at_first_nobody_knows(cluster: Cluster) -> None:
    unchanged = Unchanged(cluster.client, CONFIG_MAPS)
    assert [unchanged(), unchanged()] == [False, True]


def test_a_change_of_another_kind_is_none(cluster: Cluster) -> None:
    unchanged = Unchanged(cluster.client, SERVICES, NAMESPACES)
    unchanged()
    cluster.client.create(CONFIG_MAPS, config_map("a"), "default")
    assert unchanged()


def test_a_change_behind_many_of_other_kinds_is_seen_once(cluster: Cluster) -> None:
    unchanged = Unchanged(cluster.client, NAMESPACES)
    unchanged()
    for n in range(3):
        cluster.client.create(CONFIG_MAPS, config_map(f"c{n}"), "default")
    cluster.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}})
    assert [unchanged(), unchanged()] == [False, True]


def test_behind_a_compacted_log_everything_may_have_changed(cluster: Cluster) -> None:
    unchanged = Unchanged(cluster.client, NAMESPACES)
    unchanged()
    for n in range(3):
        cluster.client.create(CONFIG_MAPS, config_map(f"c{n}"), "default")
    cluster.storage.compact(cluster.storage.revision())
    assert [unchanged(), unchanged()] == [False, True]
