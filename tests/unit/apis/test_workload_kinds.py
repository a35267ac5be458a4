"""Deployments and their like: defaults, refusals and rows as Kubernetes has them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from kubesim.apis.apps_v1 import controllerrevision, daemonset, deployment, replicaset, statefulset
from kubesim.apis.batch_v1 import cronjob, job
from kubesim.apis.core_v1 import podtemplate, replicationcontroller

NOW = datetime(2026, 11, 23, 2, 48, 40, tzinfo=UTC)
CREATED = "2026-11-23T02:48:34Z"
MISMATCH = (
    'spec.template.metadata.labels: Invalid value: map[string]string{"app":"b"}: `selector` does not match template '
    "`labels`"
)


def made(kind: ModuleType, spec: dict[str, Any], name: str = "x", **metadata: Any) -> dict[str, Any]:
    obj: dict[str, Any] = {
        "metadata": {"name": name, "uid": "u-1", "creationTimestamp": CREATED, **metadata},
        "spec": spec,
    }
    kind.default(obj)
    kind.prepare_create(obj)
    return obj


def template(app: str = "a", **pod: Any) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "c", "image": "nginx"}], **pod},
    }


def workload(app: str = "a", **spec: Any) -> dict[str, Any]:
    return {"selector": {"matchLabels": {"app": "a"}}, "template": template(app), **spec}


def errors(kind: ModuleType, spec: dict[str, Any], **metadata: Any) -> list[str]:
    return [str(e) for e in kind.validate(made(kind, spec, **metadata))]


DEFAULTS = [
    pytest.param(
        deployment,
        {
            "progressDeadlineSeconds": 600,
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "strategy": {
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
                "type": "RollingUpdate",
            },
        },
        {},
        id="deployment",
    ),
    pytest.param(replicaset, {"replicas": 1}, {"replicas": 0}, id="replicaset"),
    pytest.param(
        daemonset,
        {
            "revisionHistoryLimit": 10,
            "updateStrategy": {
                "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
                "type": "RollingUpdate",
            },
        },
        {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0},
        id="daemonset",
    ),
    pytest.param(
        statefulset,
        {
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "podManagementPolicy": "OrderedReady",
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "serviceName": "",
            "updateStrategy": {"rollingUpdate": {"partition": 0}, "type": "RollingUpdate"},
        },
        {"availableReplicas": 0, "replicas": 0},
        id="statefulset",
    ),
]


@pytest.mark.parametrize(("kind", "spec", "status"), DEFAULTS)
def test_defaults(kind: ModuleType, spec: dict[str, Any], status: dict[str, Any]) -> None:
    obj = made(kind, workload())
    assert {k: v for k, v in obj["spec"].items() if k not in {"selector", "template"}} == spec
    assert obj["spec"]["template"]["metadata"]["creationTimestamp"] is None
    assert obj["status"] == status
    assert kind.validate(obj) == []


@pytest.mark.parametrize(
    "kind", [deployment, replicaset, statefulset], ids=["deployment", "replicaset", "statefulset"]
)
def test_a_selector_is_needed_and_must_match(kind: ModuleType) -> None:
    assert errors(kind, {"template": template("b")}) == ["spec.selector: Required value", MISMATCH]
    assert errors(kind, workload("b")) == [MISMATCH]


def test_a_daemon_set_does_not_miss_its_selector() -> None:
    assert errors(daemonset, {"template": template("b")}) == [MISMATCH]


def test_a_daemon_set_counts_the_changes_of_its_template() -> None:
    old = made(daemonset, workload())
    new = copy.deepcopy(old)
    daemonset.prepare_update(new, old)
    assert new["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "1"}
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "httpd"
    daemonset.prepare_update(new, old)
    assert new["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "2"}


def test_a_selector_for_everything_is_refused() -> None:
    assert errors(deployment, workload() | {"selector": {}}) == [
        (
            "spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string(nil), "
            "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: empty selector is invalid for deployment"
        )
    ]


@pytest.mark.parametrize(
    "kind", [deployment, replicaset, daemonset], ids=["deployment", "replicaset", "daemonset"]
)
def test_a_selector_never_changes(kind: ModuleType) -> None:
    old = made(kind, workload())
    new = copy.deepcopy(old)
    new["spec"]["selector"] = {"matchLabels": {"app": "zzz"}}
    new["spec"]["template"]["metadata"]["labels"] = {"app": "zzz"}
    assert [str(e) for e in kind.validate_update(new, old)] == [
        (
            'spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"app":"zzz"}, '
            "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable"
        )
    ]


def test_a_stateful_set_changes_in_few_fields() -> None:
    old = made(statefulset, workload(serviceName="s"))
    new = copy.deepcopy(old)
    new["spec"]["replicas"] = 5
    assert statefulset.validate_update(new, old) == []
    new["spec"]["serviceName"] = "other"
    assert [str(e) for e in statefulset.validate_update(new, old)] == [
        (
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        )
    ]


BAD = [
    pytest.param(
        deployment,
        workload(replicas=-1),
        ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
        id="replicas",
    ),
    pytest.param(
        deployment,
        workload() | {"template": template(restartPolicy="Never")},
        ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
        id="restart policy",
    ),
    pytest.param(
        deployment,
        workload(strategy={"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}}),
        [
            (
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: intstr.IntOrString{Type:0, IntVal:0, "
                'StrVal:""}: may not be 0 when `maxSurge` is 0'
            )
        ],
        id="nothing moves",
    ),
    pytest.param(
        deployment,
        workload(strategy={"type": "Recreate", "rollingUpdate": {}}),
        [
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ],
        id="recreate",
    ),
    pytest.param(
        deployment,
        workload(minReadySeconds=700),
        ["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
        id="deadline",
    ),
    pytest.param(
        deployment,
        workload()
        | {"template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c"}]}}},
        ["spec.template.spec.containers[0].image: Required value"],
        id="template",
    ),
    pytest.param(
        daemonset,
        workload(updateStrategy={"rollingUpdate": {"maxUnavailable": 0}}),
        ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
        id="daemon set moves nothing",
    ),
    pytest.param(
        statefulset,
        workload(podManagementPolicy="Foo"),
        ["spec.podManagementPolicy: Invalid value: \"Foo\": must be 'OrderedReady' or 'Parallel'"],
        id="pod management",
    ),
]


@pytest.mark.parametrize(("kind", "spec", "wanted"), BAD)
def test_bad_workloads_are_refused(kind: ModuleType, spec: dict[str, Any], wanted: list[str]) -> None:
    assert errors(kind, spec) == wanted


def test_a_replication_controller_takes_its_selector_from_its_template() -> None:
    obj = made(replicationcontroller, {"template": template()})
    assert obj["spec"]["selector"] == obj["metadata"]["labels"] == {"app": "a"}
    assert replicationcontroller.validate(obj) == []
    assert errors(replicationcontroller, {}) == [
        "spec.selector: Required value",
        "spec.template: Required value",
    ]


def test_claims_of_a_stateful_set_are_filled_in() -> None:
    obj = made(statefulset, workload(volumeClaimTemplates=[{"metadata": {"name": "d"}, "spec": {}}]))
    assert obj["spec"]["volumeClaimTemplates"] == [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"creationTimestamp": None, "name": "d"},
            "spec": {"resources": {}, "volumeMode": "Filesystem"},
            "status": {"phase": "Pending"},
        }
    ]


JOB = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}}


def test_a_job_selects_its_own_pods() -> None:
    obj = made(job, copy.deepcopy(JOB), name="j1")
    labels = {
        "batch.kubernetes.io/controller-uid": "u-1",
        "batch.kubernetes.io/job-name": "j1",
        "controller-uid": "u-1",
        "job-name": "j1",
    }
    assert obj["metadata"]["labels"] == obj["spec"]["template"]["metadata"]["labels"] == labels
    assert obj["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}
    assert {k: v for k, v in obj["spec"].items() if k not in {"selector", "template"}} == {
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "completions": 1,
        "parallelism": 1,
        "podReplacementPolicy": "TerminatingOrFailed",
        "suspend": False,
    }
    assert job.validate(obj) == []


BAD_JOBS = [
    pytest.param(
        {"template": {"spec": {"containers": [{"name": "c", "image": "b"}]}}},
        ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
        id="restart policy left out",
    ),
    pytest.param(
        {**JOB, "completions": -1},
        ["spec.completions: Invalid value: -1: must be greater than or equal to 0"],
        id="completions",
    ),
    pytest.param(
        {**JOB, "completionMode": "Indexed", "parallelism": 1},
        ["spec.completions: Required value: when completion mode is Indexed"],
        id="indexed without completions",
    ),
    pytest.param(
        {**JOB, "backoffLimitPerIndex": 1},
        ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
        id="limit per index",
    ),
    pytest.param(
        {
            **JOB,
            "podFailurePolicy": {
                "rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": []}}]
            },
        },
        [
            "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: []string{}: at least one value is required"
        ],
        id="failure policy",
    ),
]


@pytest.mark.parametrize(("spec", "wanted"), BAD_JOBS)
def test_bad_jobs_are_refused(spec: dict[str, Any], wanted: list[str]) -> None:
    assert errors(job, copy.deepcopy(spec)) == wanted


def test_a_jobs_template_never_changes_but_its_parallelism_may() -> None:
    old = made(job, copy.deepcopy(JOB))
    new = copy.deepcopy(old)
    new["spec"]["parallelism"] = 3
    assert job.validate_update(new, old) == []
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    (error,) = job.validate_update(new, old)
    assert str(error).startswith(
        "spec.template: Invalid value: core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{Name:"
    )
    assert str(error).endswith("}: field is immutable")


def test_a_suspended_job_may_be_steered() -> None:
    old = made(job, {**copy.deepcopy(JOB), "suspend": True})
    new = copy.deepcopy(old)
    new["spec"]["template"]["spec"]["nodeSelector"] = {"zone": "a"}
    assert job.validate_update(new, old) == []


CRON = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": JOB}}
BAD_CRONS = [
    pytest.param({"schedule": ""}, ["spec.schedule: Required value"], id="none"),
    pytest.param(
        {"schedule": "a b"},
        ['spec.schedule: Invalid value: "a b": expected exactly 5 fields, found 2: [a b]'],
        id="fields",
    ),
    pytest.param(
        {"schedule": "TZ=UTC 0 * * * *"},
        [
            (
                'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone '
                "field instead"
            )
        ],
        id="zone in the schedule",
    ),
    pytest.param(
        {"timeZone": "Nowhere/Land"},
        ['spec.timeZone: Invalid value: "Nowhere/Land": unknown time zone Nowhere/Land'],
        id="zone",
    ),
    pytest.param(
        {"concurrencyPolicy": "Maybe"},
        [
            'spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"'
        ],
        id="policy",
    ),
]


@pytest.mark.parametrize(("change", "wanted"), BAD_CRONS)
def test_bad_cron_jobs_are_refused(change: dict[str, Any], wanted: list[str]) -> None:
    assert errors(cronjob, {**copy.deepcopy(CRON), **change}) == wanted


def test_a_cron_jobs_name_leaves_room_for_its_jobs() -> None:
    assert errors(cronjob, copy.deepcopy(CRON), name="x" * 53) == [
        f'metadata.name: Invalid value: "{"x" * 53}": must be no more than 52 characters'
    ]


ROWS = [
    pytest.param(
        deployment,
        workload(replicas=3),
        {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
        ["x", "2/3", 3, 2, "6s", "c", "nginx", "app=a"],
        id="deployment",
    ),
    pytest.param(
        replicaset,
        workload(replicas=3),
        {"replicas": 3, "readyReplicas": 2},
        ["x", 3, 3, 2, "6s", "c", "nginx", "app=a"],
        id="replicaset",
    ),
    pytest.param(
        daemonset,
        workload(),
        {
            "desiredNumberScheduled": 1,
            "currentNumberScheduled": 1,
            "numberReady": 1,
            "updatedNumberScheduled": 1,
            "numberAvailable": 1,
        },
        ["x", 1, 1, 1, 1, 1, "<none>", "6s", "c", "nginx", "app=a"],
        id="daemonset",
    ),
    pytest.param(
        statefulset,
        workload(replicas=2),
        {"readyReplicas": 2},
        ["x", "2/2", "6s", "c", "nginx"],
        id="statefulset",
    ),
    pytest.param(
        job,
        JOB,
        {"startTime": "2026-11-23T02:48:34Z"},
        ["x", "Running", "0/1", "6s", "6s", "c", "busybox", "batch.kubernetes.io/controller-uid=u-1"],
        id="job",
    ),
    pytest.param(
        job,
        {**JOB, "parallelism": 2},
        {
            "startTime": "2026-11-23T02:48:34Z",
            "completionTime": "2026-11-23T02:48:37Z",
            "succeeded": 1,
            "conditions": [{"type": "Complete", "status": "True"}],
        },
        ["x", "Complete", "1/1 of 2", "3s", "6s", "c", "busybox", "batch.kubernetes.io/controller-uid=u-1"],
        id="job done",
    ),
    pytest.param(
        cronjob,
        CRON,
        {"lastScheduleTime": "2026-11-23T02:48:30Z", "active": [{}]},
        ["x", "*/5 * * * *", "<none>", "False", 1, "10s", "6s", "c", "busybox", "<none>"],
        id="cronjob",
    ),
    pytest.param(
        replicationcontroller,
        {"template": template()},
        {"replicas": 1},
        ["x", 1, 1, 0, "6s", "c", "nginx", "app=a"],
        id="replicationcontroller",
    ),
]


@pytest.mark.parametrize(("kind", "spec", "status", "wanted"), ROWS)
def test_rows(kind: ModuleType, spec: dict[str, Any], status: dict[str, Any], wanted: list[Any]) -> None:
    obj = made(kind, copy.deepcopy(spec))
    obj["status"] = status
    assert kind.cells(obj, NOW) == wanted


def test_rows_of_templates_and_revisions() -> None:
    obj = {"metadata": {"name": "t"}, "template": template()}
    assert podtemplate.cells(obj, NOW) == ["t", "c", "nginx", "app=a"]
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "controller": True}
    revision = {
        "metadata": {"name": "r", "creationTimestamp": CREATED, "ownerReferences": [owner]},
        "revision": 2,
    }
    assert controllerrevision.cells(revision, NOW) == ["r", "statefulset.apps/s", 2, "6s"]
