from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.e2e import E2E


@pytest.fixture
def e2e() -> Iterator[E2E]:
    made = E2E()
    yield made
    made.cluster.close()
