"""A container that is loaded: its machine, how far its main process has come, and the record of it in the state store."""

from __future__ import annotations

from typing import Any

from kubesim.runtime.filesystem import Overlay
from kubesim.runtime.journal import Journal
from kubesim.runtime.keeping import dump_state, load_state
from kubesim.runtime.machine import Machine, ProcessEntry
from kubesim.runtime.spec import ContainerSpec, ContainerState


class LoadedContainer:
    """A container that is loaded. Its files, its log and its specification are stored beside its record."""

    def __init__(self, spec: ContainerSpec, machine: Machine, journal: Journal, root: Overlay) -> None:
        self.spec = spec
        self.machine = machine
        self.journal = journal
        self.root = root
        self.state: ContainerState
        self.argv: list[str] = []
        self.frames: list[Any] | None = None
        self.until: float | None = None
        self.ending: int | None = None
        """The exit code with which it ends at `until`: its process has run ahead of the clock."""
        self.endless = False
        self.awaits_input = False
        self.input_closed = False
        self.unread = b""  # what an attachment sent and the process has not taken
        self.cwd = machine.workdir
        self.dirty = True
        self.is_kept = False
        self.commands = 0
        """How many commands run in it: it stays loaded as long as there are any."""
        self.attached = False
        """Whether somebody is attached to its main process and runs it on."""
        self.files: bytes | None = None  # the tree as it was read, or written
        self.kept = b""  # what the store had when it was last the same
        self.seen = 0
        """At which look (`look_anew`) that was."""
        self.times_kept = 0

    @property
    def in_use(self) -> bool:
        """Whether a command runs in it or somebody is attached to it."""
        return self.attached or self.commands > 0

    @property
    def unsaved(self) -> bool:
        """Whether it has done something that is not stored yet."""
        return self.dirty or self.journal.dirty

    def record(self) -> dict[str, Any]:
        """What the store has of it."""
        machine = self.machine
        return {
            "state": dump_state(self.state),
            "argv": self.argv,
            "frames": self.frames,
            "until": self.until,
            "ending": self.ending,
            "endless": self.endless,
            "awaits_input": self.awaits_input,
            "input_closed": self.input_closed,
            "unread": self.unread.decode("utf-8", "surrogateescape"),
            "processes": [entry.dump() for entry in machine.processes.values()],
            "pid": machine.last_pid,
            "waiting_for": machine.waiting_for,
            "applications": machine.application_state,
            "packages": machine.packages,
            "booted": machine.booted,
            "unfinished": self.journal.unfinished,
        }

    def restore(self, record: dict[str, Any]) -> None:
        """Go on from where a record says that it stands."""
        machine = self.machine
        self.state = load_state(record["state"])
        self.argv = record["argv"]
        self.frames = record["frames"]
        self.until = record["until"]
        self.ending = record["ending"]
        self.endless = record["endless"]
        self.awaits_input = record.get("awaits_input", False)
        self.input_closed = record.get("input_closed", False)
        self.unread = record.get("unread", "").encode("utf-8", "surrogateescape")
        machine.processes = {row["pid"]: ProcessEntry(**row) for row in record["processes"]}
        machine.last_pid = record["pid"]
        machine.waiting_for = record["waiting_for"]
        machine.application_state = record["applications"]
        machine.packages = record["packages"]
        self.journal.restore_unfinished(record["unfinished"])
        self.times_kept = record.get("kept", 0)
        self.dirty, self.is_kept = False, True
