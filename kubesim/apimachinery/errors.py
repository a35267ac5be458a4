"""`StatusError`: the one exception that crosses rooms, with Kubernetes' reason, code, causes and exact texts.

Source of the texts: k8s.io/apimachinery/pkg/api/errors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kubesim.apimachinery.field import FieldError
from kubesim.util.jsontypes import JSONObject


class StatusError(Exception):
    """A request was refused. `status` is the Status object as the API server would send it."""

    def __init__(self, status: JSONObject) -> None:
        super().__init__(status.get("message", ""))
        self.status = status

    @property
    def code(self) -> int:
        """The HTTP status code."""
        return int(self.status.get("code", 500))

    @property
    def reason(self) -> str:
        """Kubernetes' machine-readable reason, such as NotFound; empty where there is none."""
        return str(self.status.get("reason", ""))

    @property
    def message(self) -> str:
        """The text for people."""
        return str(self.status.get("message", ""))

    @property
    def causes(self) -> list[JSONObject]:
        """`details.causes`: reason, message and field of each cause."""
        return list((self.status.get("details") or {}).get("causes") or [])


def status_error(
    code: int,
    reason: str,
    message: str,
    *,
    name: str = "",
    group: str = "",
    kind: str = "",
    uid: str = "",
    causes: Sequence[JSONObject] = (),
    retry_after_seconds: int = 0,
    details: bool = True,
) -> StatusError:
    """Build a failure in the field order in which the API server writes it. `kind` is the resource, as
    upstream.
    """
    found: JSONObject = {}
    for key, value in (
        ("name", name),
        ("group", group),
        ("kind", kind),
        ("uid", uid),
        ("causes", list(causes)),
        ("retryAfterSeconds", retry_after_seconds),
    ):
        if value:
            found[key] = value
    status: JSONObject = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
    }
    if details:
        status["details"] = found
    status["code"] = code
    return StatusError(status)


def not_found(resource: str, name: str, *, group: str = "") -> StatusError:
    return status_error(
        404,
        "NotFound",
        f"{_qualified(resource, group)} {_quoted(name)} not found",
        name=name,
        group=group,
        kind=resource,
    )


def already_exists(resource: str, name: str, *, group: str = "") -> StatusError:
    return status_error(
        409,
        "AlreadyExists",
        f"{_qualified(resource, group)} {_quoted(name)} already exists",
        name=name,
        group=group,
        kind=resource,
    )


def conflict(resource: str, name: str, detail: str, *, group: str = "") -> StatusError:
    """`detail` says why, for instance `MODIFIED` of this module."""
    text = f"Operation cannot be fulfilled on {_qualified(resource, group)} {_quoted(name)}: {detail}"
    return status_error(409, "Conflict", text, name=name, group=group, kind=resource)


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def invalid(kind: str, name: str, errors: Sequence[FieldError], *, group: str = "") -> StatusError:
    """422 with every cause. `kind` is the Kind (`Service`), as upstream."""
    causes = [{"reason": e.type, "message": e.body(), "field": e.field} for e in errors]
    qualified = f"{kind}.{group}" if group else kind
    texts = list(dict.fromkeys(str(e) for e in errors))  # Aggregate.Error says each text once
    listed = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]" if texts else ""
    message = f"{qualified} {_quoted(name)} is invalid" + (f": {listed}" if listed else "")
    return status_error(422, "Invalid", message, name=name, group=group, kind=kind, causes=causes)


def bad_request(message: str) -> StatusError:
    return status_error(400, "BadRequest", message, details=False)


def forbidden(resource: str, name: str, detail: str, *, group: str = "") -> StatusError:
    qualified = _qualified(resource, group)
    if not qualified:
        text = f"forbidden: {detail}"
    elif not name:
        text = f"{qualified} is forbidden: {detail}"
    else:
        text = f"{qualified} {_quoted(name)} is forbidden: {detail}"
    return status_error(403, "Forbidden", text, name=name, group=group, kind=resource)


def is_namespace_terminating(error: StatusError) -> bool:
    """Whether something cannot be made because its namespace is going: HasStatusCause with NamespaceTerminating."""
    return error.code == 403 and any(c.get("reason") == "NamespaceTerminating" for c in error.causes)


def unauthorized() -> StatusError:
    return status_error(401, "Unauthorized", "Unauthorized", details=False)


def method_not_supported(resource: str, action: str, *, group: str = "") -> StatusError:
    text = f"{action} is not supported on resources of kind {_quoted(_qualified(resource, group))}"
    return status_error(405, "MethodNotAllowed", text, group=group, kind=resource)


def unsupported_media_type(message: str) -> StatusError:
    return status_error(415, "UnsupportedMediaType", message, details=False)


def not_acceptable(message: str) -> StatusError:
    return status_error(406, "NotAcceptable", message, details=False)


def gone(message: str) -> StatusError:
    return status_error(410, "Gone", message, details=False)


def expired(message: str) -> StatusError:
    return status_error(410, "Expired", message, details=False)


def request_entity_too_large(message: str) -> StatusError:
    return status_error(413, "RequestEntityTooLarge", message, details=False)


def too_many_requests(message: str, retry_after_seconds: int) -> StatusError:
    return status_error(429, "TooManyRequests", message, retry_after_seconds=retry_after_seconds)


def timeout(message: str, retry_after_seconds: int = 0) -> StatusError:
    return status_error(504, "Timeout", message, retry_after_seconds=retry_after_seconds)


def internal_error(detail: str) -> StatusError:
    causes = [{"message": detail}]
    return status_error(500, "InternalError", f"Internal error occurred: {detail}", causes=causes)


def plain_error(message: str) -> StatusError:
    """500 as an error that is no Status comes out of the API server: the message alone, without a reason."""
    refusal = status_error(500, "", message, details=False)
    del refusal.status["reason"]
    return refusal


def _qualified(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def _quoted(text: Any) -> str:
    return json.dumps(str(text), ensure_ascii=False)
