"""Who asks, and whether they may: the seams, and what stands behind them until RBAC does.

Sources: k8s.io/apiserver pkg/authorization, pkg/endpoints/handlers/responsewriters (the text of a refusal).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from kubesim.apimachinery import errors
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import ANONYMOUS, Request, UserInfo
from kubesim.apiserver.requestinfo import RequestInfo
from kubesim.util.jsontypes import JSONObject

AUTHENTICATED: Final = "system:authenticated"
UNAUTHENTICATED: Final = "system:unauthenticated"
PUBLIC: Final = ("/healthz", "/livez", "/readyz", "/version", "/version/")
"""What everybody may read: the ClusterRole system:public-info-viewer."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What somebody wants to do: authorizer.Attributes."""

    user: UserInfo
    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    path: str = ""

    @property
    def is_resource(self) -> bool:
        return bool(self.resource)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, and why."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What somebody may do in a namespace, as SelfSubjectRulesReview lists it."""

    resource_rules: tuple[JSONObject, ...]
    non_resource_rules: tuple[JSONObject, ...]
    incomplete: bool = False


class Authorizer(Protocol):
    """Decides."""

    def authorize(self, attributes: Attributes) -> Decision: ...

    def rules(self, user: UserInfo, namespace: str) -> Rules: ...


class AlwaysAllow:
    """Everybody may do everything."""

    def authorize(self, attributes: Attributes) -> Decision:
        return Decision(allowed=True)

    def rules(self, user: UserInfo, namespace: str) -> Rules:
        return Rules(
            ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},),
            ({"verbs": ["*"], "nonResourceURLs": ["*"]},),
        )


class AuthenticatedOnly(AlwaysAllow):
    """Everybody may do everything, once it is known who it is; others read what is public."""

    def authorize(self, attributes: Attributes) -> Decision:
        if UNAUTHENTICATED not in attributes.user.groups and attributes.user.name != ANONYMOUS.name:
            return Decision(allowed=True)
        return Decision(
            allowed=not attributes.is_resource and attributes.verb == "get" and attributes.path in PUBLIC
        )

    def rules(self, user: UserInfo, namespace: str) -> Rules:
        if UNAUTHENTICATED not in user.groups and user.name != ANONYMOUS.name:
            return super().rules(user, namespace)
        return Rules((), ({"verbs": ["get"], "nonResourceURLs": list(PUBLIC)},))


def attributes_of(user: UserInfo, info: RequestInfo) -> Attributes:
    """What a request wants to do."""
    if not info.is_resource:
        return Attributes(user, info.verb, path=info.path)
    return Attributes(
        user,
        info.verb,
        info.group,
        info.version,
        info.namespace,
        info.resource,
        info.subresource,
        info.name,
        info.path,
    )


def effective_user(request: Request) -> UserInfo:
    """The user whom the request is made for: Impersonate-User stands above who sent it.

    Raises StatusError 403 for somebody unknown who claims to be another.
    """
    name = request.headers.get("impersonate-user")
    if not name:
        return request.user
    if UNAUTHENTICATED in request.user.groups:
        raise refusal(Attributes(request.user, "impersonate", version="v1", resource="users", name=name), "")
    groups = [g.strip() for g in request.headers.get("impersonate-group", "").split(",") if g.strip()]
    groups.append(UNAUTHENTICATED if name == ANONYMOUS.name else AUTHENTICATED)
    return UserInfo(name, tuple(dict.fromkeys(groups)), request.headers.get("impersonate-uid", ""))


def refusal(attributes: Attributes, reason: str) -> StatusError:
    """403 as responsewriters.Forbidden words it."""
    user = attributes.user.name
    if not attributes.is_resource:
        message = f'User "{user}" cannot {attributes.verb} path "{attributes.path}"'
        if reason:
            message += f": {reason}"
        return errors.forbidden("", "", message)
    resource = attributes.resource
    if attributes.subresource:
        resource += f"/{attributes.subresource}"
    where = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
    what = f'resource "{resource}" in API group "{attributes.group}"'
    message = f'User "{user}" cannot {attributes.verb} {what} {where}'
    if reason:
        message += f": {reason}"
    return errors.forbidden(attributes.resource, attributes.name, message, group=attributes.group)
