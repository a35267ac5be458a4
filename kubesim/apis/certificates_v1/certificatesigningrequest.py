"""CertificateSigningRequests: their strategy, as pkg/registry/certificates has it."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.rest import UserInfo
from kubesim.apimachinery.scheme import Cells, standard_fields
from kubesim.apis.columns import NONE, age, columns
from kubesim.util.durations import human_duration
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS = columns("Name, Age, SignerName, Requestor, RequestedDuration, Condition")
_SHORTEST = 600
_OWN_CONDITIONS = ("Approved", "Denied")
_USAGES = frozenset(
    {
        "signing",
        "digital signature",
        "content commitment",
        "key encipherment",
        "key agreement",
        "data encipherment",
        "cert sign",
        "crl sign",
        "encipher only",
        "decipher only",
        "any",
        "server auth",
        "client auth",
        "code signing",
        "email protection",
        "s/mime",
        "ipsec end system",
        "ipsec tunnel",
        "ipsec user",
        "timestamping",
        "ocsp signing",
        "microsoft sgc",
        "netscape sgc",
    }
)


def prepare_create(obj: JSONObject) -> None:
    obj["status"] = {}


def requested_by(obj: JSONObject, user: UserInfo) -> None:
    """Who asks is what authentication says, whatever the request says (strategy.go, PrepareForCreate)."""
    spec = obj.setdefault("spec", {})
    for name in ("username", "uid", "groups", "extra"):
        spec.pop(name, None)
    extra = {name: list(values) for name, values in user.extra}
    said = {"extra": extra, "groups": list(user.groups), "uid": user.uid, "username": user.name}
    spec.update({name: value for name, value in said.items() if value})


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    """A request is what it was; /approval and /status change its status."""
    for name in ("spec", "status"):
        if name in old:
            new[name] = old[name]


def prepare_status_update(new: JSONObject, old: JSONObject) -> None:
    """The signer sets the certificate; approval and denial are left to /approval."""
    new["spec"] = old.get("spec") or {}
    status = new.setdefault("status", {})
    kept = [c for c in status.get("conditions") or () if c.get("type") not in _OWN_CONDITIONS]
    before = [c for c in dig(old, "status", "conditions", default=()) if c.get("type") in _OWN_CONDITIONS]
    if before or kept:
        status["conditions"] = [*before, *kept]


def prepare_approval_update(new: JSONObject, old: JSONObject) -> None:
    """The approver sets conditions; the certificate is left to /status."""
    new["spec"] = old.get("spec") or {}
    conditions = dig(new, "status", "conditions", default=[])
    new["status"] = {**(old.get("status") or {}), "conditions": conditions}


def validate(obj: JSONObject) -> list[FieldError]:
    spec, path = obj.get("spec") or {}, Path("spec")
    errors: list[FieldError] = []
    request = str(spec.get("request") or "")
    if not _is_request(request):
        detail = "PEM block type must be CERTIFICATE REQUEST"
        errors.append(field.invalid(path.child("request"), field.GoValue(_bytes(request)), detail))
    usages = spec.get("usages") or []
    if not usages:
        errors.append(field.required(path.child("usages"), ""))
    for i, usage in enumerate(usages):
        if usage not in _USAGES:
            errors.append(field.not_supported(path.child("usages").index(i), usage, sorted(_USAGES)))
        if usage in usages[:i]:
            errors.append(field.duplicate(path.child("usages").index(i), usage))
    signer = spec.get("signerName") or ""
    if not signer:
        errors.append(field.required(path.child("signerName"), ""))
    elif signer == "kubernetes.io/legacy-unknown":
        detail = "the legacy signerName is not allowed via this API version"
        errors.append(field.invalid(path.child("signerName"), signer, detail))
    elif "/" not in signer or "." not in signer.partition("/")[0]:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        errors.append(field.invalid(path.child("signerName"), signer, detail))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _SHORTEST:
        detail = "may not specify a duration less than 600 seconds (10 minutes)"
        errors.append(field.invalid(path.child("expirationSeconds"), seconds, detail))
    return errors


def _is_request(text: str) -> bool:
    return b"-----BEGIN CERTIFICATE REQUEST-----" in _decoded(text)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _bytes(text: str) -> str:
    return "[]byte{" + ", ".join(f"0x{b:x}" for b in _decoded(text)) + "}"


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    errors: list[FieldError] = []
    path = Path("status").child("conditions")
    seen: set[str] = set()
    for i, condition in enumerate(dig(new, "status", "conditions", default=())):
        kind, status = condition.get("type") or "", condition.get("status") or ""
        if not kind:
            errors.append(field.required(path.index(i).child("type"), ""))
        if status not in {"True", "False", "Unknown"}:
            supported = ("False", "True", "Unknown")
            errors.append(field.not_supported(path.index(i).child("status"), status, supported))
        if kind in {"Approved", "Denied", "Failed"} and status != "True":
            errors.append(field.not_supported(path.index(i).child("status"), status, ("True",)))
        if kind in seen:
            errors.append(field.duplicate(path.index(i).child("type"), kind))
        seen.add(kind)
    if {"Approved", "Denied"} <= seen:
        errors.append(field.invalid(path, "Denied", "Approved and Denied conditions are mutually exclusive"))
    return errors


def fields(obj: JSONObject) -> dict[str, str]:
    return standard_fields(obj) | {"spec.signerName": str(dig(obj, "spec", "signerName", default=""))}


def cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of `get certificatesigningrequests`: printCertificateSigningRequest."""
    spec = obj.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    return [
        name_of(obj),
        age(obj, now),
        spec.get("signerName") or NONE,
        spec.get("username") or "",
        NONE if seconds is None else human_duration(timedelta(seconds=seconds)),
        _condition(obj.get("status") or {}),
    ]


def _condition(status: JSONObject) -> str:
    kinds = {c.get("type") for c in status.get("conditions") or ()}
    text = "Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"
    return text + (",Failed" if "Failed" in kinds else "") + (",Issued" if status.get("certificate") else "")
