"""Who asks, and whether they may: the seams, and what stands behind them until RBAC does.

Sources: k8s.io/apiserver pkg/authorization, pkg/endpoints/handlers/responsewriters (the text of a refusal).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kubesim.apimachinery import errors
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.rest import Request, UserInfo
from kubesim.apiserver.requestinfo import RequestInfo
from kubesim.util.jsontypes import JSONObject


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
    """The user whom the request is made for: Impersonate-User stands above who sent it."""
    name = request.headers.get("impersonate-user")
    if not name:
        return request.user
    groups = [g.strip() for g in request.headers.get("impersonate-group", "").split(",") if g.strip()]
    if not name.startswith("system:anonymous"):
        groups.append("system:authenticated")
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
