"""ConfigMap, Secret, ServiceAccount, Binding."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from kubesim.apis.core_v1 import binding, configmap, secret, serviceaccount

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name',"
    " regex used for validation is '[-._a-zA-Z0-9]+')"
)


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


CONFIG_MAPS = {
    "fine": ({"data": {"a": "1"}, "binaryData": {"b": encoded("2")}}, []),
    "key": ({"data": {"bad key": "x"}}, [f'data[bad key]: Invalid value: "bad key": {KEY}']),
    "binary key": (
        {"binaryData": {"bad key": ""}},
        [f'binaryData[bad key]: Invalid value: "bad key": {KEY}'],
    ),
    "key in both": (
        {"data": {"a": "1"}, "binaryData": {"a": ""}},
        ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
    ),
    "as large as may be": ({"data": {"a": "x" * 1048576}}, []),
    "too large": ({"data": {"a": "x" * 1048577}}, ["[]: Too long: may not be more than 1048576 bytes"]),
}


@pytest.mark.parametrize(("obj", "expected"), CONFIG_MAPS.values(), ids=CONFIG_MAPS)
def test_config_maps(obj: dict[str, Any], expected: list[str]) -> None:
    assert [str(e) for e in configmap.validate(obj)] == expected


def test_immutable_stays_immutable() -> None:
    old = {"immutable": True, "data": {"a": "1"}}
    assert configmap.validate_update(dict(old), old) == []
    errors = configmap.validate_update({"data": {"a": "2"}, "binaryData": {"b": ""}}, old)
    assert [str(e) for e in errors] == [
        "immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set",
        "binaryData: Forbidden: field is immutable when `immutable` is set",
    ]


def test_a_config_map_shows_how_many_keys_it_has() -> None:
    obj = {"metadata": {"name": "c"}, "data": {"a": "1"}, "binaryData": {"b": ""}}
    assert configmap.cells(obj, NOW) == ["c", 2, "<unknown>"]


def test_string_data_goes_into_data() -> None:
    obj = {"stringData": {"a": "new", "b": "ü"}, "data": {"a": encoded("old"), "c": encoded("3")}}
    secret.default(obj)
    assert obj == {
        "type": "Opaque",
        "data": {"a": encoded("new"), "b": encoded("ü"), "c": encoded("3")},
    }


DOCKER = "kubernetes.io/dockerconfigjson"
SECRETS = {
    "opaque": ({"type": "Opaque"}, []),
    "key": (
        {"type": "Opaque", "data": {"..a": ""}},
        ["data[..a]: Invalid value: \"..a\": must not start with '..'"],
    ),
    "too large": (
        {"type": "Opaque", "data": {"a": encoded("x" * 1048577)}},
        ["data: Too long: may not be more than 1048576 bytes"],
    ),
    "tls": (
        {"type": "kubernetes.io/tls"},
        ["data[tls.crt]: Required value", "data[tls.key]: Required value"],
    ),
    "basic": (
        {"type": "kubernetes.io/basic-auth"},
        ["data[username]: Required value", "data[password]: Required value"],
    ),
    "basic with one": ({"type": "kubernetes.io/basic-auth", "data": {"password": ""}}, []),
    "ssh": ({"type": "kubernetes.io/ssh-auth"}, ["data[ssh-privatekey]: Required value"]),
    "docker": ({"type": DOCKER}, ["data[.dockerconfigjson]: Required value"]),
    "docker garbage": (
        {"type": DOCKER, "data": {".dockerconfigjson": encoded("x")}},
        [
            (
                "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": invalid character 'x' looking for beginning of"
                " value"
            )
        ],
    ),
    "docker cut off": (
        {"type": DOCKER, "data": {".dockerconfigjson": encoded('{"a":')}},
        [
            'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input'
        ],
    ),
    "docker list": (
        {"type": DOCKER, "data": {".dockerconfigjson": encoded("[]")}},
        [
            (
                'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of'
                " type map[string]interface {}"
            )
        ],
    ),
    "token": (
        {"type": "kubernetes.io/service-account-token"},
        ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    ),
    "other": ({"type": "example.com/anything"}, []),
}


@pytest.mark.parametrize(("obj", "expected"), SECRETS.values(), ids=SECRETS)
def test_secrets(obj: dict[str, Any], expected: list[str]) -> None:
    assert [str(e) for e in secret.validate(obj)] == expected


def test_the_type_of_a_secret_does_not_change() -> None:
    errors = secret.validate_update({"type": "b"}, {"type": "a"})
    assert [str(e) for e in errors] == ['type: Invalid value: "b": field is immutable']


PAIRS = {
    "no PEM": ("x", "y", ["tls: failed to find any PEM data in certificate input"]),
    "no key": (
        "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----",
        "y",
        ["tls: failed to find any PEM data in key input"],
    ),
    "switched": (
        "-----BEGIN PRIVATE KEY-----\nA\n-----END PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----",
        [
            (
                "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been"
                " switched"
            )
        ],
    ),
    "fine": (
        "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----",
        "-----BEGIN RSA PRIVATE KEY-----\nA\n-----END RSA PRIVATE KEY-----",
        [],
    ),
}


@pytest.mark.parametrize(("certificate", "key", "expected"), PAIRS.values(), ids=PAIRS)
def test_warnings_of_a_key_pair(certificate: str, key: str, expected: list[str]) -> None:
    data = {"tls.crt": encoded(certificate), "tls.key": encoded(key)}
    assert secret.warnings({"type": "kubernetes.io/tls", "data": data}, None) == expected


def test_a_secret_shows_type_and_count_and_is_selected_by_type() -> None:
    obj = {"metadata": {"name": "s", "namespace": "n"}, "type": "Opaque", "data": {"a": ""}}
    assert secret.cells(obj, NOW) == ["s", "Opaque", 1, "<unknown>"]
    assert secret.fields(obj) == {"metadata.name": "s", "metadata.namespace": "n", "type": "Opaque"}


def test_of_a_service_accounts_secrets_only_the_names_are_kept() -> None:
    obj: dict[str, Any] = {
        "metadata": {"name": "s"},
        "secrets": [{"name": "a", "namespace": "x"}, {"uid": "1"}],
    }
    serviceaccount.prepare_create(obj)
    assert obj["secrets"] == [{"name": "a"}, {}]
    assert serviceaccount.cells(obj, NOW) == ["s", 2, "<unknown>"]


def test_the_annotation_on_mountable_secrets_is_deprecated() -> None:
    obj = {"metadata": {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}}
    assert serviceaccount.warnings(obj, None) == [
        (
            "metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; prefer separate namespaces to"
            " isolate access to mounted secrets"
        )
    ]
    assert serviceaccount.warnings(obj, obj) == []


def test_a_binding_names_a_node() -> None:
    assert binding.validate({"target": {"kind": "Node", "name": "n"}}) == []
    assert [str(e) for e in binding.validate({"target": {"kind": "Pod"}})] == [
        'target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>"',
        "target.name: Required value",
    ]
