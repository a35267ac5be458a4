"""Node ports: which are given out, in what order, what is refused, and what a dry run shows."""

import pytest

from kubesim.registry.service.ipallocator import AllocatedError, FullError, NotInRangeError
from kubesim.registry.service.portallocator import DryRunOperation, LiveOperation, PortAllocator
from kubesim.storage.memory import MemoryStorage
from kubesim.util.ids import SystemIdentities


def allocator(first: int = 30000, last: int = 32767) -> PortAllocator:
    return PortAllocator(first, last, identities=SystemIdentities(1))


@pytest.mark.parametrize(
    ("first", "last", "size", "band"),
    [
        # The band: allocator_test.go, Test_calculateRangeOffset.
        (30000, 32767, 2768, 86),
        (100, 101, 2, 0),
        (100, 100, 1, 0),
        (100, 115, 16, 0),
        (100, 116, 17, 16),
        (1000, 1256, 257, 16),
        (4000, 8096, 4097, 128),
        (30000, 32768, 2769, 86),
    ],
)
def test_a_range_has_its_static_band(first, last, size, band):
    made = allocator(first, last)
    assert (made.size, made.band, str(made)) == (size, band, f"{first}-{last}")


def test_the_static_band_is_given_out_last_and_nothing_twice():
    made = allocator(30000, 30199)
    with MemoryStorage().transaction() as tx:
        given = [made.allocate_next(tx, "a") for _ in range(200)]
        with pytest.raises(FullError):
            made.allocate_next(tx, "a")
    assert sorted(given) == list(range(30000, 30200))
    assert min(given[: 200 - made.band]) == 30000 + made.band


@pytest.mark.parametrize("port", [0, 80, 29999, 32768, 70000])
def test_a_port_outside_is_refused(port):
    with MemoryStorage().transaction() as tx, pytest.raises(NotInRangeError) as caught:
        allocator().allocate(tx, port, "a")
    text = "provided port is not in the valid range. The range of valid ports is 30000-32767"
    assert str(caught.value) == text


def test_a_port_is_taken_once_even_by_its_owner():
    with MemoryStorage().transaction() as tx:
        operation = LiveOperation(allocator(), tx, "a")
        operation.allocate(30080)
        with pytest.raises(AllocatedError, match=r"^provided port is already allocated$"):
            operation.allocate(30080)


def test_a_dry_run_takes_nothing_but_knows_what_is_taken():
    # portallocator/operation_test.go
    made = allocator()
    with MemoryStorage().transaction() as tx:
        made.allocate(tx, 30080, "a")
        operation = DryRunOperation(made, tx)
        for port in (30080,):
            with pytest.raises(AllocatedError):
                operation.allocate(port)
        operation.allocate(30081)
        with pytest.raises(AllocatedError):
            operation.allocate(30081)
        assert tx.allocations(made.pool) == {"30080": "a"}


def test_a_dry_run_numbers_its_ports_beyond_the_range():
    with MemoryStorage().transaction() as tx:
        operation = DryRunOperation(allocator(), tx)
        assert [operation.allocate_next() for _ in range(3)] == [32769, 32770, 32771]
        operation = DryRunOperation(allocator(), tx)
        operation.allocate(30005)
        assert operation.allocate_next() == 30006
