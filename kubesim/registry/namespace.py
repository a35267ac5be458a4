"""Namespaces end in two steps: they are marked, and gone when the last of their finalizers is.

Source: k8s.io/kubernetes pkg/registry/core/namespace/storage/storage.go.
"""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery.field import FieldError
from kubesim.registry.deletion import garbage_collection_finalizers
from kubesim.registry.hooks import NoHooks
from kubesim.registry.options import DeleteOptions
from kubesim.registry.store import UpdateStrategy
from kubesim.util.clock import format_time
from kubesim.util.jsontypes import JSONObject


class NamespaceHooks(NoHooks):
    """What is special about deleting a Namespace."""

    def begin_delete(self, obj: JSONObject, options: DeleteOptions, now: datetime) -> bool:
        metadata = obj["metadata"]
        if metadata.get("deletionTimestamp"):
            return bool((obj.get("spec") or {}).get("finalizers"))
        metadata["deletionTimestamp"] = format_time(now)
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        finalizers = garbage_collection_finalizers(metadata, options)
        if finalizers:
            metadata["finalizers"] = finalizers
        return True


def _prepare_finalize(new: JSONObject, old: JSONObject) -> None:
    """/finalize changes spec.finalizers, never the status."""
    new["status"] = old.get("status") or {}


def _validate_finalize(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return []


FINALIZE = UpdateStrategy(prepare=_prepare_finalize, validate=_validate_finalize, subresource="finalize")
