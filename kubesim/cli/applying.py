"""Client-side apply: what was applied last, what a file says now, what is there: the three-way merge (pkg/cmd/apply)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import annotations_of, is_terminating, metadata_of
from kubesim.apimachinery.patch.preconditions import IDENTITY_UNCHANGED
from kubesim.apimachinery.patch.strategic_diff import create_three_way_patch
from kubesim.apimachinery.patch.three_way_json import create_three_way_json_patch
from kubesim.apimachinery.rest import MERGE_PATCH, STRATEGIC_MERGE_PATCH
from kubesim.cli.builder import Info
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError, PrefixedStatusError, is_not_found
from kubesim.cli.generated import LAST_APPLIED, last_applied_text, prefixed, set_last_applied, unversioned
from kubesim.cli.options import WriteOptions
from kubesim.util.jsontypes import JSONObject, decode, deep_copy, encode

# How often a patch that meets another writer is worked out again: patcher.go, maxPatchRetry.
RETRIES = 5


@dataclass(frozen=True, slots=True)
class Applied:
    """How an apply ended. `operation` is `created`, `configured` or `unchanged`."""

    operation: str
    obj: JSONObject


def live_object(context: Context, info: Info) -> JSONObject | None:
    """What the server has, None if nothing."""
    try:
        answer = context.session.client.request("GET", info.path).body
    except (CLIError, StatusError) as error:
        if is_not_found(error):
            return None
        raise _told(
            f"retrieving current configuration of:\n{describe(info)}\nfrom server for:", info, error
        ) from None
    return answer if isinstance(answer, dict) else None


def apply_object(
    context: Context, info: Info, options: WriteOptions, *, overwrite: bool, force: bool
) -> Applied:
    """Bring one object to the state of its file. Raises CLIError or StatusError."""
    wanted = info.object or {}
    current = live_object(context, info)
    if current is None:
        return Applied("created", _create(context, info, wanted, options))
    if options.dry_run == "client":
        return Applied("configured", current)
    if LAST_APPLIED not in annotations_of(current):
        _warn_missing(context, info)
    modified = with_annotation(wanted)
    patch, obj = _patch(context, info, current, modified, options, overwrite=overwrite, force=force)
    if is_terminating(obj):
        name = f"{info.mapping.gvr.resource}/{info.name}"
        context.err(f"Warning: Detected changes to resource {name} which is currently being deleted.")
    return Applied("unchanged" if not patch else "configured", obj)


def with_annotation(obj: JSONObject) -> JSONObject:
    """A copy that carries its own configuration in the last-applied annotation."""
    made: JSONObject = deep_copy(obj)
    set_last_applied(made)
    return made


def without_annotation(obj: JSONObject) -> JSONObject:
    """A copy that does not carry what was applied before."""
    made: JSONObject = deep_copy(obj)
    meta = made.setdefault("metadata", {})
    meta["annotations"] = {k: v for k, v in annotations_of(made).items() if k != LAST_APPLIED}
    return made


def three_way_patch(
    context: Context, info: Info, current: JSONObject, modified: JSONObject, *, overwrite: bool = True
) -> tuple[JSONObject, str]:
    """The patch that leads from what is there to what is wanted, and its content type. Raises CLIError."""
    text = annotations_of(current).get(LAST_APPLIED, "")
    try:
        original = decode(text) if text else {}
        node = context.session.node(info.mapping.gvk)
        if node is not None:
            patch = create_three_way_patch(
                original, modified, current, node, overwrite=overwrite, preconditions=IDENTITY_UNCHANGED
            )
            return patch, STRATEGIC_MERGE_PATCH
        return create_three_way_json_patch(
            original, modified, current, preconditions=IDENTITY_UNCHANGED
        ), MERGE_PATCH
    except ValueError as error:
        shown = [encode(o).decode() for o in (original, modified, current)]
        what = "creating patch with:\noriginal:\n{}\nmodified:\n{}\ncurrent:\n{}\nfor:".format(*shown)
        raise CLIError(f'error when {what} "{info.source}": {error}') from None


def _create(context: Context, info: Info, wanted: JSONObject, options: WriteOptions) -> JSONObject:
    body = unversioned(with_annotation(wanted))
    prune_nulls(body)
    if options.dry_run == "client":
        return body
    path = info.collection_path
    try:
        answer = context.session.client.request("POST", path, query=options.query, body=body).body
    except StatusError as error:
        raise _told("creating", info, error) from None
    return answer if isinstance(answer, dict) else body


def _patch(
    context: Context,
    info: Info,
    current: JSONObject,
    modified: JSONObject,
    options: WriteOptions,
    *,
    overwrite: bool,
    force: bool,
) -> tuple[JSONObject, JSONObject]:
    for attempt in range(RETRIES + 1):
        patch, content_type = three_way_patch(context, info, current, modified, overwrite=overwrite)
        if not patch:
            return patch, current
        try:
            answer = context.session.client.request(
                "PATCH", info.path, query=options.query, body=deep_copy(patch), content_type=content_type
            ).body
        except StatusError as error:
            if error.reason == "Conflict" and attempt < RETRIES:
                current = live_object(context, info) or {}
                continue
            if force and error.reason in ("Conflict", "Invalid"):
                return patch, _replace(context, info, current, modified, options)
            inner = prefixed(f'error when patching "{info.source}"', error)
            shown = json.dumps(patch, separators=(",", ":"), sort_keys=True)
            what = f"applying patch:\n{shown}\nto:\n{describe(info)}\nfor:"
            raise (_told(what, info, inner) if isinstance(inner, StatusError) else inner) from None
        return patch, answer if isinstance(answer, dict) else current
    return {}, current


def _replace(
    context: Context, info: Info, current: JSONObject, modified: JSONObject, options: WriteOptions
) -> JSONObject:
    """`--force`: delete and create. What was there is put back if the new object is refused."""
    from datetime import timedelta

    from kubesim.cli.waiting import Deadline, gone, wait_until

    client = context.session.client
    client.request(
        "DELETE", info.path, body={"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
    )
    wait_until(
        context.session,
        lambda: gone(context.session, info, ""),
        Deadline(context.session, timedelta(minutes=5)),
    )
    path = info.collection_path
    try:
        answer: Any = client.request("POST", path, query=options.query, body=modified).body
    except StatusError as error:
        old = deep_copy(current)
        for name in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
            metadata_of(old).pop(name, None)
        client.request("POST", path, body=old)
        raise _told("creating", info, error) from None
    return answer if isinstance(answer, dict) else modified


def prune_nulls(value: Any) -> None:
    """Take null entries out of maps, in place: a create must store what a later apply would."""
    if isinstance(value, dict):
        for key in [k for k, v in value.items() if v is None]:
            del value[key]
        for inner in value.values():
            prune_nulls(inner)
    elif isinstance(value, list):
        for inner in value:
            prune_nulls(inner)


def describe(info: Info) -> str:
    """`Resource: …, GroupVersionKind: …` and name, as resource.Info prints itself."""
    return (
        f'Resource: "{info.mapping.gvr}", GroupVersionKind: "{info.mapping.gvk}"\n'
        f'Name: "{info.name}", Namespace: "{info.namespace}"'
    )


def _told(what: str, info: Info, error: CLIError | StatusError) -> Exception:
    """cmdutil.AddSourceToErr: the status keeps its reason, its message says what was being done."""
    prefix = f'error when {what} "{info.source}"'
    return (
        CLIError(f"{prefix}: {error}") if isinstance(error, CLIError) else PrefixedStatusError(prefix, error)
    )


def _warn_missing(context: Context, info: Info) -> None:
    program = context.streams.program
    context.err(
        f"Warning: resource {info.mapping.gvr.resource}/{info.name} is missing the {LAST_APPLIED} annotation which is "
        f"required by {program} apply. {program} apply should only be used on resources created declaratively by either "
        f"{program} create --save-config or {program} apply. The missing annotation will be patched automatically."
    )


def last_applied(obj: JSONObject) -> str:
    """The annotation's text; empty if the object has none."""
    return annotations_of(obj).get(LAST_APPLIED, "")


__all__ = [
    "Applied",
    "apply_object",
    "describe",
    "last_applied",
    "last_applied_text",
    "live_object",
    "prune_nulls",
    "three_way_patch",
    "with_annotation",
    "without_annotation",
]
