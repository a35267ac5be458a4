"""MutatingWebhookConfigurations and ValidatingWebhookConfigurations: who is asked before a write."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import is_fully_qualified_name
from kubesim.apimachinery.objectmeta import validate_label_selector
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns
from kubesim.apis.podtemplate import empty, missing
from kubesim.util.jsontypes import JSONObject

COLUMNS = columns("Name, Webhooks:i, Age")
_CHOICES = (
    ("failurePolicy", ("Fail", "Ignore")),
    ("matchPolicy", ("Equivalent", "Exact")),
    ("reinvocationPolicy", ("IfNeeded", "Never")),
)


def default(obj: JSONObject) -> None:
    for webhook in obj.get("webhooks") or ():
        missing(webhook, "failurePolicy", "Fail")
        missing(webhook, "matchPolicy", "Equivalent")
        missing(webhook, "namespaceSelector", {})
        missing(webhook, "objectSelector", {})
        missing(webhook, "timeoutSeconds", 10)
        if obj.get("kind") == "MutatingWebhookConfiguration":
            missing(webhook, "reinvocationPolicy", "Never")
        for rule in webhook.get("rules") or ():
            missing(rule, "scope", "*")
        service = (webhook.get("clientConfig") or {}).get("service")
        if service is not None:
            empty(service, "port", 443)


def validate(obj: JSONObject) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for i, webhook in enumerate(obj.get("webhooks") or ()):
        path = Path("webhooks").index(i)
        errors += _validate_webhook(webhook, path)
        name = webhook.get("name") or ""
        if name in names:
            errors.append(field.duplicate(path.child("name"), name))
        names.add(name)
    return errors


def _validate_webhook(webhook: JSONObject, path: Path) -> list[FieldError]:
    name = webhook.get("name") or ""
    if not name:
        errors = [field.required(path.child("name"), "")]
    else:
        errors = [field.invalid(path.child("name"), name, e) for e in is_fully_qualified_name(name)]
    for i, rule in enumerate(webhook.get("rules") or ()):
        for part in ("apiGroups", "apiVersions", "resources", "operations"):
            if not rule.get(part):
                errors.append(field.required(path.child("rules").index(i).child(part), ""))
    for key, supported in _CHOICES:
        value = webhook.get(key)
        if value is not None and value not in supported:
            errors.append(field.not_supported(path.child(key), value, supported))
    effects = webhook.get("sideEffects")
    if effects is None:
        errors.append(field.required(path.child("sideEffects"), "must specify one of None, NoneOnDryRun"))
    elif effects not in {"None", "NoneOnDryRun"}:
        errors.append(field.not_supported(path.child("sideEffects"), effects, ("None", "NoneOnDryRun")))
    seconds = webhook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        detail = "the timeout value must be between 1 and 30 seconds"
        errors.append(field.invalid(path.child("timeoutSeconds"), seconds, detail))
    for key in ("namespaceSelector", "objectSelector"):
        errors += validate_label_selector(webhook.get(key), path.child(key))
    errors += _validate_client(webhook.get("clientConfig") or {}, path.child("clientConfig"))
    if not webhook.get("admissionReviewVersions"):
        detail = "must specify one of v1, v1beta1"
        errors.append(field.required(path.child("admissionReviewVersions"), detail))
    return errors


def _validate_client(config: JSONObject, path: Path) -> list[FieldError]:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [field.required(path, "exactly one of url or service is required")]
    if service is None:
        if str(url).startswith("https://"):
            return []
        detail = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
        return [field.invalid(path.child("url"), str(url).partition(":")[0], detail)]
    at = path.child("service")
    return [
        field.required(at.child(n), f"service {n} is required")
        for n in ("name", "namespace")
        if not service.get(n)
    ]


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def cells(obj: JSONObject, now: datetime) -> Cells:
    return [name_of(obj), len(obj.get("webhooks") or ()), age(obj, now)]
