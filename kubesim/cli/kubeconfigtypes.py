"""What Go's decoder refuses of a kubeconfig file: the types of client-go's tools/clientcmd/api/v1."""

from __future__ import annotations

from typing import Any

ANY = ""
# Fields in Go's order.
_CONTEXT = {"cluster": "string", "user": "string", "namespace": "string", "extensions": ANY}
_CLUSTER = {
    "server": "string",
    "tls-server-name": "string",
    "insecure-skip-tls-verify": "bool",
    "certificate-authority": "string",
    "certificate-authority-data": "[]uint8",
    "proxy-url": "string",
    "disable-compression": "bool",
    "extensions": ANY,
}
_AUTH_INFO = {
    "client-certificate": "string",
    "client-certificate-data": "[]uint8",
    "client-key": "string",
    "client-key-data": "[]uint8",
    "token": "string",
    "tokenFile": "string",
    "as": "string",
    "as-uid": "string",
    "as-groups": "[]string",
    "as-user-extra": ANY,
    "username": "string",
    "password": "string",
    "auth-provider": ANY,
    "exec": ANY,
    "extensions": ANY,
}
ENTRIES = {"clusters": _CLUSTER, "contexts": _CONTEXT, "users": _AUTH_INFO}
"""What an entry of each section may hold."""
ALWAYS = {"clusters": ("server",), "contexts": ("cluster", "user"), "users": ()}
"""What is written even where it is empty."""
# A struct's fields with their types; what is not named here may be anything.
_STRUCTS: dict[str, dict[str, str]] = {
    "Config": {
        "kind": "string",
        "apiVersion": "string",
        "preferences": "v1.Preferences",
        "clusters": "[]v1.NamedCluster",
        "users": "[]v1.NamedAuthInfo",
        "contexts": "[]v1.NamedContext",
        "current-context": "string",
        "extensions": ANY,
    },
    "NamedCluster": {"name": "string", "cluster": "v1.Cluster"},
    "NamedAuthInfo": {"name": "string", "user": "v1.AuthInfo"},
    "NamedContext": {"name": "string", "context": "v1.Context"},
    "Preferences": {"colors": "bool", "extensions": ANY},
    "Cluster": _CLUSTER,
    "AuthInfo": _AUTH_INFO,
    "Context": _CONTEXT,
}
_KINDS: dict[type, str] = {bool: "bool", str: "string", list: "array", dict: "object"}
_META = (
    r"couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type "
    r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
)


def config_problem(value: Any) -> str:
    """Why a document is no Config, in Go's words; empty if it is one."""
    if not isinstance(value, dict):
        return _META.replace("{}", _kind(value), 1)
    kind, version = value.get("kind") or "Config", value.get("apiVersion") or "v1"
    if (kind, version) != ("Config", "v1") and isinstance(kind, str) and isinstance(version, str):
        place = "k8s.io/client-go/tools/clientcmd/api/latest/latest.go:50"
        return f'no kind "{kind}" is registered for version "{version}" in scheme "{place}"'
    return _problem(value, "v1.Config", "", "")


def _problem(value: Any, wanted: str, struct: str, path: str) -> str:
    if value is None or wanted == ANY:
        return ""
    if wanted.startswith("[]") and wanted != "[]uint8":
        if isinstance(value, list):
            return next(filter(None, (_problem(v, wanted[2:], struct, path) for v in value)), "")
    elif wanted.startswith("v1."):
        if isinstance(value, dict):
            name = wanted[3:]
            below = ((v, _STRUCTS[name][k], k) for k, v in sorted(value.items()) if k in _STRUCTS[name])
            return next(filter(None, (_problem(v, t, name, f"{path}.{k}") for v, t, k in below)), "")
    elif _kind(value) == ("bool" if wanted == "bool" else "string"):
        return ""
    return f"json: cannot unmarshal {_kind(value)} into Go struct field {struct}{path} of type {wanted}"


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "number")
