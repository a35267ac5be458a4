"""What commands that make objects from flags have in common: pairs, overrides, the annotation of
`--save-config`, creation.

Objects are built as the typed clients write them: `creationTimestamp: null` and an empty status are part of
what
`--dry-run=client -o yaml` prints.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.meta import gvk_of
from kubesim.apimachinery.patch.json_patch import apply_json_patch
from kubesim.apimachinery.patch.merge import apply_merge_patch
from kubesim.cli.builder import Info
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError, PrefixedStatusError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.options import WriteOptions, print_result
from kubesim.cli.paths import resource_path
from kubesim.client.restmapper import NoMatch
from kubesim.util.gojson import GoJSONError, loads
from kubesim.util.jsontypes import JSONObject, deep_copy, encode_sorted

if TYPE_CHECKING:
    from kubesim.apimachinery.gvk import GroupVersionResource

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SAVE_CONFIG_FLAG = boolean("save-config", "Keep the configuration in an annotation, for a later `apply`.")
OVERRIDE_FLAGS: tuple[Flag, ...] = (
    Flag("overrides", "JSON that is laid over the generated object."),
    Flag("override-type", "How --overrides is applied: json, merge or strategic.", default="merge"),
)


def last_applied_text(obj: JSONObject) -> str:
    """The value of the last-applied annotation: the object without it, keys sorted, with a line break."""
    bare = deep_copy(obj)
    annotations = bare.setdefault("metadata", {}).get("annotations")
    if isinstance(annotations, dict):
        annotations.pop(LAST_APPLIED, None)
    bare["metadata"].setdefault("annotations", {})
    if bare["metadata"]["annotations"] is None:
        bare["metadata"]["annotations"] = {}
    return encode_sorted(bare).decode() + "\n"


def set_last_applied(obj: JSONObject) -> None:
    """Write the annotation, in place."""
    text = last_applied_text(obj)
    meta = obj.setdefault("metadata", {})
    annotations = meta.get("annotations")
    meta["annotations"] = dict(annotations if isinstance(annotations, dict) else {}, **{LAST_APPLIED: text})


def _set_typed_last_applied(obj: JSONObject) -> None:
    """As `set_last_applied`, of an object that kubectl holds in a typed struct: fields in the struct's order."""
    from kubesim.cli.structorder import in_struct_order
    from kubesim.util.gotext import to_json

    meta = obj.setdefault("metadata", {})
    kept = {k: v for k, v in (meta.get("annotations") or {}).items() if k != LAST_APPLIED}
    bare = dict(obj, metadata={k: v for k, v in meta.items() if k != "annotations"})
    if kept:
        bare["metadata"]["annotations"] = kept
    meta["annotations"] = {**kept, LAST_APPLIED: to_json(in_struct_order(bare), sort_keys=False) + "\n"}


def metadata(
    name: str, *, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None
) -> JSONObject:
    """ObjectMeta as a typed client writes it; it leaves out an empty name."""
    found: JSONObject = {"creationTimestamp": None}
    if name:
        found["name"] = name
    if labels:
        found["labels"] = labels
    if annotations:
        found["annotations"] = annotations
    return found


def create_generated(
    context: Context, obj: JSONObject, options: WriteOptions, *, failure: str = "", operation: str = "created"
) -> JSONObject:
    """Create an object that flags described, in the namespace of the call, and say so.

    `failure` are the words in front of the server's refusal (`failed to create configmap`).
    """
    made = submit(context, obj, options, failure=failure)
    print_result(context, made, operation, options)
    return made.object or {}


def submit(context: Context, obj: JSONObject, options: WriteOptions, *, failure: str = "") -> Info:
    """Create an object without saying anything."""
    info = info_for(context, obj)
    if options.dry_run == "client":
        if info.mapping.namespaced and context.session.explicit_namespace:
            obj["metadata"]["namespace"] = info.namespace
        return info
    if context.flags.has("save-config") and context.flags.is_set("save-config"):
        _set_typed_last_applied(obj)
    path = info.collection_path
    body = deep_copy(obj)
    if info.mapping.namespaced and context.session.explicit_namespace:
        body["metadata"]["namespace"] = info.namespace
    try:
        answer = context.session.client.request("POST", path, query=options.query, body=body).body
    except StatusError as error:
        if not failure:
            raise
        raise CLIError(f"{failure}: {error.message}") from None
    info.refresh(answer if isinstance(answer, dict) else obj)
    return info


def info_for(context: Context, obj: JSONObject) -> Info:
    """Where an object belongs. Raises CLIError if the server does not have its kind."""
    gvk: GroupVersionKind = gvk_of(obj)
    try:
        mapping = context.session.mapper.kind(gvk)
    except NoMatch as error:
        raise CLIError(str(error)) from None
    namespace = context.session.namespace if mapping.namespaced else ""
    return Info(mapping, namespace, obj["metadata"].get("name", ""), object=obj)


def with_overrides(context: Context, obj: JSONObject) -> JSONObject:
    """The object with `--overrides` laid over it, as the typed clients know it. Raises CLIError."""
    text = context.flags.text("overrides")
    if not text:
        return obj
    kind = context.flags.text("override-type")
    if kind not in _INVALID_FRAGMENT:
        raise CLIError(f"invalid override type: {kind}")
    try:
        made = _overridden(context, obj, kind, text)
    except ValueError as error:
        raise CLIError(str(error)) from None
    if not isinstance(made, dict):
        raise CLIError(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal array into {_TYPE_META}"
        )
    gvk = gvk_of(made)
    schema = context.session.schema
    if schema.definition_of(gvk) is None:
        raise CLIError(
            f'no kind "{gvk.kind}" is registered for version "{gvk.api_version}" in scheme "pkg/scheme/scheme.go:28"'
        )
    try:
        return schema.encode(gvk, schema.decode(gvk, made).obj)
    except ValueError as error:
        raise CLIError(str(error)) from None


_INVALID_FRAGMENT = {"merge": "Invalid JSON Patch", "strategic": "invalid JSON document", "json": ""}
_TYPE_META = (
    r'Go value of type struct { APIVersion string "json:\"apiVersion,omitempty\""; '
    r'Kind string "json:\"kind,omitempty\"" }'
)


def _overridden(context: Context, obj: JSONObject, kind: str, text: str) -> Any:
    """Sources: cmdutil.Merge, StrategicMerge and JSONPatch. Raises ValueError."""
    try:
        patch: Any = loads(text.encode())
    except GoJSONError as error:
        raise ValueError(_INVALID_FRAGMENT[kind] or str(error)) from None
    match kind, patch:
        case "json", _:
            return apply_json_patch(obj, patch)
        case "merge", dict() | list():
            return apply_merge_patch(obj, patch)
        case "strategic", dict():
            from kubesim.apimachinery.patch.strategic import apply_strategic_patch

            return apply_strategic_patch(obj, patch, context.session.node(gvk_of(obj)))
    raise ValueError(_INVALID_FRAGMENT[kind])


def parse_labels(text: str) -> dict[str, str]:
    """`a=b,c=d`. Raises CLIError with kubectl's text."""
    found: dict[str, str] = {}
    if not text:
        raise CLIError("no label spec passed")
    for pair in text.split(","):
        key, equals, value = pair.partition("=")
        if not equals or "=" in value:
            raise CLIError(f"unexpected label spec: {pair}")
        if not key:
            raise CLIError(f"unexpected empty label key: {pair}")
        found[key] = value
    return found


def parse_pairs(words: Sequence[str], what: str) -> dict[str, str]:
    """`a=b` words. Raises CLIError with kubectl's text (cmdutil.ParsePairs)."""
    wrong = [w for w in words if "=" not in w or not w.partition("=")[0]]
    if wrong:
        raise CLIError(f"invalid {what} format: {', '.join(wrong)}")
    return {key: value for key, _, value in (w.partition("=") for w in words)}


_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


def parse_environment(words: Sequence[str]) -> list[JSONObject]:
    """`NAME=value` words as a container's env. Raises CLIError."""
    found = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise CLIError(f"invalid env: {word}")
        if not _ENV_NAME.fullmatch(name):
            raise CLIError(f"env {word} is invalid: name is not a valid environment variable name")
        found.append({"name": name, "value": value} if value else {"name": name})
    return found


def prefixed(prefix: str, error: CLIError | StatusError) -> Exception:
    """A failure with what was being done in front: cmdutil.AddSourceToErr."""
    return (
        CLIError(f"{prefix}: {error}") if isinstance(error, CLIError) else PrefixedStatusError(prefix, error)
    )


def unversioned(obj: JSONObject) -> JSONObject:
    """What is created: the object of a file without a resourceVersion (cli-runtime, Helper.CreateWithOptions)."""
    meta = obj.get("metadata")
    if not isinstance(meta, dict) or not meta.get("resourceVersion"):
        return obj
    return {**obj, "metadata": {k: v for k, v in meta.items() if k != "resourceVersion"}}


def list_path(gvr: GroupVersionResource, namespace: str) -> str:
    """Where objects of a kind are created."""
    return resource_path(gvr, namespace)
