"""Clusters come and go whole."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kubesim.cluster.home import Home, HomeError, NameTaken


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def fill(folder: Path, text: str = "x") -> None:
    (folder / "cluster.db").write_text(text)


def left_aside(home: Home) -> list[str]:
    return [p.name for p in (home.path / "sims").iterdir() if p.name.startswith(".")]


def test_everything_is_the_owners_alone(home: Home) -> None:
    home.add("a", fill)
    for folder in (home.path, home.path / "sims", home.directory("a")):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_name_is_taken_once(home: Home) -> None:
    home.add("a", fill)
    with pytest.raises(NameTaken, match='simulated cluster "a" already exists'):
        home.add("a", fill)


def test_a_cluster_that_could_not_be_made_is_not_there(home: Home) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        assert home.sims() == []
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        home.add("a", fail)
    assert home.sims() == []
    assert left_aside(home) == []


def test_a_new_cluster_takes_the_place_of_the_old_one(home: Home) -> None:
    home.add("a", fill)
    home.add("a", lambda folder: fill(folder, "new"), instead=True)
    assert (home.directory("a") / "cluster.db").read_text() == "new"
    assert left_aside(home) == []


def test_of_many_that_make_it_at_once_one_does(home: Home) -> None:
    barrier, taken = threading.Barrier(4), []

    def both(folder: Path) -> None:
        fill(folder)
        barrier.wait(timeout=10)

    def make() -> None:
        try:
            home.add("a", both)
        except NameTaken:
            taken.append(1)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert home.sims() == ["a"]
    assert len(taken) == 3


def test_what_a_dead_process_left_aside_goes(home: Home) -> None:
    script = (
        "import os, sys, pathlib; from kubesim.cluster.home import Home\n"
        "Home(pathlib.Path(sys.argv[1])).add('a', lambda folder: os._exit(9))"
    )
    subprocess.run([sys.executable, "-c", script, str(home.path)], env=os.environ)
    assert home.sims() == []
    assert left_aside(home)
    home.add("a", fill)
    assert left_aside(home) == []


def test_a_deleted_cluster_is_no_longer_the_current_one(home: Home) -> None:
    home.add("a", fill)
    home.use("a")
    home.remove("a")
    assert home.current() == "default"
    with pytest.raises(HomeError, match='simulated cluster "a" not found'):
        home.remove("a")
