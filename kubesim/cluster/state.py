"""`StateStore` on the notes of the store: what the cluster's parts remember beside the API."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from kubesim.storage.interface import Storage

PREFIX: Final = "state/"


class StorageState:
    """Named values in the store. Inside a batch of the client they are committed with it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def get(self, name: str) -> bytes | None:
        return self._storage.get_note(PREFIX + name)

    def set(self, name: str, value: bytes | None) -> None:
        self._storage.set_note(PREFIX + name, value)

    def items(self, prefix: str) -> dict[str, bytes]:
        found = self._storage.notes(PREFIX + prefix)
        return {name[len(PREFIX) :]: value for name, value in found.items()}

    def atomic(self) -> AbstractContextManager[object]:
        return self._storage.transaction()
