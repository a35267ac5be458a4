"""What a deletion does to an object before it is gone: grace periods and finalizers.

Sources: k8s.io/apiserver pkg/registry/rest/delete.go, pkg/registry/generic/registry/store.go,
pkg/registry/core/pod/strategy.go (CheckGracefulDelete).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from kubesim.apimachinery import errors, field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.scheme import Resource
from kubesim.registry.options import BACKGROUND, FOREGROUND, ORPHAN, DeleteOptions
from kubesim.util.clock import format_time, parse_time
from kubesim.util.jsontypes import JSONObject

FINALIZER_ORPHAN: Final = "orphan"
FINALIZER_FOREGROUND: Final = "foregroundDeletion"

Outcome = Literal["now", "graceful", "pending"]


@dataclass(frozen=True, slots=True)
class Preparation:
    """What to do next, after the object's metadata was changed accordingly; the grace period that was agreed
    on.
    """

    outcome: Outcome
    grace_period_seconds: int = 0


def validate_delete_options(options: DeleteOptions) -> list[FieldError]:
    """ValidateDeleteOptions."""
    found: list[FieldError] = []
    policy = options.propagation_policy
    if options.orphan_dependents is not None and policy is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        found.append(field.invalid(Path("propagationPolicy"), policy, detail))
    if policy is not None and policy not in (FOREGROUND, BACKGROUND, ORPHAN):
        supported = [FOREGROUND, BACKGROUND, ORPHAN, "nil"]
        found.append(field.not_supported(Path("propagationPolicy"), policy, supported))
    return found


def check_preconditions(resource: Resource, obj: JSONObject, options: DeleteOptions) -> None:
    """Raises StatusError 409. The resource is named by its kind, as upstream."""
    metadata = obj["metadata"]
    if options.uid is not None and options.uid != metadata.get("uid"):
        detail = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({metadata.get('uid')}). The object might have been deleted and then recreated"
        )
        raise errors.conflict(resource.kind, metadata["name"], detail, group=resource.group)
    if options.resource_version is not None and options.resource_version != metadata.get("resourceVersion"):
        detail = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
            f"ResourceVersion in record ({metadata.get('resourceVersion')}). "
            "The object might have been modified"
        )
        raise errors.conflict(resource.kind, metadata["name"], detail, group=resource.group)


def before_delete(resource: Resource, obj: JSONObject, options: DeleteOptions, now: datetime) -> Preparation:
    """rest.BeforeDelete. Changes the object's metadata where the deletion is graceful."""
    if options.grace_period_seconds is not None and options.grace_period_seconds < 0:
        options = replace(options, grace_period_seconds=1)
    if not resource.graceful:
        return Preparation("now")
    metadata = obj["metadata"]
    if metadata.get("deletionTimestamp"):
        return _again(metadata, options)
    seconds = _grace_period(obj, options)
    metadata["deletionTimestamp"] = format_time(now + timedelta(seconds=seconds))
    metadata["deletionGracePeriodSeconds"] = seconds
    _bump_generation(metadata)
    return Preparation("graceful", seconds)


def _again(metadata: JSONObject, options: DeleteOptions) -> Preparation:
    """An object that is being deleted already: the time can only become shorter."""
    left = metadata.get("deletionGracePeriodSeconds")
    if not left:
        return Preparation("now")
    wanted = options.grace_period_seconds
    if wanted is None or wanted >= left:
        return Preparation("pending", left)
    begun = parse_time(metadata["deletionTimestamp"]) - timedelta(seconds=left)
    metadata["deletionTimestamp"] = format_time(begun + timedelta(seconds=wanted))
    metadata["deletionGracePeriodSeconds"] = wanted
    return Preparation("graceful", wanted)


def _grace_period(pod: JSONObject, options: DeleteOptions) -> int:
    """Seconds that a Pod gets: none if no kubelet has to stop it."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    seconds = options.grace_period_seconds
    if seconds is None:
        seconds = int(spec.get("terminationGracePeriodSeconds") or 0)
    return 1 if seconds < 0 else seconds


def _bump_generation(metadata: JSONObject) -> None:
    if metadata.get("generation"):
        metadata["generation"] += 1


def garbage_collection_finalizers(metadata: JSONObject, options: DeleteOptions) -> list[str]:
    """The finalizers that the object has to have: its own, and the garbage collector's by the policy."""
    own = list(metadata.get("finalizers") or [])
    kept = [f for f in own if f not in (FINALIZER_ORPHAN, FINALIZER_FOREGROUND)]
    wanted = _collector_finalizer(own, options)
    made = [*kept, wanted] if wanted else kept
    return own if set(made) == set(own) else made


def _collector_finalizer(own: list[str], options: DeleteOptions) -> str:
    """What was asked for counts before what the object already has."""
    if options.orphan_dependents is not None:
        return FINALIZER_ORPHAN if options.orphan_dependents else ""
    if options.propagation_policy is not None:
        return {ORPHAN: FINALIZER_ORPHAN, FOREGROUND: FINALIZER_FOREGROUND}.get(
            options.propagation_policy, ""
        )
    return next((f for f in own if f in (FINALIZER_ORPHAN, FINALIZER_FOREGROUND)), "")


def mark_as_deleting(metadata: JSONObject, now: datetime) -> None:
    """Finalizers have to run first: store.go markAsDeleting."""
    existing = metadata.get("deletionTimestamp")
    if not existing:
        _bump_generation(metadata)
    if not existing or parse_time(existing) > now:
        metadata["deletionTimestamp"] = format_time(now)
    metadata["deletionGracePeriodSeconds"] = 0


def should_delete_during_update(new: JSONObject, old: JSONObject) -> bool:
    """Whether an update has taken the last finalizer from an object that waits for its end."""
    before, after = old["metadata"], new["metadata"]
    if after.get("finalizers") or not before.get("deletionTimestamp"):
        return False
    if old.get("kind") == "Namespace" and (new.get("spec") or {}).get("finalizers"):
        return False
    return not before.get("deletionGracePeriodSeconds")
