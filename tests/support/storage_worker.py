"""A process that writes to a store, for tests of several processes: `storage_worker.py MODE FILE NAME COUNT`.

`create` makes COUNT keys, each with an allocation; `forever` does so until it is killed. Each acknowledged write is one
line on stdout: the key and the item it was given.
"""

import contextlib
import sys
from itertools import count

from kubesim.storage.interface import AllocationTaken, Transaction
from kubesim.storage.sql import SQLStorage
from kubesim.util.ids import SystemIdentities

ITEMS = 100_000
IDENTITIES = SystemIdentities()


def take(tx: Transaction, owner: str, limit: int) -> str:
    while True:
        item = str(IDENTITIES.below(limit))
        with contextlib.suppress(AllocationTaken):
            tx.allocate("items", item, owner)
            return item


def main(mode: str, path: str, name: str, number: int) -> None:
    storage = SQLStorage(path)
    for n in range(number) if mode == "create" else count():
        key = f"/registry/core/services/{name}/{n:06}"
        with storage.transaction() as tx:
            item = take(tx, key, 8 * number if mode == "create" else ITEMS)
            tx.create(key, item.encode(), [("label", f"app={n % 7}"), ("field", f"item={item}")])
        print(key, item, flush=True)
        if mode == "forever" and n % 3 == 0:
            with storage.transaction() as tx:
                row = tx.get(key)
                assert row is not None
                tx.update(
                    key,
                    item.encode() * 300,
                    row.revision,
                    [("label", "app=updated"), ("field", f"item={item}")],
                )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
