"""Opening the clusters of a home: the store, the lock of the controllers, the runtime of the containers.

The first command makes the cluster: schema, namespaces, nodes. Making it twice at once makes it once.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kubesim.cluster.config import NOTE, ClusterConfig, ConfigError, decode_config
from kubesim.cluster.home import Home, HomeError, NameTaken
from kubesim.util.clock import parse_time

if TYPE_CHECKING:
    from kubesim.cluster.build import Cluster
    from kubesim.storage.interface import Storage

DATABASE = "cluster.db"
LOCK = "settle.lock"


def open_cluster(home: Home, name: str, *, database_url: str = "") -> Cluster:
    """The cluster of that name, or the one in another database, made if there is none.

    Raises HomeError, ConfigError, StorageError.
    """
    if not home.exists(name):
        with suppress(NameTaken):
            create_cluster(home, ClusterConfig(name=name))
    folder = home.directory(name)
    storage = _storage(folder, database_url)
    try:
        is_new = storage.get_note(NOTE) is None
        cluster = _built(home, storage, folder, ClusterConfig(name=name))
        if is_new:
            cluster.settle()
    except BaseException:
        storage.close()
        raise
    return cluster


def create_cluster(home: Home, config: ClusterConfig, *, instead: bool = False) -> None:
    """Make a cluster, or with `instead` make it anew. It is handed over with its service accounts, even to
    those who run the controllers by hand.

    Raises NameTaken, HomeError, ConfigError, StorageError.
    """
    config.validate()

    def fill(folder: Path) -> None:
        storage = _storage(folder)
        try:
            _built(home, storage, folder, config).settle()
        finally:
            storage.close()

    home.add(config.name, fill, instead=instead)


def read_config(home: Home, name: str) -> ClusterConfig:
    """What a cluster was made with. Raises HomeError, ConfigError, StorageError."""
    folder = home.directory(name)
    if not home.exists(name):
        raise HomeError(f'simulated cluster "{name}" not found')
    storage = _storage(folder)
    try:
        kept = storage.get_note(NOTE)
    finally:
        storage.close()
    return decode_config(kept) if kept else ClusterConfig(name=name)


def parse_config(
    *,
    name: str,
    nodes: int,
    kubernetes_version: str,
    service_cidr: str,
    pod_cidr: str,
    node_port_range: str,
    seed: str,
    clock: str,
    kube_dns: bool = False,
    load_balancer_pool: str = "",
    ingress: bool = False,
    images: Sequence[tuple[str, str]] = (),
) -> ClusterConfig:
    """A configuration from the words of a command line. Raises ConfigError."""
    low, dash, high = node_port_range.partition("-")
    if not dash or not low.isdigit() or not high.isdigit():
        raise ConfigError(f'the node port range must be like 30000-32767: "{node_port_range}"')
    config = ClusterConfig(
        name=name,
        nodes=nodes,
        seed=seed or None,
        kubernetes_version=kubernetes_version.removeprefix("v"),
        service_cidrs=tuple(c.strip() for c in service_cidr.split(",") if c.strip()),
        pod_cidr=pod_cidr,
        node_port_range=(int(low), int(high)),
        kube_dns=kube_dns,
        frozen_at=_frozen_at(clock),
        load_balancer_pool=tuple(p.strip() for p in load_balancer_pool.split(",") if p.strip()),
        ingress=ingress,
        images=tuple(images),
    )
    config.validate()
    if images:
        from kubesim.cluster.images import GivenImages

        problems = GivenImages(None, images).problems()
        if problems:
            raise ConfigError("\n".join(problem.text for problem in problems))
    # Only asked of a new cluster: reading which versions there are costs what a cold command must not pay.
    from kubesim.apimachinery.schema.tables import available_versions

    versions = available_versions()
    if config.kubernetes_version not in versions:
        raise ConfigError(
            f'there is no Kubernetes version "{config.kubernetes_version}"; there are {versions[0]} to {versions[-1]}'
        )
    return config


def _frozen_at(clock: str) -> datetime | None:
    if clock in ("", "system"):
        return None
    try:
        return parse_time(clock)
    except ValueError:
        raise ConfigError(
            f'the clock is "system" or a time such as 2026-01-01T00:00:00Z: "{clock}"'
        ) from None


def _storage(folder: Path, database_url: str = "") -> Storage:
    from kubesim.storage.sql import SQLStorage

    return SQLStorage(database_url or folder / DATABASE)


def _built(home: Home, storage: Storage, folder: Path, config: ClusterConfig) -> Cluster:
    from kubesim.cluster.build import build
    from kubesim.cluster.containers import make_runtime

    return build(
        config,
        storage,
        cache_dir=home.cache,
        lock=settle_lock(folder / LOCK),
        runtime=make_runtime,
        images=home.images,
    )


def settle_lock(path: Path) -> Callable[[], AbstractContextManager[object]]:
    """A lock between processes: whoever runs the controllers holds it. It goes with the process that holds it."""

    @contextmanager
    def locked() -> Iterator[None]:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HomeError(f"cannot lock {path}: {(error.strerror or str(error)).lower()}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    return locked
