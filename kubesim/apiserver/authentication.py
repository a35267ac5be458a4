"""Who sent a request: the user of a client certificate, or the ServiceAccount of a bearer token.

Sources: k8s.io/apiserver pkg/authentication (request/x509, request/bearertoken, request/websocket, group),
k8s.io/kubernetes pkg/serviceaccount/{jwt,claims}.go. A signature is verified once; that the account and what the
token is bound to are still there is looked up each time, so that a token ends with them at once.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Final

from kubesim.apimachinery import errors
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.rest import UserInfo
from kubesim.apiserver.auth import AUTHENTICATED
from kubesim.registry.reader import StorageReader
from kubesim.registry.serviceaccount import NODES, PODS, SECRETS, Gates
from kubesim.registry.tokens import AUDIENCES, TokenError, TokenKey
from kubesim.util.clock import Clock, parse_time
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, JSONValue

SERVICE_ACCOUNTS: Final = GroupVersionResource("", "v1", "serviceaccounts")
EXTRA: Final = "authentication.kubernetes.io/"
_PROTOCOL: Final = "base64url.bearer.authorization.k8s.io."
_LEEWAY: Final = timedelta(minutes=1)
"""How wrong clocks may go: DefaultLeeway of the JWT library upstream."""
_REMEMBERED: Final = 1024
_GONE: Final = "service account token has been invalidated"


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A user, and for whom the token was."""

    user: UserInfo
    audiences: tuple[str, ...]


class Authenticator:
    """Tells who sent a request. Safe to use from several threads."""

    def __init__(self, *, key: TokenKey, reader: StorageReader, clock: Clock, gates: Gates) -> None:
        self._key = key
        self._reader = reader
        self._clock = clock
        self._gates = gates
        self._users: dict[bytes, UserInfo | None] = {}
        self._claims: dict[str, JSONObject] = {}

    def authenticate(self, headers: Mapping[str, str], certificate: bytes | None) -> UserInfo | None:
        """The sender of a request, or None for one who shows nothing: system:anonymous.

        `headers` have lower-case names; `certificate` is the client's in DER, verified already. Raises StatusError
        401.
        """
        if certificate is not None:
            user = self._certified(certificate)
            if user is not None:
                return user
        token = bearer_token(headers)
        if token is None:
            return None
        try:
            return self.review(token).user
        except TokenError:
            raise errors.unauthorized() from None

    def review(self, token: str, audiences: Sequence[str] = ()) -> Authenticated:
        """Whose a token is, if it is for one of the audiences; without any, for the API server.

        Raises TokenError.
        """
        claims = self._verified(token)
        wanted = tuple(audiences) or AUDIENCES
        meant = _texts(claims.get("aud")) or AUDIENCES
        both = tuple(a for a in meant if a in wanted)
        if not both:
            raise TokenError(
                f"token audiences {_listed(meant)} is invalid for the target audiences {_listed(wanted)}"
            )
        self._check_times(claims)
        user = self._account(claims)
        return Authenticated(replace(user, groups=(*user.groups, AUTHENTICATED)), both)

    # Certificates.

    def _certified(self, certificate: bytes) -> UserInfo | None:
        """The user whom a certificate names: CommonNameUserConversion. None where it names nobody."""
        if certificate in self._users:
            return self._users[certificate]
        from cryptography import x509
        from cryptography.x509.oid import NameOID

        subject = x509.load_der_x509_certificate(certificate).subject
        names = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        groups = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        user = None
        if names and names[-1]:
            extra = {}
            if self._gates.certificate_ids:
                extra["credential-id"] = f"X509SHA256={sha256(certificate).hexdigest()}"
            user = UserInfo(names[-1], tuple(dict.fromkeys((*groups, AUTHENTICATED))), extra=_extra(extra))
        if len(self._users) >= _REMEMBERED:
            self._users.clear()
        self._users[certificate] = user
        return user

    # Tokens.

    def _verified(self, token: str) -> JSONObject:
        """The claims of a token whose signature is right."""
        found = self._claims.get(token)
        if found is None:
            found = self._key.verify(token)
            if len(self._claims) >= _REMEMBERED:
                self._claims.clear()
            self._claims[token] = found
        return found

    def _check_times(self, claims: JSONObject) -> None:
        now = self._clock.now().timestamp()
        leeway = _LEEWAY.total_seconds()
        if _number(claims.get("nbf")) > now + leeway:
            raise TokenError("service account token is not valid yet")
        expires = claims.get("exp")
        if expires is not None and _number(expires) < now - leeway:
            raise TokenError("service account token has expired")

    def _account(self, claims: JSONObject) -> UserInfo:
        about = _object(claims.get("kubernetes.io"))
        namespace, wanted = str(about.get("namespace") or ""), _object(about.get("serviceaccount"))
        name, uid = str(wanted.get("name") or ""), str(wanted.get("uid") or "")
        account = self._reader.get(SERVICE_ACCOUNTS, name, namespace)
        if account is None:
            raise TokenError(f'serviceaccounts "{name}" not found')
        if self._was_deleted(account):
            raise TokenError(f"service account {namespace}/{name} has been deleted")
        if account["metadata"]["uid"] != uid:
            raise TokenError(
                f"service account UID ({account['metadata']['uid']}) does not match claim ({uid})"
            )
        secret, pod, node = (_object(about.get(kind)) for kind in ("secret", "pod", "node"))
        if secret:
            self._check_bound(SECRETS, namespace, secret, "secret")
        if pod:
            self._check_bound(PODS, namespace, pod, "pod")
        elif node:
            # The node of a Pod may be gone: the Pod alone counts.
            self._check_bound(NODES, "", node, "node")
        extra = {
            "credential-id": f"JTI={claims['jti']}" if claims.get("jti") else "",
            "node-name": node.get("name"),
            "node-uid": node.get("uid"),
            "pod-name": pod.get("name"),
            "pod-uid": pod.get("uid"),
        }
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        return UserInfo(f"system:serviceaccount:{namespace}:{name}", groups, uid, _extra(extra))

    def _check_bound(
        self, resource: GroupVersionResource, namespace: str, wanted: JSONObject, kind: str
    ) -> None:
        found = self._reader.get(resource, str(wanted.get("name") or ""), namespace)
        if found is None or self._was_deleted(found):
            raise TokenError(_GONE)
        uid = found["metadata"]["uid"]
        if uid != wanted.get("uid"):
            claim = f"service account {kind} ref claim"
            raise TokenError(f"{kind} UID ({uid}) does not match {claim} ({wanted.get('uid')})")

    def _was_deleted(self, obj: JSONObject) -> bool:
        at = obj["metadata"].get("deletionTimestamp")
        return bool(at) and parse_time(at) < self._clock.now() - _LEEWAY


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """The token that a request shows: in its Authorization, or among the protocols of a WebSocket."""
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and rest:
        token = rest.split(" ")[0]
        if token:
            return token
    offered = [p.strip() for p in headers.get("sec-websocket-protocol", "").split(",")]
    tokens = [p.removeprefix(_PROTOCOL) for p in offered if p.startswith(_PROTOCOL)]
    if len(tokens) != 1 or headers.get("upgrade", "").lower() != "websocket":
        return None
    try:
        return urlsafe_b64decode(tokens[0] + "=" * (-len(tokens[0]) % 4)).decode()
    except ValueError:
        raise errors.unauthorized() from None


def _extra(values: Mapping[str, object]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((EXTRA + name, (str(value),)) for name, value in values.items() if value)


def _texts(value: JSONValue) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(str, value)) if isinstance(value, list) else ()


def _object(value: JSONValue) -> JSONObject:
    return value if isinstance(value, dict) else {}


def _number(value: JSONValue) -> float:
    return value if isinstance(value, int | float) else 0.0


def _listed(texts: Sequence[str]) -> str:
    return "[" + " ".join(quote(t) for t in texts) + "]"
