"""Binding: what the scheduler posts to put a Pod on a node. Source: ValidatePodBinding."""

from __future__ import annotations

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apis.meta import section
from kubesim.util.jsontypes import JSONObject


def default(binding: JSONObject) -> None:
    section(binding, "target")


def validate(binding: JSONObject) -> list[FieldError]:
    target = binding.get("target") or {}
    errors: list[FieldError] = []
    if target.get("kind") and target["kind"] != "Node":
        path = Path("target.kind")
        errors.append(field.not_supported(path, target["kind"], ("Node", "<empty>")))
    if not target.get("name"):
        errors.append(field.required(Path("target.name")))
    return errors
