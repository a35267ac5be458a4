"""Secret: bytes by key, of a type that may ask for certain keys.

Sources: pkg/apis/core/{v1/conversion.go,validation}, pkg/registry/core/secret/strategy.go.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Final

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import annotations_of, name_of
from kubesim.apimachinery.objectmeta import validate_immutable
from kubesim.apimachinery.scheme import Cells, Column, standard_fields
from kubesim.apis.keyeddata import MAX_BYTES, base64_length, validate_immutable_data, validate_key
from kubesim.apis.meta import AGE, NAME, created, drop_empty
from kubesim.util.durations import time_since
from kubesim.util.jsontypes import JSONObject

COLUMNS: Final = (
    NAME,
    Column("Type", description="What the Secret is for."),
    Column("Data", description="Number of keys."),
    AGE,
)
OPAQUE: Final = "Opaque"
SERVICE_ACCOUNT_TOKEN: Final = "kubernetes.io/service-account-token"  # noqa: S105 - the name of a type
TLS: Final = "kubernetes.io/tls"

_ACCOUNT_NAME: Final = "kubernetes.io/service-account.name"
_DATA: Final = Path("data")
_JSON_KEYS: Final = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


def default(secret: JSONObject) -> None:
    """SetDefaults_Secret; and stringData, which is only ever written, goes into data."""
    texts = secret.pop("stringData", None)
    if texts:
        data = secret.get("data") or {}
        secret["data"] = data | {k: b64encode((v or "").encode()).decode() for k, v in texts.items()}
    drop_empty(secret, ("data",))
    if not secret.get("type"):
        secret["type"] = OPAQUE


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    if not new.get("type"):
        new["type"] = old.get("type")


def validate(secret: JSONObject) -> list[FieldError]:
    """ValidateSecret."""
    data = secret.get("data") or {}
    errors: list[FieldError] = []
    for key in sorted(data):
        errors += validate_key(key, _DATA.key(key))
    if sum(map(base64_length, data.values())) > MAX_BYTES:
        errors.append(field.too_long(_DATA, "", MAX_BYTES))
    return errors + _validate_type(secret, secret.get("type") or "", data)


def _validate_type(secret: JSONObject, kind: str, data: dict[str, str]) -> list[FieldError]:
    if kind == SERVICE_ACCOUNT_TOKEN and not annotations_of(secret).get(_ACCOUNT_NAME):
        return [field.required(Path("metadata.annotations").key(_ACCOUNT_NAME))]
    if kind in _JSON_KEYS:
        return _validate_json(data, _JSON_KEYS[kind])
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        return [field.required(_DATA.key("username")), field.required(_DATA.key("password"))]
    if kind == "kubernetes.io/ssh-auth" and not data.get("ssh-privatekey"):
        return [field.required(_DATA.key("ssh-privatekey"))]
    if kind == TLS:
        return [field.required(_DATA.key(key)) for key in ("tls.crt", "tls.key") if key not in data]
    return []


def _validate_json(data: dict[str, str], key: str) -> list[FieldError]:
    if key not in data:
        return [field.required(_DATA.key(key))]
    problem = _json_problem(b64decode(data[key] or "").decode(errors="replace"))
    return [field.invalid(_DATA.key(key), "<secret contents redacted>", problem)] if problem else []


# What encoding/json says where Python's decoder stops with this message.
_GO_PLACES: Final = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
}


def _json_problem(text: str) -> str:
    """The error of json.Unmarshal into a map, empty where there is none."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as e:
        if e.pos >= len(text.rstrip()) or e.msg.startswith("Unterminated string"):
            return "unexpected end of JSON input"
        after = "after array element" if text[: e.pos].count("[") > text[: e.pos].count("]") else ""
        place = _GO_PLACES.get(e.msg, after or "after object key:value pair")
        return f"invalid character {_go_character(text[e.pos])} {place}"
    if value is None or isinstance(value, dict):
        return ""
    kind = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
    return f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"


def _go_character(character: str) -> str:
    return {"'": r"'\''", '"': "'\"'"}.get(character, f"'{character}'")


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """ValidateSecretUpdate."""
    errors = validate_immutable(new.get("type"), old.get("type"), Path("type"))
    return errors + validate_immutable_data(new, old, "data") + validate(new)


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    """What crypto/tls finds wrong with the PEM blocks of a key pair; the keys themselves are not compared."""
    if new.get("type") != TLS:
        return []
    data = new.get("data") or {}
    problem = _certificate_problem(_pem_types(data.get("tls.crt"))) or _key_problem(
        _pem_types(data.get("tls.key"))
    )
    return [problem] if problem else []


def _pem_types(encoded: str | None) -> list[str]:
    lines = b64decode(encoded or "").decode(errors="replace").splitlines()
    ends = {line[9:-5] for line in lines if line.startswith("-----END ") and line.endswith("-----")}
    begins = [line[11:-5] for line in lines if line.startswith("-----BEGIN ") and line.endswith("-----")]
    return [kind for kind in begins if kind in ends]


def _certificate_problem(types: list[str]) -> str:
    if not types:
        return "tls: failed to find any PEM data in certificate input"
    if "CERTIFICATE" in types:
        return ""
    if len(types) == 1 and types[0].endswith("PRIVATE KEY"):
        return (
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM"
            " inputs may have been switched"
        )
    return (
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the'
        f" following types: [{' '.join(types)}]"
    )


def _key_problem(types: list[str]) -> str:
    if not types:
        return "tls: failed to find any PEM data in key input"
    if any(kind == "PRIVATE KEY" or kind.endswith(" PRIVATE KEY") for kind in types):
        return ""
    if types == ["CERTIFICATE"]:
        return "tls: found a certificate rather than a key in the PEM for the private key"
    return (
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM'
        f" blocks of the following types: [{' '.join(types)}]"
    )


def fields(secret: JSONObject) -> dict[str, str]:
    return standard_fields(secret) | {"type": secret.get("type") or ""}


def cells(secret: JSONObject, now: datetime) -> Cells:
    count = len(secret.get("data") or ())
    return [name_of(secret), secret.get("type") or "", count, time_since(created(secret), now)]
