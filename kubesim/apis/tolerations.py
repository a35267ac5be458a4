"""Which taints a Pod tolerates: k8s.io/component-helpers/scheduling/corev1 and Toleration.ToleratesTaint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubesim.util.jsontypes import JSONObject


def tolerates(toleration: JSONObject, taint: JSONObject) -> bool:
    """Whether one toleration tolerates a taint."""
    effect, key = toleration.get("effect"), toleration.get("key")
    if (effect and effect != taint.get("effect")) or (key and key != taint.get("key")):
        return False
    match toleration.get("operator") or "Equal":
        case "Equal":
            return bool(key) and (toleration.get("value") or "") == (taint.get("value") or "")
        case "Exists":
            return True
    return False


def first_untolerated(
    taints: Iterable[JSONObject], tolerations: Sequence[JSONObject], effects: Sequence[str]
) -> JSONObject | None:
    """The first taint of these effects that no toleration tolerates: FindMatchingUntoleratedTaint."""
    for taint in taints:
        if taint.get("effect") in effects and not any(tolerates(t, taint) for t in tolerations):
            return taint
    return None
