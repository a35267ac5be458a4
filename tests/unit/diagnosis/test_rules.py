"""Each rule by itself: what it says, and when it says nothing."""

from __future__ import annotations

import pytest

from kubesim.diagnosis.reasons import REASONS, reason

POD = """
apiVersion: v1
kind: Pod
metadata: {name: %(name)s, labels: {app: %(app)s}}
spec: {containers: [{name: c, image: "%(image)s", ports: [%(ports)s]%(more)s}]}
---
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: %(name)s}
spec: {%(spec)s}
---
"""


def pod(name="web", app="web", image="nginx", ports="", more=""):
    return POD % {
        "name": name,
        "app": app,
        "image": image,
        "ports": ports,
        "more": f", {more}" if more else "",
    }


def service(spec, name="web"):
    return SERVICE % {"name": name, "spec": spec}


def told(findings):
    return [(f.code, f.severity, str(f.object), f.field) for f in findings if f.severity != "info"]


SOUND = {
    "plain": pod() + service("selector: {app: web}, ports: [{port: 80}]"),
    "another port of the Service": pod()
    + service("selector: {app: web}, ports: [{port: 8080, targetPort: 80}]"),
    "a name": pod(ports="{containerPort: 80, name: http}")
    + service("selector: {app: web}, ports: [{port: 8080, targetPort: http}]"),
    "undeclared, and it listens": pod(ports="{containerPort: 9090}")
    + service("selector: {app: web}, ports: [{port: 80}]"),
    "an unknown image": pod(image="example.com/app:1")
    + service("selector: {app: web}, ports: [{port: 8080}]"),
    "an unknown image, declared": pod(image="example.com/app:1", ports="{containerPort: 8080}")
    + service("selector: {app: web}, ports: [{port: 80, targetPort: 8080}]"),
    "a Service alone": service("selector: {app: web}, ports: [{port: 80}]"),
    "Pods of somebody else": pod(app="other") + service("selector: {name: web}, ports: [{port: 80}]"),
    "one more port than declared, where the declared one has a Service": pod(
        image="example.com/manager:1", ports="{containerPort: 9443}"
    )
    + service("selector: {app: web}, ports: [{port: 443, targetPort: 9443}]", "webhook")
    + service("selector: {app: web}, ports: [{port: 8443}]", "metrics"),
    "Pods of an operator, in a bundle": pod("a", "a")
    + pod("b", "b")
    + service("selector: {app: web}, ports: [{port: 80}]"),
    "headless": pod() + service("clusterIP: None, selector: {app: web}, ports: [{port: 80}]"),
    "TCP and UDP": pod(image="coredns/coredns:1.11")
    + service("selector: {app: web}, ports: [{name: a, port: 53, protocol: UDP}, {name: b, port: 53}]"),
    "an alias": service("type: ExternalName, externalName: example.com"),
    "without a selector": service("ports: [{port: 80}]"),
    "Local": pod()
    + service("type: NodePort, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80}]"),
    "a load balancer": pod() + service("type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]"),
}


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND.keys())
def test_sound_manifests_are_met_with_silence(findings_in, text):
    assert told(findings_in(text)) == []


BROKEN = {
    "value differs in case": (
        pod(app="Web") + service("selector: {app: web}, ports: [{port: 80}]"),
        (1, "error", "service/web", "spec.selector.app"),
    ),
    "another value, in the same file": (
        pod(app="front") + service("selector: {app: web}, ports: [{port: 80}]"),
        (1, "error", "service/web", "spec.selector.app"),
    ),
    "nothing listens": (
        pod() + service("selector: {app: web}, ports: [{port: 80, targetPort: 81}]"),
        (4, "error", "service/web", "spec.ports[0].targetPort"),
    ),
    "nothing listens on the port itself": (
        pod() + service("selector: {app: web}, ports: [{port: 81}]"),
        (4, "error", "service/web", "spec.ports[0].targetPort"),
    ),
    "undeclared, and nobody knows": (
        pod(image="example.com/app:1", ports="{containerPort: 8080}")
        + service("selector: {app: web}, ports: [{port: 80}]"),
        (4, "warning", "service/web", "spec.ports[0].targetPort"),
    ),
    "no such name": (
        pod(ports="{containerPort: 80, name: http}")
        + service("selector: {app: web}, ports: [{port: 80, targetPort: htpp}]"),
        (5, "error", "service/web", "spec.ports[0].targetPort"),
    ),
    "some have the name": (
        pod(ports="{containerPort: 80, name: http}")
        + pod("two")
        + service("selector: {app: web}, ports: [{port: 80, targetPort: http}]"),
        (5, "warning", "service/web", "spec.ports[0].targetPort"),
    ),
    "a name of another protocol": (
        pod(ports="{containerPort: 80, name: http, protocol: UDP}")
        + service("selector: {app: web}, ports: [{port: 80, targetPort: http}]"),
        (8, "error", "service/web", "spec.ports[0].protocol"),
    ),
    "declared with another protocol": (
        pod(image="example.com/app:1", ports="{containerPort: 53, protocol: UDP}")
        + service("selector: {app: web}, ports: [{port: 53}]"),
        (8, "warning", "service/web", "spec.ports[0].protocol"),
    ),
    "swapped": (
        pod(image="python:3.13", more='command: [python3, -m, http.server, "8000"]')
        + service("selector: {app: web}, ports: [{port: 8000, targetPort: 80}]"),
        (11, "error", "service/web", "spec.ports[0].targetPort"),
    ),
    "an Ingress names the targetPort": (
        pod()
        + service("selector: {app: web}, ports: [{port: 8080, targetPort: 80}]")
        + """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
""",
        (11, "error", "ingress/web", "spec.defaultBackend.service.port.number"),
    ),
    "ports of hand-made endpoints": (
        service("ports: [{name: http, port: 80}]")
        + """
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets: [{addresses: [{ip: 203.0.113.1}], ports: [{port: 80}]}]
""",
        (22, "error", "service/web", "spec.ports[0].name"),
    ),
    "digits are no name": (
        service("type: ExternalName, externalName: 203.0.113.9"),
        (18, "error", "service/web", "spec.externalName"),
    ),
    "a policy for nobody": (
        pod(app="frontend")
        + """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec: {podSelector: {matchLabels: {app: fronted}}}
""",
        (24, "warning", "networkpolicy/p", "spec.podSelector.matchLabels.app"),
    ),
    "a peer that is nobody": (
        pod(app="frontend")
        + """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: Frontend}}}]}]}
""",
        (24, "warning", "networkpolicy/p", "spec.ingress[0].from[0].podSelector.matchLabels.app"),
    ),
}


@pytest.mark.parametrize(("text", "wanted"), BROKEN.values(), ids=BROKEN.keys())
def test_a_mistake_is_told_with_its_field(findings_in, text, wanted):
    found = findings_in(text)
    assert told(found) == [wanted]
    assert all(f.message and f.fix for f in found)


def test_in_a_cluster_a_selector_that_matches_nothing_is_an_error_in_any_case(findings_in):
    found = findings_in(service("selector: {app: web}, ports: [{port: 80}]"), planning=False)
    assert told(found) == [(1, "error", "service/web", "spec.selector")]
    assert "there are no Pods in namespace default" in found[0].message


def test_the_nearest_of_many_pods_is_named_with_what_differs(findings_in):
    pods = "".join(pod(f"p{i}", f"other{i}") for i in range(5)) + pod("meant", "shopp")
    (found,) = findings_in(pods + service("selector: {app: shop}, ports: [{port: 80}]"))
    assert found.message == "none of the 6 Pods in namespace default has the labels app=shop"
    assert "nearest is pod/meant: it has app=shopp: one letter differs" in found.evidence
    assert found.fix == "write app: shopp in the selector, or label the Pods app=shop"


def test_what_listens_instead_is_evidence(findings_in):
    (found,) = findings_in(pod() + service("selector: {app: web}, ports: [{port: 80, targetPort: 8080}]"))
    assert found.message == "nothing listens on port 8080/TCP in pod/web"
    assert found.evidence == ("what listens: nginx on 80/TCP",)
    assert found.fix == "write targetPort: 80"


def test_a_template_speaks_for_the_pods_that_it_will_make(findings_in):
    deployment = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx
        env: [{name: DB_HOST, value: db}]
        readinessProbe: {httpGet: {port: 8080}}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: data}
spec: {ports: [{port: 5432}]}
"""
    assert told(findings_in(deployment)) == [
        (3, "error", "deployment/web", "spec.template.spec.containers[0].env[0].value"),
        (7, "error", "deployment/web", "spec.template.spec.containers[0].readinessProbe.httpGet.port"),
    ]


def test_every_code_has_its_reason():
    assert [r.code for r in REASONS] == list(range(34))
    assert len({r.name for r in REASONS}) == 34
    assert reason(4).name == "NothingListens"
