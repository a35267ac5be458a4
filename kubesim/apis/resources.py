"""Names and amounts of compute resources: pkg/apis/core/helper and the validation of ResourceRequirements."""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, GoValue, Path
from kubesim.apimachinery.names import is_qualified_name
from kubesim.apimachinery.objectmeta import NOT_NEGATIVE
from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity

HUGE_PAGES = "hugepages-"
NOT_INTEGER = "must be an integer"
_REQUESTS = "requests."
_CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
_QUOTA_COUNTED = frozenset(
    {
        "pods",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
_QUOTA_COMPUTE = frozenset(
    {
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "resourcequotas",
    }
)
STANDARD_QUOTA = _QUOTA_COUNTED | _QUOTA_COMPUTE
STANDARD = STANDARD_QUOTA | {"storage"}
INTEGER = _QUOTA_COUNTED | {"resourcequotas", "count"}


def is_standard(name: str) -> bool:
    """Whether Kubernetes knows this name: IsStandardResourceName."""
    return name in STANDARD or name.startswith(HUGE_PAGES)


def is_standard_quota(name: str) -> bool:
    """Whether quotas know this name: IsStandardQuotaResourceName."""
    return name in STANDARD_QUOTA or name.startswith(("hugepages-", "requests.hugepages-"))


def is_native(name: str) -> bool:
    """Whether a name is Kubernetes' own: IsNativeResource."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """Whether a name is that of a device and the like: IsExtendedResourceName."""
    if is_native(name) or name.startswith(_REQUESTS):
        return False
    return not is_qualified_name(f"{_REQUESTS}{name}")


def is_integer(name: str) -> bool:
    """Whether only whole numbers make sense for it: IsIntegerResourceName."""
    return name in INTEGER or is_extended(name)


def quantity(value: Any) -> Quantity:
    """An amount of an object; one that cannot be read, which the schema does not let through, counts as
    zero.
    """
    try:
        return Quantity.from_json(value)
    except ValueError:
        return Quantity(0)


def validate_resource_name(name: str, path: Path) -> list[FieldError]:
    """The errors of a resource's name anywhere."""
    errors = [field.invalid(path, name, e) for e in is_qualified_name(name)]
    if not errors and "/" not in name and not is_standard(name):
        errors.append(field.invalid(path, name, "must be a standard resource type or fully qualified"))
    return errors


def validate_container_resource_name(name: str, path: Path) -> list[FieldError]:
    errors = validate_resource_name(name, path)
    if "/" not in name:
        if name not in _CONTAINER and not name.startswith(HUGE_PAGES):
            errors.append(field.invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        errors.append(field.invalid(path, name, "doesn't follow extended resource name standard"))
    return errors


def validate_quantity_value(name: str, amount: Quantity, path: Path) -> list[FieldError]:
    """The errors of an amount of a resource: below zero, or broken where it must be whole."""
    errors = validate_nonnegative_quantity(amount, path)
    if is_integer(name) and amount.milli_value() % 1000:
        errors.append(field.invalid(path, go_quantity(amount), NOT_INTEGER))
    return errors


def validate_nonnegative_quantity(amount: Quantity, path: Path) -> list[FieldError]:
    return [field.invalid(path, str(amount), NOT_NEGATIVE)] if amount.sign() < 0 else []


def validate_positive_quantity(amount: Quantity, path: Path) -> list[FieldError]:
    return [field.invalid(path, str(amount), "must be greater than zero")] if amount.sign() <= 0 else []


def go_quantity(amount: Quantity) -> GoValue:
    """A resource.Quantity as %#v writes it."""
    return GoValue(
        f"resource.Quantity{{i:resource.int64Amount{{value:{amount.mantissa}, scale:{amount.scale}}}, "
        f'd:resource.infDecAmount{{Dec:(*inf.Dec)(nil)}}, s:"{amount}", Format:"{amount.format}"}}'
    )


def validate_requirements(requirements: JSONObject, path: Path, claim_names: set[str]) -> list[FieldError]:
    """The errors of a container's ResourceRequirements: names, amounts, and requests within limits."""
    limits = {n: quantity(v) for n, v in (requirements.get("limits") or {}).items()}
    requests = {n: quantity(v) for n, v in (requirements.get("requests") or {}).items()}
    errors: list[FieldError] = []
    for name in sorted(limits):
        errors += _validate_amount(name, limits[name], path.child("limits").key(name))
    for name in sorted(requests):
        errors += _validate_amount(name, requests[name], path.child("requests").key(name))
        errors += _validate_within_limit(name, requests[name], limits, path)
    named = {*limits, *requests}
    if any(n.startswith(HUGE_PAGES) for n in named) and not named & {"cpu", "memory"}:
        errors.append(field.forbidden(path, "HugePages require cpu or memory"))
    return errors + _validate_claims(requirements.get("claims") or [], path.child("claims"), claim_names)


def _validate_amount(name: str, amount: Quantity, path: Path) -> list[FieldError]:
    errors = validate_container_resource_name(name, path) + validate_quantity_value(name, amount, path)
    if name.startswith(HUGE_PAGES):
        errors += _validate_huge_pages(name, amount, path)
    return errors


def _validate_huge_pages(name: str, amount: Quantity, path: Path) -> list[FieldError]:
    try:
        page = Quantity.parse(name.removeprefix(HUGE_PAGES))
    except ValueError as error:
        return [field.invalid(path, str(amount), str(error))]
    size = page.value()
    if size <= 0 or size & (size - 1) or amount.value() % size:
        return [field.invalid(path, str(amount), f"{amount} is not positive integer multiple of {page}")]
    return []


def _validate_within_limit(
    name: str, amount: Quantity, limits: dict[str, Quantity], path: Path
) -> list[FieldError]:
    limit = limits.get(name)
    overcommit = is_native(name) and not name.startswith(HUGE_PAGES)
    if limit is None:
        detail = "Limit must be set for non overcommitable resources"
        return [] if overcommit else [field.required(path.child("limits"), detail)]
    if not overcommit and amount != limit:
        detail = f"must be equal to {name} limit of {limit}"
    elif amount > limit:
        detail = f"must be less than or equal to {name} limit of {limit}"
    else:
        return []
    return [field.invalid(path.child("requests"), str(amount), detail)]


def _validate_claims(claims: list[JSONObject], path: Path, names: set[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for i, claim in enumerate(claims):
        name = claim.get("name") or ""
        request = claim.get("request") or ""
        key = f"{name}/{request}" if request else name
        if not name:
            errors.append(field.required(path.index(i), ""))
        elif key in seen:
            errors.append(field.duplicate(path.index(i), name))
        elif name not in names:
            errors.append(field.not_found(path.index(i), name))
        seen.add(key)
    return errors
