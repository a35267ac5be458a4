"""ServiceCIDRs: ranges of cluster IPs."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import ip_family, is_valid_cidr
from kubesim.apimachinery.objectmeta import IMMUTABLE
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age, columns
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, CIDRs, Age")


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = {}


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    new["status"] = old.get("status") or {}


def validate(obj: JSONObject) -> list[FieldError]:
    cidrs, path = dig(obj, "spec", "cidrs", default=[]), Path("spec").child("cidrs")
    if not cidrs:
        return [field.required(path, "at least one CIDR required")]
    errors = [field.invalid(path.index(i), c, e) for i, c in enumerate(cidrs) for e in is_valid_cidr(c)]
    if len(cidrs) > 2:
        detail = "may only hold up to 2 values"
        errors.append(
            field.invalid(path, field.GoValue("[]string{" + ", ".join(f'"{c}"' for c in cidrs) + "}"), detail)
        )
    elif len(cidrs) == 2 and len({ip_family(c.partition("/")[0]) for c in cidrs}) < 2:
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        errors.append(field.invalid(path, cidrs, detail))
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    cidrs, before = dig(new, "spec", "cidrs", default=[]), dig(old, "spec", "cidrs", default=[])
    if cidrs == before or (len(before) == 1 and len(cidrs) == 2 and cidrs[0] == before[0]):
        return validate(new)
    return [field.invalid(Path("spec").child("cidrs"), cidrs, IMMUTABLE)]


def cells(obj: JSONObject, now: datetime) -> Cells:
    return [name_of(obj), ",".join(dig(obj, "spec", "cidrs", default=[])), age(obj, now)]
