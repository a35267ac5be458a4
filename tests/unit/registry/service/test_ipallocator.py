"""Cluster IPs: which addresses of a network are given out, in what order, and what is refused."""

import pytest

from kubesim.registry.service.ipallocator import (
    AllocatedError,
    FullError,
    IPAllocator,
    NotInRangeError,
    parse_ip,
)
from kubesim.storage.memory import MemoryStorage
from kubesim.util.ids import SystemIdentities


def allocator(cidr: str, seed: int = 1) -> IPAllocator:
    return IPAllocator(cidr, identities=SystemIdentities(seed))


@pytest.mark.parametrize(
    ("cidr", "size", "band", "first", "last"),
    [
        # The band: bitmap_test.go, Test_calculateRangeOffset.
        ("192.168.1.0/24", 254, 16, "192.168.1.1", "192.168.1.254"),
        ("10.96.0.0/12", 1048574, 256, "10.96.0.1", "10.111.255.254"),
        ("192.168.0.0/20", 4094, 256, "192.168.0.1", "192.168.15.254"),
        ("192.168.0.0/23", 510, 32, "192.168.0.1", "192.168.1.254"),
        ("192.168.0.0/28", 14, 0, "192.168.0.1", "192.168.0.14"),
        ("192.168.0.0/27", 30, 16, "192.168.0.1", "192.168.0.30"),
        ("fd00:10:96::/112", 65535, 256, "fd00:10:96::1", "fd00:10:96::ffff"),
        ("fd00::/64", 65535, 256, "fd00::1", "fd00::ffff"),
        ("fd00::/120", 255, 16, "fd00::1", "fd00::ff"),
    ],
)
def test_a_network_has_its_addresses_but_the_first_and_the_last(cidr, size, band, first, last):
    made = allocator(cidr)
    assert (made.size, made.band) == (size, band)
    assert (made.text_of(0), made.text_of(size - 1)) == (first, last)


@pytest.mark.parametrize("cidr", ["10.0.0.0/32", "10.0.0.0/31"])
def test_a_network_too_small_for_an_address_is_full(cidr):
    with MemoryStorage().transaction() as tx, pytest.raises(FullError, match="range is full"):
        allocator(cidr).allocate_next(tx, "a")


@pytest.mark.parametrize("cidr", ["10.0.0.0/27", "10.0.0.0/28", "10.0.0.0/24", "fd00::/120"])
def test_the_static_band_is_given_out_last_and_nothing_twice(cidr):
    made = allocator(cidr)
    with MemoryStorage().transaction() as tx:
        given = [made.allocate_next(tx, f"svc-{n}") for n in range(made.size)]
        assert made.free(tx) == 0
        with pytest.raises(FullError):
            made.allocate_next(tx, "one too many")
    assert len(set(given)) == made.size
    offsets = [int(parse_ip(ip)) - int(made.network.network_address) - 1 for ip in given]
    assert all(offset >= made.band for offset in offsets[: made.size - made.band])
    assert sorted(offsets) == list(range(made.size))


def test_the_same_seed_draws_the_same_addresses():
    drawn = []
    for _ in range(2):
        made = allocator("10.96.0.0/12", seed=7)
        with MemoryStorage().transaction() as tx:
            drawn.append([made.allocate_next(tx, "a") for _ in range(5)])
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 5


@pytest.mark.parametrize(
    ("cidr", "ip", "said"),
    [
        ("10.96.0.0/12", "10.200.0.1", "10.200.0.1"),
        ("10.96.0.0/12", "10.96.0.0", "10.96.0.0"),
        ("10.96.0.0/12", "10.111.255.255", "10.111.255.255"),
        ("10.96.0.0/12", "fd00::1", "fd00::1"),
        ("10.96.0.0/12", "010.200.0.01", "10.200.0.1"),
        ("fd00:10:96::/112", "fd00:10:96::", "fd00:10:96::"),
        ("fd00::/64", "fd00::1:0", "fd00::1:0"),
    ],
)
def test_an_address_outside_is_refused(cidr, ip, said):
    with MemoryStorage().transaction() as tx, pytest.raises(NotInRangeError) as caught:
        allocator(cidr).allocate(tx, ip, "a")
    text = f"the provided IP ({said}) is not in the valid range. The range of valid IPs is {cidr}"
    assert str(caught.value) == text


def test_an_address_is_taken_once_even_by_its_owner():
    made = allocator("10.96.0.0/12")
    with MemoryStorage().transaction() as tx:
        made.allocate(tx, "10.96.0.10", "a")
        for owner in ("a", "b"):
            with pytest.raises(AllocatedError, match=r"^provided IP is already allocated$"):
                made.allocate(tx, "10.96.0.10", owner)


def test_an_address_is_one_address_however_it_is_written():
    made = allocator("10.96.0.0/12")
    with MemoryStorage().transaction() as tx:
        made.allocate(tx, "010.096.0.010", "a")
        assert tx.allocations(made.pool) == {"10.96.0.10": "a"}
        with pytest.raises(AllocatedError):
            made.allocate(tx, "::ffff:10.96.0.10", "b")
        made.release(tx, "10.96.0.010", "a")
        assert tx.allocations(made.pool) == {}


def test_only_the_owner_gives_an_address_back():
    made = allocator("10.96.0.0/24")
    with MemoryStorage().transaction() as tx:
        made.allocate(tx, "10.96.0.1", "a")
        made.release(tx, "10.96.0.1", "b")
        assert made.free(tx) == 253
        made.release(tx, "10.96.0.1", "a")
        made.release(tx, "garbage", "a")
        assert made.free(tx) == 254


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("010.00.0.001", "10.0.0.1"),
        ("::FFFF:10.0.0.1", "10.0.0.1"),
        ("::ffff:0a00:1", "10.0.0.1"),
        ("2001:DB8::0001", "2001:db8::1"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
        ("", None),
        ("None", None),
        ("10.0.0", None),
        ("10.0.0.256", None),
        ("1::2::3", None),
    ],
)
def test_addresses_are_read_as_go_reads_them(text, expected):
    found = parse_ip(text)
    assert (str(found) if found else None) == expected
