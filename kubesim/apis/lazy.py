"""Kinds whose code is loaded when it is first used: no command imports kinds that it never touches.

Two means. `deferred(module, gvk, plural, …)` makes a `Resource` of a kind that has a file: the facts that
discovery needs are given, everything else (functions, columns) is taken from the module the first time any of
it is asked for. The module holds functions with the names of `Resource`'s fields, and `COLUMNS`; what it does
not hold has the default of `Resource`. `lazy(module, name)` makes one function out of the name of one, for
Resources that are written out in a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from importlib import import_module
from typing import Any, Final, TypedDict, Unpack

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.scheme import Resource


class Facts(TypedDict, total=False):
    """The fields of `Resource` that are known without the kind's module."""

    singular: str
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    verbs: tuple[str, ...]
    subresources: tuple[str, ...]
    has_status: bool
    graceful: bool
    allow_create_on_update: bool
    allow_unconditional_update: bool
    generation: bool


_FACTS: Final = ("gvk", "plural", "namespaced", *Facts.__annotations__)
_DEFAULTS: Final = {field.name: field.default for field in fields(Resource)}
_LOADED: Final = tuple(name for name in _DEFAULTS if name not in _FACTS)


class DeferredResource(Resource):
    """A Resource whose functions are still in a module that nobody has asked for.

    Their slots are empty until one of them is read; then all are filled, and reading costs what it always
    does.
    """

    __slots__ = ("_module",)

    def __init__(self, module: str, facts: dict[str, Any]) -> None:
        fill = object.__setattr__
        fill(self, "_module", module)
        for name in _FACTS:
            fill(self, name, facts[name] if name in facts else _DEFAULTS[name])

    def __getattr__(self, name: str) -> Any:
        # Python comes here only for a slot that is still empty.
        if name not in _LOADED:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        loaded = import_module(self._module)
        for slot in _LOADED:
            source = "COLUMNS" if slot == "columns" else slot
            object.__setattr__(self, slot, getattr(loaded, source, _DEFAULTS[slot]))
        return object.__getattribute__(self, name)

    @property
    def module(self) -> str:
        """The name of the kind's module."""
        return str(self._module)


def deferred(
    module: str, gvk: GroupVersionKind, plural: str, *, namespaced: bool, **facts: Unpack[Facts]
) -> Resource:
    """The Resource of the kind in `module`, which is imported when one of its functions is first wanted."""
    return DeferredResource(module, {"gvk": gvk, "plural": plural, "namespaced": namespaced, **facts})


def lazy(module: str, name: str) -> Callable[..., Any]:
    """The function `name` of `module`, which is imported when the function is first called."""
    return _LazyFunction(module, name)


class _LazyFunction:
    __slots__ = ("_function", "_module", "_name")

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name
        self._function: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        function = self._function
        if function is None:
            function = self._function = getattr(import_module(self._module), self._name)
        return function(*arguments, **named)

    def __repr__(self) -> str:
        return f"lazy({self._module!r}, {self._name!r})"
