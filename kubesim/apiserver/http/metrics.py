"""/metrics: how much is asked, how long it takes, how much there is. Names and labels are kube-apiserver's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.rest import Request
from kubesim.apimachinery.scheme import Scheme
from kubesim.apiserver.requestinfo import BadPathError, request_info
from kubesim.registry.keys import prefix_of

if TYPE_CHECKING:
    from kubesim.apiserver.http.hub import Hub
    from kubesim.apiserver.server import APIServer
    from kubesim.storage.interface import Storage

# apiserver pkg/endpoints/metrics: requestLatencies.
_BUCKETS: Final = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
)  # fmt: skip
_LABELS: Final = ("verb", "group", "version", "resource", "subresource", "scope")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_PLACES: Final = ("/", "/api", "/apis", "/healthz", "/livez", "/readyz", "/metrics", "/openapi", "/version")
_VERBS: Final = {"deletecollection": "DELETECOLLECTION", "create": "POST", "update": "PUT"}


class Metrics:
    """The metrics of one API server."""

    def __init__(self, server: APIServer, storage: Storage, hub: Hub) -> None:
        self._scheme = server.scheme
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "apiserver_request",
            "Counter of apiserver requests broken out for each verb, group, version, resource, scope and code.",
            (*_LABELS, "code"),
            registry=self._registry,
        )
        self._durations = Histogram(
            "apiserver_request_duration_seconds",
            "Response latency distribution in seconds for each verb, group, version, resource, subresource and scope.",
            _LABELS,
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._long = Gauge(
            "apiserver_longrunning_requests",
            "Watches and connections that are open.",
            registry=self._registry,
        )
        self._registry.register(_Objects(server, storage))
        ProcessCollector(registry=self._registry)
        watchers = Gauge("apiserver_registered_watchers", "Watches that are open.", registry=self._registry)
        watchers.set_function(lambda: len(hub))
        self._known: dict[tuple[str, ...], tuple[Counter, Histogram]] = {}

    def observe(self, request: Request, status: int, seconds: float) -> None:
        """Count one request that has been answered."""
        labels = _labels(request, self._scheme)
        key = (*labels, str(status))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = (self._requests.labels(*key), self._durations.labels(*labels))
        found[0].inc()
        found[1].observe(seconds)

    def long_running(self) -> AbstractContextManager[object]:
        """Count a watch or a connection while the block lasts."""
        return self._long.track_inprogress()

    def watch_queues(self, depths: Callable[[], Mapping[str, int]]) -> None:
        """Show how many keys wait for each controller."""
        self._registry.register(_Queues(depths))

    def render(self) -> tuple[bytes, str]:
        """The text, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4


class _Queues(Collector):
    """How much the controllers have to do."""

    def __init__(self, depths: Callable[[], Mapping[str, int]]) -> None:
        self._depths = depths

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("workqueue_depth", "Current depth of workqueue.", labels=("name",))
        for name, depth in self._depths().items():
            family.add_metric((name,), depth)
        yield family


class _Objects(Collector):
    """How many objects of each resource are stored."""

    def __init__(self, server: APIServer, storage: Storage) -> None:
        self._server = server
        self._storage = storage

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "apiserver_storage_objects",
            "Number of stored objects at the time of last check.",
            labels=("resource",),
        )
        for resource in self._server.scheme.resources:
            if "list" in resource.verbs:
                name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
                family.add_metric((name,), self._storage.count(prefix_of(resource.gvr, "")))
        yield family


def _labels(request: Request, scheme: Scheme) -> tuple[str, ...]:
    """What a request counts as. What a client can make up is no label: there would be no end of them."""
    verb = request.method if request.method in _METHODS else "OTHER"
    try:
        info = request_info(request.method, request.path, request.query)
    except BadPathError:
        return (verb, "", "", "", "", "")
    if not info.is_resource:
        place = "/" + info.path.strip("/").split("/", 1)[0]
        return (verb, "", "", "", place if place in _PLACES else "", "")
    resource = scheme.by_resource(GroupVersionResource(info.group, info.version, info.resource))
    if resource is None:
        return (verb, "", "", "", "", "")
    subresource = info.subresource if info.subresource in (*resource.subresources, "status") else ""
    where = "resource" if info.name else "namespace" if info.namespace else "cluster"
    verb = _VERBS.get(info.verb, info.verb.upper())
    return (verb, info.group, info.version, info.resource, subresource, where)
