"""PodDisruptionBudgets and PriorityClasses."""

from __future__ import annotations

from kubesim.apimachinery.labels import format_label_selector, format_labels
from kubesim.apimachinery.meta import annotations_of, name_of, namespace_of
from kubesim.cli.describe.page import UNSET, Page, go_bool
from kubesim.util.jsontypes import JSONObject


def disruption_budget(page: Page, obj: JSONObject) -> None:
    """As describePodDisruptionBudgetV1."""
    spec: JSONObject = obj.get("spec") or {}
    status: JSONObject = obj.get("status") or {}
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Namespace:", namespace_of(obj))
    if spec.get("minAvailable") is not None:
        page.line(0, "Min available:", spec["minAvailable"])
    elif spec.get("maxUnavailable") is not None:
        page.line(0, "Max unavailable:", spec["maxUnavailable"])
    selector = spec.get("selector")
    page.line(0, "Selector:", UNSET if selector is None else format_label_selector(selector))
    page.write(0, "Status:\n")
    for title, key in (
        ("Allowed disruptions:", "disruptionsAllowed"),
        ("Current:", "currentHealthy"),
        ("Desired:", "desiredHealthy"),
        ("Total:", "expectedPods"),
    ):
        page.line(2, title, status.get(key) or 0)
    page.events(obj)


def priority_class(page: Page, obj: JSONObject) -> None:
    """As describePriorityClass."""
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Value:", obj.get("value") or 0)
    page.line(0, "GlobalDefault:", go_bool(obj.get("globalDefault")))
    page.line(0, "PreemptionPolicy:", obj.get("preemptionPolicy", "PreemptLowerPriority"))
    page.line(0, "Description:", obj.get("description", ""))
    page.line(0, "Annotations:", format_labels(annotations_of(obj)))
    page.events(obj)
