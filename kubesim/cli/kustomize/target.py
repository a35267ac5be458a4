"""One kustomization: its resources gathered, then changed as it says: api/internal/target."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kubesim.cli.kustomize.defaults import default_config
from kubesim.cli.kustomize.errors import BuildError, DownloadFailed, MalformedYAML, wrapped
from kubesim.cli.kustomize.fieldspecs import Config, parse_config
from kubesim.cli.kustomize.file import COMPONENT, read_kustomization
from kubesim.cli.kustomize.generators import generate
from kubesim.cli.kustomize.loader import Loader
from kubesim.cli.kustomize.patches import NodeOf, apply_json, apply_patch, apply_strategic, configuring
from kubesim.cli.kustomize.plugins import run_generators, run_transformers
from kubesim.cli.kustomize.replacements import apply_replacements
from kubesim.cli.kustomize.resources import Resource, Resources
from kubesim.cli.kustomize.transformers import (
    add_labels,
    add_pairs,
    rename,
    set_image,
    set_namespace,
    set_replicas,
)
from kubesim.cli.kustomize.variables import merge_variables
from kubesim.util.jsontypes import JSONObject
from kubesim.util.yamlfmt import YAMLSyntaxError, load


@dataclass(slots=True)
class Accumulated:
    """What has been gathered so far: resources, the paths that are known, and variables."""

    resources: Resources = field(default_factory=Resources)
    config: Config = field(default_factory=Config)
    variables: dict[str, JSONObject] = field(default_factory=dict)


class Target:
    """The kustomization of one directory."""

    def __init__(self, loader: Loader, node_of: NodeOf, warn: Callable[[str], None]) -> None:
        self._loader = loader
        self._node_of = node_of
        self._warn = warn
        self.kustomization: JSONObject = {}

    def read(self) -> None:
        """Read the file. Raises BuildError."""
        self.kustomization, warnings = read_kustomization(self._loader)
        for text in warnings:
            self._warn(text)
        for chart in self.kustomization.get("helmCharts") or ():
            with configuring("HelmChartInflationGenerator", chart):
                raise BuildError(
                    "charts are not inflated here: run `helm template` and name its output under resources"
                )

    def accumulate(self, found: Accumulated) -> Accumulated:
        """Gather and change. `found` is what a component is applied to; empty for all others."""
        of = self.kustomization
        with wrapped("accumulating resources"):
            found = self._resources(found, of.get("resources") or ())
        found.config = found.config.merge(self._config())
        self._generate(found)
        with wrapped("accumulating components"):
            for path in of.get("components") or ():
                found = self._component(found, path)
        self._transform(found)
        with wrapped(f"merging vars {of.get('vars')}"):
            merge_variables(found.variables, of.get("vars") or (), found.resources)
        return found

    def _config(self) -> Config:
        config = default_config()
        for path in self.kustomization.get("configurations") or ():
            data = self._loader.load(path)
            try:
                value = load(data)
            except YAMLSyntaxError as error:
                raise BuildError(str(error)) from None
            config = config.merge(parse_config(value if isinstance(value, dict) else {}))
        return config

    # Gathering.

    def _resources(self, found: Accumulated, paths: Iterable[str]) -> Accumulated:
        for path in paths:
            try:
                self._file(found, path)
            except DownloadFailed:
                raise
            except BuildError as of_file:
                try:
                    loader = self._loader.descend(path)
                except BuildError as of_directory:
                    if isinstance(of_file, MalformedYAML):
                        raise of_file from None
                    raise BuildError(f"accumulation err='{of_file}': {of_directory}") from None
                with wrapped(f"accumulation err='{of_file}'"):
                    found = self._directory(found, loader, component=False)
        return found

    def _file(self, found: Accumulated, path: str) -> None:
        with wrapped(f"accumulating resources from '{path}'"):
            resources = self._loader.resources(path)
            Resources(resources)
        with wrapped(f"merging resources from '{path}'"):
            found.resources.append_all(resources)

    def _component(self, found: Accumulated, path: str) -> Accumulated:
        from kubesim.util.gotext import quote

        try:
            loader = self._loader.descend(path)
        except BuildError as error:
            raise BuildError(f"loader.New {quote(str(error))}") from None
        try:
            return self._directory(found, loader, component=True)
        except BuildError as error:
            raise BuildError(f"accumulateDirectory: {quote(str(error))}") from None

    def _directory(self, found: Accumulated, loader: Loader, *, component: bool) -> Accumulated:
        target = Target(loader, self._node_of, self._warn)
        with wrapped(f"couldn't make target for path '{loader.root}'"):
            target.read()
        kind = target.kustomization["kind"]
        if component and kind != COMPONENT:
            raise BuildError(f"expected kind '{COMPONENT}' for path '{loader.root}' but got '{kind}'")
        if not component and kind == COMPONENT:
            raise BuildError(f"expected kind != '{COMPONENT}' for path '{loader.root}'")
        with wrapped(f"recursed accumulation of path '{loader.root}'"):
            below = target.accumulate(found if component else Accumulated())
        into = Accumulated() if component else found
        with wrapped(f"recursed merging from path '{loader.root}'"):
            into.resources.append_all(below.resources.items)
            into.config = into.config.merge(below.config)
            for name, variable in below.variables.items():
                if into.variables.get(name, variable) != variable:
                    raise BuildError(f"var '{name}' already encountered")
                into.variables[name] = variable
        return into

    # Generating.

    def _generate(self, found: Accumulated) -> None:
        of = self.kustomization
        for kind, key in (("ConfigMap", "configMapGenerator"), ("Secret", "secretGenerator")):
            for args in of.get(key) or ():
                self._absorb(found, [generate(kind, args, of.get("generatorOptions"), self._loader)])
        self._absorb(found, run_generators(self._plugins("generators"), self._loader))

    def _absorb(self, found: Accumulated, made: Iterable[Resource]) -> None:
        for resource in made:
            with wrapped("merging from generator"):
                found.resources.absorb(resource)

    def _plugins(self, key: str) -> list[Resource]:
        """The configurations under `generators` or `transformers`: texts, files, or kustomizations."""
        from kubesim.cli.kustomize.loader import parse_resources

        found = Accumulated()
        paths: list[str] = []
        for text in self.kustomization.get(key) or ():
            try:
                found.resources.append_all(parse_resources(text.encode()))
            except BuildError:
                paths.append(text)
        return self._resources(found, paths).resources.items

    # Changing.

    def _transform(self, found: Accumulated) -> None:
        """In kustomize's order: configureBuiltinTransformers."""
        of, resources, config, loader = self.kustomization, found.resources, found.config, self._loader
        if of.get("patchesStrategicMerge"):
            apply_strategic(resources, of["patchesStrategicMerge"], loader, self._node_of)
            resources.drop_empty()
        for patch in of.get("patches") or ():
            apply_patch(resources, patch, loader, self._node_of)
            resources.drop_empty()
        if of.get("namespace"):
            set_namespace(resources, of["namespace"], config.namespace)
        if of.get("namePrefix"):
            rename(resources, config.name_prefix, prefix=of["namePrefix"])
        if of.get("nameSuffix"):
            rename(resources, config.name_suffix, suffix=of["nameSuffix"])
        add_labels(resources, of, config)
        add_pairs(resources, of.get("commonAnnotations") or {}, config.common_annotations)
        for patch in of.get("patchesJson6902") or ():
            apply_json(resources, patch, loader)
        for replica in of.get("replicas") or ():
            set_replicas(resources, replica, config.replicas)
        for image in of.get("images") or ():
            set_image(resources, image, config.images)
        if of.get("replacements"):
            apply_replacements(resources, of["replacements"], loader)
        run_transformers(self._plugins("transformers"), resources, config, loader, self._node_of)
        resources.drop_empty()
