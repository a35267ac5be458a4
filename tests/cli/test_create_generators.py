"""What `create` makes of flags, to the letter, and how it refuses them; then the same in a cluster."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.cli import Result, new_home, run_cli
from support.createfiles import ENVIRONMENT, TRANSCRIPT, write_files
from support.transcripts import Recorded, read_transcript

Shell = Callable[[str], Result]
MANUAL = {"KUBESIM_RECONCILE": "manual"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("files")
    write_files(directory)
    return directory


@pytest.fixture
def shell(tmp_path: Path, files: Path) -> Shell:
    """Runs command lines in a cluster of their own, without controllers."""
    home = new_home(tmp_path)
    return lambda line: run_cli(home, *shlex.split(line), env=MANUAL, cwd=files, program="kubectl")


@pytest.mark.parametrize("recorded", read_transcript(TRANSCRIPT), ids=lambda r: r.line)
def test_create_prints_what_kubectl_prints(tmp_path: Path, files: Path, recorded: Recorded) -> None:
    words = shlex.split(recorded.line)
    result = run_cli(tmp_path, *words, env=ENVIRONMENT, cwd=files, program="kubectl")
    assert result.err.splitlines() == list(recorded.err)
    assert result.out.splitlines() == list(recorded.out)
    assert result.code == recorded.code
    assert not (tmp_path / "sims").exists(), "nobody may ask a cluster"


def test_group_alone_shows_its_help_and_fails(tmp_path: Path) -> None:
    result = run_cli(tmp_path, "create", "service")
    assert (result.code, result.out) == (1, "")
    assert "  externalname   " in result.err


CREATED = [
    ("create ns team-a", "namespace/team-a"),
    ("create sa bob", "serviceaccount/bob"),
    ("create svc clusterip a --tcp=80", "service/a"),
    ("create svc clusterip b --clusterip=None", "service/b"),
    ("create svc nodeport c --tcp=80:http --node-port=30333", "service/c"),
    ("create svc loadbalancer d --tcp=80", "service/d"),
    ("create svc externalname e --external-name example.com", "service/e"),
    ("create deploy d --image=nginx --port=80", "deployment.apps/d"),
    ("create job j --image=busybox -- echo hi", "job.batch/j"),
    ('create cj c --image=busybox --schedule="*/5 * * * *"', "cronjob.batch/c"),
    ("create cm c --from-file=dir,bin.dat --append-hash", "configmap/c-99ddfcg8g7"),
    ("create secret generic s --from-literal=p=s3cret", "secret/s"),
    ("create secret docker-registry r --docker-username=u --docker-password=p", "secret/r"),
    ("create quota q --hard=services=100", "resourcequota/q"),
    ("create pc p --value=1000", "priorityclass.scheduling.k8s.io/p"),
    ("create pdb p --selector=a=b --min-available=1", "poddisruptionbudget.policy/p"),
    ("create ing i --rule=/=svc:80", "ingress.networking.k8s.io/i"),
    ("create role r --verb=get --resource=pods", "role.rbac.authorization.k8s.io/r"),
    ("create clusterrole r --verb=get --resource=nodes", "clusterrole.rbac.authorization.k8s.io/r"),
    ("create rolebinding r --role=r --user=jane", "rolebinding.rbac.authorization.k8s.io/r"),
    ("create clusterrolebinding r --clusterrole=r", "clusterrolebinding.rbac.authorization.k8s.io/r"),
]


@pytest.mark.parametrize(("line", "name"), CREATED, ids=[name for _, name in CREATED])
def test_every_generator_makes_what_the_server_takes(shell: Shell, line: str, name: str) -> None:
    before, dash, command = line.partition(" -- ")
    tried = shell(f"{before} --dry-run=server{dash}{command}")
    assert (tried.err, tried.out) == ("", f"{name} created (server dry run)\n")
    made = shell(line)
    assert (made.err, made.out) == ("", f"{name} created\n")
    assert shell(f"get {name} -o name").out == f"{name}\n"


REFUSED = [
    ("create ns default", 'Error from server (AlreadyExists): namespaces "default" already exists'),
    (
        "create svc clusterip kubernetes --tcp=80",
        'error: failed to create ClusterIP service: services "kubernetes" already exists',
    ),
    (
        "create svc nodeport c-x --tcp=80 --node-port=80",
        (
            'error: failed to create NodePort service: Service "c-x" is invalid: spec.ports[0].nodePort: Invalid value: 80: '
            "provided port is not in the valid range. The range of valid ports is 30000-32767"
        ),
    ),
    (
        "create cm c -n nowhere",
        'error: failed to create configmap: namespaces "nowhere" not found',
    ),
    (
        "create secret generic s -n nowhere",
        'error: failed to create secret namespaces "nowhere" not found',
    ),
    (
        "create role r --verb=get --resource=nothing.example",
        'the server doesn\'t have a resource type "nothing" in group "example"',
    ),
    ("create role r --verb=get --resource=foo", 'the server doesn\'t have a resource type "foo"'),
    (
        "create role r --verb=get --resource=deployments.v1.apps",
        'the server doesn\'t have a resource type "deployments" in group "v1.apps"',
    ),
    (
        "create role r --verb=bind --resource=pods",
        "error: can not perform 'bind' on 'pods' in group ''",
    ),
    ("create job j --from=cronjob/c", 'Error from server (NotFound): cronjobs.batch "c" not found'),
    ("create job j --from=svc/kubernetes", "error: unknown object type *v1.Service"),
    ("create token nobody", 'error: failed to create token: serviceaccounts "nobody" not found'),
]


@pytest.mark.parametrize(("line", "text"), REFUSED, ids=[line for line, _ in REFUSED])
def test_refusals_that_need_a_server(shell: Shell, line: str, text: str) -> None:
    result = shell(line)
    assert (result.out, result.err, result.code) == ("", f"{text}\n", 1)


def test_unknown_output_is_refused_before_anything_is_made(shell: Shell) -> None:
    assert shell("create ns x -o table").code == 1
    assert shell("get ns x").code == 1


def test_role_finds_resources_by_every_name_and_groups_them(shell: Shell) -> None:
    words = "po,services,deploy,ingress.networking,pods/log,configmaps,po,storageclass.storage"
    made = shell(f"create role r --verb=get,list --verb=get --resource={words} --resource-name=b -o json")
    rules = json.loads(made.out)["rules"]
    assert [(r["apiGroups"], r["resources"]) for r in rules] == [
        ([""], ["pods", "services", "pods/log", "configmaps"]),
        (["apps"], ["deployments"]),
        (["networking.k8s.io"], ["ingresses"]),
        (["storage.k8s.io"], ["storageclasses"]),
    ]
    assert {(*r["verbs"], *r["resourceNames"]) for r in rules} == {("get", "list", "b")}


def test_star_takes_in_all_resources_and_verbs(shell: Shell) -> None:
    made = shell('create role r --verb=get,* --resource=pods,*,nothing -o jsonpath="{.rules}"')
    assert json.loads(made.out) == [{"apiGroups": [""], "resources": ["pods", "*"], "verbs": ["*"]}]


def test_special_verbs_are_taken_for_resources_that_no_server_lists(shell: Shell) -> None:
    made = shell("create clusterrole r --verb=impersonate --resource=users,groups -o name")
    assert (made.out, made.err) == ("clusterrole.rbac.authorization.k8s.io/r\n", "")


def test_job_from_a_cron_job_is_its_template_made_by_hand(shell: Shell) -> None:
    shell('create cronjob cj --image=busybox --schedule="@daily" -- echo hi').check()
    uid = shell("get cj cj -o jsonpath={.metadata.uid}").out
    job = json.loads(shell("create job j --from=cj/cj -o json").check().out)
    assert list(job) == ["kind", "apiVersion", "metadata", "spec", "status"]
    assert job["metadata"]["annotations"] == {"cronjob.kubernetes.io/instantiate": "manual"}
    assert job["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "CronJob", "name": "cj", "uid": uid, "controller": True}
    ]
    assert job["spec"]["template"]["spec"]["containers"][0]["command"] == ["echo", "hi"]


def test_container_names_lose_what_names_may_not_have(shell: Shell) -> None:
    made = shell("create deploy d --image=example.com/my_app.x:1.0 -o json").check()
    name = json.loads(made.out)["spec"]["template"]["spec"]["containers"][0]["name"]
    assert name.startswith("my-app-x-")
    assert len(name) == len("my-app-x-") + 5


def test_save_config_keeps_the_object_for_apply(shell: Shell) -> None:
    shell("create cm c --from-literal=a=1 --save-config").check()
    annotations = json.loads(shell("get cm c -o json").out)["metadata"]["annotations"]
    kept = annotations["kubectl.kubernetes.io/last-applied-configuration"]
    assert kept == (
        '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","creationTimestamp":null},'
        '"data":{"a":"1"}}\n'
    )


def test_fields_are_owned_by_kubectl_create_or_who_was_named(shell: Shell) -> None:
    shell("create cm a --from-literal=k=v").check()
    shell("create cm b --from-literal=k=v --field-manager=me").check()
    managers = [
        json.loads(shell(f"get cm {name} -o json --show-managed-fields").out)["metadata"]["managedFields"]
        for name in "ab"
    ]
    assert [entry["manager"] for (entry,) in managers] == ["kubectl-create", "me"]


def test_rolebinding_user_is_no_kubeconfig_user(shell: Shell) -> None:
    made = shell("create rolebinding r --role=r --user=jane --user=b,c -o json").check()
    assert [s["name"] for s in json.loads(made.out)["subjects"]] == ["jane", "b,c"]


def test_standard_input_is_a_file(tmp_path: Path) -> None:
    line = "create cm c --from-file=k=/dev/stdin --dry-run=client -o jsonpath={.data.k}"
    assert run_cli(tmp_path, *line.split(), stdin="piped").out == "piped"


def _payload(token: str) -> dict[str, int | str | list[str]]:
    part = token.split(".")[1]
    found: dict[str, int | str | list[str]] = json.loads(
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    )
    return found


def test_token_stands_alone_and_says_whose_it_is(shell: Shell) -> None:
    shell("create sa bob").check()
    token = shell("create token bob --duration=20m --audience=a --audience=b").check().out
    assert "\n" not in token
    payload = _payload(token)
    assert payload["sub"] == "system:serviceaccount:default:bob"
    assert payload["aud"] == ["a", "b"]
    assert int(str(payload["exp"])) - int(str(payload["iat"])) == 20 * 60


def test_token_request_is_printed_where_an_output_is_named(shell: Shell) -> None:
    shell("create sa bob").check()
    request = json.loads(shell("create token bob -o json").check().out)
    assert list(request["spec"]) == ["audiences", "expirationSeconds", "boundObjectRef"]
    expires, made = (
        datetime.fromisoformat(text)
        for text in (request["status"]["expirationTimestamp"], request["metadata"]["creationTimestamp"])
    )
    assert expires - made == timedelta(hours=1)
