"""JSONPath templates: every expectation here was checked against kubectl 1.32."""

from __future__ import annotations

from typing import Any

import pytest

from kubesim.util.jsonpath import JSONPath, JSONPathError, relaxed

OBJECT: dict[str, Any] = {
    "kind": "Service",
    "metadata": {"name": "my-pod", "labels": {"zz": "zz", "app.kubernetes.io/name": "x"}},
    "spec": {
        "ports": [
            {"port": 80, "name": "a", "f": 1.5, "b": True},
            {"port": 443, "name": "b<&>", "nul": None},
            {"port": 8080, "name": "c", "b": False},
        ],
        "big": 1234567890123,
        "nul": None,
        "em": {},
        "el": [],
        "nested": [[1, 2], [3, [4]]],
        "ips": ["10.0.0.1", "fd00::1"],
    },
}

FOUND = [
    (
        "{.spec.ports}",
        '[{"b":true,"f":1.5,"name":"a","port":80},{"name":"b\\u003c\\u0026\\u003e","nul":null,"port":443},{"b":false,"name":"c","port":8080}]',
    ),
    ("{.spec.ports[*].port}", "80 443 8080"),
    ("{.spec.ports[-1].port}", "8080"),
    ("{.spec.ports[-1:].port}", "8080"),
    ("{.spec.ports[0:2].port}", "80 443"),
    ("{.spec.ports[::2].port}", "80 8080"),
    ("{.spec.ports[-2:-1].port}", "443"),
    ("{.spec.ports[0:0].port}", ""),
    ("{.spec.ports[0,2].port}", "80 8080"),
    ("{.spec.ports[0]['port','name']}", "80 a"),
    ("{.spec.ports[0]['port']}", "80"),
    ("{.metadata.labels.app\\.kubernetes\\.io/name}", "x"),
    ("{.metadata.labels['app\\.kubernetes\\.io/name']}", "x"),
    ("{.spec.ports[?(@.port==80)].name}", "a"),
    ("{.spec.ports[?(@.port>80)].name}", "b<&> c"),
    ("{.spec.ports[?(@.port!=80)].name}", "b<&> c"),
    ("{.spec.ports[?(@.port<=443)].name}", "a b<&>"),
    ('{.spec.ports[?(@.name=="a")].port}', "80"),
    ("{.spec.ports[?(@.name=='a')].port}", "80"),
    ("{.spec.ports[?(@.b)].port}", "80 8080"),
    ("{.spec.ports[?(@.b!=true)].port}", "8080"),
    ("{.spec.ports[?(@.f==1.5)].port}", "80"),
    ('{.spec.ips[?(@=="10.0.0.1")]}', "10.0.0.1"),
    ("{..port}", "80 443 8080"),
    ("{.spec.ips.*}", "10.0.0.1 fd00::1"),
    ("{.metadata.name.*}", "109 121 45 112 111 100"),
    ("{.spec.nosuch}", ""),
    ("{.spec.nosuch[0]}", ""),
    ("{.spec.nul}", "null"),
    ("{.spec.nul.x}", ""),
    ("{.spec.em}{.spec.el}", "{}[]"),
    ("{.spec.el[*]}", ""),
    ("{.spec.big}", "1234567890123"),
    ("{.spec.nested[*][*]}", "1 2 3 [4]"),
    ("{.spec.ports[1]}", '{"name":"b\\u003c\\u0026\\u003e","nul":null,"port":443}'),
    ('{range .spec.ports[*]}{.name}:{.port}{"\\n"}{end}', "a:80\nb<&>:443\nc:8080\n"),
    ("{range .spec.ports[*]}{.name}{end}x", "ab<&>cx"),
    ("{range .spec.nested[*]}[{range @[*]}<{@}>{end}]{end}", "[<1><2>][<3><[4]>]"),
    ("{range .nosuch[*]}{.x}{end}done", "done"),
    ("a{.metadata.name}b", "amy-podb"),
    ("plain", "plain"),
    ('{"\\u00e9\\x41\\101"}', "éAA"),
    ("{1} {1.5} {-1} {true}", "1 1.5 -1 true"),
    ("{$.metadata.name}{@.kind}", "my-podService"),
    ("{ .metadata.name }", "my-pod"),
    ("{.kind}}", "Service}"),
]
UNREADABLE = [
    ("{", "unclosed action"),
    ("{.", "unclosed action"),
    ("{.spec.ports[}", "unterminated array"),
    ("{.spec.ports[a]}", "invalid array index a"),
    ("{.spec.ports[0", "unterminated array"),
    ('{"abc}', "unterminated quoted string"),
    ('{"a\\q"}', 'unquote string "a\\q" error invalid syntax'),
    ("{.spec.ports[?(@.x]}", "unterminated filter"),
    ("{.spec.ports[?(@.x)}", "unclosed array expect ]"),
    ("{1.2.3}", "cannot parse number 1.2.3"),
    ("{#}", "unrecognized character in action: U+0023 '#'"),
    ("{.a,b}", "unrecognized character in action: U+002C ','"),
    ("{....name}", "invalid multiple recursive descent"),
    ("{.spec.ports[99999999999999999999]}", "array index 99999999999999999999 is not a number"),
    ('{.spec.ports[?(@.name=="a" && @.port==80)].port}', "unrecognized character in action: U+0026 '&'"),
]
UNFIT = [
    ("{.spec.ports[3].port}", "array index out of bounds: index 3, length 3"),
    ("{.spec.ports[-4].port}", "array index out of bounds: index -1, length 3"),
    ("{.spec.ports[0:5].port}", "array index out of bounds: index 4, length 3"),
    ("{.spec.ports[2:1].port}", "starting index 2 is greater than ending index 1"),
    ("{.spec.ports[::0].port}", "step must be > 0"),
    ("{.spec.ports[::-1].port}", "step must be > 0"),
    ("{.metadata.name[0]}", "string is not array or slice"),
    ("{.spec[0]}", "map[string]interface {} is not array or slice"),
    ("{.spec.big[0]}", "int64 is not array or slice"),
    (
        "{.spec[?(@.x)]}",
        "map[big:1234567890123 el:[] em:map[] ips:[10.0.0.1 fd00::1] nested:[[1 2] [3 [4]]] nul:<nil> ports:[map[b:true f:1.5 name:a port:80] map[name:b<&> nul:<nil> port:443] map[b:false name:c port:8080]]] is not array or slice and cannot be filtered",
    ),
    ('{.spec.ports[?(@.port=="80")].port}', "incompatible types for comparison"),
    ("{.spec.ports[?(@.nul==1)].port}", "invalid type for comparison"),
    ("{.spec.ports[?(@.b>true)].port}", "invalid type for comparison"),
    ("{.spec.ports[?(@.port=~80)].port}", "unrecognized character in action: U+007E '~'"),
    ("{end}", "not in range, nothing to end"),
    ("{foo}", "unrecognized identifier foo"),
]


@pytest.mark.parametrize(("template", "text"), FOUND, ids=[t for t, _ in FOUND])
def test_templates_print_what_kubectl_prints(template: str, text: str) -> None:
    assert JSONPath(template, allow_missing_keys=True).execute(OBJECT) == text


@pytest.mark.parametrize(("template", "message"), UNREADABLE, ids=[t for t, _ in UNREADABLE])
def test_templates_that_cannot_be_read_are_refused_in_client_gos_words(template: str, message: str) -> None:
    with pytest.raises(JSONPathError) as caught:
        JSONPath(template)
    assert str(caught.value) == message


@pytest.mark.parametrize(("template", "message"), UNFIT, ids=[t for t, _ in UNFIT])
def test_templates_that_do_not_fit_the_object_say_why(template: str, message: str) -> None:
    with pytest.raises(JSONPathError) as caught:
        JSONPath(template, allow_missing_keys=True).execute(OBJECT)
    assert str(caught.value) == message


def test_a_missing_key_is_an_error_where_it_is_not_allowed() -> None:
    with pytest.raises(JSONPathError) as caught:
        JSONPath("{.spec.nosuch}").execute(OBJECT)
    assert str(caught.value) == "nosuch is not found"


def test_results_can_be_printed_as_json() -> None:
    found = JSONPath("{.spec.ports[*].port}").execute(OBJECT, as_json=True)
    assert found == "[\n    80,\n    443,\n    8080\n]\n"


def test_one_template_runs_on_many_objects() -> None:
    path = JSONPath("{range .items[*]}{.a}{end}", allow_missing_keys=True)
    assert [path.execute({"items": [{"a": n}]}) for n in range(3)] == ["0", "1", "2"]


def test_long_templates_do_not_exhaust_the_stack() -> None:
    assert JSONPath("{.kind} " * 5000).execute(OBJECT) == "Service " * 5000


@pytest.mark.parametrize("expression", ["a.b", ".a.b", "{a.b}", "{.a.b}"])
def test_relaxed_expressions_become_templates(expression: str) -> None:
    assert relaxed(expression) == "{.a.b}"


@pytest.mark.parametrize("expression", ["{.a", "{.a}b", "a}", "{}"])
def test_other_expressions_are_refused(expression: str) -> None:
    with pytest.raises(JSONPathError, match="unexpected path string"):
        relaxed(expression)
