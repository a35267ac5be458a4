"""Where a kind takes part in the generic registry beyond its pure strategy: genericregistry's Begin and After
hooks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

from kubesim.registry.options import DeleteOptions
from kubesim.storage.interface import Transaction
from kubesim.util.jsontypes import JSONObject


class Hooks(Protocol):
    """What happens around a write, in its transaction: what is raised undoes it."""

    def allocate_create(self, tx: Transaction, obj: JSONObject, *, dry_run: bool = False) -> None:
        """Take what a new object needs (addresses, ports), and write it into the object; a dry run takes
        none.
        """
        ...

    def allocate_update(
        self, tx: Transaction, new: JSONObject, old: JSONObject, *, dry_run: bool = False
    ) -> None:
        """Take what a changed object needs more, and give back what it needs no longer."""
        ...

    def release(self, tx: Transaction, obj: JSONObject) -> None:
        """Give back what a deleted object had."""
        ...

    def begin_delete(self, obj: JSONObject, options: DeleteOptions, now: datetime) -> bool:
        """Whether the object, changed in place, has to be stored in place of being deleted."""
        ...


class NoHooks:
    """A kind that needs nothing."""

    def allocate_create(self, tx: Transaction, obj: JSONObject, *, dry_run: bool = False) -> None:
        """Nothing."""

    def allocate_update(
        self, tx: Transaction, new: JSONObject, old: JSONObject, *, dry_run: bool = False
    ) -> None:
        """Nothing."""

    def release(self, tx: Transaction, obj: JSONObject) -> None:
        """Nothing."""

    def begin_delete(self, obj: JSONObject, options: DeleteOptions, now: datetime) -> bool:
        return False


NO_HOOKS: Final[Hooks] = NoHooks()
