"""The JavaScript client `@kubernetes/client-node`, unmodified, over HTTPS with the kubeconfig of a served cluster.

`make test` installs it where there is an npm; its version stands in node/package.json.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("node")
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="there is no node on the path"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules" / "@kubernetes" / "client-node").is_dir(),
        reason="@kubernetes/client-node is not installed: make test does it where there is an npm",
    ),
]


@pytest.fixture
def drive(place):
    def drive(what):
        command = [NODE, FOLDER / "drive.mjs", place.kubeconfig, place.namespace, what]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return drive


def test_objects_are_created_changed_and_deleted(drive):
    seen = drive("crud")
    assert seen["created"]
    assert (seen["replaced"], seen["patched"]) == ({"a": "2"}, {"a": "2", "b": "3"})
    assert seen["page"] == [1, 1]
    assert seen["deleted"] == "Success"
    assert (seen["conflict"]["code"], seen["conflict"]["reason"]) == (409, "Conflict")
    assert seen["missing"] == {
        "code": 404,
        "reason": "NotFound",
        "message": 'configmaps "settings" not found',
    }
    assert (seen["invalid"]["code"], seen["invalid"]["reason"]) == (422, "Invalid")
    assert seen["invalid"]["message"].startswith(
        'ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value'
    )


def test_objects_of_any_kind(drive):
    assert drive("objects") == {"address": True, "labels": {"app": "shop"}, "listed": ["shop"]}


def test_an_informer_follows_pods(drive):
    seen = drive("informer")
    assert seen["errors"] == []
    assert seen["names"] == ["before"]
    assert seen["seen"][0] == "add before"
    assert [s for s in seen["seen"] if s.startswith(("add", "delete"))] == [
        "add before",
        "add after",
        "delete after",
    ]


def test_a_watch_goes_on_from_a_version(drive):
    assert drive("watch") == {"seen": ["ADDED b", "DELETED a"]}


def test_commands_are_run(drive):
    assert drive("exec") == {
        "plain": {"out": "out\n", "err": "err\n", "status": "Success"},
        "failed": {
            "out": "",
            "err": "",
            "status": "Failure",
            "causes": [{"reason": "ExitCode", "message": "3"}],
        },
        "fed": {"out": "one\n", "err": "", "status": "Success"},
    }


def test_a_log_is_followed(drive):
    assert drive("log") == {"followed": "one\ntwo\n", "text": "two\n"}


def test_a_port_is_forwarded(drive):
    assert drive("portforward") == {"status": 200, "welcome": True}
