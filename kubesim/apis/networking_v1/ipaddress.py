"""IPAddresses: each cluster IP that is in use, and by whom."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import ip_family
from kubesim.apimachinery.objectmeta import validate_immutable
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import columns
from kubesim.apis.meta import canonical_ip
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, ParentRef")


def name_errors(name: str, prefix: bool) -> list[str]:
    if not ip_family(name):
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    if canonical_ip(name) != name:
        return [f'must be in canonical form ("{canonical_ip(name)}")']
    return []


def validate(obj: JSONObject) -> list[FieldError]:
    reference, path = dig(obj, "spec", "parentRef"), Path("spec").child("parentRef")
    if reference is None:
        return [field.required(path, "")]
    return [field.required(path.child(n), "") for n in ("resource", "name") if not reference.get(n)]


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    reference, before = dig(new, "spec", "parentRef"), dig(old, "spec", "parentRef")
    return validate_immutable(reference, before, Path("spec").child("parentRef"))


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get ipaddresses`: printIPAddress."""
    reference = dig(obj, "spec", "parentRef", default={})
    parts = (reference.get("resource"), reference.get("namespace"), reference.get("name"))
    return [name_of(obj), "/".join(filter(None, (reference.get("group"), *parts))) or "<none>"]
