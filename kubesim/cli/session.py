"""What one command works with: its cluster, its client, its namespace. The one place that reads the
environment.

In process there is no server: a write marks the cluster as unsettled, and before anything is read after it,
and at the latest when the command ends, the controllers run until nothing is left to do. So every command
sees endpoints, rules and DNS that agree with what was written before it. `KUBESIM_RECONCILE=manual` leaves
that to
`kubesim reconcile`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubesim.apimachinery.rest import Request, Response, UserInfo
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Values
from kubesim.cli.streams import Streams
from kubesim.client.client import Client
from kubesim.client.restmapper import RESTMapper
from kubesim.client.transport import Transport
from kubesim.cluster.home import DEFAULT_SIM, Home, HomeError, default_home
from kubesim.util.clock import SystemClock
from kubesim.util.durations import parse_duration

if TYPE_CHECKING:
    import socket

    from kubesim.apimachinery.gvk import GroupVersionKind
    from kubesim.apimachinery.schema import Node, Schema
    from kubesim.cli.warm.control import Dialer
    from kubesim.client.http import HTTPTransport
    from kubesim.cluster.build import Cluster
    from kubesim.cluster.config import ClusterConfig
    from kubesim.cluster.controlplane import ControlPlane
    from kubesim.cluster.edge import Edge
    from kubesim.runtime.images import Document

READS = ("GET", "HEAD", "OPTIONS")
NAMESPACES = "/api/v1/namespaces"
INVALID_TIMEOUT = (
    "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a corresponding "
    "time unit (e.g. 1s | 2m | 3h)"
)


class SettlingTransport:
    """Runs the controllers after writes, before the next read."""

    def __init__(
        self, inner: Transport, cluster: Cluster, *, manual: bool, check: Callable[[], None] = lambda: None
    ) -> None:
        """`check` is called before each request, and may raise."""
        self._inner = inner
        self._cluster = cluster
        self._manual = manual
        self._check = check
        self._dirty = True  # time may have passed since the last command: timers may be due
        self.wrote = False
        self._deferred = 0

    def send(self, request: Request) -> Response:
        self._check()
        if request.method in READS:
            if self._dirty and not self._deferred:
                self.settle()
            return self._inner.send(request)
        response = self._inner.send(request)
        if response.status < 400 and "All" not in request.query.get("dryRun", ()):
            self._dirty = True
            self.wrote = self.wrote or request.method != "DELETE"
            if request.method == "POST" and request.path == NAMESPACES:
                # A Pod of the same file needs the namespace's ServiceAccount: the API server waits for it.
                self.settle()
        return response

    def batch(self) -> AbstractContextManager[object]:
        return self._inner.batch()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside the block, reads do not wait for the controllers."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1

    def settle(self) -> None:
        """Run the controllers now, unless that is done by hand."""
        self._dirty = False
        if not self._manual and not self._cluster.is_settled():
            self._cluster.settle()

    def touch(self) -> None:
        """Time has passed: look for what is due before the next read."""
        self._dirty = True

    def finish(self) -> None:
        """Settle what is left when the command ends."""
        if self._dirty:
            self.settle()


class Session:
    """One command's view of one cluster. `client`, `mapper` and `cluster` come into being when they are first
    used.
    """

    def __init__(self, flags: Values, streams: Streams, *, command: str = "") -> None:
        self.flags = flags
        self.streams = streams
        self.command = command
        self._transport: SettlingTransport | None = None
        self._looked = 0
        """The revision before what the command looked at last: what came after it, it may not have seen."""

    def another(self, flags: Values, *, command: str) -> Session:
        """A session for other flags, in the same process and on the same streams."""
        return Session(flags, self.streams, command=command)

    @cached_property
    def home(self) -> Home:
        """The directory with the simulated clusters."""
        try:
            return Home(default_home(self.streams.env, sys.platform))
        except HomeError as error:
            raise CLIError(str(error)) from None

    @cached_property
    def sim(self) -> str:
        """The name of the cluster: `--sim`, `KUBESIM_SIM`, or the one in use."""
        return self.flags.text("sim") or self.streams.env.get("KUBESIM_SIM", "") or self._current_sim()

    def _current_sim(self) -> str:
        try:
            return self.home.current()
        except HomeError as error:
            raise CLIError(str(error)) from None

    @property
    def remote(self) -> bool:
        """Whether another process has the cluster: an API server that the command line names, or the home's own."""
        return self._names_server or self._dial is not None

    @property
    def _names_server(self) -> bool:
        return any(self.flags.text(name) for name in ("server", "kubeconfig", "context"))

    @cached_property
    def _dial(self) -> Dialer | None:
        """Makes connections to the API server in the background process of the home; None where none runs."""
        from kubesim.thin import DIRECTORY, SOCKET

        if self._is_manual or self.streams.env.get("KUBESIM_DATABASE_URL") or "cluster" in self.__dict__:
            return None
        if not (self.home.path / DIRECTORY / SOCKET).exists():
            return None
        if self.sim != DEFAULT_SIM and not self.home.exists(self.sim):
            return None
        from kubesim.cli.warm.control import Dialer, connect_api

        first = connect_api(self.home.path, self.sim)
        return Dialer(self.home.path, self.sim, first) if first is not None else None

    @cached_property
    def cluster(self) -> Cluster:
        """The simulated cluster, opened in this process; made by the first command. Raises CLIError."""
        from kubesim.cluster.config import ConfigError
        from kubesim.storage.interface import StorageError

        try:
            if self.sim != DEFAULT_SIM and not self.home.exists(self.sim):
                raise CLIError(
                    f'simulated cluster "{self.sim}" not found; make it with `sim create {self.sim}`'
                )
            return self._open()
        except (HomeError, ConfigError, StorageError) as error:
            raise CLIError(str(error)) from None

    def _open(self) -> Cluster:
        """The cluster, for as long as the command runs. Raises HomeError, ConfigError, StorageError."""
        from kubesim.cluster.open import open_cluster

        url = self.streams.env.get("KUBESIM_DATABASE_URL", "")
        return open_cluster(self.home, self.sim, database_url=url)

    def _let_go(self) -> None:
        """The command has ended: what `_open` gave is not needed any more."""
        self.cluster.close()

    def create_cluster(self, config: ClusterConfig, *, instead: bool = False) -> None:
        """Make a cluster in the home. Raises HomeError if its name is taken, StorageError."""
        from kubesim.cluster.open import create_cluster

        create_cluster(self.home, config, instead=instead)

    def delete_cluster(self, name: str) -> None:
        """Delete a cluster of the home. Raises HomeError."""
        self.home.remove(name)

    def read_config(self, name: str) -> ClusterConfig:
        """The configuration of a cluster in the home. Raises StorageError."""
        from kubesim.cluster.open import read_config

        return read_config(self.home, name)

    @cached_property
    def client(self) -> Client:
        """Speaks to the simulated cluster, or to the server that the command line names."""
        _ = self.request_timeout  # one that is no time is told before anything is asked
        return Client(
            self._make_transport(),
            user=self._user(),
            user_agent=f"kubectl-{self.command}" if self.command and not self._is_raw else "kubectl",
            on_warning=self._warn,
        )

    @property
    def _is_raw(self) -> bool:
        """Whether the command line spells its request out: kubectl names no field manager then."""
        return self.flags.has("raw") and bool(self.flags.text("raw"))

    @property
    def request_timeout(self) -> float:
        """Seconds after which a watch ends; 0 for never. Raises CLIError."""
        text = self.flags.text("request-timeout")
        try:  # ParseTimeout of client-go's clientcmd
            return max(0.0, float(int(text) if text.isdecimal() else parse_duration(text).total_seconds()))
        except ValueError:
            raise CLIError(INVALID_TIMEOUT) from None

    def _make_transport(self) -> Transport:
        if self._names_server:
            from kubesim.cli.remote import connect

            return connect(self)
        if self._dial is not None:
            from kubesim.client.http import Credentials, HTTPTransport

            return HTTPTransport("http://localhost", Credentials(), refused=_gone, dial=self._dial)
        self._transport = SettlingTransport(
            self.cluster.transport, self.cluster, manual=self._is_manual, check=self.streams.check
        )
        self._looked = self.cluster.storage.revision()
        return self._transport

    @contextmanager
    def connections(self) -> Iterator[HTTPTransport]:
        """A transport whose server can be connected to, for conversations: that of the client, or, where the cluster is
        in this process, one to an API server that runs here inside the block, with the controllers.
        """
        from kubesim.client.http import Credentials, HTTPTransport

        transport = self.client.transport
        if isinstance(transport, HTTPTransport):
            yield transport
            return
        with self._plane() as plane:
            yield HTTPTransport(
                "http://localhost", Credentials(), refused=_gone, dial=partial(_adopted, plane)
            )
        self.touch()

    @contextmanager
    def _plane(self) -> Iterator[ControlPlane]:
        from kubesim.cluster.controlplane import ControlPlane

        plane = ControlPlane(self.cluster)
        plane.pause(paused=self._is_manual)
        plane.start()
        try:
            yield plane
        finally:
            plane.stop()

    def _user(self) -> UserInfo:
        name = self.flags.text("as")
        groups = tuple(self.flags.texts("as-group"))
        if not name:
            if groups:
                raise CLIError("requesting groups or user-extra for  without impersonating a user")
            return UserInfo()
        return UserInfo(name, (*groups, "system:authenticated"), self.flags.text("as-uid"))

    @cached_property
    def mapper(self) -> RESTMapper:
        """The resources that the server has."""
        return RESTMapper.from_discovery(self.client)

    @cached_property
    def schema(self) -> Schema:
        """The published types of the cluster's version of Kubernetes."""
        from kubesim.apimachinery.schema import DEFAULT_VERSION, load_schema

        if self._names_server:
            return load_schema(DEFAULT_VERSION, self.home.cache)
        if self._dial is not None:
            return load_schema(self.read_config(self.sim).kubernetes_version, self.home.cache)
        return self.cluster.schema

    def node(self, gvk: GroupVersionKind) -> Node | None:
        """How a kind's fields are merged; None for a kind that is not built in."""
        try:
            return self.schema.node(gvk)
        except KeyError:
            return None

    @cached_property
    def _context_namespace(self) -> str:
        if not os.path.lexists(self.home.kubeconfig):
            return ""
        from kubesim.cli.kubeconfig import current_namespace

        return current_namespace(self.home.kubeconfig)

    @property
    def namespace(self) -> str:
        """The namespace of this call: `--namespace`, the one of the current context, or `default`."""
        return self.flags.text("namespace") or self._context_namespace or "default"

    @property
    def explicit_namespace(self) -> bool:
        """Whether the command line names the namespace."""
        return self.flags.changed("namespace")

    def settle(self) -> None:
        """Run the controllers now."""
        if self._transport is not None:
            self._transport.settle()

    def deferred(self) -> AbstractContextManager[Any]:
        """Inside the block, the controllers wait: for many writes in a row."""
        from contextlib import nullcontext

        _ = self.client
        return self._transport.deferred() if self._transport is not None else nullcontext()

    @property
    def server_address(self) -> str:
        """The URL of the API server, as messages name it."""
        return self.flags.text("server") or self.cluster.server_address

    @property
    def edge(self) -> Edge | None:
        """The ports of Services that are open on this computer; None where the cluster is not served."""
        return None

    def now(self) -> datetime:
        """The time on the cluster's clock."""
        return SystemClock().now() if self.remote else self.cluster.clock.now()

    def klog(self, severity: str, place: str, text: str) -> None:
        """Write a line to standard error as klog does: severity `I`, `W` or `E`, the place as `file.go:line`."""
        stamp = self.now().strftime("%m%d %H:%M:%S.%f")
        self.streams.complain(f"{severity}{stamp} {self.streams.pid:7} {place}] {text}\n")

    def touch(self) -> None:
        """Something happened to the cluster other than through the client: settle before the next read."""
        if self._transport is not None:
            self._transport.touch()

    def pause(self, limit: float) -> None:
        """Let time pass until something may have changed, at most `limit` seconds. Raises KeyboardInterrupt."""
        if self._transport is None:
            self._sleep(min(limit, 0.2))
            return
        self._pause(limit)
        self._transport.touch()

    def _sleep(self, seconds: float) -> None:
        SystemClock().sleep(seconds)

    def _pause(self, limit: float) -> None:
        self.cluster.pause(limit, after=self._looked, timers=not self._is_manual)
        self._looked = self.cluster.storage.revision()

    @property
    def _is_manual(self) -> bool:
        return self.streams.env.get("KUBESIM_RECONCILE", "") == "manual"

    def _warn(self, text: str) -> None:
        self.streams.complain(f"Warning: {text}\n")

    def given_images(self) -> Sequence[Document]:
        """The descriptions of images that the cluster has from its home and its configuration."""
        if self._names_server:
            return ()
        if self._dial is not None:
            from kubesim.cluster.images import GivenImages

            return GivenImages(self.home.images, self.read_config(self.sim).images)()
        return self.cluster.given_images()

    def _warn_of_images(self) -> None:
        """Tell who wrote something what is wrong with the home's descriptions of images: Pods may want them."""
        if self._transport is not None and self._transport.wrote:
            for problem in self.cluster.given_images.problems():
                self._warn(problem.text)

    def path(self, name: str) -> Path:
        """A file name as the user typed it."""
        return self.streams.path(name)

    def abandon(self) -> None:
        """End the command in the middle: what was not committed is dropped."""
        if "cluster" in self.__dict__:
            with suppress(Exception):
                self._let_go()

    def close(self) -> None:
        """End the command: settle what was written and let go of the store."""
        try:
            if self._transport is not None:
                self._transport.finish()
            self._warn_of_images()
        finally:
            self._hang_up()
            if "cluster" in self.__dict__:
                self._let_go()

    def _hang_up(self) -> None:
        """Let go of a server elsewhere."""
        client, dial = self.__dict__.get("client"), self.__dict__.get("_dial")
        if client is not None and self._transport is None:
            client.transport.close()
        if dial is not None:
            dial.close()


def _gone(error: Exception) -> Exception:
    return CLIError(f"the background process of kubesim ended in the middle of this command: {error}")


def _adopted(plane: ControlPlane) -> socket.socket:
    """A new connection to the API server of a control plane in this process."""
    import socket

    ours, theirs = socket.socketpair()
    plane.adopt(theirs)
    return ours
