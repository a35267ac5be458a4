"""Questions that are asked by creating an object which is never stored: who am I, what may I do.

Sources: k8s.io/kubernetes pkg/registry/authorization, pkg/registry/authentication.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery import errors, field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.rest import Response, UserInfo
from kubesim.apimachinery.schema import Schema
from kubesim.apimachinery.scheme import Resource
from kubesim.apiserver.auth import Attributes, Authorizer
from kubesim.apiserver.handlers import Call
from kubesim.registry.decoding import decode_body
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.apiserver.authentication import Authenticator

AUTHORIZATION: Final = "authorization.k8s.io"
AUTHENTICATION: Final = "authentication.k8s.io"
_EITHER: Final = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
_NOT_BOTH: Final = "cannot be specified in combination with resourceAttributes"


class Reviews:
    """Answers reviews. `authenticator` is made when there is a token to look at."""

    def __init__(
        self,
        authorizer: Authorizer,
        *,
        schema: Schema,
        authenticator: Callable[[], Authenticator],
    ) -> None:
        self._authorizer = authorizer
        self._authenticator = authenticator
        self._schema = schema
        self._answers: dict[str, Callable[[Call, JSONObject], JSONObject]] = {
            "SelfSubjectAccessReview": self._self_access,
            "SubjectAccessReview": self._access,
            "LocalSubjectAccessReview": self._local_access,
            "SelfSubjectRulesReview": self._rules,
            "SelfSubjectReview": self._self,
            "TokenReview": self._token,
        }

    def answers(self, resource: Resource) -> bool:
        """Whether a resource is a review."""
        return resource.kind in self._answers and resource.group in (AUTHORIZATION, AUTHENTICATION)

    def create(self, call: Call, resource: Resource) -> Response:
        """The review with its status. Raises StatusError."""
        options = call.write_options("CreateOptions")
        review = decode_body(
            self._schema,
            resource.gvk,
            call.body(resource.gvk),
            validation=options.field_validation,
            warn=options.warn,
        )
        review["status"] = self._answers[resource.kind](call, review)
        review.setdefault("metadata", {})
        return Response(201, self._schema.encode(resource.gvk, review), {"content-type": "application/json"})

    def _self_access(self, call: Call, review: JSONObject) -> JSONObject:
        spec = review.get("spec") or {}
        _refuse("SelfSubjectAccessReview", _one_of(spec))
        return self._decide(call.user, spec)

    def _access(self, call: Call, review: JSONObject) -> JSONObject:
        spec = review.get("spec") or {}
        _refuse("SubjectAccessReview", [*_one_of(spec), *_subject(spec)])
        return self._decide(_user_of(spec), spec)

    def _local_access(self, call: Call, review: JSONObject) -> JSONObject:
        spec = review.get("spec") or {}
        found = [*_one_of(spec), *_subject(spec)]
        namespace = (spec.get("resourceAttributes") or {}).get("namespace")
        if spec.get("resourceAttributes") and namespace != call.info.namespace:
            detail = "must match metadata.namespace"
            found.append(field.invalid(Path("spec.resourceAttributes.namespace"), namespace, detail))
        if spec.get("nonResourceAttributes"):
            detail = "disallowed on this kind of request"
            found.append(field.invalid(Path("spec.nonResourceAttributes"), {}, detail))
        _refuse("LocalSubjectAccessReview", found)
        return self._decide(_user_of(spec), spec)

    def _decide(self, user: UserInfo, spec: JSONObject) -> JSONObject:
        wanted = spec.get("resourceAttributes")
        if wanted:
            attributes = Attributes(
                user,
                wanted.get("verb", ""),
                wanted.get("group", ""),
                wanted.get("version", ""),
                wanted.get("namespace", ""),
                wanted.get("resource", ""),
                wanted.get("subresource", ""),
                wanted.get("name", ""),
            )
        else:
            other = spec.get("nonResourceAttributes") or {}
            attributes = Attributes(user, other.get("verb", ""), path=other.get("path", ""))
        decision = self._authorizer.authorize(attributes)
        status: JSONObject = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        return status

    def _rules(self, call: Call, review: JSONObject) -> JSONObject:
        namespace = (review.get("spec") or {}).get("namespace") or ""
        if not namespace:
            raise errors.bad_request("no namespace on request")
        rules = self._authorizer.rules(call.user, namespace)
        return {
            "resourceRules": list(rules.resource_rules),
            "nonResourceRules": list(rules.non_resource_rules),
            "incomplete": rules.incomplete,
        }

    def _self(self, call: Call, review: JSONObject) -> JSONObject:
        return {"userInfo": _user_info(call.user)}

    def _token(self, call: Call, review: JSONObject) -> JSONObject:
        from kubesim.registry.tokens import TokenError

        spec = review.get("spec") or {}
        if not spec.get("token"):
            raise errors.bad_request("token is required for TokenReview in authentication")
        try:
            found = self._authenticator().review(spec["token"], spec.get("audiences") or ())
        except TokenError as error:
            return {"user": {}, "error": str(error)}
        return {"authenticated": True, "user": _user_info(found.user), "audiences": list(found.audiences)}


def _user_info(user: UserInfo) -> JSONObject:
    found: JSONObject = {"username": user.name}
    if user.uid:
        found["uid"] = user.uid
    found["groups"] = list(user.groups)
    if user.extra:
        found["extra"] = {name: list(values) for name, values in user.extra}
    return found


def _one_of(spec: JSONObject) -> list[FieldError]:
    if spec.get("resourceAttributes") and spec.get("nonResourceAttributes"):
        return [field.invalid(Path("spec.nonResourceAttributes"), field.OMIT_VALUE, _NOT_BOTH)]
    if not spec.get("resourceAttributes") and not spec.get("nonResourceAttributes"):
        return [field.invalid(Path("spec.resourceAttributes"), field.OMIT_VALUE, _EITHER)]
    return []


def _subject(spec: JSONObject) -> list[FieldError]:
    if spec.get("user") or spec.get("groups"):
        return []
    detail = "at least one of user or group must be specified"
    return [field.invalid(Path("spec.user"), spec.get("user") or "", detail)]


def _user_of(spec: JSONObject) -> UserInfo:
    return UserInfo(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "")


def _refuse(kind: str, found: list[FieldError]) -> None:
    if found:
        raise errors.invalid(kind, "", found, group=AUTHORIZATION)
