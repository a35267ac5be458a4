"""What `explain` takes a word for: resource, group, field."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import new_home, run_cli


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_home(tmp_path_factory.mktemp("explain"))


FOUND = {
    "a resource": ("svc", "KIND:       Service\nVERSION:    v1\n\nDESCRIPTION:\n"),
    "a field": (
        "svc.spec.ports.port",
        "KIND:       Service\nVERSION:    v1\n\nFIELD: port <integer>\n",
    ),
    "a group behind the full name": (
        "deployments.apps.spec.replicas",
        "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\nFIELD: replicas <integer>\n",
    ),
    "a dot at the end": ("pods.spec.", "KIND:       Pod\nVERSION:    v1\n\nFIELD: spec <PodSpec>\n"),
    "another version": (
        "hpa --api-version=autoscaling/v1",
        "GROUP:      autoscaling\nKIND:       HorizontalPodAutoscaler\nVERSION:    v1\n\n",
    ),
}


@pytest.mark.parametrize(("line", "begins"), FOUND.values(), ids=FOUND)
def test_page_is_that_of_the_resource_and_field(home: Path, line: str, begins: str) -> None:
    found = run_cli(home, "explain", *line.split()).check()
    assert found.out.startswith(begins)


DEPLOYMENT = "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\n"
SYNTAX = "error: invalid jsonpath syntax, first node must be field node\n"

REFUSED = {
    "no such field": (
        "svc.spec.nosuch.foo",
        "KIND:       Service\nVERSION:    v1\n\n",
        'error: field "foo" does not exist\n',
    ),
    "a group behind a short name is a field": (
        "deploy.apps.spec",
        DEPLOYMENT,
        'error: field "spec" does not exist\n',
    ),
    "core comes before other groups": (
        "events.events.k8s.io",
        "KIND:       Event\nVERSION:    v1\n\n",
        'error: field "io" does not exist\n',
    ),
    "no such resource": ("nosuch.spec", "", 'the server doesn\'t have a resource type "nosuch"\n'),
    "nothing between two dots": ("pod..spec", "", SYNTAX),
    "nothing before the first": (".pods", "", SYNTAX),
    "an index": ("pods.spec.containers[0].name", "", SYNTAX),
    "not in that group": (
        "pods --api-version=apps/v1",
        "",
        "error: GVR (apps/v1, Resource=pods) not found in OpenAPI schema\n",
    ),
    "no such group": (
        "pods --api-version=foo/v1",
        "",
        'error: couldn\'t find resource for "foo/v1, Resource=pods"\n',
    ),
}


@pytest.mark.parametrize(("line", "out", "err"), REFUSED.values(), ids=REFUSED)
def test_refused(home: Path, line: str, out: str, err: str) -> None:
    found = run_cli(home, "explain", *line.split())
    assert (found.code, found.out, found.err) == (1, out, err)
