"""PodTemplates: a template on its own."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.labels import format_labels
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import columns, container_cells
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import default_pod_template
from kubesim.apis.podtemplate_features import drop_disabled_template_fields
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Containers, Images, Pod Labels")


def default(obj: JSONObject) -> None:
    default_pod_template(section(obj, "template"))


def prepare_create(obj: JSONObject) -> None:
    drop_disabled_template_fields(obj)


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    drop_disabled_template_fields(new, old)


def validate(obj: JSONObject) -> list[FieldError]:
    from kubesim.apis.podtemplate_validation import validate_pod_template

    return validate_pod_template(obj.get("template") or {}, Path("template"))


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    from kubesim.apis.podtemplate_warnings import warnings_for_pod_template

    return warnings_for_pod_template(new.get("template") or {}, Path("template"))


def cells(obj: JSONObject, now: datetime) -> Cells:
    labels = dig(obj, "template", "metadata", "labels")
    return [name_of(obj), *container_cells(dig(obj, "template", "spec", default={})), format_labels(labels)]
