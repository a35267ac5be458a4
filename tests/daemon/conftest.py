from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.background import Background, background
from support.cli import new_home


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[Background]:
    """A home with a cluster; what is started on it goes."""
    with background(new_home(tmp_path)) as found:
        yield found


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Background]:
    """A home that is not there yet."""
    with background(tmp_path / "home") as found:
        yield found
