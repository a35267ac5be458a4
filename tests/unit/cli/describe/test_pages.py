"""Pages of `describe`, as kubectl 1.32 writes them for the same objects.

`pages/TOPIC/objects.yaml` is what the cluster holds, `pages/TOPIC/KIND.NAME.txt` the page of one of them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from support.stored import NOW, objects_in, stored_cluster

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.meta import gvk_of, name_of, uid_of
from kubesim.cli.describe import describer_for
from kubesim.cli.describe.page import Page
from kubesim.cli.errors import CLIError
from kubesim.client.client import Client
from kubesim.util.jsontypes import JSONObject

PAGES = Path(__file__).parent / "pages"
FILES = sorted(PAGES.glob("*/*.txt"))


@cache
def topic(name: str) -> tuple[list[JSONObject], Client]:
    objects = objects_in((PAGES / name / "objects.yaml").read_text())
    return objects, Client(stored_cluster(objects).transport)


def described(client: Client, obj: JSONObject, *, show_events: bool = True) -> str:
    page = Page(client, NOW, show_events=show_events)
    describer_for(gvk_of(obj))(page, obj)
    return page.text()


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_page_is_kubectls(file: Path) -> None:
    objects, client = topic(file.parent.name)
    kind, _, name = file.stem.partition(".")
    (obj,) = (o for o in objects if o["kind"].lower() == kind and name_of(o) == name)
    assert described(client, obj) == file.read_text()


def test_every_page_is_of_an_object_with_a_describer() -> None:
    assert len(FILES) > 60


def test_events_can_be_left_out() -> None:
    objects, client = topic("core")
    pod = next(o for o in objects if uid_of(o) == "p1")
    assert "Events:" in described(client, pod)
    assert "Events:" not in described(client, pod, show_events=False)


def test_kind_without_describer_is_shown_field_by_field() -> None:
    _, client = topic("core")
    widget = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {
            "name": "w",
            "namespace": "ns",
            "uid": "w1",
            "labels": {"a": "b"},
            "resourceVersion": "5",
            "generation": 1,
            "managedFields": [{"manager": "m"}],
            "ownerReferences": [{"kind": "K", "name": "n"}],
        },
        "spec": {
            "aURLField": 1,
            "fooBar": {"bazQUX": True, "a.b": 1.5, "x-y": None},
            "list": [1, "a", {"k": "v", "z": [1, 2]}, ["x", "y"]],
            "big": 12345678,
            "clusterUID": "u",
            "HTMLThing": "x",
        },
        "status": {},
    }
    assert described(client, widget) == (
        "Name:         w\n"
        "Namespace:    ns\n"
        "Labels:       a=b\n"
        "Annotations:  <none>\n"
        "API Version:  example.com/v1\n"
        "Kind:         Widget\n"
        "Metadata:\n"
        "  Generation:  1\n"
        "  Owner References:\n"
        "    Kind:            K\n"
        "    Name:            n\n"
        "  Resource Version:  5\n"
        "  UID:               w1\n"
        "Spec:\n"
        "  HTML Thing:   x\n"
        "  A URL Field:  1\n"
        "  Big:          12345678\n"
        "  Cluster UID:  u\n"
        "  Foo Bar:\n"
        "    a.b:      1.5\n"
        "    Baz QUX:  true\n"
        "    X - Y:    <nil>\n"
        "  List:\n"
        "    1\n"
        "    a\n"
        "    K:  v\n"
        "    Z:\n"
        "      1\n"
        "      2\n"
        "    [x y]\n"
        "Status:\n"
        "Events:  <none>\n"
    )


def test_terminal_escapes_are_shown_not_obeyed() -> None:
    objects, client = topic("core")
    config = next(o for o in objects if o["kind"] == "ConfigMap")
    page = described(client, {**config, "data": {"a": "\x1b[31mred\r"}})
    assert "^[[31mred\\r\n" in page


def test_broken_signing_request_is_an_error() -> None:
    _, client = topic("core")
    request = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "bad"},
        "spec": {"request": "YWJj"},
    }
    with pytest.raises(CLIError, match="Error parsing CSR: PEM block type must be CERTIFICATE REQUEST"):
        described(client, request)


def test_autoscaler_of_version_1_is_read_again_in_version_2() -> None:
    objects, client = topic("autoscaling")
    old = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "hpa2", "namespace": "ns"},
    }
    assert described(client, old) == (PAGES / "autoscaling/horizontalpodautoscaler.hpa2.txt").read_text()
    missing = described(client, {**old, "metadata": {"name": "nosuch", "namespace": "ns"}})
    assert missing.startswith("Name:               nosuch\n")
    assert len(objects) > 0


def test_describers_exist() -> None:
    from kubesim.cli.describe import DESCRIBERS

    for group, kind in DESCRIBERS:
        assert callable(describer_for(GroupVersionKind(group, "v1", kind)))
