"""The README keeps its promises: its sessions go as printed, its script runs, its links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import PROJECT

README = PROJECT / "README.md"
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def _on_path() -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "KUBESIM_AUTOSTART": "0",
    }


def test_sessions_go_as_printed_to_the_byte(tmp_path: Path) -> None:
    page = Path(shutil.copy(README, tmp_path))
    subprocess.run([sys.executable, PROJECT / "docs" / "capture.py", page], check=True)
    assert page.read_text() == README.read_text(), "the sessions in README.md go otherwise now: run make docs"


def test_script_for_ci_runs(tmp_path: Path) -> None:
    (script,) = re.findall(r"^```bash\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    env = _on_path() | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(["bash", "-c", script], cwd=PROJECT, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("nothing left to apply\n")
    assert list(tmp_path.iterdir()) == []


def test_tests_in_python_pass(tmp_path: Path) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "test_shop.py").write_text(program)
    (tmp_path / "manifests").symlink_to(PROJECT / "manifests")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py"]
    env = _on_path() | {"HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (0, "3 passed"), done.stdout


def test_commands_against_trouble_can_be_typed_as_they_stand(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "troubleshooting.md").read_text()
    commands = re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    script = "set -e\nkubesim apply -f manifests/services/\n" + "".join(commands)
    env = _on_path() | {"HOME": str(tmp_path), "KUBESIM_HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-c", script], cwd=PROJECT, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []
