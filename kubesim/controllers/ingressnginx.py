"""ingress-nginx: its objects, as its manifest for kind has them, and the status of the Ingresses that are its own.

There is no Deployment of it: its Pod is made here, and made anew when it has gone. What answers in that Pod is
`kubesim.network.ingress`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, key_of, metadata_of, name_of, namespace_of, uid_of
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.apimachinery.watch import WatchEvent
from kubesim.apis.podfacts import condition, is_terminal, spec_of, status_of
from kubesim.client.client import Client
from kubesim.client.lister import get_or_none, items
from kubesim.client.reconcile import DONE, KeysOf, Result
from kubesim.client.recorder import NORMAL, EventRecorder, object_reference
from kubesim.client.resources import NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES
from kubesim.util.jsontypes import JSONObject, dig
from kubesim.util.state import StateStore

INGRESSES: Final = GroupVersionResource("networking.k8s.io", "v1", "ingresses")
INGRESS_CLASSES: Final = GroupVersionResource("networking.k8s.io", "v1", "ingressclasses")
CONTROLLER: Final = "k8s.io/ingress-nginx"
CLASS: Final = "nginx"
CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
NAMESPACE: Final = "ingress-nginx"
NAME: Final = "ingress-nginx-controller"
ACCOUNT: Final = "ingress-nginx"
IMAGE: Final = "registry.k8s.io/ingress-nginx/controller:v1.12.1"
LABELS: Final = {
    "app.kubernetes.io/component": "controller",
    "app.kubernetes.io/instance": "ingress-nginx",
    "app.kubernetes.io/name": "ingress-nginx",
}
INSTALL: Final = "objects"
ALL: Final = "ingresses"
SEEN: Final = "ingress-nginx/"
_PRESENT: Final = "kube-system"


class IngressNginx:
    """One key is one Ingress; INSTALL are its own objects, ALL every Ingress there is."""

    name = "ingress-nginx"

    def __init__(
        self, client: Client, *, recorder: EventRecorder, state: StateStore, has_load_balancers: bool
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._state = state
        self._has_load_balancers = has_load_balancers
        self.watches: Mapping[GroupVersionResource, KeysOf] = {
            NAMESPACES: _of_namespace,
            PODS: _of_own,
            SERVICES: _of_own,
            INGRESS_CLASSES: lambda event: (INSTALL, ALL) if event.type == "DELETED" else (ALL,),
            INGRESSES: lambda event: (key_of(event.object),),
        }

    def reconcile(self, key: str) -> Result:
        if key == INSTALL:
            return Result(tuple(self._install()))
        classes = {
            name_of(c)
            for c in items(self._client.list(INGRESS_CLASSES))
            if spec_of(c).get("controller") == CONTROLLER
        }
        if key == ALL:
            found = items(self._client.list(INGRESSES))
        else:
            namespace, _, name = key.partition("/")
            ingress = get_or_none(self._client, INGRESSES, name, namespace)
            if ingress is None:
                self._state.set(SEEN + key, None)
                return DONE
            found = [ingress]
        points = self._points()
        return Result(tuple(a for ingress in found for a in self._sync(ingress, classes, points)))

    # Its own objects

    def _install(self) -> list[str]:
        labels = {name: LABELS[name] for name in ("app.kubernetes.io/instance", "app.kubernetes.io/name")}
        wanted: list[tuple[GroupVersionResource, str, JSONObject]] = [
            (NAMESPACES, "", {"metadata": {"name": NAMESPACE, "labels": labels}}),
            (
                INGRESS_CLASSES,
                "",
                {"metadata": {"name": CLASS, "labels": dict(LABELS)}, "spec": {"controller": CONTROLLER}},
            ),
            (SERVICE_ACCOUNTS, NAMESPACE, {"metadata": {"name": ACCOUNT, "labels": dict(LABELS)}}),
            (SERVICES, NAMESPACE, self._service()),
            (PODS, NAMESPACE, _pod()),
        ]
        actions = []
        for gvr, namespace, body in wanted:
            name = body["metadata"]["name"]
            existing = get_or_none(self._client, gvr, name, namespace)
            if existing is not None and metadata_of(existing).get("deletionTimestamp"):
                break  # its end wakes us
            if existing is None:
                self._client.create(gvr, body, namespace)
                actions.append(f"created {gvr.resource} {name} of ingress-nginx")
        return actions

    def _service(self) -> JSONObject:
        spec: JSONObject = {
            "type": "LoadBalancer" if self._has_load_balancers else "NodePort",
            "selector": dict(LABELS),
            "ports": [
                {"name": n, "port": p, "protocol": "TCP", "targetPort": n, "appProtocol": n}
                for n, p in (("http", 80), ("https", 443))
            ],
        }
        if self._has_load_balancers:
            spec["externalTrafficPolicy"] = "Local"
        return {"metadata": {"name": NAME, "labels": dict(LABELS)}, "spec": spec}

    # Ingresses

    def _points(self) -> list[JSONObject]:
        """Where they are reached: at the load balancer, or else at the nodes of the controller's Pods."""
        service = get_or_none(self._client, SERVICES, NAME, NAMESPACE)
        if service is not None and spec_of(service).get("type") == "LoadBalancer":
            found = dig(service, "status", "loadBalancer", "ingress", default=[])
            return [{n: p[n] for n in ("ip", "hostname") if p.get(n)} for p in found]
        selector = ",".join(f"{name}={value}" for name, value in LABELS.items())
        pods = items(self._client.list(PODS, NAMESPACE, label_selector=selector))
        ready = [
            p for p in pods if not is_terminal(p) and (condition(p, "Ready") or {}).get("status") == "True"
        ]
        return [{"ip": a} for a in sorted({status_of(p).get("hostIP") or "" for p in ready}) if a]

    def _sync(self, ingress: JSONObject, classes: Iterable[str], points: list[JSONObject]) -> list[str]:
        annotation = annotations_of(ingress).get(CLASS_ANNOTATION)
        given = spec_of(ingress).get("ingressClassName")
        if not (annotation == CLASS if annotation is not None else given in set(classes)):
            return []
        key, name = key_of(ingress), name_of(ingress)
        version = f"{uid_of(ingress)}/{metadata_of(ingress).get('generation')}".encode()
        actions = []
        if self._state.get(SEEN + key) != version:
            self._state.set(SEEN + key, version)
            about = object_reference(ingress, "Ingress", "networking.k8s.io/v1")
            self._recorder.event(about, NORMAL, "Sync", "Scheduled for sync")
            actions.append(f"took on ingress {key}")
        if dig(ingress, "status", "loadBalancer", "ingress", default=[]) != points:
            change = {"status": {"loadBalancer": {"ingress": points or None}}}
            self._client.patch(
                INGRESSES, name, change, MERGE_PATCH, namespace_of(ingress), subresource="status"
            )
            actions.append(f"wrote the address of ingress {key}")
        return actions


def _pod() -> JSONObject:
    def field(path: str) -> JSONObject:
        return {"valueFrom": {"fieldRef": {"fieldPath": path}}}

    container: JSONObject = {
        "name": "controller",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "/nginx-ingress-controller",
            f"--controller-class={CONTROLLER}",
            f"--ingress-class={CLASS}",
            "--watch-ingress-without-class=false",
        ],
        "env": [
            {"name": "POD_NAME", **field("metadata.name")},
            {"name": "POD_NAMESPACE", **field("metadata.namespace")},
        ],
        "ports": [
            {"name": "http", "containerPort": 80, "hostPort": 80, "protocol": "TCP"},
            {"name": "https", "containerPort": 443, "hostPort": 443, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 10254}, "periodSeconds": 10},
        "resources": {"requests": {"cpu": "100m", "memory": "90Mi"}},
    }
    spec: dict[str, Any] = {
        "containers": [container],
        "serviceAccountName": ACCOUNT,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "terminationGracePeriodSeconds": 0,
    }
    return {"metadata": {"name": NAME, "labels": dict(LABELS)}, "spec": spec}


def _of_namespace(event: WatchEvent) -> Iterable[str]:
    """The cluster comes into being, or the namespace has gone."""
    name = name_of(event.object)
    is_new = event.type == "ADDED" and name == _PRESENT
    return (INSTALL,) if is_new or (event.type == "DELETED" and name == NAMESPACE) else ()


def _of_own(event: WatchEvent) -> Iterable[str]:
    if namespace_of(event.object) != NAMESPACE:
        return ()
    return (INSTALL, ALL) if event.type == "DELETED" else (ALL,)
