"""A pod's row in a table says what kubectl users know it to say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kubesim.apis.core_v1 import pod

NOW = datetime(2026, 11, 23, 2, 46, 31, tzinfo=UTC)


def row(
    *, spec: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None, **status: Any
) -> list[Any]:
    return pod.cells(
        {
            "metadata": {"name": "p", "creationTimestamp": "2026-11-23T02:45:31Z", **(metadata or {})},
            "spec": {"containers": [{"name": "a"}, {"name": "b"}], **(spec or {})},
            "status": {"phase": "Pending", **status},
        },
        NOW,
    )


def state(
    name: str, restarts: int = 0, *, ready: bool = False, last: str = "", **states: Any
) -> dict[str, Any]:
    found = {"name": name, "restartCount": restarts, "ready": ready, "state": states}
    return found | ({"lastState": {"terminated": {"finishedAt": last}}} if last else {})


RUNNING: dict[str, Any] = {"running": {}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}
INIT = {"initContainers": [{"name": "i"}, {"name": "j"}]}
SIDECAR = {"initContainers": [{"name": "s", "restartPolicy": "Always"}]}
DELETED = {"deletionTimestamp": "2026-11-23T02:46:30Z"}

ROWS = [
    pytest.param({}, ["0/2", "Pending", "0"], id="pending"),
    pytest.param(
        {
            "phase": "Running",
            "containerStatuses": [state("a", ready=True, **RUNNING), state("b", ready=True, **RUNNING)],
        },
        ["2/2", "Running", "0"],
        id="running",
    ),
    pytest.param(
        {
            "phase": "Running",
            "containerStatuses": [
                state("a", 3, last="2026-11-23T02:46:26Z", **BACK_OFF),
                state("b", ready=True, **RUNNING),
            ],
        },
        ["1/2", "CrashLoopBackOff", "3 (5s ago)"],
        id="crash loop",
    ),
    pytest.param(
        {
            "initContainerStatuses": [state("i", terminated={"exitCode": 0}), state("j", **RUNNING)],
            "spec": INIT,
        },
        ["0/2", "Init:1/2", "0"],
        id="initializing",
    ),
    pytest.param(
        {"initContainerStatuses": [state("i", terminated={"exitCode": 1, "reason": "Error"})], "spec": INIT},
        ["0/2", "Init:Error", "0"],
        id="init failed",
    ),
    pytest.param(
        {"initContainerStatuses": [state("i", 2, **BACK_OFF)], "spec": INIT},
        ["0/2", "Init:CrashLoopBackOff", "2"],
        id="init in a crash loop",
    ),
    pytest.param(
        {"containerStatuses": [state("a", waiting={"reason": "PodInitializing"})], "spec": INIT},
        ["0/2", "PodInitializing", "0"],
        id="after initializing",
    ),
    pytest.param(
        {
            "phase": "Running",
            "spec": SIDECAR,
            "initContainerStatuses": [{**state("s", 1, ready=True, **RUNNING), "started": True}],
            "containerStatuses": [state("a", ready=True, **RUNNING)],
        },
        ["2/3", "Running", "1"],
        id="sidecar",
    ),
    pytest.param(
        {
            "phase": "Succeeded",
            "containerStatuses": [state("a", terminated={"exitCode": 0, "reason": "Completed"})],
        },
        ["0/2", "Completed", "0"],
        id="completed",
    ),
    pytest.param(
        {"phase": "Failed", "containerStatuses": [state("a", terminated={"exitCode": 137, "signal": 9})]},
        ["0/2", "Signal:9", "0"],
        id="killed",
    ),
    pytest.param({"phase": "Failed", "reason": "Evicted"}, ["0/2", "Evicted", "0"], id="evicted"),
    pytest.param({"phase": "Running", "metadata": DELETED}, ["0/2", "Terminating", "0"], id="terminating"),
    pytest.param(
        {"phase": "Succeeded", "metadata": DELETED}, ["0/2", "Succeeded", "0"], id="terminating but ended"
    ),
    pytest.param(
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]},
        ["0/2", "SchedulingGated", "0"],
        id="gated",
    ),
    pytest.param(
        {
            "phase": "Running",
            "containerStatuses": [
                state("a", terminated={"exitCode": 0, "reason": "Completed"}),
                state("b", ready=True, **RUNNING),
            ],
        },
        ["1/2", "NotReady", "0"],
        id="one has completed",
    ),
]


@pytest.mark.parametrize(("given", "wanted"), ROWS)
def test_ready_status_and_restarts(given: dict[str, Any], wanted: list[str]) -> None:
    assert row(**given)[1:4] == wanted


def test_wide_columns_have_no_empty_cells() -> None:
    assert row()[4:] == ["60s", "<none>", "<none>", "<none>", "<none>"]


def test_wide_columns() -> None:
    found = row(
        spec={"nodeName": "node-1", "readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]},
        podIPs=[{"ip": "10.244.0.4"}],
        conditions=[{"type": "a", "status": "True"}],
    )
    assert found[5:] == ["10.244.0.4", "node-1", "<none>", "1/2"]


def test_what_field_selectors_may_name() -> None:
    found = pod.fields({"metadata": {"name": "p", "namespace": "d"}, "spec": {"nodeName": "n"}, "status": {}})
    assert found == {
        "metadata.name": "p",
        "metadata.namespace": "d",
        "spec.nodeName": "n",
        "spec.restartPolicy": "",
        "spec.schedulerName": "",
        "spec.serviceAccountName": "",
        "spec.hostNetwork": "false",
        "status.phase": "",
        "status.podIP": "",
        "status.podIPs": "",
        "status.nominatedNodeName": "",
    }
