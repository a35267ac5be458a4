"""`Cluster`: a whole cluster as a value in a Python program.

Every method that writes returns when the controllers have nothing left to do, as a command line does: Pods
are scheduled and run, Services have their endpoints. So a test needs no waiting but for what takes time in the
cluster itself.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import uid_of
from kubesim.apimachinery.rest import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from kubesim.apimachinery.schema import Schema
from kubesim.apimachinery.scheme import Scheme
from kubesim.cli.builder import Info
from kubesim.cli.commands.wait import parse_condition
from kubesim.cli.podaccess import choose_container
from kubesim.cli.waiting import Deadline, gone, wait_until
from kubesim.client.client import resource_path
from kubesim.client.resources import PODS
from kubesim.client.restmapper import Mapping, RESTMapper
from kubesim.cluster import build
from kubesim.cluster.config import DEFAULT_NODES, SERVICE_CIDR, ClusterConfig
from kubesim.cluster.containers import make_runtime
from kubesim.cluster.home import DEFAULT_SIM, Home, HomeError, default_home
from kubesim.cluster.open import open_cluster, parse_config, settle_lock
from kubesim.embedded import manifests
from kubesim.embedded.commandline import MethodSession, Result, run_command
from kubesim.embedded.images import Images, documents_of
from kubesim.embedded.manifests import Manifest, plain_errors, source_of
from kubesim.kubelet.remotecommand import not_executed
from kubesim.runtime.spec import ExecError, Streams
from kubesim.storage.memory import MemoryStorage
from kubesim.util.jsontypes import JSONObject, deep_copy, dig

if TYPE_CHECKING:
    from kubesim.embedded.serving import Served

Objects = list[JSONObject]
PatchType = Literal["strategic", "merge", "json"]
PATCHES: Final = {"strategic": STRATEGIC_MERGE_PATCH, "merge": MERGE_PATCH, "json": JSON_PATCH}
FOREVER: Final = 7 * 24 * 3600.0
"""What kubectl takes for ever to be."""


class Cluster:
    """A Kubernetes cluster in this process; in memory, unless `path` names a database file that keeps it.

    `seed` makes addresses, ports, names and uids the same each time; `clock` (a time, such as
    `2026-01-01T09:00:00Z`) makes time stand still but for `advance` and for waiting. A file at `path` that
    has a cluster already is opened as it was made. Services of type LoadBalancer get addresses of the
    `load_balancer_pool` (`172.18.255.200-172.18.255.250`); `ingress` is a simulated ingress-nginx; `images`
    describe what images of your own do (docs/images.md): a file, text in YAML, a dict, or several of them. Two
    networks of Services with a comma between them (`10.96.0.0/16,fd00:10:96::/112`) make it dual-stack.

        with Cluster(nodes=3, seed=1) as cluster:
            cluster.apply(Path("manifests/web.yaml"))
            cluster.wait("pod/web", "condition=Ready")
            assert cluster.get("service", "web")["spec"]["type"] == "ClusterIP"

    Objects are dicts, as their JSON is. What the API server refuses is a `kubesim.StatusError` with
    Kubernetes' code, reason and text; what kubectl refuses before it asks the server (a file that is no
    manifest, a resource that does not exist) is a ValueError with kubectl's text. May be used by several
    threads at once.
    """

    def __init__(
        self,
        nodes: int = DEFAULT_NODES,
        seed: int | str | None = None,
        *,
        kubernetes_version: str = "1.32",
        clock: datetime | str | None = None,
        service_cidr: str = SERVICE_CIDR,
        pod_cidr: str = "",
        kube_dns: bool = False,
        load_balancer_pool: str = "",
        ingress: bool = False,
        images: Images = (),
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        """Raises ValueError for settings that no cluster can have."""
        config = parse_config(
            name=DEFAULT_SIM,
            nodes=nodes,
            kubernetes_version=kubernetes_version,
            service_cidr=service_cidr,
            pod_cidr=pod_cidr,
            kube_dns=kube_dns,
            load_balancer_pool=load_balancer_pool,
            ingress=ingress,
            images=documents_of(images),
            node_port_range="30000-32767",
            seed="" if seed is None else str(seed),
            clock=clock.isoformat() if isinstance(clock, datetime) else clock or "",
        )
        self._home: Home | None = None
        self._cluster = _in_memory(config) if path is None else _in_file(config, Path(path))
        if not self._cluster.is_settled():
            self._cluster.settle()

    @classmethod
    def open(cls, home: str | os.PathLike[str] | None = None, sim: str | None = None) -> Self:
        """A cluster of a home, as the command line has them; without names the home and the cluster in use.

        The cluster `default` is made if there is none. Raises HomeError for any other that is not there.
        """
        found = Home(Path(home) if home is not None else default_home(os.environ, sys.platform))
        name = sim or found.current()
        if name != DEFAULT_SIM and not found.exists(name):
            raise HomeError(f'simulated cluster "{name}" not found')
        self = cls.__new__(cls)
        self._home = found
        self._cluster = open_cluster(found, name)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the cluster; one in memory is gone with it."""
        self._cluster.close()

    # Objects.

    def apply(self, manifest: Manifest, namespace: str | None = None) -> Objects:
        """Bring objects to the state that a manifest describes, as `kubectl apply` does; the objects as the
        server had them then, in the manifest's order.

        A manifest is text in YAML or JSON, a file or a directory (a Path, or a str without line breaks), a
        dict, or a list of dicts. `namespace` is for objects that name none. One that is refused does not stop
        the others: the first refusal is raised at the end, the others stand in its notes.
        """
        file, text = source_of(manifest)
        with self._session("apply", namespace, stdin=text) as session:
            return manifests.apply(session, file)

    def create(self, manifest: Manifest, namespace: str | None = None) -> Objects:
        """Create the objects of a manifest (see `apply`); as the server had them then, in its order."""
        file, text = source_of(manifest)
        with self._session("create", namespace, stdin=text) as session:
            return manifests.create(session, file)

    def get(self, kind: str, name: str, namespace: str = "default", *, subresource: str = "") -> JSONObject:
        """One object. `kind` is a word that kubectl takes: `pod`, `svc`, `deployments.apps`."""
        with self._session("get") as session:
            found = session.mapper.resource(kind)
            where = namespace if found.namespaced else ""
            return session.client.get(found.gvr, name, where, subresource=subresource)

    def list(
        self,
        kind: str,
        namespace: str = "default",
        *,
        all_namespaces: bool = False,
        label_selector: str = "",
        field_selector: str = "",
    ) -> Objects:
        """The objects of a kind, in one namespace or in all."""
        with self._session("get") as session:
            found = session.mapper.resource(kind)
            where = namespace if found.namespaced and not all_namespaces else ""
            answer = session.client.list(
                found.gvr, where, label_selector=label_selector, field_selector=field_selector
            )
            items: Objects = answer.get("items") or []
            return items

    def patch(
        self,
        kind: str,
        name: str,
        patch: JSONObject | Objects,
        namespace: str = "default",
        *,
        type: PatchType | None = None,  # noqa: A002  the word of kubectl patch
        subresource: str = "",
    ) -> JSONObject:
        """Change an object; the object as it is then. Without a `type` a list is a JSON patch, and a dict a
        strategic merge patch.
        """
        with self._session("patch") as session:
            found = session.mapper.resource(kind)
            where = namespace if found.namespaced else ""
            content_type = PATCHES[type or ("json" if isinstance(patch, Sequence) else "strategic")]
            options = {"fieldManager": "kubectl-patch"}
            return session.client.patch(
                found.gvr,
                name,
                deep_copy(patch),
                content_type,
                where,
                subresource=subresource,
                options=options,
            )

    def delete(
        self,
        kind: str,
        name: str,
        namespace: str = "default",
        *,
        grace_period: int | None = None,
        wait: bool = True,
        timeout: float = FOREVER,
    ) -> None:
        """Delete an object, and `wait` until it is gone. Raises TimeoutError."""
        options: JSONObject = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
        }
        if grace_period is not None:
            options["gracePeriodSeconds"] = grace_period
        with self._session("delete") as session:
            info = _info(session.mapper.resource(kind), name, namespace)
            answer = session.client.request("DELETE", info.path, body=options).body
            if not wait:
                return
            body = answer if isinstance(answer, dict) else {}
            uid = str(dig(body, "details", "uid", default="")) or uid_of(body)
            self._wait(session, info, lambda: gone(session, info, uid), timeout)

    def wait(
        self, target: str, condition: str, timeout: float = 30, namespace: str = "default"
    ) -> JSONObject:
        """Wait until a condition of an object holds; the object then. Raises TimeoutError.

        `target` is `pod/web`; `condition` what `kubectl wait --for` takes: `condition=Ready`,
        `jsonpath={.status.phase}=Running`, `create`, `delete`. The seconds are the cluster's: a clock that
        stands still moves on, at once, as far as it takes.
        """
        kind, slash, name = target.partition("/")
        if not slash:
            raise ValueError(f"the object is named by TYPE/NAME, such as pod/web: {target!r}")
        with self._session("wait") as session:
            wanted = parse_condition(condition)
            info = _info(session.mapper.resource(kind), name, namespace)
            found: JSONObject = {}

            def holds() -> bool:
                nonlocal found
                if wanted.word == "delete":
                    return gone(session, info, "")
                try:
                    found = session.client.get(info.mapping.gvr, name, info.namespace)
                except StatusError as error:
                    if wanted.word == "create" and error.reason == "NotFound":
                        return False
                    raise
                return wanted.holds is None or wanted.holds(found)

            self._wait(session, info, holds, timeout)
            return found

    # Containers.

    def exec(
        self,
        pod: str,
        command: str | Sequence[str],
        namespace: str = "default",
        *,
        container: str = "",
        stdin: str | bytes = b"",
        check: bool = False,
    ) -> Result:
        """Run a command in a container of a Pod, without a shell: a str is only split into words. Raises
        StatusError where it cannot be started, with `check` also CommandError for an exit code other than 0.
        """
        words = _words(command)
        with self._session("exec") as session:
            found = session.client.get(PODS, pod, namespace)
            where = choose_container(session.context(), found, container, quiet=True)
            streams, out, err = Streams.captured(_bytes(stdin))
            try:
                code = self._cluster.pods.exec(found, where, words, streams)
            except ExecError as error:
                raise not_executed(error) from None
            session.touch()
        result = Result(words, code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))
        return result.check() if check else result

    def logs(
        self,
        pod: str,
        namespace: str = "default",
        *,
        container: str = "",
        previous: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
    ) -> str:
        """What a container has written."""
        with self._session("logs") as session:
            found = session.client.get(PODS, pod, namespace)
            query = {
                "container": choose_container(session.context(), found, container, quiet=True),
                "previous": "true" if previous else "",
                "tailLines": "" if tail is None else str(tail),
                "timestamps": "true" if timestamps else "",
            }
            path = resource_path(PODS, namespace, pod, "log")
            body = session.client.request("GET", path, query=query).body
            return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")

    # The whole.

    def kubectl(
        self, command: str | Sequence[str], *, stdin: str | bytes = b"", check: bool = False
    ) -> Result:
        """Run a kubectl command line, without the word kubectl: `get pods -o wide`. What it writes is kept.

        A str is split into words as a shell does. With `check`, raises CommandError for an exit code other
        than 0.
        """
        result = run_command(self._cluster, _words(command), _bytes(stdin), self._home)
        return result.check() if check else result

    def serve(
        self, host: str = "127.0.0.1", port: int = 0, *, edge: bool = False, reachable: bool = False
    ) -> AbstractContextManager[Served]:
        """Answer client libraries, kubectl and other programs over HTTPS, and let the controllers run, while a
        block lasts. Without a port the system chooses one. Raises OSError.

            with cluster.serve() as server:
                kubernetes.config.load_kube_config(str(server.kubeconfig))
                kubernetes.client.CoreV1Api().list_namespaced_pod("default")

        `server` has the `url` and, as files, the `kubeconfig` of the administrator and the authority's `ca`.

        With `edge`, node ports, the ports of load balancers and 80 and 443 of an ingress are open on `host`, as
        long as the block lasts and as Services come and go: `server.address("web")` is where the Service web is
        reached, `server.ports` are all of them, `server.failures` what another program has. Names of the
        cluster are answered at `server.dns`. With `reachable` (Linux), Services, Pods and nodes are at their
        own addresses, too, with 127 as the first number.

            with cluster.serve(edge=True) as server:
                urllib.request.urlopen(f"http://{server.address('web')}/")
        """
        from kubesim.embedded.serving import serve

        return serve(self._cluster, host, port, edge=edge, reachable=reachable)

    def settle(self) -> None:
        """Let the controllers work until nothing is left to do now: after time has passed."""
        if not self._cluster.is_settled():
            self._cluster.settle()

    def now(self) -> datetime:
        """The time in the cluster."""
        return self._cluster.clock.now()

    def advance(self, seconds: float) -> None:
        """Move a clock that stands still on; what is due on the way happens at its time. Raises ValueError
        in a cluster whose time passes by itself.
        """
        if self._cluster.config.frozen_at is None:
            raise ValueError("the time of this cluster passes by itself; make it with a clock")
        if seconds < 0:
            raise ValueError("a clock does not run backwards")
        end = self.now() + timedelta(seconds=seconds)
        self.settle()
        while (left := (end - self.now()).total_seconds()) > 0:
            before = self.now()
            self._cluster.pause(left)
            if self.now() == before:
                self._cluster.sleep(left)
            self.settle()

    def _wait(self, session: MethodSession, info: Info, holds: Callable[[], bool], timeout: float) -> None:
        if not wait_until(session, holds, Deadline(session, timedelta(seconds=timeout))):
            raise TimeoutError(
                f"timed out waiting for the condition on {info.mapping.gvr.resource}/{info.name}"
            )

    @contextmanager
    def _session(
        self, command: str, namespace: str | None = None, *, stdin: bytes = b""
    ) -> Iterator[MethodSession]:
        """What one method works with. When it ends, the controllers have done what follows from it."""
        session = MethodSession(self._cluster, command, self._mapper, namespace=namespace, stdin=stdin)
        with plain_errors():
            try:
                yield session
            finally:
                session.close()

    @cached_property
    def _mapper(self) -> RESTMapper:
        return RESTMapper.from_discovery(self._cluster.client)


def _in_memory(config: ClusterConfig) -> build.Cluster:
    return build.build(config, MemoryStorage(), runtime=make_runtime, kinds=_kinds)


def _in_file(config: ClusterConfig, path: Path) -> build.Cluster:
    from kubesim.storage.sql import SQLStorage

    storage = SQLStorage(path)
    lock = settle_lock(path.with_name(path.name + ".lock"))
    try:
        return build.build(config, storage, lock=lock, runtime=make_runtime, kinds=_kinds)
    except BaseException:
        storage.close()
        raise


@cache
def _kinds(version: str) -> tuple[Scheme, Schema]:
    """The kinds of a version, read once for all clusters of the process: most of what a new one would cost."""
    try:
        cache_dir = Home(default_home(os.environ, sys.platform)).cache
    except HomeError:
        cache_dir = None
    return build.load_kinds(version, cache_dir=cache_dir)


def _info(mapping: Mapping, name: str, namespace: str) -> Info:
    return Info(mapping, namespace if mapping.namespaced else "", name)


def _words(command: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(shlex.split(command) if isinstance(command, str) else command)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


# What a cluster is made of is loaded when it first works, for the sake of short command lines. A program that imports
# this module wants all of it, and should not find it in the time of its first test.
Cluster(nodes=1).close()
