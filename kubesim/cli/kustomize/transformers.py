"""What a kustomization says of all resources: namespace, names, labels, annotations, images, replicas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kubesim.cli.kustomize.errors import BuildError, wrapped
from kubesim.cli.kustomize.fieldspecs import (
    Config,
    FieldSpec,
    SetValue,
    Slot,
    apply_spec,
    merge_specs,
    parse_spec,
)
from kubesim.cli.kustomize.identity import Gvk, gvk_of
from kubesim.cli.kustomize.resources import Resource, Resources, text_of, wrong_kind
from kubesim.util.jsontypes import JSONObject

METADATA_LABELS = FieldSpec("metadata/labels", create=True)
ROLE_BINDINGS = ("RoleBinding", "ClusterRoleBinding")
# Their names are not the user's to choose, or mean something elsewhere.
FIXED_NAMES = (
    Gvk(kind="CustomResourceDefinition"),
    Gvk(group="apiregistration.k8s.io", kind="APIService"),
    Gvk(kind="Namespace"),
)


def set_namespace(
    resources: Resources,
    namespace: str,
    specs: Iterable[FieldSpec],
    *,
    unset_only: bool = False,
    subjects: str = "defaultOnly",
) -> None:
    """NamespaceTransformer. `subjects` says which of the accounts in role bindings are moved too."""

    def put(slot: Slot) -> None:
        if not (unset_only and slot.value):
            slot.value = namespace

    for resource in list(resources.items):
        resource.remember_id()
        obj = resource.obj
        if not resource.id.cluster:
            apply_spec(obj, FieldSpec("metadata/namespace", create=True), put, make=str)
        gvk = gvk_of(obj)
        binding = gvk.kind in ROLE_BINDINGS
        if binding:
            _move_subjects(obj, put, subjects)
        for spec in specs:
            if spec.path == "metadata/namespace" or (binding and spec.path == "subjects/namespace"):
                continue
            if spec.path == "metadata/name" and gvk.api_version != "v1":
                continue
            with wrapped("namespace transformation failed"):
                apply_spec(obj, spec, put, make=str)
        if sum(r.id.equals(resource.id) for r in resources.items) != 1:
            found = " ".join(_json(r) for r in resources.items if r.id.equals(resource.id))
            raise BuildError(f"namespace transformation produces ID conflict: [{found}]")


def _json(resource: Resource) -> str:
    """A resource in a message: with the annotations in which kustomize keeps its notes."""
    from kubesim.util.gotext import to_json

    notes = zip(("Names", "Namespaces", "Kinds"), zip(*resource.previous, strict=True), strict=True)
    annotations = {
        f"internal.config.kubernetes.io/previous{word}": ",".join(values) for word, values in notes
    }
    metadata = {**resource.obj["metadata"], "annotations": {**resource.strings("annotations"), **annotations}}
    return to_json({**resource.obj, "metadata": metadata}, sort_keys=True)


def _move_subjects(obj: JSONObject, put: SetValue, mode: str) -> None:
    subjects = obj.get("subjects")
    if mode == "none" or not isinstance(subjects, list):
        return
    key, wanted = ("name", "default") if mode == "defaultOnly" else ("kind", "ServiceAccount")
    for subject in subjects:
        if isinstance(subject, dict) and subject.get(key) == wanted:
            subject.setdefault("namespace", "")
            put(Slot(subject, "namespace"))


def rename(resources: Resources, specs: Iterable[FieldSpec], *, prefix: str = "", suffix: str = "") -> None:
    """PrefixTransformer or SuffixTransformer."""

    def put(slot: Slot) -> None:
        slot.value = f"{prefix}{text_of(slot.value)}{suffix}"

    for resource in resources.items:
        original = resource.original_id
        if any(original.gvk.selected_by(fixed) for fixed in FIXED_NAMES):
            continue
        for spec in specs:
            if not original.gvk.selected_by(spec.gvk):
                continue
            if spec.path == "metadata/name":
                resource.prefixes += [prefix] if prefix else []
                resource.suffixes += [suffix] if suffix else []
                resource.remember_id()
            apply_spec(resource.obj, spec, put)


def add_pairs(resources: Resources, pairs: Mapping[str, str], specs: Iterable[FieldSpec]) -> None:
    """LabelTransformer and AnnotationsTransformer: every pair at every place."""
    specs = tuple(specs)
    for resource in resources.items:
        for key, value in sorted(pairs.items()):
            for spec in specs:
                apply_spec(resource.obj, spec, _putting(key, value), make=dict)


def _putting(key: str, value: str) -> SetValue:
    def put(slot: Slot) -> None:
        if slot.value is None:
            slot.value = {}
        if not isinstance(slot.value, dict):
            raise wrong_kind("MappingNode", slot.value)
        slot.value[key] = value

    return put


def add_labels(resources: Resources, kustomization: JSONObject, config: Config) -> None:
    """`labels`, then `commonLabels`."""
    for label in kustomization.get("labels") or ():
        fields = tuple(parse_spec(s) for s in label.get("fields") or ())
        with wrapped("failed to merge labels"):
            specs = merge_specs(fields, config.labels)
            if label.get("includeSelectors"):
                specs = merge_specs(specs, config.common_labels)
            else:
                if label.get("includeTemplates"):
                    with wrapped("failed to merge template fieldSpec"):
                        specs = merge_specs(specs, config.template_labels)
                specs = merge_specs(specs, [METADATA_LABELS])
        add_pairs(resources, label.get("pairs") or {}, specs)
    add_pairs(resources, kustomization.get("commonLabels") or {}, config.common_labels)


def set_image(resources: Resources, image: JSONObject, specs: Iterable[FieldSpec]) -> None:
    """ImageTagTransformer: containers anywhere, and the configured places."""
    specs = tuple(specs)

    def put(slot: Slot) -> None:
        if isinstance(slot.value, (dict, list)):
            raise wrong_kind("ScalarNode", slot.value)
        slot.value = changed_image(text_of(slot.value), image)

    for resource in resources.items:
        if gvk_of(resource.obj).kind == "CustomResourceDefinition":
            continue
        _visit_containers(resource.obj, put)
        for spec in specs:
            apply_spec(resource.obj, spec, put)


def _visit_containers(value: Any, put: SetValue) -> None:
    if isinstance(value, list):
        for item in value:
            _visit_containers(item, put)
    if not isinstance(value, dict):
        return
    for key, child in value.items():
        _visit_containers(child, put)
        if key in ("containers", "initContainers") and isinstance(child, list):
            for container in child:
                if isinstance(container, dict) and container.get("image") is not None:
                    put(Slot(container, "image"))


def changed_image(text: str, image: JSONObject) -> str:
    """An image with the name, tag or digest that a rule gives it: SetImageValue."""
    wanted = str(image.get("name") or "")
    try:
        matched = re.match(f"^{wanted}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$", text)
    except re.error:
        return text
    if not matched:
        return text
    name, tag, digest = split_image(text)
    name = image.get("newName") or name
    new_tag, new_digest = str(image.get("newTag") or ""), str(image.get("digest") or "")
    if new_tag or new_digest:
        tag, digest = new_tag, new_digest
    elif image.get("tagSuffix"):
        tag, digest = f"{tag}{image['tagSuffix']}", ""
    return f"{name}{f':{tag}' if tag else ''}{f'@{digest}' if digest else ''}"


def split_image(text: str) -> tuple[str, str, str]:
    """Name, tag and digest; a colon before the first slash is a port: image.Split."""
    slash = max(text.find("/"), 0)
    at, colon = text.find("@", slash), text.find(":", slash)
    if at >= 0 and (at < colon or colon < 0):
        return text[:at], "", text[at + 1 :]
    if colon < 0:
        return text, "", ""
    if at >= 0:
        return text[:colon], text[colon + 1 : at], text[at + 1 :]
    return text[:colon], text[colon + 1 :], ""


def set_replicas(resources: Resources, replica: JSONObject, specs: Iterable[FieldSpec]) -> None:
    """ReplicaCountTransformer. Raises BuildError where nothing has that name."""
    name, count = str(replica.get("name") or ""), int(replica.get("count") or 0)
    specs = tuple(specs)
    found = False

    def put(slot: Slot) -> None:
        slot.value = count

    for spec in specs:
        for resource in _named(resources, name, spec.gvk):
            found = True
            apply_spec(resource.obj, spec, put, make=int)
    if not found:
        kinds = " ".join(str(spec.gvk) for spec in specs)
        raise BuildError(
            f"resource with name {name} does not match a config with the following GVK [{kinds}]"
        )


def _named(resources: Resources, name: str, selector: Gvk) -> list[Resource]:
    return resources.by_any_id(lambda i: i.name == name and i.gvk.selected_by(selector))
