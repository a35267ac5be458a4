"""What a shell is made of: its variables and parameters, options, streams, and where it is."""

from __future__ import annotations

import errno
import os
import posixpath
from typing import TYPE_CHECKING, Any, cast

from kubesim.runtime.machine import Machine
from kubesim.runtime.process import Budget, Null, Process, Stopped
from kubesim.runtime.shell.expansion import DEFAULT_IFS, Expander, ExpansionFailed
from kubesim.runtime.shell.flavours import Flavour, Origin
from kubesim.runtime.shell.syntax import Function, Simple

if TYPE_CHECKING:
    from kubesim.runtime.shell.interpreter import Shell


class Variables:
    """The state of a shell; `Shell` runs commands on it."""

    def __init__(self, process: Process, flavour: Flavour, origin: Origin, positional: list[str]) -> None:
        self.process = process
        self.shell_pid = process.pid
        self.machine: Machine = process.machine
        self.budget: Budget = process.budget
        self.flavour = flavour
        self.origin = origin
        self.positional = positional
        self.variables: dict[str, str | list[str]] = dict(process.env)
        self.exported: set[str] = set(process.env)
        self.readonly: set[str] = set()
        self.functions: dict[str, Function] = {}
        self.aliases: dict[str, str] = {}
        self.options: set[str] = set()
        self.traps: dict[str, str] = {}
        self.fds: dict[int, Any] = {0: process.stdin, 1: process.out, 2: process.err, **process.files}
        self.kept_redirects: list[list[Any]] = []
        self.status = 0
        self.line = 1
        self.last_job = 0
        self.ended_jobs: dict[int, int] = {}
        self.expand = Expander(cast("Shell", self))
        self.locals: list[dict[str, Any]] = []
        self.calls = 0
        self.loops = 0
        self.forks = 0
        self.sourcing = 0
        self._quiet = 0
        self._resume: list[Any] | None = None
        self._substitution_status: int | None = None
        self._last: Simple | None = None
        self._started = process.timeline.now()
        self.variables.setdefault("IFS", DEFAULT_IFS)
        self._set_directory(process.cwd)

    @property
    def cwd(self) -> str:
        return self.process.cwd

    def _set_directory(self, path: str) -> None:
        self.process.cwd = path
        self.variables["PWD"] = path
        self.exported.add("PWD")

    def change_directory(self, path: str) -> None:
        """Cd. Raises OSError."""
        place = posixpath.normpath(self.process.path(path))
        place = "/" + place.lstrip("/")
        node = self.machine.fs.stat(place)
        if node.kind != "d":
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not self.machine.fs.may(place, 1):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        self.variables["OLDPWD"] = self.cwd
        if not self.flavour.bash or "OLDPWD" in self.exported:
            self.exported.add("OLDPWD")
        self._set_directory(place)

    def get(self, name: str) -> str | None:
        """A parameter's value."""
        value = self.variables.get(name)
        if value is not None:
            return value if isinstance(value, str) else (value[0] if value else None)
        if name.isdigit():
            number = int(name)
            if number == 0:
                return self.origin.name
            return self.positional[number - 1] if number <= len(self.positional) else None
        return self._special(name)

    def _special(self, name: str) -> str | None:  # noqa: C901 - a case for each thing there is
        match name:
            case "?":
                return str(self.status)
            case "#":
                return str(len(self.positional))
            case "@" | "*":
                gap = (self.ifs[:1] if name == "*" else " ") if self.positional else ""
                return gap.join(self.positional) if self.positional else None
            case "$":
                return str(self.shell_pid)
            case "!":
                return str(self.last_job) if self.last_job else ("" if not self.flavour.bash else None)
            case "-":
                letters = "".join(sorted(o for o in self.options if len(o) == 1))
                return letters + ("i" if self.origin.mode == "interactive" else "")
            case "LINENO":
                return str(self.line)
            case "RANDOM" if self.flavour.name != "dash":
                return str(self._random())
            case "SECONDS" if self.flavour.bash:
                return str(int(self.process.timeline.now() - self._started))
            case "PPID":
                return str(self.process.parent.pid if self.process.parent else 0)
            case "UID" | "EUID" if self.flavour.bash:
                return str(self.machine.fs.uid)
            case "HOSTNAME" if self.flavour.bash:
                return self.machine.hostname
            case "BASH_VERSION" if self.flavour.bash:
                return "5.2.15(1)-release"
        return None

    def _random(self) -> int:
        seed = int(str(self.variables.get("_seed") or self.process.pid * 7919 + 12345))
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF  # the linear congruential generator of the C standard
        self.variables["_seed"] = str(seed)
        return seed >> 16 & 32767

    def array(self, name: str) -> list[str]:
        """A variable as a list."""
        value = self.variables.get(name)
        if value is None:
            return []
        return list(value) if isinstance(value, list) else [value]

    @property
    def ifs(self) -> str:
        value = self.variables.get("IFS", DEFAULT_IFS)
        return value if isinstance(value, str) else DEFAULT_IFS

    def assign_text(self, name: str, value: str | list[str]) -> None:
        """Set a variable. Raises ExpansionFailed for a read-only one."""
        if name in self.readonly:
            self.complain(self.flavour.read_only(name))
            raise ExpansionFailed(1 if self.flavour.bash else 2)
        if len(value) > 4 * 1024 * 1024:
            raise Stopped("stopped: a variable of a simulated shell is bounded to 4 MiB")
        self.variables[name] = value
        if "a" in self.options:
            self.exported.add(name)

    def unset(self, name: str) -> None:
        self.variables.pop(name, None)
        self.exported.discard(name)

    def arithmetic_value(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            self.check_set(name)
        return value or ""

    def check_set(self, name: str) -> None:
        """`set -u`. Raises ExpansionFailed."""
        if "u" in self.options and name not in ("@", "*", "!"):
            self.complain(self.flavour.unset(name))
            raise ExpansionFailed(self.flavour.unset_status)

    def environment(self) -> dict[str, str]:
        """What programs get."""
        exported = self.exported
        return {k: v for k, v in self.variables.items() if k in exported and isinstance(v, str)}

    def write(self, text: str, fd: int = 1) -> None:
        data = text.encode("utf-8", "surrogateescape")
        self.budget.wrote(len(data))
        self.fds.get(fd, Null()).write(data)

    def complain(self, text: str, builtin: str = "") -> None:
        """Say something on standard error, with the shell's prefix."""
        self.write(self.flavour.prefix(self.origin, self.line, builtin) + text + "\n", 2)

    def read_file(self, name: str) -> bytes:
        """A file for $(<file). Raises ExpansionFailed."""
        try:
            return self.process.read_file(name)
        except OSError as error:
            self.complain(self.flavour.redirect(name, error.errno or 0, writing=False))
            return b""
