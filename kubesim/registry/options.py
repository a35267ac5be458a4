"""What a write is asked to do besides the object: metav1.CreateOptions, UpdateOptions, PatchOptions,
DeleteOptions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from kubesim.apimachinery.rest import ADMIN, UserInfo

FieldValidation = Literal["Strict", "Warn", "Ignore"]
ORPHAN: Final = "Orphan"
BACKGROUND: Final = "Background"
FOREGROUND: Final = "Foreground"


def _no_warning(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to write. `warn` gets the texts of Warning headers."""

    user: UserInfo = ADMIN
    dry_run: bool = False
    field_manager: str = "kubesim"
    field_validation: FieldValidation = "Warn"
    warn: Callable[[str], None] = _no_warning


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete. None means: as the kind has it."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    uid: str | None = None
    resource_version: str | None = None
