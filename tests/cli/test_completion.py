"""Completion: what `__complete` offers, in cobra's form, and the scripts that ask it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import PROJECT, new_home, run_cli, run_script

NO_FILES = ":4"
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  initContainers: [{name: prepare, image: busybox}]
  containers: [{name: main, image: nginx, ports: [{containerPort: 80}]}, {name: side, image: nginx}]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a Pod, a Service and a ConfigMap in it."""
    folder = tmp_path_factory.mktemp("completion")
    home = new_home(folder)
    (folder / "pod.yaml").write_text(POD)
    run_script(
        home,
        "apply -f pod.yaml\ncreate service clusterip web --tcp=80:80\ncreate cm settings --from-literal=a=b",
        cwd=folder,
    )
    return home


def offered(home: Path, *words: str) -> tuple[list[str], str]:
    """The candidates without what they are, and the directive."""
    *lines, directive = run_cli(home, "__complete", *words).check().out.splitlines()
    return [line.split("\t")[0] for line in lines], directive


@pytest.mark.parametrize(
    ("words", "values", "directive"),
    [
        pytest.param(["ge"], ["get"], NO_FILES, id="command"),
        pytest.param(["help", "ge"], ["get"], NO_FILES, id="help"),
        pytest.param(["-n", "x", "ge"], ["get"], NO_FILES, id="command-after-flag"),
        pytest.param(["create", "se"], ["secret", "service", "serviceaccount"], NO_FILES, id="subcommand"),
        pytest.param(["create", "service", "n"], ["nodeport"], NO_FILES, id="subsubcommand"),
        pytest.param(["foo", ""], [], ":0", id="unknown-command"),
        pytest.param(["get", "--foo", ""], [], ":0", id="unknown-flag"),
        pytest.param(["get", "--output-w"], ["--output-watch-events"], NO_FILES, id="flag"),
        pytest.param(["get", "-o"], ["-o"], NO_FILES, id="short-flag"),
        pytest.param(["get", "--watch", "--watch"], ["--watch-only"], NO_FILES, id="flag-given-already"),
        pytest.param(["get", "-o", "cu"], ["custom-columns", "custom-columns-file"], NO_FILES, id="format"),
        pytest.param(["get", "-o=na"], ["name"], NO_FILES, id="format-short-equals"),
        pytest.param(["get", "--output=na"], ["name"], NO_FILES, id="format-equals"),
        pytest.param(["get", "--no-headers=t"], [], ":0", id="bool-flag-has-no-values"),
        pytest.param(["delete", "-o", ""], ["name"], NO_FILES, id="format-of-delete"),
        pytest.param(["apply", "-f", ""], ["json", "yaml", "yml"], ":8", id="files"),
        pytest.param(["apply", "-k", ""], [], ":16", id="directories"),
        pytest.param(["get", "services"], ["services"], NO_FILES, id="type"),
        pytest.param(
            ["get", "pods,serv"], ["pods,serviceaccounts", "pods,services"], NO_FILES, id="second-type"
        ),
        pytest.param(["get", "po", ""], ["web"], NO_FILES, id="name"),
        pytest.param(["get", "po", "web", ""], [], NO_FILES, id="name-given-already"),
        pytest.param(["describe", "svc/"], ["svc/kubernetes", "svc/web"], NO_FILES, id="type-and-name"),
        pytest.param(["delete", "po/web", "cm/se"], ["cm/settings"], NO_FILES, id="second-type-and-name"),
        pytest.param(["label", "po/web", "configm"], ["configmaps/"], ":6", id="second-type-without-space"),
        pytest.param(["get", "nosuch", ""], [], NO_FILES, id="names-of-an-unknown-type"),
        pytest.param(["-n", "kube-n"], ["kube-node-lease"], NO_FILES, id="namespace"),
        pytest.param(["get", "po", "--namespace=kube-p"], ["kube-public"], NO_FILES, id="namespace-equals"),
        pytest.param(
            ["-n", "kube-system", "get", "cm", "set"], [], NO_FILES, id="names-of-another-namespace"
        ),
        pytest.param(["exec", "w"], ["web"], NO_FILES, id="pod"),
        pytest.param(["logs", "svc/w"], ["svc/web"], NO_FILES, id="what-has-pods"),
        pytest.param(["logs", "dep"], ["deployments/"], ":6", id="types-that-have-pods"),
        pytest.param(["logs", "web", ""], ["prepare", "main", "side"], NO_FILES, id="container-of-logs"),
        pytest.param(["exec", "web", "-c", "m"], ["main"], NO_FILES, id="container"),
        pytest.param(["exec", "web", "--container=s"], ["side"], NO_FILES, id="container-equals"),
        pytest.param(
            ["expose", "rep"], ["replicationcontroller", "replicaset"], NO_FILES, id="types-to-expose"
        ),
        pytest.param(["config", "use-context", ""], ["kubesim"], NO_FILES, id="context"),
        pytest.param(["sim", "us"], ["use"], NO_FILES, id="own-subcommand"),
        pytest.param(["sim", "use", ""], ["default"], NO_FILES, id="sim"),
        pytest.param(["--sim", ""], ["default"], NO_FILES, id="sim-flag"),
        pytest.param(["completion", ""], ["bash", "zsh", "fish", "powershell"], NO_FILES, id="shell"),
        pytest.param(["kustomize", ""], [], ":16", id="kustomization"),
        pytest.param(["cp", "w"], ["web:"], ":2", id="what-to-copy"),
        pytest.param(["cp", "kube-n"], ["kube-node-lease/"], ":2", id="namespace-of-what-to-copy"),
        pytest.param(["cp", "default/"], ["default/web:"], ":2", id="pod-of-a-namespace-to-copy"),
        pytest.param(["cp", "web:/"], [], ":2", id="path-in-a-pod"),
        pytest.param(["cp", "x", ""], [], ":2", id="where-to-copy"),
        pytest.param(["port-forward", "web", ""], ["80:80"], NO_FILES, id="port-of-a-pod"),
        pytest.param(["port-forward", "svc/web", "9:"], ["9:80"], NO_FILES, id="port-of-a-service"),
    ],
)
def test_what_fits_is_offered(home: Path, words: list[str], values: list[str], directive: str) -> None:
    assert offered(home, *words) == (values, directive)


def test_candidates_say_what_they_are(home: Path) -> None:
    result = run_cli(home, "__complete", "get", "--no-h").check()
    assert result.out == "--no-headers\tPrint no headings.\n:4\n"
    assert result.err == "Completion ended with directive: ShellCompDirectiveNoFileComp\n"


def test_flags_of_all_commands_come_first(home: Path) -> None:
    values, _ = offered(home, "get", "-")
    assert values.index("--username") < values.index("--all-namespaces")


def test_completing_makes_no_cluster(tmp_path: Path) -> None:
    home = tmp_path / "nothing"
    for words in (["get", ""], ["get", "po", ""], ["-n", ""], ["sim", "use", ""]):
        assert offered(tmp_path, *words)[0] == []
        assert run_cli(home, "__complete", *words, cwd=tmp_path).code == 0
    assert not home.exists()


def test_completing_a_command_imports_no_cluster(tmp_path: Path) -> None:
    code = (
        "import sys; from kubesim.__main__ import main; sys.argv = ['kubesim', '__complete', 'ge']; main(); "
        "heavy = ('kubesim.cluster.build', 'kubesim.apiserver', 'kubesim.registry', 'sqlalchemy', 'typer', 'yaml'); "
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={"HOME": str(tmp_path), "KUBESIM_HOME": str(tmp_path), "KUBESIM_AUTOSTART": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "get\tShow one or many resources\n:4\n"
    assert done.stderr.splitlines()[-1] == "[]"


def test_complete_is_not_listed(home: Path) -> None:
    assert "__complete" not in run_cli(home, "--help").check().out
    assert offered(home, "__") == ([], NO_FILES)


def test_nothing_to_complete_is_an_error(home: Path) -> None:
    result = run_cli(home, "__complete")
    assert (result.code, result.err) == (1, "error: requires at least 1 arg(s), only received 0\n")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        pytest.param([], "Shell not specified.", id="none"),
        pytest.param(["foo"], 'Unsupported shell type "foo".', id="unknown"),
        pytest.param(["bash", "zsh"], "Too many arguments. Expected only the shell type.", id="two"),
    ],
)
def test_wrong_shells_are_told_as_kubectl_tells_them(tmp_path: Path, words: list[str], error: str) -> None:
    result = run_cli(tmp_path, "completion", *words, program="kubectl")
    assert result.err == f"error: {error}\nSee 'kubectl completion -h' for help and examples\n"
    assert result.code == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
@pytest.mark.parametrize("program", ["kubesim", "kubectl"])
def test_scripts_are_for_the_name_we_were_called_by(tmp_path: Path, shell: str, program: str) -> None:
    script = run_cli(tmp_path, "completion", shell, program=program).check().out
    assert "PROGRAM" not in script
    assert f"{program} __complete" in script


def _in_bash(home: Path, folder: Path, *lines: str) -> list[list[str]]:
    """What bash offers for lines, by the script."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash is installed")
    (folder / "kubesim").write_text(f'#!{bash}\nexec {sys.executable} -m kubesim "$@"\n')
    (folder / "kubesim").chmod(0o755)
    (folder / "script").write_text(run_cli(home, "completion", "bash").check().out)
    program = "source ./script\nCOMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:'\n"
    for line in lines:
        program += (
            f"COMP_LINE='{line}' COMP_POINT={len(line)}; __kubesim_complete; echo \"${{COMPREPLY[*]}}\"\n"
        )
    done = subprocess.run(
        [bash, "--norc", "-c", program],
        cwd=folder,
        env={
            "PATH": f"{folder}:/usr/bin:/bin",
            "HOME": str(folder),
            "KUBESIM_HOME": str(home),
            "KUBESIM_AUTOSTART": "0",
            "PYTHONPATH": str(PROJECT),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [line.split() for line in done.stdout.splitlines()]


def test_bash_completes_by_the_script(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    (tmp_path / "b.txt").touch()
    (tmp_path / "folder").mkdir()
    found = _in_bash(
        home,
        tmp_path,
        "kubesim get po ",
        "kubesim describe svc/w",
        "kubesim get po --output=jsonpath-",
        "kubesim apply -f ",
        "kubesim apply -k ",
        "kubesim nosuch ",
    )
    assert found == [
        ["web"],
        ["svc/web"],
        ["jsonpath-as-json", "jsonpath-file"],
        ["a.yaml", "folder"],
        ["folder"],
        [],
    ]
