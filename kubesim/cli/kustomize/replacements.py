"""`replacements`: a field of one resource copied into fields of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kubesim.cli.kustomize.errors import BuildError, wrapped
from kubesim.cli.kustomize.fieldspecs import Slot, split_path
from kubesim.cli.kustomize.identity import ResId
from kubesim.cli.kustomize.loader import Loader
from kubesim.cli.kustomize.patches import matches_pairs, selector_id
from kubesim.cli.kustomize.resources import Resource, Resources, text_of, wrong_kind
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, deep_copy
from kubesim.util.yamlfmt import YAMLSyntaxError, load

DEFAULT_PATH = "metadata.name"


def apply_replacements(resources: Resources, entries: list[JSONObject], loader: Loader) -> None:
    """ReplacementTransformer. Raises BuildError."""
    for replacement in _read(entries, loader):
        source, targets = replacement.get("source"), replacement.get("targets")
        if not source or not targets:
            raise BuildError("replacements must specify a source and at least one target")
        value = _source_value(resources, source)
        for target in targets:
            _copy(resources, value, target)


def _read(entries: list[JSONObject], loader: Loader) -> Iterator[JSONObject]:
    for entry in entries:
        path = entry.get("path")
        if not path:
            yield entry
            continue
        if entry.get("source") or entry.get("targets"):
            raise BuildError("cannot specify both path and inline replacement")
        try:
            content = load(loader.load(path))
        except YAMLSyntaxError as error:
            raise BuildError(str(error)) from None
        if isinstance(content, list):
            yield from content
        elif isinstance(content, dict):
            yield content
        else:
            raise BuildError("unsupported replacement type encountered within replacement path: invalid")


def _source_value(resources: Resources, source: JSONObject) -> Any:
    wanted = selector_id(source)
    found = [r for r in resources.items if any(i.selected_by(wanted) for i in r.all_ids)]
    path = str(source.get("fieldPath") or "")
    if len(found) > 1:
        raise BuildError(f"multiple matches for selector {_shown(wanted, source)}")
    if not found:
        raise BuildError(f"nothing selected by {_shown(wanted, source)}")
    path = path or DEFAULT_PATH
    value: Any = found[0].obj
    for part in _split(path):
        value = _step(value, part)
    if value in (None, "", {}, []):
        raise BuildError(f"fieldPath `{path}` is missing for replacement source {wanted}")
    return _refined(value, source.get("options") or {})


def _shown(wanted: ResId, source: JSONObject) -> str:
    parts = [str(wanted)]
    if source.get("fieldPath"):
        parts.append(str(source["fieldPath"]))
    options = source.get("options") or {}
    if options.get("delimiter") or options.get("create"):
        create = "true" if options.get("create") else "false"
        parts.append(f"{options.get('delimiter', '')}({options.get('index', 0)}), create={create}")
    return ":".join(parts)


def _step(value: Any, part: str) -> Any:
    """One step of yaml.Lookup."""
    if isinstance(value, list):
        if part.startswith("[") and part.endswith("]"):
            key, _, wanted = part[1:-1].partition("=")
            return next((i for i in value if isinstance(i, dict) and text_of(i.get(key)) == wanted), None)
        if part == "-":
            return value[-1] if value else None
        if part.isdigit():
            return value[int(part)] if int(part) < len(value) else None
        return None
    return value.get(part) if isinstance(value, dict) else None


def _refined(value: Any, options: JSONObject) -> Any:
    delimiter = options.get("delimiter")
    if not delimiter:
        return value
    if isinstance(value, (dict, list)):
        raise BuildError("delimiter option can only be used with scalar nodes")
    parts = text_of(value).split(delimiter)
    index = int(options.get("index") or 0)
    if not 0 <= index < len(parts):
        raise BuildError(f"options.index {index} is out of bounds for value {text_of(value)}")
    return parts[index]


def _copy(resources: Resources, value: Any, target: JSONObject) -> None:
    selector = target.get("select")
    if selector is None:
        raise BuildError("target must specify resources to select")
    wanted = selector_id(selector)
    rejects = target.get("reject") or []
    options = target.get("options") or {}
    create = bool(options.get("create"))
    for resource in resources.items:
        if not matches_pairs(resource, selector) or _rejected(resource, rejects):
            continue
        if not any(i.selected_by(wanted) for i in resource.all_ids):
            continue
        for path in target.get("fieldPaths") or [DEFAULT_PATH]:
            how = "find or create" if create else "find"
            problem = f"unable to {how} field {quote(path)} in replacement target"
            with wrapped(problem):
                slots = list(_slots(Slot([resource.obj], 0), _split(path), value if create else None))
            if not slots:
                raise BuildError(problem)
            for slot in slots:
                _set(slot, value, options)


def _rejected(resource: Resource, rejects: list[JSONObject]) -> bool:
    for reject in rejects:
        if (reject.get("labelSelector") or reject.get("annotationSelector")) and matches_pairs(
            resource, reject
        ):
            return True
        wanted = selector_id(reject)
        named = (
            wanted.name or wanted.namespace or any((wanted.gvk.group, wanted.gvk.version, wanted.gvk.kind))
        )
        if named and any(i.selected_by(wanted) for i in resource.all_ids):
            return True
    return False


def _split(path: str) -> list[str]:
    """Parts at dots; brackets keep what is in them together: SmarterPathSplitter."""
    found: list[str] = []
    parts = split_path(path, ".")
    while parts:
        part = parts.pop(0)
        if part.startswith("[") and not part.endswith("]"):
            while parts:
                part = f"{part}.{parts.pop(0)}"
                if part.endswith("]"):
                    break
            part = part if "=" in part else part.strip("[]")
        found.append(part)
    return found


def _slots(slot: Slot, path: list[str], made: Any) -> Iterator[Slot]:
    """The places that a path leads to: PathMatcher. With a value `made`, missing ones are made for it."""
    if not path:
        yield slot
        return
    part, rest = path[0], path[1:]
    value = slot.value
    if part.isdigit() and isinstance(value, list):
        position = int(part)
        if position == len(value) and made is not None:
            value.append(_empty(rest, made))
        if position >= len(value):
            raise BuildError(f"index {position} specified but only {len(value)} elements found")
        yield from _slots(Slot(value, position), rest, made)
    elif part.startswith("[") and part.endswith("]"):
        yield from _matching(value, part, rest, made)
    elif part == "*":
        for position in range(len(value) if isinstance(value, list) else 0):
            yield from _slots(Slot(value, position), rest, made)
    elif isinstance(value, dict):
        if value.get(part) is None:
            if made is None:
                return
            value[part] = _empty(rest, made)
        yield from _slots(Slot(value, part), rest, made)
    elif value is not None:
        raise wrong_kind("MappingNode", value)


def _matching(value: Any, part: str, rest: list[str], made: Any) -> Iterator[Slot]:
    """The items of a list whose field, or which themselves, match a pattern."""
    if not isinstance(value, list):
        raise wrong_kind("SequenceNode", value)
    key, _, pattern = part[1:-1].partition("=")
    found = [i for i, item in enumerate(value) if _fits(item, key, pattern)]
    if not found and made is not None:
        value.append({key: pattern} if key else pattern)
        found = [len(value) - 1]
    for position in found:
        yield from _slots(Slot(value, position), rest if key else [], made)


def _fits(item: Any, key: str, pattern: str) -> bool:
    if key:
        if not isinstance(item, dict) or item.get(key) is None:
            return False
        item = item[key]
    return re.search(pattern, text_of(item)) is not None


def _empty(rest: list[str], made: Any) -> Any:
    """What is made in a missing place: by the next part of the path, or by the value."""
    if rest:
        is_list = rest[0].isdigit() or rest[0] in ("-", "*") or (rest[0].startswith("[") and "=" in rest[0])
        return [] if is_list else {}
    return [] if isinstance(made, list) else {} if isinstance(made, dict) else ""


def _set(slot: Slot, value: Any, options: JSONObject) -> None:
    """Put the value in place; a scalar keeps its type as far as the text allows: setFieldValue."""
    old = slot.value
    delimiter = options.get("delimiter")
    if delimiter:
        if isinstance(old, (dict, list)):
            raise BuildError("delimiter option can only be used with scalar nodes")
        parts, index = text_of(old).split(delimiter), int(options.get("index") or 0)
        if index < 0:
            parts.insert(0, text_of(value))
        elif index >= len(parts):
            parts.append(text_of(value))
        else:
            parts[index] = text_of(value)
        value = delimiter.join(parts)
    if isinstance(old, (dict, list)) or isinstance(value, (dict, list)):
        slot.value = deep_copy(value)
    elif isinstance(old, str):
        slot.value = text_of(value)
    else:
        slot.value = _typed(text_of(value))


def _typed(text: str) -> Any:
    """A plain scalar as YAML reads it."""
    try:
        found = load(text.encode())
    except YAMLSyntaxError:
        return text
    return text if isinstance(found, (dict, list)) else found
