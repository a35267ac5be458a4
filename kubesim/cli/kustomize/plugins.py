"""`generators` and `transformers`: kustomize's own, configured by objects of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kubesim.cli.kustomize.errors import BuildError
from kubesim.cli.kustomize.fieldspecs import Config, FieldSpec, parse_spec
from kubesim.cli.kustomize.generators import generate
from kubesim.cli.kustomize.loader import Loader
from kubesim.cli.kustomize.patches import NodeOf, apply_json, apply_patch, apply_strategic
from kubesim.cli.kustomize.replacements import apply_replacements
from kubesim.cli.kustomize.resources import Resource, Resources
from kubesim.cli.kustomize.transformers import add_pairs, rename, set_image, set_namespace, set_replicas
from kubesim.util.jsontypes import JSONObject

BUILTIN = "builtin"
GENERATORS = {"ConfigMapGenerator": "ConfigMap", "SecretGenerator": "Secret"}


@dataclass(slots=True)
class _Call:
    """What a transformer works with: its configuration, and the build."""

    of: JSONObject
    resources: Resources
    config: Config
    loader: Loader
    node_of: NodeOf

    @property
    def specs(self) -> tuple[FieldSpec, ...]:
        return tuple(parse_spec(s) for s in self.of.get("fieldSpecs") or ())


def run_generators(plugins: Sequence[Resource], loader: Loader) -> Iterator[Resource]:
    """What configured generators make."""
    for plugin in plugins:
        kind = GENERATORS.get(plugin.id.gvk.kind)
        if kind is None or plugin.obj.get("apiVersion") != BUILTIN:
            raise _external(plugin)
        args = {k: v for k, v in plugin.obj.items() if k not in ("apiVersion", "kind", "metadata")}
        metadata = plugin.obj.get("metadata") or {}
        names = {k: metadata[k] for k in ("name", "namespace") if metadata.get(k)}
        yield generate(kind, {**names, **args}, None, loader)


def run_transformers(
    plugins: Sequence[Resource], resources: Resources, config: Config, loader: Loader, node_of: NodeOf
) -> None:
    """Run configured transformers, one after another."""
    for plugin in plugins:
        run = TRANSFORMERS.get(plugin.id.gvk.kind)
        if run is None or plugin.obj.get("apiVersion") != BUILTIN:
            raise _external(plugin)
        run(_Call(plugin.obj, resources, config, loader, node_of))
        resources.drop_empty()


def _external(plugin: Resource) -> BuildError:
    kind = plugin.id.gvk.kind
    return BuildError(
        f"external plugins disabled; unable to load external plugin '{kind}' because plugins are programs of their own"
    )


def _namespace(call: _Call) -> None:
    set_namespace(
        call.resources,
        str((call.of.get("metadata") or {}).get("namespace") or ""),
        call.specs,
        unset_only=bool(call.of.get("unsetOnly")),
        subjects=str(call.of.get("setRoleBindingSubjects") or "defaultOnly"),
    )


def _prefix(call: _Call) -> None:
    rename(call.resources, call.specs, prefix=str(call.of.get("prefix") or ""))


def _suffix(call: _Call) -> None:
    rename(call.resources, call.specs, suffix=str(call.of.get("suffix") or ""))


def _labels(call: _Call) -> None:
    add_pairs(call.resources, call.of.get("labels") or {}, call.specs)


def _annotations(call: _Call) -> None:
    add_pairs(call.resources, call.of.get("annotations") or {}, call.specs)


def _image(call: _Call) -> None:
    set_image(call.resources, call.of.get("imageTag") or {}, call.specs)


def _replicas(call: _Call) -> None:
    set_replicas(call.resources, call.of.get("replica") or {}, call.specs)


def _patch(call: _Call) -> None:
    apply_patch(call.resources, call.of, call.loader, call.node_of)


def _strategic(call: _Call) -> None:
    texts = [*(call.of.get("paths") or ()), *([call.of["patches"]] if call.of.get("patches") else ())]
    apply_strategic(call.resources, texts, call.loader, call.node_of)


def _json(call: _Call) -> None:
    apply_json(call.resources, {**call.of, "patch": call.of.get("jsonOp")}, call.loader)


def _replacements(call: _Call) -> None:
    apply_replacements(call.resources, call.of.get("replacements") or [], call.loader)


TRANSFORMERS: dict[str, Callable[[_Call], None]] = {
    "AnnotationsTransformer": _annotations,
    "ImageTagTransformer": _image,
    "LabelTransformer": _labels,
    "NamespaceTransformer": _namespace,
    "PatchJson6902Transformer": _json,
    "PatchStrategicMergeTransformer": _strategic,
    "PatchTransformer": _patch,
    "PrefixTransformer": _prefix,
    "ReplacementTransformer": _replacements,
    "ReplicaCountTransformer": _replicas,
    "SuffixTransformer": _suffix,
}
