"""NamespaceLifecycle: nothing is created in a namespace that is missing or going away; three namespaces stay
for ever.

Source: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle.
"""

from __future__ import annotations

from typing import Final

from kubesim.admission.interface import CREATE, DELETE, UPDATE, Attributes, BasePlugin, Reader
from kubesim.apimachinery import errors
from kubesim.apimachinery.gvk import GroupVersionResource

NAMESPACES: Final = GroupVersionResource("", "v1", "namespaces")
IMMORTAL: Final = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle(BasePlugin):
    """The plugin."""

    name = "NamespaceLifecycle"
    handles = {
        "*": frozenset({CREATE, UPDATE, DELETE}),
        "*/*": frozenset({CREATE, UPDATE}),
        "localsubjectaccessreviews.authorization.k8s.io": frozenset(),
    }

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        resource = attributes.resource
        if resource.kind == "Namespace" and not resource.group:
            if attributes.operation == DELETE and attributes.name in IMMORTAL:
                raise errors.forbidden("namespaces", attributes.name, "this namespace may not be deleted")
            return
        if not attributes.namespace or attributes.operation == DELETE:
            return
        namespace = reader.get(NAMESPACES, attributes.namespace)
        if namespace is None:
            raise errors.not_found("namespaces", attributes.namespace)
        if attributes.operation == CREATE and (namespace.get("status") or {}).get("phase") == "Terminating":
            refusal = attributes.forbidden(
                f"unable to create new content in namespace {attributes.namespace} "
                "because it is being terminated"
            )
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {attributes.namespace} is being terminated",
                "field": "metadata.namespace",
            }
            refusal.status["details"].setdefault("causes", []).append(cause)
            raise refusal
