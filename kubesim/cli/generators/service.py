"""`create service`: the four types of Services (pkg/cmd/create/create_service.go)."""

from __future__ import annotations

import re

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.names import is_dns1123_subdomain, is_valid_port_name, is_valid_port_num
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag
from kubesim.cli.generated import metadata
from kubesim.cli.generators.common import Build, Target, generator, group
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject

SERVICES = GroupVersionResource("", "v1", "services")
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


def _target(service_type: str) -> Target:
    return Target(SERVICES, failure=f"failed to create {service_type} service: ", annotated=False)


def _builder(service_type: str) -> Build:
    return lambda context, name: _manifest(context, name, service_type)


def _manifest(context: Context, name: str, service_type: str) -> JSONObject:
    """The Service that the flags describe; labels and selector are `app=NAME`."""
    flags = context.flags
    cluster_ip = flags.text("clusterip") if flags.has("clusterip") else ""
    external_name = flags.text("external-name") if flags.has("external-name") else ""
    node_port = _wrapped(flags.number("node-port")) if flags.has("node-port") else 0
    if service_type == "ExternalName":
        if is_dns1123_subdomain(external_name):
            raise CLIError(f"invalid service external name {external_name}")
    elif cluster_ip != "None" and not flags.texts("tcp"):
        raise CLIError("at least one tcp port specifier must be provided")
    spec: JSONObject = {"type": service_type, "selector": {"app": name}}
    ports = [_port(text, node_port) for text in flags.texts("tcp")]
    if ports:
        spec["ports"] = ports
    if cluster_ip:
        spec["clusterIP"] = cluster_ip
    if external_name:
        spec["externalName"] = external_name
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, labels={"app": name}),
        "spec": spec,
        "status": {"loadBalancer": {}},
    }


def _port(text: str, node_port: int) -> JSONObject:
    number, target = parse_ports(text)
    found: JSONObject = {
        "name": text.replace(":", "-"),
        "port": number,
        "protocol": "TCP",
        "targetPort": target,
    }
    if node_port:
        found["nodePort"] = node_port
    return found


def parse_ports(text: str) -> tuple[int, int | str]:
    """`80`, `80:8080`, `80:http`: port and target port. Raises CLIError with Go's texts."""
    first, *rest = text.split(":")
    port = _uint16(first)
    if not rest:
        return port, port
    target = rest[0]
    if _INTEGER.fullmatch(target) and -(1 << 63) <= int(target) < 1 << 63:
        errors = is_valid_port_num(int(target))
        found: int | str = int(target)
    else:
        errors = is_valid_port_name(target)
        found = target
    if errors:
        raise CLIError(",".join(errors))
    return port, found


def _uint16(text: str) -> int:
    """strconv.ParseUint, 16 bits: digits are read one by one, so that a number too large ends the reading."""
    value = 0
    for digit in text or "x":
        if digit not in "0123456789":
            raise CLIError(f"strconv.ParseUint: parsing {quote(text)}: invalid syntax")
        value = value * 10 + int(digit)
        if value > 0xFFFF:
            raise CLIError(f"strconv.ParseUint: parsing {quote(text)}: value out of range")
    return value


def _wrapped(value: int) -> int:
    """A whole number cut down to 32 bits, as Go converts it."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


_TCP_FLAG = Flag("tcp", "Port and target port: <port>:<targetPort>. May be repeated.", kind="slice")

SERVICE = group(
    "service",
    "Create a Service of one of four types",
    (
        generator(
            "clusterip",
            _builder("ClusterIP"),
            _target("ClusterIP"),
            use="NAME [--tcp=<port>:<targetPort>] [--dry-run=server|client|none]",
            short="Create a ClusterIP Service",
            examples="""\
# Port 5678 of the Service leads to port 8080 of the Pods with app=my-cs
kubesim create service clusterip my-cs --tcp=5678:8080

# A headless Service
kubesim create service clusterip my-cs --clusterip="None\"""",
            flags=(
                _TCP_FLAG,
                Flag("clusterip", "Cluster IP to have; None makes the Service headless."),
            ),
        ),
        generator(
            "nodeport",
            _builder("NodePort"),
            _target("NodePort"),
            use="NAME [--tcp=port:targetPort] [--dry-run=server|client|none]",
            short="Create a NodePort Service",
            examples="""\
# A Service that is reached at a port of every node
kubesim create service nodeport my-ns --tcp=5678:8080""",
            flags=(_TCP_FLAG, Flag("node-port", "The port on every node; 0: any that is free.", kind="int")),
        ),
        generator(
            "loadbalancer",
            _builder("LoadBalancer"),
            _target("LoadBalancer"),
            use="NAME [--tcp=port:targetPort] [--dry-run=server|client|none]",
            short="Create a LoadBalancer Service",
            examples="""\
# A Service behind a load balancer
kubesim create service loadbalancer my-lbs --tcp=5678:8080""",
            flags=(_TCP_FLAG,),
        ),
        generator(
            "externalname",
            _builder("ExternalName"),
            _target("ExternalName"),
            use="NAME --external-name external.name [--dry-run=server|client|none]",
            short="Create an ExternalName Service",
            long="Create an ExternalName Service: its DNS name is an alias of a name outside of the cluster.",
            examples="""\
# my-ns leads to bar.com
kubesim create service externalname my-ns --external-name bar.com""",
            flags=(
                _TCP_FLAG,
                Flag("external-name", "The DNS name to lead to.", required=True),
            ),
        ),
    ),
    aliases=("svc",),
)
