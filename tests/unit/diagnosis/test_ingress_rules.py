"""Codes 26 to 30: what is said of Ingresses, in manifests and in a cluster, and when nothing is said."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "storefront"},
    "spec": {"ports": [{"port": 80}]},
}
NGINX = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": "nginx"},
    "spec": {"controller": "k8s.io/ingress-nginx"},
}


def ingress(name="web", *, service="storefront", host="a.test", annotations=None, **spec: Any):
    path = {
        "path": "/",
        "pathType": "Prefix",
        "backend": {"service": {"name": service, "port": {"number": 80}}},
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {"rules": [{"host": host, "http": {"paths": [path]}}], **spec},
    }


def secret(name: str, kind: str = "kubernetes.io/tls", *keys: str, namespace: str = "default"):
    data = dict.fromkeys(keys or ("tls.crt", "tls.key"), "x")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": kind,
        "stringData": data,
    }


def in_namespace(obj, namespace):
    return obj | {"metadata": obj["metadata"] | {"namespace": namespace}}


def tls(secret_name="shop-tls", *hosts):
    return [{"hosts": list(hosts or ("a.test",)), "secretName": secret_name}]


def told(findings):
    return [
        (f.code, f.severity, str(f.object), f.field)
        for f in findings
        if f.object.kind == "Ingress" and f.severity != "info"
    ]


CANARY = {"nginx.ingress.kubernetes.io/canary": "true"}
SOUND = {
    "nothing but an Ingress": [ingress(ingressClassName="somebody-elses", tls=tls())],
    "of no class": [ingress(), SERVICE],
    "a class that stands elsewhere": [ingress(ingressClassName="traefik"), NGINX, SERVICE],
    "a backend that stands elsewhere": [ingress(service="api"), SERVICE],
    "a Secret that stands elsewhere": [ingress(tls=tls("wildcard")), secret("shop-tls"), SERVICE],
    "a canary": [ingress("one"), ingress("two", annotations=CANARY), SERVICE],
    "a load balancer for each": [
        ingress("one", ingressClassName="alb"),
        ingress("two", ingressClassName="alb"),
        SERVICE,
    ],
    "one host for two controllers": [
        ingress("one", ingressClassName="inner"),
        ingress("two", ingressClassName="outer"),
        SERVICE,
    ],
    "a wildcard certificate": [ingress(tls=tls("shop-tls", "*.test")), secret("shop-tls"), SERVICE],
    "a certificate for more hosts": [
        ingress(tls=tls("shop-tls", "a.test", "www.shop.example")),
        secret("shop-tls"),
        SERVICE,
    ],
    "a default backend alone": [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "all"},
            "spec": {"defaultBackend": {"service": {"name": "elsewhere", "port": {"number": 80}}}},
        }
    ],
}


@pytest.mark.parametrize("documents", SOUND.values(), ids=SOUND.keys())
def test_sound_manifests_are_met_with_silence(findings_in, documents):
    assert told(findings_in(yaml.safe_dump_all(documents))) == []


BACKEND = "spec.rules[0].http.paths[0].backend.service.name"
BROKEN = {
    "a backend is misspelt": ([ingress(service="storefornt"), SERVICE], (26, "error", BACKEND)),
    "the backend is in another namespace": (
        [ingress(), in_namespace(SERVICE, "blue")],
        (26, "error", BACKEND),
    ),
    "the class is misspelt": (
        [ingress(ingressClassName="ngnix"), NGINX, SERVICE],
        (27, "error", "spec.ingressClassName"),
    ),
    "the class differs in case, in the old annotation": (
        [ingress(annotations={"kubernetes.io/ingress.class": "Nginx"}), NGINX, SERVICE],
        (27, "error", "metadata.annotations[kubernetes.io/ingress.class]"),
    ),
    "two claim a path": (
        [ingress("a"), ingress("web"), SERVICE],
        (28, "warning", "spec.rules[0].http.paths[0].path"),
    ),
    "the Secret is misspelt": (
        [ingress(tls=tls("shop-tsl")), secret("shop-tls"), SERVICE],
        (29, "error", "spec.tls[0].secretName"),
    ),
    "the Secret has other keys": (
        [ingress(tls=tls()), secret("shop-tls", "Opaque", "cert.pem"), SERVICE],
        (29, "error", "spec.tls[0].secretName"),
    ),
    "the certificate is for a host that is misspelt": (
        [
            ingress(host="shop.example.com", tls=tls("shop-tls", "shop.exmaple.com")),
            secret("shop-tls"),
            SERVICE,
        ],
        (30, "warning", "spec.tls[0].hosts[0]"),
    ),
}


@pytest.mark.parametrize(("documents", "wanted"), BROKEN.values(), ids=BROKEN.keys())
def test_a_mistake_is_told_with_its_field(findings_in, documents, wanted):
    code, severity, field = wanted
    found = findings_in(yaml.safe_dump_all(documents))
    assert told(found) == [(code, severity, "ingress/web", field)]
    assert all(f.message and f.fix for f in found)


LIVE = {
    "no such class": (
        [ingress(ingressClassName="traefik"), NGINX, SERVICE],
        [(27, "error", "ingress/web", "spec.ingressClassName")],
    ),
    "no class": ([ingress(), SERVICE], [(27, "error", "ingress/web", "spec.ingressClassName")]),
    "no address yet": (
        [ingress(ingressClassName="nginx"), NGINX, SERVICE],
        [(27, "warning", "ingress/web", "spec.ingressClassName")],
    ),
    "no backend": (
        [ingress(service="api", ingressClassName="nginx"), NGINX],
        [(26, "error", "ingress/web", BACKEND), (27, "warning", "ingress/web", "spec.ingressClassName")],
    ),
    "two claim a path of ingress-nginx": (
        [ingress("a", ingressClassName="nginx"), ingress(ingressClassName="nginx"), NGINX, SERVICE],
        [
            (27, "warning", "ingress/a", "spec.ingressClassName"),
            (28, "error", "ingress/web", "spec.rules[0].http.paths[0].path"),
            (27, "warning", "ingress/web", "spec.ingressClassName"),
        ],
    ),
    "no Secret": (
        [ingress(tls=tls(), ingressClassName="nginx"), NGINX, SERVICE],
        [
            (29, "error", "ingress/web", "spec.tls[0].secretName"),
            (27, "warning", "ingress/web", "spec.ingressClassName"),
        ],
    ),
    "a Secret that cert-manager will make": (
        [
            ingress(
                tls=tls(),
                ingressClassName="nginx",
                annotations={"cert-manager.io/cluster-issuer": "letsencrypt"},
            ),
            NGINX,
            SERVICE,
        ],
        [
            (27, "warning", "ingress/web", "spec.ingressClassName"),
            (29, "warning", "ingress/web", "spec.tls[0].secretName"),
        ],
    ),
}


@pytest.mark.parametrize(("documents", "wanted"), LIVE.values(), ids=LIVE.keys())
def test_in_a_cluster_what_is_missing_is_missing(findings_in, documents, wanted):
    assert told(findings_in(yaml.safe_dump_all(documents), planning=False)) == wanted


def test_the_way_to_the_other_namespace_is_told(findings_in):
    documents = [ingress(), in_namespace(SERVICE, "blue")]
    [found] = [f for f in findings_in(yaml.safe_dump_all(documents)) if f.code == 26]
    assert "service/storefront is in namespace blue" in found.evidence
    assert found.fix == "move the Ingress to namespace blue: it leads to Services of its own namespace alone"


def test_an_opaque_secret_with_the_right_keys_is_worth_a_word_and_no_more(findings_in):
    documents = [ingress(tls=tls()), secret("shop-tls", "Opaque", "tls.crt", "tls.key"), SERVICE]
    [found] = [f for f in findings_in(yaml.safe_dump_all(documents)) if f.code == 29]
    assert (found.severity, found.message) == (
        "info",
        "secret/shop-tls is of type Opaque: some controllers take no certificate from it",
    )


def test_each_missing_service_is_told_once(findings_in):
    twice = ingress(service="storefornt")
    twice["spec"]["rules"] *= 2
    found = findings_in(yaml.safe_dump_all([twice, SERVICE]))
    assert [f.field for f in found if f.code == 26] == [BACKEND]
