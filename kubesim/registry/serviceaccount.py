"""/token: a bearer token for a service account, in the form that Pods get mounted.

It is a JSON Web Token by its looks; its signature is random, so that only this cluster could tell a true one.
Source: k8s.io/kubernetes pkg/registry/core/serviceaccount/storage/token.go.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Final

from kubesim.apimachinery import errors, field
from kubesim.apimachinery.field import Path
from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.util.clock import Clock, format_time
from kubesim.util.ids import Identities
from kubesim.util.jsontypes import JSONObject, encode

TOKEN_REQUEST: Final = GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest")
ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
DEFAULT_SECONDS: Final = 3600
MIN_SECONDS: Final = 600
MAX_SECONDS: Final = 1 << 32


def issue_token(
    account: JSONObject, request: JSONObject, *, clock: Clock, identities: Identities
) -> JSONObject:
    """The request with its status. Raises StatusError 422."""
    spec = dict(request.get("spec") or {})
    seconds = spec.get("expirationSeconds")
    if seconds is None:
        seconds = DEFAULT_SECONDS
    path = Path("spec.expirationSeconds")
    if seconds < MIN_SECONDS:
        detail = "may not specify a duration less than 10 minutes"
        raise errors.invalid(
            "TokenRequest", "", [field.invalid(path, seconds, detail)], group=TOKEN_REQUEST.group
        )
    if seconds > MAX_SECONDS:
        detail = "may not specify a duration larger than 2^32 seconds"
        raise errors.invalid(
            "TokenRequest", "", [field.invalid(path, seconds, detail)], group=TOKEN_REQUEST.group
        )
    spec["expirationSeconds"] = seconds
    spec["audiences"] = spec.get("audiences") or [ISSUER]
    now = clock.now()
    issued, expires = int(now.timestamp()), int((now + timedelta(seconds=seconds)).timestamp())
    metadata = account["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    claims = {
        "aud": spec["audiences"],
        "exp": expires,
        "iat": issued,
        "iss": ISSUER,
        "jti": identities.uid(),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": metadata["uid"]}},
        "nbf": issued,
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }
    header = {"alg": "RS256", "kid": "kubesim"}
    signature = bytes.fromhex(identities.hex(128))
    token = ".".join((_part(encode(header)), _part(encode(claims)), _part(signature)))
    return {
        "kind": TOKEN_REQUEST.kind,
        "apiVersion": TOKEN_REQUEST.api_version,
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": format_time(now)},
        "spec": spec,
        "status": {"token": token, "expirationTimestamp": format_time(now + timedelta(seconds=seconds))},
    }


def _part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
