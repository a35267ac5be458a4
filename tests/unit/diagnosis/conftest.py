"""What the engine finds in manifests, written as text, and in clusters in memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from kubesim.apimachinery.meta import gvk_of, name_of, namespace_of
from kubesim.client.client import resource_path
from kubesim.client.restmapper import RESTMapper
from kubesim.cluster.branch import make_branch
from kubesim.cluster.build import load_kinds
from kubesim.cluster.config import ClusterConfig
from kubesim.diagnosis.engine import examine
from kubesim.diagnosis.finding import Finding, ObjectRef, Place
from kubesim.diagnosis.listening import Predicted
from kubesim.diagnosis.view import View

Examine = Callable[..., list[Finding]]


@pytest.fixture(scope="session")
def kinds():
    return load_kinds("1.32")


@pytest.fixture(scope="session")
def predicted():
    return Predicted()


@pytest.fixture
def findings_in(kinds, predicted) -> Examine:
    """What is found in the documents of a text; with `planning=False` as if they were what a cluster has."""

    def findings(text: str, *, planning: bool = True) -> list[Finding]:
        branch = make_branch(ClusterConfig(seed="test"), (), lambda _: kinds)
        client, mapper = branch.client, RESTMapper.from_discovery(branch.client)
        places = {}
        for number, obj in enumerate(filter(None, yaml.safe_load_all(text)), 1):
            mapping = mapper.kind(gvk_of(obj))
            namespace = (namespace_of(obj) or "default") if mapping.namespaced else ""
            if namespace:
                obj["metadata"]["namespace"] = namespace
            client.request("POST", resource_path(mapping.gvr, namespace), body=obj)
            places[ObjectRef(mapping.gvk.kind, namespace, name_of(obj))] = Place("test.yaml", number)
        view = View(client, predicted, planning=planning, places=places if planning else {})
        namespaces = sorted({ref.namespace for ref in places if ref.namespace} | {"default"})
        return examine(view, namespaces)

    return findings
