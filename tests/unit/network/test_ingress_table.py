"""Which backend an Ingress leads to: hosts and paths."""

from __future__ import annotations

from typing import Any

import pytest

from kubesim.network.ingress.table import Table, is_accepted
from kubesim.util.jsontypes import JSONObject


def _ingress(name: str, *rules: JSONObject, at: str = "2026-01-01T00:00:00Z", **spec: Any) -> JSONObject:
    annotations = {f"nginx.ingress.kubernetes.io/{k}": v for k, v in spec.pop("annotations", {}).items()}
    metadata = {"name": name, "namespace": "default", "creationTimestamp": at, "annotations": annotations}
    return {"metadata": metadata, "spec": {"rules": list(rules), **spec}}


def _backend(name: str) -> JSONObject:
    return {"service": {"name": name, "port": {"number": 80}}}


def _rule(host: str, *paths: tuple[str, str, str]) -> JSONObject:
    """Paths are a path, its type, and the Service that answers."""
    entries = [{"path": p, "pathType": kind, "backend": _backend(service)} for p, kind, service in paths]
    return {"host": host, "http": {"paths": entries}} if host else {"http": {"paths": entries}}


def _find(table: Table, host: str, path: str) -> str:
    found = table.site(host).find(path)
    return found.backend.service if found is not None else ""


PATHS = _rule(
    "a.test",
    ("/exact", "Exact", "exact"),
    ("/foo", "Prefix", "foo"),
    ("/foo/bar/", "Prefix", "foobar"),
    ("/impl", "ImplementationSpecific", "impl"),
)


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/exact", "exact"),
        ("/exact/", ""),
        ("/foo", "foo"),
        ("/foo/", "foo"),
        ("/foo/x/y", "foo"),
        ("/foobar", ""),
        ("/foo/bar", "foobar"),
        ("/foo/bar/baz", "foobar"),
        ("/foo/barbaz", "foo"),
        ("/FOO", ""),
        ("/impl", "impl"),
        ("/implementation", "impl"),
        ("/", ""),
    ],
)
def test_paths_of_every_type(path: str, service: str) -> None:
    assert _find(Table([_ingress("i", PATHS)]), "a.test", path) == service


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("a.test", "a"),
        ("A.Test:8080", "a"),
        ("b.test", "any"),
        ("x.wild.test", "wild"),
        ("x.y.wild.test", "any"),
        ("wild.test", "any"),
        ("own.wild.test", "own"),
        ("", "any"),
        ("[::1]:80", "any"),
    ],
)
def test_hosts_are_exact_then_wildcards_then_any(host: str, service: str) -> None:
    names = {"a.test": "a", "*.wild.test": "wild", "own.wild.test": "own", "": "any"}
    rules = [_rule(name, ("/", "Prefix", of)) for name, of in names.items()]
    assert _find(Table([_ingress("i", *rules)]), host, "/") == service


def test_the_oldest_has_a_path_that_two_ask_for() -> None:
    young = _ingress(
        "a-young",
        _rule("a.test", ("/", "Prefix", "young"), ("/y", "Prefix", "young")),
        at="2026-02-01T00:00:00Z",
    )
    old = _ingress("old", _rule("a.test", ("/", "Prefix", "old")))
    table = Table([young, old])
    assert (_find(table, "a.test", "/"), _find(table, "a.test", "/y")) == ("old", "young")


def test_default_backends() -> None:
    table = Table(
        [
            _ingress("all", defaultBackend=_backend("everything")),
            _ingress("one", _rule("a.test", ("/x", "Prefix", "x")), defaultBackend=_backend("rest")),
        ]
    )
    assert _find(table, "nobody.test", "/x") == "everything"
    assert _find(table, "a.test", "/x") == "x"
    assert _find(table, "a.test", "/y") == "rest"


def test_regular_expressions_hold_for_the_whole_host() -> None:
    one = _ingress(
        "one",
        _rule("a.test", ("/v[0-9]+/(.*)", "ImplementationSpecific", "versioned")),
        annotations={"use-regex": "true"},
    )
    other = _ingress("other", _rule("a.test", ("/plain", "Prefix", "plain")))
    table = Table([one, other])
    assert _find(table, "a.test", "/v12/x") == "versioned"
    assert _find(table, "a.test", "/V1/x") == "versioned"
    assert _find(table, "a.test", "/vx/x") == ""
    assert _find(table, "a.test", "/plainly") == "plain"  # as ingress-nginx warns


def test_an_expression_that_is_none_is_taken_as_text() -> None:
    table = Table(
        [
            _ingress(
                "i", _rule("a.test", ("/(", "ImplementationSpecific", "x")), annotations={"use-regex": "true"}
            )
        ]
    )
    assert _find(table, "a.test", "/(") == "x"


def test_certificates_are_those_of_the_first_section_that_names_the_host() -> None:
    tls = [
        {"hosts": ["*.test"], "secretName": "wild"},
        {"hosts": ["a.test"], "secretName": "one"},
        {"hosts": ["a.test", "b.test", "no-rule.test"], "secretName": "two"},
    ]
    rules = [_rule(host, ("/", "Prefix", "a")) for host in ("a.test", "b.test", "c.test", "d.other")]
    table = Table([_ingress("all", defaultBackend=_backend("any")), _ingress("i", *rules, tls=tls)])
    found = {
        host: table.site(host).secret for host in ("a.test", "b.test", "c.test", "d.other", "no-rule.test")
    }
    assert found == {
        "a.test": ("default", "one"),
        "b.test": ("default", "two"),
        "c.test": ("default", "wild"),
        "d.other": None,
        "no-rule.test": None,  # it makes no site: rules for any host answer
    }
    assert _find(table, "no-rule.test", "/") == "any"


def test_what_came_to_nothing_is_known_with_who_has_it_instead() -> None:
    old = _ingress("old", _rule("a.test", ("/x", "Prefix", "x")), defaultBackend=_backend("rest"))
    young = _ingress(
        "young", _rule("a.test", ("/y", "Prefix", "y"), ("/x/", "Prefix", "x")), at="2026-02-01T00:00:00Z"
    )
    [(lost, kept)] = Table([young, old]).doubles.items()
    assert (lost.ingress, lost.field, lost.path) == ("default/young", "spec.rules[0].http.paths[1]", "/x/")
    assert (kept.ingress, kept.field) == ("default/old", "spec.rules[0].http.paths[0]")


def test_a_canary_never_takes_a_path() -> None:
    canary = _ingress("a", _rule("a.test", ("/", "Prefix", "new")), annotations={"canary": "true"})
    table = Table([canary, _ingress("b", _rule("a.test", ("/", "Prefix", "main")))])
    assert (_find(table, "a.test", "/"), table.doubles) == ("main", {})


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ({"spec": {"ingressClassName": "nginx"}}, True),
        ({"spec": {"ingressClassName": "other"}}, False),
        ({"spec": {}}, False),
        ({"metadata": {"annotations": {"kubernetes.io/ingress.class": "nginx"}}}, True),
        ({"metadata": {"annotations": {"kubernetes.io/ingress.class": "traefik"}}}, False),
    ],
    ids=["ours", "of somebody else", "of nobody", "annotated", "annotated otherwise"],
)
def test_whose_ingress_it_is(given: JSONObject, accepted: bool) -> None:
    assert is_accepted(given, {"nginx"}) is accepted
