"""The import budget (docs/decisions/0003-import-budget.md): what a command that reads a settled cluster may load.

No clock is looked at: the modules are counted, which is what a cold command's CPU follows.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import pytest
from support.cli import PROJECT, new_home, run_cli

PROGRAM = """
import sys
before = set(sys.modules)
from kubesim.__main__ import main
code = main()
print(*sorted(set(sys.modules) - before), file=sys.stderr)
sys.exit(code)
"""

MODULES = 150
"""So many modules of kubesim at most; 144 when this was written."""

FOREIGN = {"orjson"}
"""What is loaded that is neither kubesim's nor Python's own."""

SLOW = {
    "argparse", "asyncio", "concurrent", "email", "http", "importlib.metadata", "importlib.resources", "logging",
    "multiprocessing", "socket", "ssl", "subprocess", "tempfile", "unittest", "xml", "zoneinfo",
}  # fmt: skip
"""Of Python's own, what costs more than it brings here."""

ROOMS = {"kubelet", "runtime", "scheduler", "proxy", "dns", "network", "diagnosis"}
"""Rooms of which nothing is loaded."""

CONTROLLERS = {"kubesim.controllers.settleclock", "kubesim.controllers.workstate"}
"""All that tells a settled cluster from another."""

WORDS = {
    "pods": "kubesim.apis.core_v1.pod",
    "services": "kubesim.apis.core_v1.service",
    "nodes": "kubesim.apis.core_v1.node",
    "deployments": "kubesim.apis.apps_v1.deployment",
    "endpointslices": "kubesim.apis.discovery_v1.endpointslice",
}
"""Resources with the one module of a kind that reading them may load."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = new_home(tmp_path_factory.mktemp("budget"))
    run_cli(home, "run", "web", "--image=nginx", "--port=80", "--expose").check()
    run_cli(home, "get", "pods").check()
    return home


@pytest.fixture(scope="module")
def loaded(home):
    """The modules that `get` of a resource loads."""

    @cache
    def get(plural: str) -> frozenset[str]:
        env = {
            "PATH": os.environ["PATH"],
            "KUBESIM_HOME": str(home),
            "KUBESIM_AUTOSTART": "0",
            "PYTHONPATH": str(PROJECT),
        }
        command = [sys.executable, "-c", PROGRAM, "get", plural]
        told = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True)
        assert told.returncode == 0, told.stderr
        return frozenset(told.stderr.split())

    return get


def rooms_of(names: frozenset[str], room: str) -> set[str]:
    return {n for n in names if n.startswith(f"kubesim.{room}.") or n == f"kubesim.{room}"}


def test_get_pods_loads_few_modules(loaded):
    ours = {n for n in loaded("pods") if n.split(".")[0] == "kubesim"}
    assert len(ours) <= MODULES, sorted(ours)


def test_get_pods_loads_no_package_but_the_json_one(loaded):
    roots = {n.split(".")[0] for n in loaded("pods")}
    assert (
        roots - set(sys.stdlib_module_names) - {"kubesim", "org"} == FOREIGN
    )  # Python's copy tries Jython's org


def test_get_pods_loads_nothing_slow_of_python(loaded):
    assert {n for n in loaded("pods") if n in SLOW or n.split(".")[0] in SLOW} == set()


def test_get_pods_runs_no_other_room(loaded):
    names = loaded("pods")
    assert {n for room in ROOMS for n in rooms_of(names, room)} == set()
    assert rooms_of(names, "controllers") == CONTROLLERS | {"kubesim.controllers"}


def test_get_pods_loads_no_other_command(loaded):
    assert rooms_of(loaded("pods"), "cli.commands") == {"kubesim.cli.commands", "kubesim.cli.commands.get"}


def test_get_pods_makes_no_admission_plugin(loaded):
    assert rooms_of(loaded("pods"), "admission") == {
        "kubesim.admission",
        "kubesim.admission.chain",
        "kubesim.admission.interface",
    }


@pytest.mark.parametrize("plural", WORDS)
def test_get_loads_the_kind_it_reads_and_no_other(loaded, plural):
    kinds = {n for n in rooms_of(loaded(plural), "apis") if n.count(".") == 3}
    assert kinds == {WORDS[plural]}
