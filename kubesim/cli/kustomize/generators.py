"""ConfigMaps and Secrets made from files, env files and literals, and the hash in their names."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from kubesim.cli.kustomize.errors import BuildError, wrapped
from kubesim.cli.kustomize.loader import Loader
from kubesim.cli.kustomize.resources import Resource, Resources, text_of
from kubesim.util.gotext import quote, to_json
from kubesim.util.jsontypes import JSONObject

_HEX_LENGTH = 10
_LINE = 70
# So that hashes spell no words: encode of api/hasher.
_LETTERS = str.maketrans({"0": "g", "1": "h", "3": "k", "a": "m", "e": "t"})


def generate(kind: str, args: JSONObject, common: JSONObject | None, loader: Loader) -> Resource:
    """A ConfigMap or Secret. `common` are the kustomization's generatorOptions. Raises BuildError."""
    options = _merged_options(args.get("options"), common)
    name = str(args.get("name") or "")
    if not name:
        raise BuildError("a configmap must have a name")
    metadata: JSONObject = {"name": name}
    if args.get("namespace"):
        metadata["namespace"] = args["namespace"]
    obj: JSONObject = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    pairs = _pairs(args, loader, name)
    if kind == "Secret":
        obj["type"] = str(args.get("type") or "Opaque")
        obj["data"] = {k: _base64(v) for k, v in sorted(pairs.items())}
    else:
        _config_map_data(obj, pairs)
    for key in ("labels", "annotations"):
        if options.get(key):
            metadata[key] = dict(sorted(options[key].items()))
    if options.get("immutable"):
        obj["immutable"] = True
    return Resource(
        obj,
        behavior=str(args.get("behavior") or ""),
        needs_hash=not options.get("disableNameSuffixHash"),
    )


def _merged_options(own: JSONObject | None, common: JSONObject | None) -> JSONObject:
    """MergeGlobalOptionsIntoLocal: what is common cannot be switched off."""
    own, common = own or {}, common or {}
    made: JSONObject = {
        key: {**(common.get(key) or {}), **(own.get(key) or {})} for key in ("labels", "annotations")
    }
    for key in ("disableNameSuffixHash", "immutable"):
        made[key] = bool(own.get(key) or common.get(key))
    return made


def _config_map_data(obj: JSONObject, pairs: dict[str, bytes]) -> None:
    for key, value in sorted(pairs.items()):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            obj.setdefault("binaryData", {})[key] = _base64(value)
        else:
            obj.setdefault("data", {})[key] = text


def _base64(value: bytes) -> str:
    """In lines of 70 characters where there is more than one."""
    text = base64.b64encode(value).decode()
    if len(text) < _LINE:
        return text
    return "".join(f"{text[i : i + _LINE]}\n" for i in range(0, len(text), _LINE))


def _pairs(args: JSONObject, loader: Loader, name: str) -> dict[str, bytes]:
    envs = [*(args.get("envs") or []), *([args["env"]] if args.get("env") else [])]
    found: dict[str, bytes] = {}
    with wrapped("loading KV pairs"):
        pairs: list[tuple[str, bytes]] = []
        with wrapped(f"env source files: [{' '.join(envs)}]"):
            for path in envs:
                pairs += _env_file(loader.load(path))
        literals = args.get("literals") or []
        with wrapped(f"literal sources [{' '.join(literals)}]"):
            pairs += [_literal(text) for text in literals]
        files = args.get("files") or []
        with wrapped(f"file sources: [{' '.join(files)}]"):
            pairs += [_file(source, loader) for source in files]
    for key, value in pairs:
        # What keys may be made of is for the API server to say: kubectl's validator takes them all.
        if key in found:
            raise BuildError(f"configmap {name} illegally repeats the key `{key}`")
        found[key] = value
    return found


def _env_file(data: bytes) -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(data.split(b"\n")):
        raw = line.removesuffix(b"\r")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            shown = raw.decode(errors="replace")
            raise BuildError(f"line {list(raw)} has invalid utf8 bytes : {shown}") from None
        if number == 0:
            text = text.removeprefix("\ufeff")
        text = text.lstrip()
        if not text or text.startswith("#"):
            continue
        key, _, value = text.partition("=")
        yield key, value.encode()


def _literal(source: str) -> tuple[str, bytes]:
    key, equals, value = source.partition("=")
    if not equals or not key:
        raise BuildError(f"invalid literal source {source}, expected key=value")
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return key, value.encode()


def _file(source: str, loader: Loader) -> tuple[str, bytes]:
    count = source.count("=")
    if count == 0:
        return source.rsplit("/", 1)[-1], loader.load(source)
    key, _, path = source.partition("=")
    if count > 1:
        raise BuildError(f"source {quote(source)} key name or file path contains '='")
    if not key:
        raise BuildError(f"missing key name for file path {quote(path)} in source {quote(source)}")
    if not path:
        raise BuildError(f"missing file path for key name {quote(key)} in source {quote(source)}")
    return key, loader.load(path)


def add_hashes(resources: Resources) -> None:
    """HashTransformer: the names of what was made end with a hash of what is in it."""
    for resource in resources.items:
        if resource.needs_hash:
            suffix = content_hash(resource.obj)
            resource.remember_id()
            resource.set_name(f"{resource.name}-{suffix}")


def content_hash(obj: JSONObject) -> str:
    """The hash of a ConfigMap or Secret: api/hasher."""
    kind = obj.get("kind")
    shown: dict[str, Any] = {
        "kind": kind,
        # kustomize looks for a field of the name "metadata/name", and finds none.
        "name": "",
        "data": obj.get("data") or "",
    }
    if kind == "Secret":
        shown["type"] = text_of(obj.get("type"))
    extra = "stringData" if kind == "Secret" else "binaryData"
    if isinstance(obj.get(extra), dict):
        shown[extra] = obj[extra]
    digest = hashlib.sha256(to_json(shown, sort_keys=True).encode()).hexdigest()
    return digest[:_HEX_LENGTH].translate(_LETTERS)
