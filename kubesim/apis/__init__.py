"""The kinds of the API, each pure: defaults, what a user may set, validation, tables. No input, no output.

`build_scheme` collects them; nothing of a kind but what discovery says of it is loaded before it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubesim.apimachinery.scheme import Resource, Scheme

DEFAULT_VERSION = "1.32"


def build_scheme(version: str = DEFAULT_VERSION, *, extra: Iterable[Resource] = ()) -> Scheme:
    """The resources that a Kubernetes version (`1.32`, `v1.32.4`) serves, in discovery order.

    `extra` are further ones, such as those of custom resources; of two with one URL the later wins. Raises
    ValueError for what is no version.
    """
    # Imported here: every module of a kind runs this file first.
    from kubesim.apimachinery.scheme import Scheme
    from kubesim.apis.builtin import builtin_resources, discovery_order
    from kubesim.apis.catalog import catalogue

    found = {r.gvr: r for r in (*builtin_resources(version), *catalogue(), *extra)}
    return Scheme(version, discovery_order(found.values()))
