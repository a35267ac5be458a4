"""The patches of the API: JSON (RFC 6902), merge (RFC 7386), strategic merge; made and applied as
Kubernetes does.

Here is what applies patches; `strategic_diff` and `three_way_json` make them.
"""

from __future__ import annotations

from kubesim.apimachinery.patch.errors import (
    JSONPatchError,
    PatchConflictError,
    PatchError,
    PreconditionFailedError,
    StrategicPatchError,
)
from kubesim.apimachinery.patch.json_patch import apply_json_patch
from kubesim.apimachinery.patch.merge import apply_merge_patch, create_merge_patch
from kubesim.apimachinery.patch.strategic import apply_strategic_patch

__all__ = [
    "JSONPatchError",
    "PatchConflictError",
    "PatchError",
    "PreconditionFailedError",
    "StrategicPatchError",
    "apply_json_patch",
    "apply_merge_patch",
    "apply_strategic_patch",
    "create_merge_patch",
]
