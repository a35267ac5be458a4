"""Environments of containers, those that many have in common kept once.

Every container has seven variables for each Service of its namespace. Where there are hundreds of Services, all that
start while the Services stay as they are have the same tens of kilobytes: they are stored under the digest of their
content, with the number of containers that have them, and go with the last one.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubesim.runtime.keeping import pack, unpack
from kubesim.runtime.shared import Shared
from kubesim.util.state import StateStore

FEW = 100
"""Environments with no more variables than that are kept with their container."""
_REMEMBERED = 8


class Environments:
    """The environments in a state store. Whoever calls has it to himself."""

    def __init__(self, state: StateStore) -> None:
        self._shared = Shared(state, "runtime/env")
        self._known: dict[str, Mapping[str, str]] = {}

    def keep(self, env: Mapping[str, str]) -> str:
        """Keep an environment for one container more; the name to ask for it by, empty for one that is not for here."""
        if len(env) <= FEW:
            return ""
        name = next((n for n, known in self._known.items() if known is env), "")
        if not name or not self._shared.keep_again(name):
            name = self._shared.keep(pack(dict(env)))
        self._remember(name, env)
        return name

    def load(self, name: str) -> Mapping[str, str]:
        """The environment of that name, shared with whoever else asks for it."""
        known = self._known.get(name)
        if known is None:
            known = unpack(self._shared.load(name) or b"{}")
            self._remember(name, known)
        return known

    def release(self, name: str) -> None:
        """One container less has it."""
        self._shared.release(name)

    def _remember(self, name: str, env: Mapping[str, str]) -> None:
        self._known.setdefault(name, env)
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
