"""The cluster as the rules see it: objects by name, label and owner, and the Pods that workloads will make.

It reads through the client, by index, and keeps what it has read: one `View` is for one diagnosis of a cluster that stands
still meanwhile. Objects are shared, and only to be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import labels_of, name_of, namespace_of, owner_references_of
from kubesim.apis.podfacts import is_terminal, spec_of, status_of
from kubesim.client.client import Client
from kubesim.client.lister import get_or_none, items
from kubesim.client.resources import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICATION_CONTROLLERS,
    SECRETS,
    SERVICES,
)
from kubesim.diagnosis.finding import ObjectRef, Place
from kubesim.util.jsontypes import JSONObject, dig

if TYPE_CHECKING:
    from kubesim.diagnosis.listening import Bound, Listening
    from kubesim.network.ingress.table import Claim


def _apps(resource: str) -> GroupVersionResource:
    return GroupVersionResource("apps", "v1", resource)


STATEFUL_SETS: Final = _apps("statefulsets")
NETWORK_POLICIES: Final = GroupVersionResource("networking.k8s.io", "v1", "networkpolicies")
INGRESSES: Final = GroupVersionResource("networking.k8s.io", "v1", "ingresses")
INGRESS_CLASSES: Final = GroupVersionResource("networking.k8s.io", "v1", "ingressclasses")
SERVICE_NAME: Final = "kubernetes.io/service-name"

# Resource, kind, and where its Pod template stands.
_WORKLOADS: Final = (
    (_apps("deployments"), "Deployment", ("spec", "template")),
    (STATEFUL_SETS, "StatefulSet", ("spec", "template")),
    (_apps("daemonsets"), "DaemonSet", ("spec", "template")),
    (_apps("replicasets"), "ReplicaSet", ("spec", "template")),
    (REPLICATION_CONTROLLERS, "ReplicationController", ("spec", "template")),
    (GroupVersionResource("batch", "v1", "jobs"), "Job", ("spec", "template")),
    (GroupVersionResource("batch", "v1", "cronjobs"), "CronJob", ("spec", "jobTemplate", "spec", "template")),
)


@dataclass(frozen=True, slots=True, eq=False)
class PodView:
    """A Pod, or one that a workload will make from its template.

    `obj` has the form of a Pod in either case; `path` is what stands before `metadata` and `spec` in the object that
    `ref` names: empty, or `spec.template.`.
    """

    obj: JSONObject
    ref: ObjectRef
    path: str = ""

    @property
    def labels(self) -> Mapping[str, str]:
        return labels_of(self.obj)

    @property
    def spec(self) -> JSONObject:
        return spec_of(self.obj)

    @property
    def namespace(self) -> str:
        return self.ref.namespace

    @property
    def planned(self) -> bool:
        """Whether it does not run yet: a template, or a Pod that has no address."""
        return bool(self.path) or not status_of(self.obj).get("podIP")

    @property
    def containers(self) -> list[JSONObject]:
        """Its containers, with those init containers that go on running."""
        return [c for _, c in self.placed_containers()]

    def placed_containers(self) -> Iterator[tuple[str, JSONObject]]:
        """The same, each with its path in the object."""
        for at, container in enumerate(self.spec.get("containers") or ()):
            yield f"{self.path}spec.containers[{at}]", container
        for at, container in enumerate(self.spec.get("initContainers") or ()):
            if container.get("restartPolicy") == "Always":
                yield f"{self.path}spec.initContainers[{at}]", container

    def __str__(self) -> str:
        return str(self.ref)


@dataclass(slots=True)
class View:
    """`listening` knows what the containers listen on. With `planning` the objects are those that manifests would make:
    nothing runs, and what is not among them may be elsewhere. `places` says in which files objects were written.
    """

    client: Client
    listening: Listening
    planning: bool = False
    places: Mapping[ObjectRef, Place] = field(default_factory=dict)
    incomplete: frozenset[str] = frozenset()
    """Files of which an object was refused: others of them may look for what is not there for that reason."""
    node_ports: tuple[int, int] = (30000, 32767)
    since: int | None = None
    """The revision from which on the log of changes can be read; None: it is not looked at."""
    doubles: Mapping[Claim, Claim] | None = None
    """Kept for `rules.virtualhosts`: the paths of Ingresses that others have."""
    _lists: dict[tuple[GroupVersionResource, str], list[JSONObject]] = field(default_factory=dict)
    _pods: dict[str, list[PodView]] = field(default_factory=dict)
    _workloads: dict[str, list[PodView]] = field(default_factory=dict)
    _selected: dict[tuple[str, tuple[tuple[str, str], ...]], list[PodView]] = field(default_factory=dict)
    _bound: dict[int, tuple[Bound, ...] | None] = field(default_factory=dict)

    # Objects.

    def all(self, gvr: GroupVersionResource, namespace: str = "") -> list[JSONObject]:
        """All objects of a kind in a namespace; without one, in all."""
        key = (gvr, namespace)
        if key not in self._lists:
            self._lists[key] = items(self.client.list(gvr, namespace))
        return self._lists[key]

    def get(self, gvr: GroupVersionResource, name: str, namespace: str = "") -> JSONObject | None:
        listed = self._lists.get((gvr, namespace))
        if listed is not None:
            return next((o for o in listed if name_of(o) == name), None)
        return get_or_none(self.client, gvr, name, namespace)

    def service(self, name: str, namespace: str) -> JSONObject | None:
        return self.get(SERVICES, name, namespace)

    def services(self, namespace: str) -> list[JSONObject]:
        return self.all(SERVICES, namespace)

    def services_named(self, name: str) -> list[JSONObject]:
        """The Services of a name, in all namespaces."""
        if (SERVICES, "") in self._lists:
            return [s for s in self.all(SERVICES) if name_of(s) == name]
        return items(self.client.list(SERVICES, field_selector=f"metadata.name={name}"))

    def slices(self, name: str, namespace: str) -> list[JSONObject]:
        """The EndpointSlices of a Service."""
        selector = f"{SERVICE_NAME}={name}"
        return items(self.client.list(ENDPOINT_SLICES, namespace, label_selector=selector))

    def endpoints(self, name: str, namespace: str) -> JSONObject | None:
        return self.get(ENDPOINTS, name, namespace)

    def nodes(self) -> list[JSONObject]:
        return self.all(NODES)

    def namespaces(self) -> list[str]:
        return [name_of(n) for n in self.all(NAMESPACES)]

    def policies(self, namespace: str) -> list[JSONObject]:
        return self.all(NETWORK_POLICIES, namespace)

    def config_map(self, name: str, namespace: str) -> JSONObject | None:
        return self.get(CONFIG_MAPS, name, namespace)

    def ingresses(self, namespace: str = "") -> list[JSONObject]:
        return self.all(INGRESSES, namespace)

    def ingress_classes(self) -> list[JSONObject]:
        return self.all(INGRESS_CLASSES)

    def secret(self, name: str, namespace: str) -> JSONObject | None:
        return self.get(SECRETS, name, namespace)

    def events(self, ref: ObjectRef) -> list[JSONObject]:
        """The Events about an object, the oldest first."""
        found = items(
            self.client.list(
                EVENTS,
                ref.namespace,
                field_selector=f"involvedObject.name={ref.name},involvedObject.kind={ref.kind}",
            )
        )
        return sorted(found, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))

    def place(self, ref: ObjectRef) -> Place | None:
        return self.places.get(ref)

    def was_written(self, ref: ObjectRef) -> bool:
        """Whether the object stands in one of the files that are checked."""
        return ref in self.places

    # Pods.

    def pods(self, namespace: str) -> list[PodView]:
        """The Pods of a namespace, and those that its workloads will make."""
        if namespace not in self._pods:
            there = [_pod(p) for p in self.all(PODS, namespace) if not is_terminal(p)]
            self._pods[namespace] = there + self.workloads(namespace)
        return self._pods[namespace]

    def workloads(self, namespace: str) -> list[PodView]:
        """The Pods that the workloads of a namespace will make; those whose Pods are there already are left out."""
        if namespace not in self._workloads:
            self._workloads[namespace] = [v for v in self._templates(namespace) if not self._is_made(v)]
        return self._workloads[namespace]

    def _templates(self, namespace: str) -> Iterator[PodView]:
        for gvr, kind, path in _WORKLOADS:
            for owner in self.all(gvr, namespace):
                controlled = any(r.get("controller") for r in owner_references_of(owner))
                if controlled or spec_of(owner).get("replicas") == 0:
                    continue
                template = dig(owner, *path)
                if isinstance(template, dict):
                    yield PodView(_as_pod(template, owner), ObjectRef.of(owner, kind), ".".join(path) + ".")

    def _is_made(self, planned: PodView) -> bool:
        return any(not p.planned for p in self._matching_pods(planned.namespace, planned.labels))

    def selected(self, namespace: str, selector: Mapping[str, str]) -> list[PodView]:
        """The Pods, made or to be made, that have all labels of a selector; none for an empty one."""
        key = (namespace, tuple(sorted(selector.items())))
        if key not in self._selected:
            planned = (w for w in self.workloads(namespace) if matches(selector, w.labels))
            self._selected[key] = [*self._matching_pods(namespace, selector), *planned] if selector else []
        return self._selected[key]

    def _matching_pods(self, namespace: str, selector: Mapping[str, str]) -> list[PodView]:
        if not selector:
            return []
        if namespace in self._pods:
            return [p for p in self._pods[namespace] if not p.path and matches(selector, p.labels)]
        text = ",".join(f"{k}={v}" for k, v in selector.items())
        found = items(self.client.list(PODS, namespace, label_selector=text))
        return [_pod(p) for p in found if not is_terminal(p)]

    def elsewhere(self, selector: Mapping[str, str], namespace: str) -> list[PodView]:
        """The Pods of all other namespaces that have the labels of a selector."""
        found = self._matching_pods("", selector)
        for other in self.namespaces():
            if other != namespace:
                found += [w for w in self.workloads(other) if matches(selector, w.labels)]
        return [p for p in found if p.namespace != namespace]

    def bound(self, pod: PodView) -> tuple[Bound, ...] | None:
        """What listens in a Pod; None where nobody can know."""
        key = id(pod.obj)
        if key not in self._bound:
            self._bound[key] = self.listening.of(pod, self)
        return self._bound[key]


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether labels have every pair of a selector."""
    return all(labels.get(k) == v for k, v in selector.items())


def selector_of(service: JSONObject) -> dict[str, str]:
    found = spec_of(service).get("selector")
    return found if isinstance(found, dict) else {}


def names_of(pods: Iterable[PodView], limit: int = 3) -> str:
    """`pod/a, pod/b and 4 more`."""
    found = [str(p) for p in pods]
    shown = ", ".join(found[:limit])
    return shown + (f" and {len(found) - limit} more" if len(found) > limit else "")


def view_of_pod(pod: JSONObject) -> PodView:
    return _pod(pod)


def _pod(pod: JSONObject) -> PodView:
    return PodView(pod, ObjectRef.of(pod, "Pod"))


def _as_pod(template: JSONObject, owner: JSONObject) -> JSONObject:
    metadata = {"name": name_of(owner), "namespace": namespace_of(owner)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | {"labels": dig(template, "metadata", "labels", default=None) or {}},
        "spec": template.get("spec") or {},
    }
