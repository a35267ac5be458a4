"""Imports by several threads, one after another.

Python lets two threads import at once, and keeps them from waiting for each other for ever by handing one of them a module
that is only half there. In a process whose threads import what they need when they need it, that is an ImportError once in
a while. One lock around what loads modules, and nobody waits while holding another: what is loaded already takes no lock.
"""

from __future__ import annotations

import importlib
import threading
from types import ModuleType
from typing import Any


def one_at_a_time() -> None:
    """From now on, for the whole process."""
    loader: Any = getattr(importlib, "_bootstrap", None)
    load = getattr(loader, "_find_and_load", None)
    if load is None or hasattr(load, "one_at_a_time"):
        return  # another Python: its own rules hold
    lock = threading.RLock()

    def find_and_load(name: str, import_: Any) -> ModuleType:
        with lock:
            module: ModuleType = load(name, import_)
            return module

    find_and_load.one_at_a_time = True  # type: ignore[attr-defined]
    loader._find_and_load = find_and_load  # noqa: SLF001  there is no other place for it
