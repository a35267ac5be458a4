"""Kustomizations: objects gathered from files and changed without templates, as kustomize v5.5 does it.

`build` is what `-k` and the command `kustomize` call. The order of the steps is that of api/krusty and
api/internal/target; merges, names, hashes and texts are kustomize's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubesim.apimachinery.schema import Node, Schema
    from kubesim.cli.kustomize.identity import Gvk
    from kubesim.util.jsontypes import JSONObject


def build(
    folder: Path,
    shown: str,
    *,
    legacy_order: bool = False,
    restricted: bool = True,
    schema: Callable[[], Schema] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Iterator[JSONObject]:
    """The objects of the kustomization in a directory, which the user named `shown`. Raises CLIError.

    With `legacy_order` they come in kustomize's order of kinds, unless the kustomization says otherwise;
    without, as they were loaded. `schema` gives the kinds' merge keys; `warn` gets a line for each field that
    is old. Without `restricted`, files may lie anywhere.
    """
    from kubesim.cli.kustomize.errors import BuildError
    from kubesim.cli.kustomize.final import finished
    from kubesim.cli.kustomize.loader import Loader, confirmed
    from kubesim.cli.kustomize.target import Accumulated, Target

    target = Target(
        Loader(confirmed(folder, shown), restricted=restricted), _nodes(schema), warn or (lambda text: None)
    )
    try:
        target.read()
        found = target.accumulate(Accumulated())
        objects = list(finished(found, target.kustomization, legacy_order=legacy_order))
    except BuildError as error:
        # Some of kustomize's texts end with a line break; the one who prints them adds his own.
        raise BuildError(str(error).rstrip("\n")) from None
    yield from objects


def _nodes(schema: Callable[[], Schema] | None) -> Callable[[Gvk], Node | None]:
    """Look kinds up in the schema, which is only loaded where something is merged."""
    loaded: list[Schema] = []

    def node_of(gvk: Gvk) -> Node | None:
        from kubesim.apimachinery.gvk import GroupVersionKind
        from kubesim.apimachinery.schema import load_schema

        if not loaded:
            loaded.append(schema() if schema else load_schema())
        try:
            return loaded[0].node(GroupVersionKind(gvk.group, gvk.version, gvk.kind))
        except KeyError:
            return None

    return node_of
