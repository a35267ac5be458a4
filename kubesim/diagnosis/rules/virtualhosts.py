"""Codes 27 to 30: whether anybody serves an Ingress, who has its hosts and paths, and the certificates of its hosts.

What a controller does with an Ingress is not all in Kubernetes' hands. What is said here holds for ingress-nginx, and is
said of others only where it follows from the objects alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kubesim.apimachinery.meta import annotations_of, key_of, name_of, namespace_of
from kubesim.apis.podfacts import spec_of
from kubesim.client.resources import SECRETS
from kubesim.diagnosis.finding import Finding, ObjectRef, Severity
from kubesim.diagnosis.nearest import closest
from kubesim.diagnosis.view import View
from kubesim.network.ingress.table import CLASS, CLASS_ANNOTATION, CONTROLLER, EVERY_HOST, Claim, Table
from kubesim.util.jsontypes import JSONObject, dig

_ANNOTATION_FIELD: Final = f"metadata.annotations[{CLASS_ANNOTATION}]"
_OWN_BALANCERS: Final = frozenset({"alb", "gce", "gce-internal"})
"""Classes whose controller makes a load balancer for each Ingress: no two of them are in each other's way."""
_TLS_TYPE: Final = "kubernetes.io/tls"
_KEYS: Final = ("tls.crt", "tls.key")
_ISSUERS: Final = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme")


# 27: its class.


def not_served(view: View, ingress: JSONObject) -> Iterator[Finding]:
    """Code 27. Manifests are not asked where their controller is, only whether a class is misspelt."""
    ref, classes = ObjectRef.of(ingress, "Ingress"), {name_of(c): c for c in view.ingress_classes()}
    name, field = _class_of(ingress)
    known = name in classes or (field == _ANNOTATION_FIELD and _annotated(name, classes.values()))
    meant = closest(name, classes) if name else ""
    if view.planning:
        if not known and meant:
            yield _no_such_class(ref, field, name, classes, meant)
    elif addresses_of(ingress):
        return
    elif known:
        controller = spec_of(classes.get(name) or {}).get("controller") or CONTROLLER
        yield Finding(
            code=27,
            severity="warning",
            object=ref,
            field=field,
            message=f"the controller {controller} of class {name} has not given it an address (yet)",
            evidence=("status.loadBalancer is empty",),
            fix="look whether the controller runs; a simulated one is there in clusters made with `sim create --ingress`",
        )
    else:
        yield _no_such_class(ref, field, name, classes, meant)


def _class_of(ingress: JSONObject) -> tuple[str, str]:
    """The class that an Ingress names, and in which field; the old annotation comes first, as with controllers."""
    annotation = annotations_of(ingress).get(CLASS_ANNOTATION)
    if annotation is not None:
        return annotation, _ANNOTATION_FIELD
    return str(spec_of(ingress).get("ingressClassName") or ""), "spec.ingressClassName"


def _annotated(name: str, classes: Iterable[JSONObject]) -> bool:
    """The annotation needs no IngressClass, only a controller that knows the word."""
    return name == CLASS and any(spec_of(c).get("controller") == CONTROLLER for c in classes)


def _no_such_class(
    ref: ObjectRef, field: str, name: str, classes: Mapping[str, JSONObject], meant: str
) -> Finding:
    message = f"there is no IngressClass {name}: no controller takes the Ingress on"
    if not name:
        message = "it names no class, and was made when none was the default: no controller takes it on"
    shown = ", ".join(f"{n} ({spec_of(c).get('controller')})" for n, c in classes.items())
    best = meant or next(iter(classes), "")
    fix = f"write ingressClassName: {best}"
    if not best:
        fix = "install an ingress controller; a simulated one comes with `sim create --ingress`"
    return Finding(
        code=27,
        severity="error",
        object=ref,
        field=field,
        message=message,
        evidence=(f"IngressClasses: {shown or 'none'}",),
        fix=fix,
    )


def addresses_of(ingress: JSONObject) -> list[str]:
    """Where it is served, as its controller has written it down."""
    points = dig(ingress, "status", "loadBalancer", "ingress", default=None) or ()
    return [str(p.get("ip") or p.get("hostname")) for p in points if p.get("ip") or p.get("hostname")]


# 28: its paths.


def claimed_twice(view: View, ingress: JSONObject) -> Iterator[Finding]:
    """Code 28, at the Ingress that does not get the path."""
    ref, key, name = ObjectRef.of(ingress, "Ingress"), key_of(ingress), _class_of(ingress)[0]
    for lost, kept in doubles(view).items():
        if lost.ingress == key and not lost.implied:
            yield twice(ref, lost, kept, _severity(view, ref, ref_of(kept.ingress), name))


def twice(ref: ObjectRef, lost: Claim, kept: Claim, severity: Severity) -> Finding:
    """What is to be said of a path that another Ingress has."""
    host = "every host" if lost.host == EVERY_HOST else f"host {lost.host}"
    other = ref_of(kept.ingress)
    return Finding(
        code=28,
        severity=severity,
        object=ref,
        field=f"{lost.field}.path" if lost.path_type else lost.field,
        message=f"{lost.path} of {host} is claimed by {other.qualified} too; ingress-nginx serves the older one",
        evidence=(f"{other}: {kept.field}, path {kept.path} ({kept.path_type or 'default backend'})",),
        fix="choose another host or path, or have all paths of it in one Ingress",
    )


def doubles(view: View) -> Mapping[Claim, Claim]:
    """The claims that came to nothing, by who has the path instead. Controllers see the Ingresses of their class alone."""
    if view.doubles is None:
        groups: defaultdict[str, list[JSONObject]] = defaultdict(list)
        for ingress in view.ingresses():
            groups[_class_of(ingress)[0]].append(ingress)
        tables = [Table(group) for name, group in groups.items() if name not in _OWN_BALANCERS]
        view.doubles = {lost: kept for table in tables for lost, kept in table.doubles.items()}
    return view.doubles


def ref_of(key: str) -> ObjectRef:
    """The Ingress of a key."""
    namespace, _, name = key.rpartition("/")
    return ObjectRef("Ingress", namespace, name)


def _severity(view: View, one: ObjectRef, other: ObjectRef, name: str) -> Severity:
    """What other controllers make of it is theirs to say. Manifests in several files may be examples, or variants for
    different clusters.
    """
    if not view.planning:
        nginx = any(
            name_of(c) == name and spec_of(c).get("controller") == CONTROLLER for c in view.ingress_classes()
        )
        return "error" if nginx else "warning"
    first, second = view.place(one), view.place(other)
    apart = first is not None and second is not None and first.file != second.file
    return "info" if apart else "warning"


# 29: its certificates.


def certificates(view: View, ingress: JSONObject) -> Iterator[Finding]:
    """Code 29. Of manifests nobody knows whether the Secret stands elsewhere, unless another one was probably meant."""
    ref = ObjectRef.of(ingress, "Ingress")
    for at, section in enumerate(spec_of(ingress).get("tls") or ()):
        name, field = str(section.get("secretName") or ""), f"spec.tls[{at}].secretName"
        if not name:
            continue
        secret = view.secret(name, ref.namespace)
        if secret is not None:
            yield from _unfit(ref, field, name, secret)
            continue
        known = [name_of(s) for s in view.all(SECRETS, ref.namespace) if s.get("type") == _TLS_TYPE]
        meant = closest(name, known)
        if view.planning and not meant:
            continue
        issued = any(a in annotations_of(ingress) for a in _ISSUERS)
        away = sorted({namespace_of(s) for s in view.all(SECRETS) if name_of(s) == name})
        yield Finding(
            code=29,
            severity="warning" if issued and not meant else "error",
            object=ref,
            field=field,
            message=f"there is no Secret {name} in namespace {ref.namespace}: {_shown(section)} "
            "a certificate of the controller's own, which no client trusts",
            evidence=(
                f"Secrets of type {_TLS_TYPE} there: {', '.join(known[:5]) or 'none'}",
                *((f"secret/{name} is in namespace {', '.join(away)}",) if away else ()),
            ),
            fix=f"write secretName: {meant}"
            if meant
            else f"kubectl create secret tls {name} -n {ref.namespace} --cert=FILE --key=FILE",
        )


def _unfit(ref: ObjectRef, field: str, name: str, secret: JSONObject) -> Iterator[Finding]:
    kind, data = secret.get("type") or "Opaque", secret.get("data") or {}
    lacks = [key for key in _KEYS if key not in data]
    if kind == _TLS_TYPE and not lacks:
        return
    said = f"secret/{name} has no {' and no '.join(lacks)}" if lacks else f"secret/{name} is of type {kind}"
    more = "no certificate is taken from it" if lacks else "some controllers take no certificate from it"
    yield Finding(
        code=29,
        severity="error" if lacks else "info",
        object=ref,
        field=field,
        message=f"{said}: {more}",
        evidence=(f"its type is {kind}, its keys: {', '.join(sorted(data)) or 'none'}",),
        fix=f"make a Secret of type {_TLS_TYPE}: kubectl create secret tls {name} --cert=FILE --key=FILE",
    )


def _shown(section: JSONObject) -> str:
    hosts = [str(h) for h in section.get("hosts") or ()]
    return f"{', '.join(hosts)} show{'s' if len(hosts) == 1 else ''}" if hosts else "its hosts show"


# 30: its hosts.


def hosts_without_rules(view: View, ingress: JSONObject) -> Iterator[Finding]:
    """Code 30: a host that has a certificate and no rule, here or in another Ingress."""
    del view
    rules = [str(r.get("host") or "").lower() for r in spec_of(ingress).get("rules") or ()]
    if not all(rules) or not rules:
        return
    for at, section in enumerate(spec_of(ingress).get("tls") or ()):
        for i, host in enumerate(str(h).lower() for h in section.get("hosts") or ()):
            if any(covers(host, rule) or covers(rule, host) for rule in rules):
                continue
            meant = closest(host, rules)
            yield Finding(
                code=30,
                severity="warning" if meant else "info",
                object=ObjectRef.of(ingress, "Ingress"),
                field=f"spec.tls[{at}].hosts[{i}]",
                message=f"the Ingress has no rule for {host}, only a certificate: it is never shown",
                evidence=(f"hosts of its rules: {', '.join(rules)}",),
                fix=f"write {meant}" if meant else f"add a rule with host: {host}, or remove it",
            )


def covers(pattern: str, host: str) -> bool:
    """Whether a host is that of a rule; a wildcard stands for exactly one label."""
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:] and bool(host.partition(".")[0])
    return pattern == host
