"""Texts that many containers have in common, kept once: under the digest of their content, with the number of those that
have them. They go with the last one.
"""

from __future__ import annotations

from hashlib import sha256

from kubesim.util.state import StateStore


class Shared:
    """The texts below `PREFIX/` in a state store, and how many have each below `PREFIX-users/`."""

    def __init__(self, state: StateStore, prefix: str) -> None:
        self._state = state
        self._prefix = prefix

    def keep(self, text: bytes) -> str:
        """Keep a text for one more; the name to ask for it by."""
        name = sha256(text).hexdigest()
        if not self.keep_again(name):
            self._state.set(f"{self._prefix}/{name}", text)
            self._state.set(f"{self._prefix}-users/{name}", b"1")
        return name

    def keep_again(self, name: str) -> bool:
        """Count one more that has the text of that name. False: nobody has it, and it is not there."""
        count = self._count(name)
        if count:
            self._state.set(f"{self._prefix}-users/{name}", b"%d" % (count + 1))
        return bool(count)

    def load(self, name: str) -> bytes | None:
        return self._state.get(f"{self._prefix}/{name}")

    def release(self, name: str) -> None:
        """One less has it."""
        count = self._count(name) - 1
        self._state.set(f"{self._prefix}-users/{name}", b"%d" % count if count > 0 else None)
        if count <= 0:
            self._state.set(f"{self._prefix}/{name}", None)

    def _count(self, name: str) -> int:
        return int(self._state.get(f"{self._prefix}-users/{name}") or 0)
