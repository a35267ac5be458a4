"""Every rule of Service validation, with the texts that a real API server gives."""

from __future__ import annotations

from typing import Any

import pytest

from kubesim.apis.core_v1 import service as kind
from kubesim.apis.servicevalidation import validate_cluster_ips_related_fields

IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
PORT = "must be between 1 and 65535, inclusive"
LABEL_1123 = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end"
    " with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
ONLY_LB = "may only be used when `type` is 'LoadBalancer'"


def service(*ports: dict[str, Any], annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """As it is when validation sees it: with defaults, and with a cluster IP where one is due."""
    obj: dict[str, Any] = {"metadata": {"name": "s", "namespace": "default"}, "spec": dict(spec)}
    if annotations:
        obj["metadata"]["annotations"] = annotations
    if ports:
        obj["spec"]["ports"] = list(ports)
    kind.default(obj)
    spec = obj["spec"]
    if "clusterIP" in spec and "clusterIPs" not in spec:
        spec["clusterIPs"] = [spec["clusterIP"]]
    return obj


def texts(errors: list[Any]) -> list[str]:
    return [str(e) for e in errors]


P80 = {"port": 80}

CREATE = {
    "valid": (service(P80), []),
    "no ports": (service(selector={"app": "web"}), ["spec.ports: Required value"]),
    "headless without ports": (service(clusterIP="None", selector={"app": "web"}), []),
    "external name without ports": (service(type="ExternalName", externalName="db.example.com."), []),
    "external name missing": (service(P80, type="ExternalName"), ["spec.externalName: Required value"]),
    "external name bad": (
        service(P80, type="ExternalName", externalName="Bad_Name"),
        [
            (
                'spec.externalName: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of lower case'
                " alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g."
                " 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            )
        ],
    ),
    "external name with addresses": (
        service(
            type="ExternalName",
            externalName="a.b",
            clusterIP="10.0.0.1",
            ipFamilies=["IPv4"],
            ipFamilyPolicy="SingleStack",
        ),
        [
            "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
            "spec.ipFamilies: Forbidden: may not be set for ExternalName services",
            "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
        ],
    ),
    "headless node port": (
        service(P80, clusterIP="None", type="NodePort"),
        ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
    ),
    "headless load balancer": (
        service(P80, clusterIP="None", type="LoadBalancer"),
        ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for LoadBalancer services"],
    ),
    "port zero": (
        service({"port": 0}),
        [
            f"spec.ports[0].port: Invalid value: 0: {PORT}",
            f"spec.ports[0].targetPort: Invalid value: 0: {PORT}",
        ],
    ),
    "port high": (
        service({"port": 70000}),
        [
            f"spec.ports[0].port: Invalid value: 70000: {PORT}",
            f"spec.ports[0].targetPort: Invalid value: 70000: {PORT}",
        ],
    ),
    "port missing": (service({"targetPort": 80}), [f"spec.ports[0].port: Invalid value: 0: {PORT}"]),
    "target port high": (
        service({"port": 80, "targetPort": 70000}),
        [f"spec.ports[0].targetPort: Invalid value: 70000: {PORT}"],
    ),
    "target port name bad": (
        service({"port": 80, "targetPort": "HTTP_80"}),
        [
            'spec.ports[0].targetPort: Invalid value: "HTTP_80": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
            'spec.ports[0].targetPort: Invalid value: "HTTP_80": must contain at least one letter (a-z)',
        ],
    ),
    "target port in quotes is a name": (
        service({"port": 80, "targetPort": "80"}),
        ['spec.ports[0].targetPort: Invalid value: "80": must contain at least one letter (a-z)'],
    ),
    "protocol": (
        service({"port": 80, "protocol": "FOO"}),
        ['spec.ports[0].protocol: Unsupported value: "FOO": supported values: "SCTP", "TCP", "UDP"'],
    ),
    "port name bad": (
        service({"name": "HTTP", "port": 80}),
        [f'spec.ports[0].name: Invalid value: "HTTP": {LABEL_1123}'],
    ),
    "names missing": (
        service(P80, {"port": 81}),
        ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
    ),
    "name twice": (
        service({"name": "a", "port": 80}, {"name": "a", "port": 81}),
        ['spec.ports[1].name: Duplicate value: "a"'],
    ),
    "port twice": (
        service({"name": "a", "port": 80}, {"name": "b", "port": 80}),
        [
            (
                'spec.ports[1]: Duplicate value: core.ServicePort{Name:"", Protocol:"TCP", AppProtocol:(*string)(nil), Port:80,'
                ' TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0}'
            )
        ],
    ),
    "port twice with two protocols": (
        service({"name": "a", "port": 53}, {"name": "b", "port": 53, "protocol": "UDP"}),
        [],
    ),
    "node port twice": (
        service(
            {"name": "a", "port": 80, "nodePort": 30201},
            {"name": "b", "port": 81, "nodePort": 30201},
            type="NodePort",
        ),
        ["spec.ports[1].nodePort: Duplicate value: 30201"],
    ),
    "node port of a cluster IP": (
        service({"port": 80, "nodePort": 30123}),
        ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ),
    "app protocol": (
        service({"port": 80, "appProtocol": "a b"}),
        [
            (
                "spec.ports[0].appProtocol: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or"
                " '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used"
                " for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            )
        ],
    ),
    "selector": (
        service(P80, selector={"bad key": "bad value!"}),
        [
            (
                "spec.selector: Invalid value: \"bad key\": name part must consist of alphanumeric characters, '-', '_' or '.', and must"
                " start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation"
                " is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            ),
            (
                'spec.selector: Invalid value: "bad value!": a valid label must be an empty string or consist of alphanumeric characters,'
                " '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345',"
                " regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            ),
        ],
    ),
    "session affinity": (
        service(P80, sessionAffinity="Foo"),
        ['spec.sessionAffinity: Unsupported value: "Foo": supported values: "ClientIP", "None"'],
    ),
    "session timeout": (
        service(P80, sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 0}}),
        [
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400"
        ],
    ),
    "cluster IP garbage": (
        service(P80, clusterIP="abc"),
        [f'spec.clusterIPs[0]: Invalid value: "abc": {IP}'],
    ),
    "cluster IPs of one family": (
        service(P80, clusterIP="10.0.0.1", clusterIPs=["10.0.0.1", "10.0.0.2"]),
        [
            'spec.clusterIPs: Invalid value: []string{"10.0.0.1", "10.0.0.2"}: may specify no more than one IP for each IP family'
        ],
    ),
    "three cluster IPs": (
        service(P80, clusterIP="10.0.0.1", clusterIPs=["10.0.0.1", "fd00::1", "10.0.0.2"]),
        [
            'spec.clusterIPs: Invalid value: []string{"10.0.0.1", "fd00::1", "10.0.0.2"}: may only hold up to 2 values'
        ],
    ),
    "None not alone": (
        service(P80, clusterIP="None", clusterIPs=["None", "fd00::1"]),
        [
            'spec.clusterIPs: Invalid value: []string{"None", "fd00::1"}: \'None\' must be the first and only value'
        ],
    ),
    "plural without singular": (
        service(P80, clusterIPs=["10.0.0.1"]),
        [
            'spec.clusterIPs: Invalid value: []string{"10.0.0.1"}: must be empty when `clusterIP` is not specified'
        ],
    ),
    "singular and plural differ": (
        service(P80, clusterIP="10.0.0.1", clusterIPs=["10.0.0.2"]),
        ['spec.clusterIPs: Invalid value: []string{"10.0.0.2"}: first value must match `clusterIP`'],
    ),
    "family mismatch": (
        service(P80, clusterIP="10.0.0.1", clusterIPs=["10.0.0.1", "fd00::1"], ipFamilies=["IPv6", "IPv4"]),
        [
            'spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`',
            'spec.clusterIPs[1]: Invalid value: "fd00::1": expected an IPv4 value as indicated by `ipFamilies[1]`',
        ],
    ),
    "families": (
        service(P80, ipFamilies=["IPv5", "IPv4", "IPv4"], ipFamilyPolicy="Foo"),
        [
            'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
            'spec.ipFamilies[2]: Duplicate value: "IPv4"',
            'spec.ipFamilyPolicy: Unsupported value: "Foo": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
        ],
    ),
    "external IPs": (
        service(
            P80,
            externalIPs=[
                "127.0.0.1",
                "x",
                "0.0.0.0",
                "169.254.1.1",
                "224.0.0.1",
                "::1",
                "fe80::1",
                "8.8.8.8",
            ],
        ),
        [
            'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
            f'spec.externalIPs[1]: Invalid value: "x": {IP}',
            'spec.externalIPs[2]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)',
            'spec.externalIPs[3]: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
            'spec.externalIPs[4]: Invalid value: "224.0.0.1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
            'spec.externalIPs[5]: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
            'spec.externalIPs[6]: Invalid value: "fe80::1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
        ],
    ),
    "type": (
        service(P80, type="Foo"),
        [
            'spec.type: Unsupported value: "Foo": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
        ],
    ),
    "source ranges": (
        service(P80, type="LoadBalancer", loadBalancerSourceRanges=["10.0.0.0/40", " 10.0.0.0/8 "]),
        [
            (
                'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.0/40": must be a valid CIDR value, (e.g. 10.9.8.0/24 or'
                " 2001:db8::/64)"
            )
        ],
    ),
    "source ranges of a cluster IP": (
        service(P80, loadBalancerSourceRanges=["10.0.0.0/8"]),
        [f"spec.LoadBalancerSourceRanges: Forbidden: {ONLY_LB}"],
    ),
    "source ranges by annotation": (
        service(P80, annotations={"service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8, x"}),
        [
            f"metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Forbidden: {ONLY_LB}",
            (
                'metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid value: "x": must be a valid'
                " CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            ),
        ],
    ),
    "node port allocation of a cluster IP": (
        service(P80, allocateLoadBalancerNodePorts=False),
        [f"spec.allocateLoadBalancerNodePorts: Forbidden: {ONLY_LB}"],
    ),
    "load balancer class of a cluster IP": (
        service(P80, loadBalancerClass="x"),
        [f"spec.loadBalancerClass: Forbidden: {ONLY_LB}"],
    ),
    "external traffic policy of a cluster IP": (
        service(P80, externalTrafficPolicy="Local"),
        [
            'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'
        ],
    ),
    "external traffic policy": (
        service(P80, type="NodePort", externalTrafficPolicy="Foo"),
        ['spec.externalTrafficPolicy: Unsupported value: "Foo": supported values: "Cluster", "Local"'],
    ),
    "internal traffic policy": (
        service(P80, internalTrafficPolicy="Foo"),
        ['spec.internalTrafficPolicy: Unsupported value: "Foo": supported values: "Cluster", "Local"'],
    ),
    "health check port without need": (
        service(P80, type="LoadBalancer", healthCheckNodePort=30001),
        [
            (
                "spec.healthCheckNodePort: Invalid value: 30001: may only be set when `type` is 'LoadBalancer' and"
                " `externalTrafficPolicy` is 'Local'"
            )
        ],
    ),
    "health check port missing": (
        service(P80, type="LoadBalancer", externalTrafficPolicy="Local"),
        ["spec.healthCheckNodePort: Required value"],
    ),
    "traffic distribution": (
        service(P80, trafficDistribution="Foo"),
        ['spec.trafficDistribution: Unsupported value: "Foo": supported values: "PreferClose"'],
    ),
    "topology annotations differ": (
        service(
            P80,
            annotations={
                "service.kubernetes.io/topology-aware-hints": "auto",
                "service.kubernetes.io/topology-mode": "disabled",
            },
        ),
        [
            (
                'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "disabled": must match'
                " annotations[service.kubernetes.io/topology-aware-hints] when both are specified"
            )
        ],
    ),
    "many at once, in order": (
        service(
            {"port": 0, "protocol": "X"},
            {"port": 70000, "targetPort": 80, "nodePort": 1},
            type="Foo",
            sessionAffinity="Foo",
        ),
        [
            "spec.ports[0].name: Required value",
            f"spec.ports[0].port: Invalid value: 0: {PORT}",
            'spec.ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
            f"spec.ports[0].targetPort: Invalid value: 0: {PORT}",
            "spec.ports[1].name: Required value",
            f"spec.ports[1].port: Invalid value: 70000: {PORT}",
            'spec.sessionAffinity: Unsupported value: "Foo": supported values: "ClientIP", "None"',
            'spec.type: Unsupported value: "Foo": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
        ],
    ),
}


@pytest.mark.parametrize(("obj", "expected"), CREATE.values(), ids=CREATE)
def test_create_gives_every_reason_in_order(obj: dict[str, Any], expected: list[str]) -> None:
    assert texts(kind.validate(obj)) == expected


def test_fields_of_cluster_ips_are_checked_alone_before_allocation() -> None:
    garbage = service({"port": 0}, type="Foo", clusterIP="abc")
    assert texts(validate_cluster_ips_related_fields(garbage)) == [
        f'spec.clusterIPs[0]: Invalid value: "abc": {IP}'
    ]


OLD = service(P80, clusterIP="10.96.0.5", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
DUAL = service(
    P80,
    clusterIP="10.96.0.5",
    clusterIPs=["10.96.0.5", "fd00::5"],
    ipFamilies=["IPv4", "IPv6"],
    ipFamilyPolicy="RequireDualStack",
)

UPDATE = {
    "nothing": (OLD, OLD, []),
    "cluster IP changed": (
        OLD,
        service(P80, clusterIP="10.96.77.7", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack"),
        ['spec.clusterIPs[0]: Invalid value: []string{"10.96.77.7"}: may not change once set'],
    ),
    "headless afterwards": (
        OLD,
        service(P80, clusterIP="None"),
        ['spec.clusterIPs[0]: Invalid value: []string{"None"}: may not change once set'],
    ),
    "cluster IP unset": (
        OLD,
        service(P80, ipFamilies=["IPv4"]),
        ["spec.clusterIPs[0]: Invalid value: []string(nil): primary clusterIP can not be unset"],
    ),
    "family changed": (
        OLD,
        service(P80, clusterIP="10.96.0.5", ipFamilies=["IPv6"]),
        [
            'spec.ipFamilies[0]: Invalid value: []core.IPFamily{"IPv6"}: may not change once set',
            'spec.clusterIPs[0]: Invalid value: "10.96.0.5": expected an IPv6 value as indicated by `ipFamilies[0]`',
        ],
    ),
    "second address released without the policy": (
        DUAL,
        service(P80, clusterIP="10.96.0.5", ipFamilies=["IPv4"], ipFamilyPolicy="RequireDualStack"),
        [
            (
                "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be set to 'SingleStack' when releasing the secondary"
                " clusterIP"
            ),
            (
                "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be set to 'SingleStack' when releasing the secondary"
                " ipFamily"
            ),
        ],
    ),
    "second address released": (
        DUAL,
        service(P80, clusterIP="10.96.0.5", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack"),
        [],
    ),
    "second address added": (OLD, DUAL, []),
    "to external name": (OLD, service(type="ExternalName", externalName="a.b"), []),
    "load balancer class changed": (
        service(P80, type="LoadBalancer", loadBalancerClass="a/b"),
        service(P80, type="LoadBalancer"),
        ['spec.loadBalancerClass: Invalid value: "null": may not change once set'],
    ),
    "health check port changed": (
        service(P80, type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30001),
        service(P80, type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30002),
        ["spec.healthCheckNodePort: Forbidden: field is immutable"],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), UPDATE.values(), ids=UPDATE)
def test_update_keeps_what_may_not_change(
    old: dict[str, Any], new: dict[str, Any], expected: list[str]
) -> None:
    assert texts(kind.validate_update(new, old)) == expected


STATUS = {
    "not a load balancer": (
        "ClusterIP",
        {"ip": "1.2.3.4", "ipMode": "VIP"},
        ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"],
    ),
    "fine": ("LoadBalancer", {"ip": "1.2.3.4", "ipMode": "Proxy"}, []),
    "no mode": (
        "LoadBalancer",
        {"ip": "x"},
        [
            f'status.loadBalancer.ingress[0].ip: Invalid value: "x": {IP}',
            "status.loadBalancer.ingress[0].ipMode: Required value: must be specified when `ip` is set",
        ],
    ),
    "mode without address": (
        "LoadBalancer",
        {"hostname": "1.2.3.4", "ipMode": "VIP"},
        [
            "status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set",
            'status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
        ],
    ),
    "unknown mode": (
        "LoadBalancer",
        {"ip": "1.2.3.4", "ipMode": "X"},
        ['status.loadBalancer.ingress[0].ipMode: Unsupported value: "X": supported values: "Proxy", "VIP"'],
    ),
}


@pytest.mark.parametrize(("of_type", "point", "expected"), STATUS.values(), ids=STATUS)
def test_status_of_a_load_balancer_is_checked(
    of_type: str, point: dict[str, Any], expected: list[str]
) -> None:
    new = service(P80, type=of_type)
    new["status"] = {"loadBalancer": {"ingress": [point]}}
    assert texts(kind.validate_status_update(new, service(P80, type=of_type))) == expected


NAMES = {
    "dot": ("a.b", False, 1),
    "digit": ("1svc", False, 1),
    "long": ("a" * 64, False, 1),
    "upper": ("My_Svc", False, 1),
    "fine": ("my-svc", False, 0),
    "prefix with a dash": ("my-svc-", True, 0),
    "name with a dash": ("my-svc-", False, 1),
}


@pytest.mark.parametrize(("name", "prefix", "count"), NAMES.values(), ids=NAMES)
def test_names_are_labels_of_dns_1035(name: str, prefix: bool, count: int) -> None:
    assert len(kind.name_errors(name, prefix)) == count


WARNINGS = {
    "none": (service(P80), []),
    "topology hints": (
        service(P80, annotations={"service.kubernetes.io/topology-aware-hints": "auto"}),
        [
            (
                "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode"
                " instead"
            )
        ],
    ),
    "headless with what it ignores": (
        service(
            P80,
            clusterIP="None",
            loadBalancerIP="1.1.1.1",
            externalIPs=["1.1.1.2"],
            sessionAffinity="ClientIP",
        ),
        [
            "spec.loadBalancerIP is ignored for headless services",
            "spec.externalIPs is ignored for headless services",
            "spec.SessionAffinity is ignored for headless services",
        ],
    ),
    "leading zero": (
        service(P80, externalIPs=["192.012.2.2"]),
        [
            (
                "spec.externalIPs[0]: IP address was accepted, but will be invalid in a future Kubernetes release:"
                ' ParseAddr("192.012.2.2"): IPv4 field has octet with leading zero'
            )
        ],
    ),
    "IPv6 not canonical": (
        service(P80, clusterIP="2001:db8:0:0::2"),
        [
            (
                'spec.clusterIPs[0]: IPv6 address "2001:db8:0:0::2" is not in RFC 5952 canonical format ("2001:db8::2"), which may'
                " cause controller apply-loops"
            )
        ],
    ),
    "ranges": (
        service(
            P80, type="LoadBalancer", loadBalancerSourceRanges=["010.0.0.0/8", "2001:DB8::/64", "10.0.0.0/08"]
        ),
        [
            (
                "spec.loadBalancerSourceRanges[0]: IP prefix was accepted, but will be invalid in a future Kubernetes release:"
                ' netip.ParsePrefix("010.0.0.0/8"): ParseAddr("010.0.0.0"): IPv4 field has octet with leading zero'
            ),
            (
                'spec.loadBalancerSourceRanges[1]: IPv6 prefix "2001:DB8::/64" is not in RFC 5952 canonical format'
                ' ("2001:db8::/64"), which may cause controller apply-loops'
            ),
            (
                "spec.loadBalancerSourceRanges[2]: IP prefix was accepted, but will be invalid in a future Kubernetes release:"
                ' netip.ParsePrefix("10.0.0.0/08"): bad bits after slash: "08"'
            ),
        ],
    ),
    "external name": (
        service(type="ExternalName", externalName="a.b", externalIPs=["1.1.1.1"]),
        ['spec.externalIPs is ignored when spec.type is "ExternalName"'],
    ),
    "external name of another type": (
        service(P80, externalName="a.b"),
        ['spec.externalName is ignored when spec.type is not "ExternalName"'],
    ),
}


@pytest.mark.parametrize(("obj", "expected"), WARNINGS.values(), ids=WARNINGS)
def test_warnings(obj: dict[str, Any], expected: list[str]) -> None:
    assert kind.warnings(obj, None) == expected
