"""The plugins in the order in which the API server runs them: kubeapiserver/options/plugins.go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from kubesim.admission.interface import Attributes, BasePlugin, Plugin, Reader
from kubesim.util.ids import Identities


class Chain:
    """Runs each plugin that concerns an operation; the first refusal ends it. Reading needs none of them:
    they are made when the first write comes.
    """

    def __init__(self, make_plugins: Callable[[], Sequence[Plugin]]) -> None:
        self._make_plugins = make_plugins
        self._mutating: dict[tuple[str, str, str], tuple[Plugin, ...]] = {}
        self._validating: dict[tuple[str, str, str], tuple[Plugin, ...]] = {}

    @cached_property
    def _plugins(self) -> Sequence[Plugin]:
        return self._make_plugins()

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        """The mutating phase."""
        for plugin in self._concerned(self._mutating, attributes, "admit"):
            plugin.admit(attributes, reader)

    def validate(self, attributes: Attributes, reader: Reader) -> None:
        """The validating phase."""
        for plugin in self._concerned(self._validating, attributes, "validate"):
            plugin.validate(attributes, reader)

    def validates(self, attributes: Attributes) -> bool:
        """Whether any plugin has something to say in the validating phase."""
        return bool(self._concerned(self._validating, attributes, "validate"))

    def _concerned(
        self, table: dict[tuple[str, str, str], tuple[Plugin, ...]], attributes: Attributes, phase: str
    ) -> tuple[Plugin, ...]:
        resource = attributes.resource
        key = (resource.gvr.qualified, attributes.subresource, attributes.operation)
        found = table.get(key)
        if found is None:
            name = f"{key[0]}/{key[1]}" if key[1] else key[0]
            every = "*/*" if key[1] else "*"
            found = table[key] = tuple(
                p
                for p in self._plugins
                if attributes.operation in p.handles.get(name, p.handles.get(every, frozenset()))
                and getattr(type(p), phase, None) is not getattr(BasePlugin, phase)
            )
        return found


def default_plugins(*, identities: Identities) -> list[Plugin]:
    """The plugins that are on by default in Kubernetes 1.32 and have something to do here."""
    from kubesim.admission.defaultingressclass import DefaultIngressClass
    from kubesim.admission.defaultstorageclass import DefaultStorageClass
    from kubesim.admission.defaulttolerationseconds import DefaultTolerationSeconds
    from kubesim.admission.limitranger import LimitRanger
    from kubesim.admission.namespacelifecycle import NamespaceLifecycle
    from kubesim.admission.priority import Priority
    from kubesim.admission.resourcequota import ResourceQuota
    from kubesim.admission.serviceaccount import ServiceAccount
    from kubesim.admission.taintnodesbycondition import TaintNodesByCondition

    return [
        NamespaceLifecycle(),
        LimitRanger(),
        ServiceAccount(identities=identities),
        TaintNodesByCondition(),
        Priority(),
        DefaultTolerationSeconds(),
        DefaultStorageClass(),
        DefaultIngressClass(),
        ResourceQuota(),
    ]
