"""What containers would listen on is tried out, where their own text says all; else nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from kubesim.diagnosis.listening import Predicted
from kubesim.diagnosis.view import View, view_of_pod

PREDICTED = Predicted()


def listening(container: dict[str, Any], **spec: Any) -> list[str] | None:
    pod = {
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", **container}], **spec},
    }
    found = PREDICTED.of(view_of_pod(pod), View(None, PREDICTED))  # type: ignore[arg-type]  # nothing is read
    return None if found is None else sorted({str(b) for b in found})


@pytest.mark.parametrize(
    ("container", "wanted"),
    [
        ({"image": "nginx"}, ["nginx on 80/TCP"]),
        ({"image": "nginx:1.27-alpine", "ports": [{"containerPort": 9999}]}, ["nginx on 80/TCP"]),
        ({"image": "redis:7"}, ["redis-server on 6379/TCP"]),
        ({"image": "busybox", "command": ["sleep", "infinity"]}, []),
        ({"image": "python:3", "command": ["python3", "-m", "http.server", "8000"]}, ["python3 on 8000/TCP"]),
        (
            {"image": "python:3", "args": ["python3", "-m", "http.server", "--bind", "127.0.0.1"]},
            ["python3 on 8000/TCP of 127.0.0.1 only"],
        ),
        (
            {
                "image": "hashicorp/http-echo",
                "args": ["-listen=:$(PORT)", "-text=hi"],
                "env": [{"name": "PORT", "value": "7070"}],
            },
            ["http-echo on 7070/TCP"],
        ),
    ],
    ids=lambda value: value.get("image") if isinstance(value, dict) else "",
)
def test_known_programs_are_tried_out(container, wanted):
    assert listening(container) == wanted


@pytest.mark.parametrize(
    ("container", "spec"),
    [
        ({"image": "example.com/app:1", "ports": [{"containerPort": 80}]}, {}),
        (
            {"image": "nginx", "volumeMounts": [{"name": "v", "mountPath": "/etc/nginx/conf.d"}]},
            {"volumes": [{"name": "v", "configMap": {"name": "m"}}]},
        ),
        (
            {"image": "nginx", "volumeMounts": [{"name": "v", "mountPath": "/etc/nginx"}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
        ),
        ({"image": "nginx", "envFrom": [{"configMapRef": {"name": "m"}}]}, {}),
        (
            {
                "image": "nginx",
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            },
            {},
        ),
        ({"image": "busybox", "command": ["true"]}, {}),
        ({"image": "busybox", "command": ["no-such-program"]}, {}),
        ({"image": "postgres:17"}, {}),  # ends without its password
        ({"image": "registry.invalid/x"}, {}),
        ({"image": "NGINX"}, {}),
        ({"image": "busybox", "command": ["sh", "-c", "sleep 5; httpd -f"]}, {}),
    ],
)
def test_where_more_has_a_part_in_it_nobody_knows(container, spec):
    assert listening(container, **spec) is None


def test_an_empty_volume_says_nothing_of_how_a_program_is_set_up():
    mounted = {"image": "nginx", "volumeMounts": [{"name": "v", "mountPath": "/cache"}]}
    volumes = [{"name": "v", "emptyDir": {}}]
    assert listening(mounted, volumes=volumes) == ["nginx on 80/TCP"]
    filled = listening(mounted, volumes=volumes, initContainers=[{"name": "i", "image": "busybox"}])
    assert filled is None  # an init container may have written a configuration there
