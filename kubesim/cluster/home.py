"""The home of kubesim on this computer: the simulated clusters, each in a directory of its own.

Everything below it is the owner's alone (directories 0700, files 0600). Layout:

    HOME/current                the name of the cluster in use; absent: `default`
    HOME/cache/                 compiled schemas
    HOME/sims/NAME/cluster.db   the store of a cluster (with its configuration)
    HOME/sims/NAME/settle.lock  held by the process that runs the controllers
    HOME/kubeconfig             contexts and namespaces, written by `kubesim config`
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

DEFAULT_SIM = "default"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class HomeError(Exception):
    """The home, or a cluster in it, cannot be used. The text is for people."""


def default_home(env: Mapping[str, str], platform: str) -> Path:
    """`KUBESIM_HOME`, or the platform's directory for state. Raises HomeError where no home directory is
    known.
    """
    if env.get("KUBESIM_HOME"):
        return Path(env["KUBESIM_HOME"])
    if platform == "win32" and env.get("LOCALAPPDATA"):
        return Path(env["LOCALAPPDATA"]) / "kubesim"
    base = env.get("XDG_STATE_HOME", "")
    if Path(base).is_absolute():
        return Path(base) / "kubesim"
    user = env.get("HOME", "")
    if not user:
        raise HomeError("neither KUBESIM_HOME nor HOME is set: there is no place for the cluster")
    if platform == "darwin":
        return Path(user) / "Library" / "Application Support" / "kubesim"
    return Path(user) / ".local" / "state" / "kubesim"


class Home:
    """The clusters below one directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def cache(self) -> Path:
        """Where compiled schemas are kept."""
        return self.path / "cache"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    def sims(self) -> list[str]:
        """The names of the clusters, sorted."""
        folder = self.path / "sims"
        return (
            sorted(p.name for p in folder.iterdir() if (p / "cluster.db").exists()) if folder.is_dir() else []
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

    def exists(self, name: str) -> bool:
        return (self.directory(name) / "cluster.db").exists()

    def make(self, name: str | None = None) -> Path:
        """Make the home, or the directory of a cluster in it, for the owner alone. Raises HomeError."""
        folder = self.path if name is None else self.directory(name)
        try:
            for part in (self.path, self.path / "sims", folder):
                part.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(f"cannot make {folder}: {_why(error)}") from None
        return folder

    def remove(self, name: str) -> None:
        """Delete a cluster and all that is in it. Raises HomeError."""
        folder = self.directory(name)
        if not folder.exists():
            raise HomeError(f'simulated cluster "{name}" not found')
        try:
            shutil.rmtree(folder)
            if self.current() == name:
                (self.path / "current").unlink(missing_ok=True)
        except OSError as error:
            raise HomeError(f"cannot delete {folder}: {_why(error)}") from None


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
