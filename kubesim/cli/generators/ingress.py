"""`create ingress` (pkg/cmd/create/create_ingress.go)."""

from __future__ import annotations

import re

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag
from kubesim.cli.generated import metadata
from kubesim.cli.generators.basic import int_or_string
from kubesim.cli.generators.common import Target, generator
from kubesim.util.jsontypes import JSONObject

# host/path=service:port, and what may follow is not looked at.
_RULE = re.compile(r"[\w*\-.]*/.*=[\w-]+:[\w-]+", re.ASCII)


def ingress_manifest(context: Context, name: str) -> JSONObject:
    """An Ingress; rules of the same host become one."""
    flags = context.flags
    rules, backend = flags.texts("rule"), flags.text("default-backend")
    annotations = _annotations(context, rules, backend)
    spec: JSONObject = {}
    if flags.text("class"):
        spec["ingressClassName"] = flags.text("class")
    if backend:
        spec["defaultBackend"] = _backend(backend)
    tls = _tls(rules)
    if tls:
        spec["tls"] = tls
    if rules:
        spec["rules"] = _rules(rules)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(name, annotations=annotations),
        "spec": spec,
        "status": {"loadBalancer": {}},
    }


def _annotations(context: Context, rules: list[str], backend: str) -> dict[str, str]:
    """Check what the flags say, in kubectl's order; the annotations."""
    if not backend and not rules:
        raise CLIError(
            "not enough information provided: every ingress has to either specify a default-backend "
            "(which catches all traffic) or a list of rules (which catch specific paths)"
        )
    for rule in rules:
        if not _RULE.match(rule):
            raise _wrong_rule(rule)
    found: dict[str, str] = {}
    for annotation in context.flags.texts("annotation"):
        key, equals, value = annotation.partition("=")
        if not equals:
            raise CLIError(f"annotation {annotation} is invalid and should be in format key=[value]")
        found[key] = value
    if backend and backend.count(":") != 1:
        raise CLIError("default-backend should be in format servicename:serviceport")
    return found


def _wrong_rule(rule: str) -> CLIError:
    return CLIError(
        f"rule {rule} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
    )


def _tls(rules: list[str]) -> list[JSONObject]:
    """The TLS entries: one for each secret, a host only in the first that it comes with."""
    found: list[JSONObject] = []
    seen: set[str] = set()
    for rule in rules:
        parts = rule.split(",")
        host = rule.split("/", 1)[0]
        if len(parts) != 2 or host in seen:
            continue
        seen.add(host)
        secret = [*parts[1].split("="), ""][1]
        same = next((entry for entry in found if entry.get("secretName", "") == secret), None)
        if same is not None:
            same.setdefault("hosts", []).append(host)
            continue
        entry: JSONObject = {}
        if host:
            entry["hosts"] = [host]
        if secret:
            entry["secretName"] = secret
        if entry:
            found.append(entry)
    return found


def _rules(rules: list[str]) -> list[JSONObject]:
    found: dict[str, JSONObject] = {}
    for rule in rules:
        host, _, rest = rule.partition(",")[0].partition("/")
        path = _path(rule, rest)
        if host not in found:
            found[host] = {"host": host} if host else {}
            found[host]["http"] = {"paths": []}
        found[host]["http"]["paths"].append(path)
    return list(found.values())


def _path(rule: str, text: str) -> JSONObject:
    """`path=service:port`; a star at the end of the path makes it a prefix."""
    path, *rest = f"/{text}".split("=")
    if not rest or ":" not in rest[0]:
        # The rule has a comma or an equals sign too many: kubectl panics here.
        raise _wrong_rule(rule)
    return {
        "path": path.removesuffix("*"),
        "pathType": "Prefix" if path.endswith("*") else "Exact",
        "backend": _backend(rest[0]),
    }


def _backend(text: str) -> JSONObject:
    service, port = text.split(":")[:2]
    number = int_or_string(port)
    chosen: JSONObject = {"number": number} if isinstance(number, int) else {"name": number}
    return {"service": {"name": service, "port": {k: v for k, v in chosen.items() if v}}}


INGRESS = generator(
    "ingress",
    ingress_manifest,
    Target(
        GroupVersionResource("networking.k8s.io", "v1", "ingresses"), failure="failed to create ingress: "
    ),
    use="NAME --rule=host/path=service:port[,tls[=secret]] ",
    short="Create an Ingress",
    examples="""\
# Requests for foo.com/bar go to port 8080 of svc1, with TLS
kubesim create ingress simple --rule="foo.com/bar=svc1:8080,tls=my-cert"

# Requests for any host, below /path
kubesim create ingress catch-all --class=otheringress --rule="/path*=svc:port"

# Two hosts, and a Service for all else
kubesim create ingress two --rule="foo.com/*=svc:8080" --rule="bar.com/*=svc2:http" \\
  --default-backend=rest:http

# Annotations
kubesim create ingress annotated --rule="foo.com/bar=svc:port" --annotation ingress.annotation1=foo""",
    flags=(
        Flag("class", "The IngressClass."),
        Flag(
            "rule",
            "host/path=service:port[,tls[=secret]]; a path that ends in * is a prefix. May be repeated.",
            kind="list",
        ),
        Flag("default-backend", "Where requests go that no rule matches: service:port."),
        Flag("annotation", "An annotation, key=value. May be repeated.", kind="list"),
    ),
    aliases=("ing",),
)
