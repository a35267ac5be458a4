"""/token: a bearer token for a service account, in the form that Pods get mounted.

Sources: k8s.io/kubernetes pkg/registry/core/serviceaccount/storage/token.go, pkg/serviceaccount/claims.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kubesim.apimachinery import errors, field
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.gvk import GroupVersionKind, GroupVersionResource
from kubesim.registry.tokens import AUDIENCES, ISSUER, TokenKey
from kubesim.util.clock import Clock, format_time
from kubesim.util.ids import Identities
from kubesim.util.jsontypes import JSONObject

TOKEN_REQUEST: Final = GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest")
PODS: Final = GroupVersionResource("", "v1", "pods")
SECRETS: Final = GroupVersionResource("", "v1", "secrets")
NODES: Final = GroupVersionResource("", "v1", "nodes")
DEFAULT_SECONDS: Final = 3600
MIN_SECONDS: Final = 600
MAX_SECONDS: Final = 1 << 32
WARN_ONLY_SECONDS: Final = 3607
"""What the admission plugin asks for: such a token of a Pod still works a year after it should have been renewed."""
EXTENDED_SECONDS: Final = 365 * 24 * 3600

Get = Callable[[GroupVersionResource, str, str], JSONObject]
"""An object by its resource, namespace and name. Raises StatusError 404."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What a minor version of Kubernetes does about tokens."""

    minor: int

    @property
    def credential_ids(self) -> bool:
        """ServiceAccountTokenJTI, ServiceAccountTokenPodNodeInfo: every token has an id, a Pod's names its node."""
        return self.minor >= 30

    @property
    def node_binding(self) -> bool:
        """ServiceAccountTokenNodeBinding."""
        return self.minor >= 31

    @property
    def certificate_ids(self) -> bool:
        """Whether a user's client certificate is named too."""
        return self.minor >= 32


def issue_token(
    account: JSONObject,
    request: JSONObject,
    *,
    key: TokenKey,
    get: Get,
    gates: Gates,
    clock: Clock,
    identities: Identities,
) -> JSONObject:
    """The request with its status. Raises StatusError 422, 400, 404 and 409."""
    spec = dict(request.get("spec") or {})
    name, namespace = account["metadata"]["name"], account["metadata"]["namespace"]
    _check_metadata(request.get("metadata") or {}, name, namespace)
    spec["expirationSeconds"] = seconds = _seconds(spec)
    spec["audiences"] = spec.get("audiences") or list(AUDIENCES)
    bound = _bound(spec.get("boundObjectRef"), name, namespace, get, gates)
    about: JSONObject = {"namespace": namespace} | bound | {"serviceaccount": _reference(account)}
    now = clock.now()
    valid = seconds
    if "pod" in bound and seconds == WARN_ONLY_SECONDS and set(spec["audiences"]) <= set(AUDIENCES):
        about["warnafter"] = _later(clock, seconds)
        valid = EXTENDED_SECONDS
    claims: JSONObject = {
        "aud": spec["audiences"],
        "exp": _later(clock, valid),
        "iat": _later(clock, 0),
        "iss": ISSUER,
        **({"jti": identities.uid()} if gates.credential_ids else {}),
        "kubernetes.io": about,
        "nbf": _later(clock, 0),
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }
    expires = format_time(now + timedelta(seconds=seconds))
    return {
        "kind": TOKEN_REQUEST.kind,
        "apiVersion": TOKEN_REQUEST.api_version,
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": format_time(now)},
        "spec": spec,
        "status": {"token": key.sign(claims), "expirationTimestamp": expires},
    }


def _later(clock: Clock, seconds: int) -> int:
    return int((clock.now() + timedelta(seconds=seconds)).timestamp())


def _reference(obj: JSONObject) -> JSONObject:
    return {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}


def _check_metadata(metadata: JSONObject, name: str, namespace: str) -> None:
    for key, wanted, what in (("name", name, "name"), ("namespace", namespace, "namespace")):
        if metadata.get(key) and metadata[key] != wanted:
            detail = f"must match the service account {what} if specified"
            raise _invalid(name, field.invalid(Path(f"metadata.{key}"), metadata[key], detail))


def _seconds(spec: JSONObject) -> int:
    """How long the token is wanted for: ValidateTokenRequest."""
    found = spec.get("expirationSeconds")
    seconds = DEFAULT_SECONDS if found is None else int(found)
    path = Path("spec.expirationSeconds")
    if seconds < MIN_SECONDS:
        raise _invalid("", field.invalid(path, seconds, "may not specify a duration less than 10 minutes"))
    if seconds > MAX_SECONDS:
        raise _invalid(
            "", field.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")
        )
    return seconds


def _invalid(name: str, error: FieldError) -> StatusError:
    return errors.invalid(TOKEN_REQUEST.kind, name, [error], group=TOKEN_REQUEST.group)


def _bound(
    ref: JSONObject | None, account: str, namespace: str, get: Get, gates: Gates
) -> dict[str, JSONObject]:
    """The claims about the object with which the token ends."""
    if ref is None:
        return {}
    kind, name = str(ref.get("kind") or ""), str(ref.get("name") or "")
    group, _, version = str(ref.get("apiVersion") or "").rpartition("/")
    claims: dict[str, JSONObject] = {}
    if group == "" and kind == "Pod":
        found = get(PODS, namespace, name)
        spec = found.get("spec") or {}
        if account != spec.get("serviceAccountName"):
            raise errors.bad_request(
                f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
            )
        if spec.get("nodeName") and gates.credential_ids:
            claims["node"] = _node(spec["nodeName"], get)
    elif group == "" and kind == "Node" and gates.minor >= 29:
        if not gates.node_binding:
            raise errors.bad_request(
                'cannot bind token to a Node object as the "ServiceAccountTokenNodeBinding" feature-gate is disabled'
            )
        found = get(NODES, "", name)
    elif group == "" and kind == "Secret":
        found = get(SECRETS, namespace, name)
    else:
        raise errors.bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    uid = str(ref.get("uid") or "")
    if uid and uid != found["metadata"]["uid"]:
        detail = (
            f"the UID in the bound object reference ({uid}) does not match the UID in record."
            " The object might have been deleted and then recreated"
        )
        raise errors.conflict(kind, name, detail)
    return claims | {kind.lower(): _reference(found)}


def _node(name: str, get: Get) -> JSONObject:
    """A Pod's node. One that is no more is named all the same."""
    try:
        return _reference(get(NODES, "", name))
    except StatusError as error:
        if error.reason != "NotFound":
            raise
        return {"name": name}
