"""Which nodes a Pod asks for: nodeSelector and node affinity, as
k8s.io/component-helpers/scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

from kubesim.apimachinery.meta import labels_of, name_of
from kubesim.apis.podfacts import spec_of
from kubesim.util.jsontypes import JSONObject


def matches_required(pod: JSONObject, node: JSONObject) -> bool:
    """Whether a node has what the Pod requires."""
    spec, labels = spec_of(pod), labels_of(node)
    selector = spec.get("nodeSelector") or {}
    if any(labels.get(k) != v for k, v in selector.items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(matches_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def preference(pod: JSONObject, node: JSONObject) -> int:
    """The sum of the weights of the preferences that a node meets."""
    affinity = (spec_of(pod).get("affinity") or {}).get("nodeAffinity") or {}
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(p.get("weight") or 0 for p in preferred if matches_term(p.get("preference") or {}, node))


def matches_term(term: JSONObject, node: JSONObject) -> bool:
    """All expressions of a term; a term without any matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    labels = labels_of(node)
    return all(_matches(e, labels) for e in expressions) and all(
        _matches(f, {"metadata.name": name_of(node)}) for f in fields
    )


def _matches(requirement: JSONObject, labels: dict[str, str]) -> bool:
    key, values = requirement["key"], requirement.get("values") or []
    value = labels.get(key)
    match requirement.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            return _compare(operator, value, values)
    return False


def _compare(operator: str, value: str | None, values: list[str]) -> bool:
    try:
        mine, bound = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return mine > bound if operator == "Gt" else mine < bound
