"""What the API server says in Warning headers of objects that it takes, beyond Kubernetes' own warnings.

Only what is certain at the moment of the write: a Service may come before its Pods, an Ingress before its Service. So a
selector that matches nothing is no matter for here, but for `check`. Reads no more than the objects that the new one names,
and loads no more than it needs: it is called for each write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of
from kubesim.apis.servicespec import EXTERNAL_NAME, NONE, ports_of, spec_of, type_of
from kubesim.diagnosis.finding import Finding, ObjectRef
from kubesim.util.jsontypes import JSONObject, decode

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


class Reader(Protocol):
    """Reads an object of the cluster; None where there is none."""

    def get(self, resource: GroupVersionResource, name: str, namespace: str = "") -> JSONObject | None: ...


def advise_service(new: JSONObject, old: JSONObject | None, reader: Reader) -> list[str]:
    """Codes 8, 12 and 18, of a Service that is written."""
    del reader
    return [_text(f) for rule in (_headless, _external_name) for f in rule(new)] + [
        _text(f) for f in _lost_by_apply(new, old)
    ]


def advise_ingress(new: JSONObject, old: JSONObject | None, reader: Reader) -> list[str]:
    """Codes 5 and 11, of backends whose Service is there and has no such port."""
    from kubesim.client.resources import SERVICES
    from kubesim.diagnosis.rules.ingresses import backend_findings

    del old
    return [
        _text(f) for f in backend_findings(new, lambda name, namespace: reader.get(SERVICES, name, namespace))
    ]


def _text(finding: Finding) -> str:
    return f"{finding.field}: {finding.message}; {finding.fix} (reason {finding.code} of `kubesim check`)"


def _headless(service: JSONObject) -> Iterator[Finding]:
    """Code 12. A named target port depends on the Pods; hand-made endpoints have their own ports."""
    spec = spec_of(service)
    if spec.get("clusterIP") != NONE or not spec.get("selector"):
        return
    for at, port in enumerate(ports_of(service)):
        target = port.get("targetPort")
        if isinstance(target, int) and target not in (0, port.get("port")):
            yield Finding(
                code=12,
                severity="warning",
                object=ObjectRef.of(service, "Service"),
                field=f"spec.ports[{at}].targetPort",
                message=f"a headless Service maps no ports: clients connect to port {port.get('port')} of the Pods",
                fix=f"write port: {target}, or remove clusterIP: None",
            )


def _external_name(service: JSONObject) -> Iterator[Finding]:
    """Code 18. Kubernetes itself warns of other fields that are ignored."""
    if type_of(service) != EXTERNAL_NAME:
        return
    spec, ref = spec_of(service), ObjectRef.of(service, "Service")
    for at, port in enumerate(ports_of(service)):
        if port.get("targetPort") not in (None, 0, "", port.get("port")):
            yield Finding(
                code=18,
                severity="warning",
                object=ref,
                field=f"spec.ports[{at}].targetPort",
                message="an ExternalName Service is an alias in DNS, its ports are ignored",
                fix=f"let clients name the port of {spec.get('externalName')} themselves",
            )


def _lost_by_apply(new: JSONObject, old: JSONObject | None) -> Iterator[Finding]:
    """Code 8: this very write is an apply, and its result is not what was applied."""
    applied = annotations_of(new).get(LAST_APPLIED)
    if old is None or not applied or applied == annotations_of(old).get(LAST_APPLIED):
        return
    from kubesim.diagnosis.rules.refusals import lost_ports

    try:
        written = decode(applied)
    except ValueError:
        return
    if isinstance(written, dict) and isinstance(written.get("spec"), dict):
        yield from lost_ports(written, new)
