"""Patches: strategic merges and JSON patches, from files or inline, on the resources that they select."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kubesim.apimachinery.labels import SelectorError, parse_selector
from kubesim.apimachinery.patch.errors import PatchError
from kubesim.apimachinery.patch.json_patch import apply_json_patch
from kubesim.apimachinery.schema.node import Node
from kubesim.cli.kustomize.errors import BuildError, MalformedYAML, wrapped
from kubesim.cli.kustomize.fieldspecs import parse_gvk
from kubesim.cli.kustomize.identity import Gvk, ResId, gvk_of
from kubesim.cli.kustomize.loader import Loader, parse_resources
from kubesim.cli.kustomize.merging import merge_patch
from kubesim.cli.kustomize.resources import Resource, Resources
from kubesim.util.gojson import GoJSONError, loads
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject
from kubesim.util.yamlfmt import YAMLSyntaxError, load

NodeOf = Callable[[Gvk], Node | None]


def apply_patch(resources: Resources, entry: JSONObject, loader: Loader, node_of: NodeOf) -> None:
    """One entry of `patches`: PatchTransformer. Raises BuildError."""
    shown = {k: entry[k] for k in ("path", "patch", "target", "options") if entry.get(k)}
    with configuring("PatchTransformer", shown):
        text, source = _text_of_patch(shown, loader)
        merges, operations = _parse(text, source)
    target = entry.get("target")
    if merges is None:
        if target is None:
            raise BuildError(f"must specify a target for JSON patch {source}")
        for resource in select(resources, target):
            resource.remember_id()
            _apply_operations(resource, operations)
        return
    options = entry.get("options") or {}
    for merge in merges:
        merge.allow_name_change = bool(options.get("allowNameChange"))
        merge.allow_kind_change = bool(options.get("allowKindChange"))
    if target is not None:
        if len(merges) > 1:
            raise BuildError(
                "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` "
                f"field: {source}"
            )
        _merge_into(resources, select(resources, target), merges[0], node_of)
        return
    for merge in merges:
        wanted = merge.id
        with wrapped(f"no resource matches strategic merge patch {quote(str(wanted))}"):
            found = resources.unique(wanted)
        _merge(found, merge, node_of)


@contextmanager
def configuring(plugin: str, config: JSONObject) -> Iterator[None]:
    """What is raised inside is a mistake in the configuration of a transformer: configureBuiltinPlugin."""
    try:
        yield
    except BuildError as error:
        from kubesim.util.yamlfmt import dump

        prefix = f"trouble configuring builtin {plugin} with config: `\n{dump(config)}`"
        raise type(error)(f"{prefix}: {error}") from None


def _text_of_patch(entry: JSONObject, loader: Loader) -> tuple[str, str]:
    """The text of a patch, and how messages call it."""
    text, path = str(entry.get("patch") or "").strip(), str(entry.get("path") or "")
    if bool(text) == bool(path):
        from kubesim.util.yamlfmt import dump

        problem = (
            "patch and path can't be set at the same time"
            if path
            else "must specify one of patch and path in"
        )
        raise BuildError(f"{problem}\n{dump(entry)}")
    if not path:
        return text, f"[patch: {quote(text)}]"
    with wrapped(f"failed to get the patch file from path({path})"):
        return loader.load(path).decode("utf-8", "replace"), f"[path: {quote(path)}]"


def _parse(text: str, source: str) -> tuple[list[Resource] | None, Any]:
    """A text as strategic merges, or as JSON operations. Raises BuildError for neither."""
    merges: list[Resource] | None
    try:
        merges = parse_resources(text.encode())
    except BuildError:
        merges = None
    try:
        operations = _operations(text)
    except BuildError:
        operations = None
    if merges is None and operations is None:
        raise BuildError(f"unable to parse SM or JSON patch from {source}")
    if merges is not None and operations is not None:
        raise BuildError(f"illegally qualifies as both an SM and JSON patch: {source}")
    return merges, operations


def _operations(text: str) -> Any:
    """JSON operations in JSON, or else in YAML. Raises BuildError."""
    try:
        found = loads(text.encode()) if text.startswith("[") else load(text.encode())
    except (GoJSONError, YAMLSyntaxError) as error:
        raise BuildError(str(error)) from None
    if not isinstance(found, list) or not all(isinstance(o, dict) for o in found):
        raise BuildError("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    return found


def _apply_operations(resource: Resource, operations: Any) -> None:
    try:
        resource.obj = apply_json_patch(resource.obj, operations)
    except PatchError as error:
        raise BuildError(str(error)) from None


def _merge_into(resources: Resources, selected: list[Resource], patch: Resource, node_of: NodeOf) -> None:
    """A patch on several resources takes the kind of each: resWrangler.ApplySmPatch."""
    for resource in selected:
        copy = patch.copy()
        gvk = gvk_of(resource.obj)
        copy.obj["apiVersion"] = gvk.api_version
        for pairs in ("labels", "annotations"):
            if copy.strings(pairs):
                copy.set_strings(pairs, copy.strings(pairs))
        _merge(resource, copy, node_of)
    items = [r for r in resources.items if r.obj]
    resources.items = []
    resources.append_all(items)


def _merge(resource: Resource, patch: Resource, node_of: NodeOf) -> None:
    """Resource.ApplySmPatch: name, namespace and kind stay, unless the patch may change them."""
    name, namespace, kind = resource.name, resource.namespace, resource.id.gvk.kind
    if patch.allow_name_change or patch.allow_kind_change:
        resource.remember_id()
    found = merge_patch(resource.obj, patch.copy().obj, node_of(gvk_of(resource.obj)))
    if not found:
        resource.obj = {}
        return
    resource.obj = found
    if not patch.allow_kind_change:
        found["kind"] = kind
    if not patch.allow_name_change:
        resource.set_name(name)
    if namespace:
        found["metadata"]["namespace"] = namespace
    else:
        found["metadata"].pop("namespace", None)


def apply_strategic(resources: Resources, texts: list[str], loader: Loader, node_of: NodeOf) -> None:
    """`patchesStrategicMerge`: texts are patches, or else names of files."""
    patches: list[Resource] = []
    with configuring("PatchStrategicMergeTransformer", {"paths": texts}):
        for text in texts:
            try:
                patches += parse_resources(text.encode())
            except BuildError:
                patches += _patch_file(text, loader)
    for patch in patches:
        target = resources.unique(patch.id)
        _merge_into(resources, [target], patch, node_of)


def _patch_file(path: str, loader: Loader) -> list[Resource]:
    data = loader.load(path)
    try:
        return parse_resources(data)
    except MalformedYAML as error:
        raise MalformedYAML(f"{error} in File: {path}") from None


def apply_json(resources: Resources, entry: JSONObject, loader: Loader) -> None:
    """One entry of `patchesJson6902`."""
    target = entry.get("target") or {}
    shown = {"target": target, "path": entry.get("path"), "jsonOp": entry.get("patch")}
    with configuring("PatchJson6902Transformer", {k: v for k, v in shown.items() if v}):
        operations = _json_operations(target, entry, loader)
    for resource in select(resources, target):
        _apply_operations(resource, operations)


def _json_operations(target: JSONObject, entry: JSONObject, loader: Loader) -> Any:
    path, text = str(entry.get("path") or ""), str(entry.get("patch") or "")
    if not target.get("name"):
        raise BuildError("must specify the target name")
    if not path and not text:
        raise BuildError("empty file path and empty jsonOp")
    if path:
        if text:
            raise BuildError("must specify a file path or jsonOp, not both")
        text = loader.load(path).decode("utf-8", "replace")
        if not text:
            raise BuildError(f"patch file '{path}' empty seems to be empty")
    with wrapped(f"decoding {text}"):
        operations = _operations(text)
    if not operations:
        raise BuildError(f"patch appears to be empty; file={path}, JsonOp={text}")
    return operations


def select(resources: Resources, selector: JSONObject) -> list[Resource]:
    """The resources that a target describes, by patterns and label selectors: resWrangler.Select."""
    gvk = parse_gvk(selector)
    patterns = {
        key: _pattern(str(value or ""))
        for key, value in (
            ("group", gvk.group),
            ("version", gvk.version),
            ("kind", gvk.kind),
            ("name", selector.get("name")),
            ("namespace", selector.get("namespace")),
        )
    }
    return [r for r in resources.items if _selected(r, patterns) and matches_pairs(r, selector)]


def _pattern(text: str) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        return re.compile(f"^(?:{text})$")
    except re.error as error:
        raise BuildError(f"error parsing regexp: {error}: `^(?:{text})$`") from None


def _selected(resource: Resource, patterns: dict[str, re.Pattern[str] | None]) -> bool:
    now, original = resource.id, resource.original_id

    def fits(name: str, *values: str) -> bool:
        pattern = patterns[name]
        return pattern is None or any(pattern.search(value) for value in values)

    return (
        fits("namespace", original.effective_namespace, now.effective_namespace)
        and fits("name", original.name, now.name)
        and fits("group", now.gvk.group)
        and fits("version", now.gvk.version)
        and fits("kind", now.gvk.kind)
    )


def matches_pairs(resource: Resource, selector: JSONObject) -> bool:
    """Whether labels and annotations fit the selectors of a target."""
    for key, pairs in (("labelSelector", "labels"), ("annotationSelector", "annotations")):
        text = str(selector.get(key) or "")
        try:
            if text and not parse_selector(text).matches(resource.strings(pairs)):
                return False
        except SelectorError as error:
            raise BuildError(str(error)) from None
    return True


def selector_id(selector: JSONObject) -> ResId:
    """A selector as a name, whose empty parts select everything."""
    return ResId(parse_gvk(selector), str(selector.get("name") or ""), str(selector.get("namespace") or ""))
