"""The home of kubesim on this computer: the simulated clusters, each in a directory of its own.

Everything below it is the owner's alone (directories 0700, files 0600). Layout:

    HOME/current                the name of the cluster in use; absent: `default`
    HOME/cache/                 compiled schemas
    HOME/sims/NAME/cluster.db   the store of a cluster (with its configuration)
    HOME/sims/NAME/settle.lock  held by the process that runs the controllers
    HOME/sims/NAME/kubeconfig   how other programs reach the cluster while it is served
    HOME/sims/.NAME.*           a cluster that is being made or deleted
    HOME/images/*.yaml          images of the user's own (docs/images.md)
    HOME/kubeconfig             contexts and namespaces, written by `kubesim config`
    HOME/run/                   what belongs to the background process (`cluster.rundirectory`)

A cluster comes and goes by one renaming of its directory: nobody ever sees a part of one.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kubesim import thin

DEFAULT_SIM = "default"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class HomeError(Exception):
    """The home, or a cluster in it, cannot be used. The text is for people."""


class NameTaken(HomeError):
    """There is a cluster of that name already."""


def default_home(env: Mapping[str, str], platform: str) -> Path:
    """`KUBESIM_HOME`, or the platform's directory for state. Raises HomeError where no home directory is
    known.
    """
    found = thin.home_directory(env, platform)
    if not found:
        raise HomeError("neither KUBESIM_HOME nor HOME is set: there is no place for the cluster")
    return Path(found)


class Home:
    """The clusters below one directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def cache(self) -> Path:
        """Where compiled schemas are kept."""
        return self.path / "cache"

    @property
    def images(self) -> Path:
        """Where descriptions of images are that all clusters know."""
        return self.path / "images"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    def sims(self) -> list[str]:
        """The names of the clusters, sorted."""
        folder = self.path / "sims"
        return (
            sorted(
                p.name for p in folder.iterdir() if (p / "cluster.db").exists() and not p.name.startswith(".")
            )
            if folder.is_dir()
            else []
        )

    def current(self) -> str:
        """The name of the cluster in use."""
        try:
            return (self.path / "current").read_text().strip() or DEFAULT_SIM
        except FileNotFoundError:
            return DEFAULT_SIM
        except OSError as error:
            raise HomeError(f"cannot read {self.path / 'current'}: {_why(error)}") from None

    def use(self, name: str) -> None:
        """Choose the cluster in use. Raises HomeError if there is none of that name."""
        if name not in self.sims() and name != DEFAULT_SIM:
            raise HomeError(f'simulated cluster "{name}" not found')
        self.make()
        replace_file(self.path / "current", name + "\n")

    def directory(self, name: str) -> Path:
        """The directory of a cluster. Raises HomeError for a name that is none."""
        if not _NAME.fullmatch(name):
            raise HomeError(
                f'invalid cluster name "{name}": lower-case letters, digits and "-", at most 63, '
                "beginning and ending with a letter or digit"
            )
        return self.path / "sims" / name

    def sim_kubeconfig(self, name: str) -> Path:
        """The kubeconfig of a served cluster. Raises HomeError for a name that is none."""
        return self.directory(name) / "kubeconfig"

    def exists(self, name: str) -> bool:
        return (self.directory(name) / "cluster.db").exists()

    def make(self) -> Path:
        """Make the home, for the owner alone, and in it the directory of the clusters. Raises HomeError."""
        folder = self.path / "sims"
        try:
            for part in (self.path, folder):
                part.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(f"cannot make {folder}: {_why(error)}") from None
        return folder

    def add(self, name: str, fill: Callable[[Path], None], *, instead: bool = False) -> None:
        """Make a cluster: `fill` writes its files, and only when it is done the cluster is there.

        With `instead` it takes the place of the one of that name. Raises HomeError, NameTaken, and what `fill`
        raises.
        """
        target = self.directory(name)
        if not instead and self.exists(name):
            raise NameTaken(f'simulated cluster "{name}" already exists')
        self.make()
        self._sweep(name)
        try:
            with self._aside(name) as folder, self._aside(name) as old:
                fill(folder)
                if instead and target.exists():
                    target.rename(old / "old")
                folder.rename(target)
        except OSError as error:
            if target.exists():
                # Another process was faster.
                raise NameTaken(f'simulated cluster "{name}" already exists') from None
            raise HomeError(f"cannot make {target}: {_why(error)}") from None

    def remove(self, name: str) -> None:
        """Delete a cluster and all that is in it. Raises HomeError."""
        folder = self.directory(name)
        if not folder.exists():
            raise HomeError(f'simulated cluster "{name}" not found')
        try:
            with self._aside(name) as old:
                folder.rename(old / "old")
            if self.current() == name:
                (self.path / "current").unlink(missing_ok=True)
        except OSError as error:
            raise HomeError(f"cannot delete {folder}: {_why(error)}") from None
        self._sweep(name)

    @contextmanager
    def _aside(self, name: str) -> Iterator[Path]:
        """A directory for a cluster that is not there yet, or no longer. What is left in it goes."""
        import tempfile  # not what a `get` should have to load

        folder = Path(tempfile.mkdtemp(prefix=f".{name}.{os.getpid()}.", dir=self.path / "sims"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self, name: str) -> None:
        """Remove what a process that is no more has left aside."""
        for folder in (self.path / "sims").glob(f".{name}.*.*"):
            owner = folder.name.removeprefix(f".{name}.").split(".")[0]
            if owner.isdigit() and not _is_alive(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def replace_file(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by the owner alone. Raises HomeError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise HomeError(f"cannot write {path}: {_why(error)}") from None


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
