"""What ConfigMaps and Secrets share: keys, the limit on their size, and that they may be immutable."""

from __future__ import annotations

from typing import Final

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import is_config_map_key
from kubesim.util.jsontypes import JSONObject

MAX_BYTES: Final = 1024 * 1024  # core.MaxSecretSize

_IMMUTABLE: Final = "field is immutable when `immutable` is set"


def validate_key(key: str, path: Path) -> list[FieldError]:
    return [field.invalid(path, key, text) for text in is_config_map_key(key)]


def validate_immutable_data(new: JSONObject, old: JSONObject, *names: str) -> list[FieldError]:
    """What once was immutable stays so, and its data with it."""
    if not old.get("immutable"):
        return []
    errors: list[FieldError] = []
    if not new.get("immutable"):
        errors.append(field.forbidden(Path("immutable"), _IMMUTABLE))
    errors += [
        field.forbidden(Path(name), _IMMUTABLE)
        for name in names
        if (new.get(name) or {}) != (old.get(name) or {})
    ]
    return errors


def base64_length(text: str | None) -> int:
    """How many bytes a base64 text stands for."""
    return len(text) * 3 // 4 - text.count("=", -2) if text else 0
