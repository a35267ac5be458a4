"""/healthz, /livez, /readyz, /version, and the list of paths at the root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kubesim.apimachinery.rest import Response
from kubesim.apiserver.discovery import Discovery
from kubesim.util.jsontypes import JSONObject

TEXT: Final = "text/plain; charset=utf-8"
ENDPOINTS: Final = ("/healthz", "/livez", "/readyz")
_HOOKS: Final = (
    "start-apiserver-admission-initializer",
    "generic-apiserver-start-informers",
    "priority-and-fairness-config-consumer",
    "priority-and-fairness-filter",
    "storage-object-count-tracker-hook",
    "start-apiextensions-informers",
    "start-apiextensions-controllers",
    "crd-informer-synced",
    "start-system-namespaces-controller",
    "start-cluster-authentication-info-controller",
    "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector",
    "start-legacy-token-tracking-controller",
    "start-service-ip-repair-controllers",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer",
    "bootstrap-controller",
    "start-kube-aggregator-informers",
    "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller",
    "apiservice-registration-controller",
    "apiservice-wait-for-first-sync",
    "apiservice-discovery-controller",
    "kube-apiserver-autoregistration",
    "autoregister-completion",
    "apiservice-openapi-controller",
    "apiservice-openapiv3-controller",
)
_NOT_HOOKS: Final = ("autoregister-completion",)


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """What /version says: apimachinery/pkg/version.Info."""

    git_version: str
    git_commit: str = "63adf010aa20e104c0b7043b47f42f50c9f72b17"
    build_date: str = "2026-08-20T05:19:54Z"
    go_version: str = "go1.23.9"

    def body(self) -> JSONObject:
        major, minor, *_ = self.git_version.removeprefix("v").split(".")
        return {
            "major": major,
            "minor": minor,
            "gitVersion": self.git_version,
            "gitCommit": self.git_commit,
            "gitTreeState": "clean",
            "buildDate": self.build_date,
            "goVersion": self.go_version,
            "compiler": "gc",
            "platform": "linux/amd64",
        }


def checks(endpoint: str) -> list[str]:
    """The names of an endpoint's checks, in the order in which it lists them."""
    own = {"/readyz": ["etcd-readiness", "informer-sync"]}.get(endpoint, [])
    hooks = [h if h in _NOT_HOOKS else f"poststarthook/{h}" for h in _HOOKS]
    return ["ping", "log", "etcd", *own, *hooks, *(["shutdown"] if endpoint == "/readyz" else [])]


def health(path: str, query: Mapping[str, list[str]]) -> Response | None:
    """The answer of a health endpoint, or of one of its checks; None for another path."""
    endpoint = next((e for e in ENDPOINTS if path == e or path.startswith(f"{e}/")), None)
    if endpoint is None:
        return None
    check = path[len(endpoint) + 1 :].rstrip("/")
    if check:
        return Response(200, "ok", {"content-type": TEXT}) if check in checks(endpoint) else None
    if "verbose" not in query:
        return Response(200, "ok", {"content-type": TEXT})
    excluded = set(query.get("exclude", ()))
    lines = [f"[+]{c} excluded: ok" if c in excluded else f"[+]{c} ok" for c in checks(endpoint)]
    text = "\n".join([*lines, f"{endpoint[1:]} check passed\n"])
    return Response(200, text, {"content-type": TEXT})


def root_paths(discovery: Discovery) -> JSONObject:
    """`/`."""
    found = {
        "/.well-known/openid-configuration",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/metrics",
        "/version",
    }
    found |= {"/openapi/v2", "/openapi/v3", "/openapi/v3/", "/openid/v1/jwks"}
    for group in discovery.api_groups()["groups"]:
        found.add(f"/apis/{group['name']}")
        found |= {f"/apis/{v['groupVersion']}" for v in group["versions"]}
    for endpoint in ENDPOINTS:
        found.add(endpoint)
        found |= {f"{endpoint}/{check}" for check in checks(endpoint)}
    return {"paths": sorted(found)}
