"""Printers found by their format, and what they print."""

from __future__ import annotations

import io
from typing import Any

import pytest

from kubesim.cli.errors import CLIError
from kubesim.cli.printers import ALL_COMMANDS, GET, PrintOptions, as_list, get_printer

SERVICE: dict[str, Any] = {
    "kind": "Service",
    "apiVersion": "v1",
    "metadata": {"name": "web", "managedFields": [{"manager": "m"}], "labels": {"a": "<b>"}},
    "spec": {"ports": [{"port": 80}, {"port": 443}], "n": None, "m": {"x": 1}},
}
DEPLOYMENT: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "dep"}}


def printed(output: str, *objects: dict[str, Any], **options: Any) -> str:
    stream = io.StringIO()
    printer = get_printer(output, PrintOptions(**options))
    for obj in objects:
        printer.print_object(obj, stream)
    return stream.getvalue()


def event(output: str, obj: dict[str, Any]) -> str:
    stream = io.StringIO()
    get_printer(output, PrintOptions()).print_event("ADDED", obj, stream)
    return stream.getvalue()


@pytest.mark.parametrize("output", ["foo", "json=x", "jsonpat=x", "NAMES", "go-template-fil=x"])
def test_an_unknown_format_names_those_that_there_are(output: str) -> None:
    with pytest.raises(CLIError) as caught:
        get_printer(output, PrintOptions())
    assert str(caught.value) == (
        f'unable to match a printer suitable for the output format "{output}", allowed formats are: '
        "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,"
        "jsonpath-file,name,template,templatefile,wide,yaml"
    )


def test_commands_other_than_get_have_no_tables() -> None:
    with pytest.raises(CLIError) as caught:
        get_printer("wide", PrintOptions(), ALL_COMMANDS)
    assert str(caught.value).endswith(
        "allowed formats are: go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,"
        "template,templatefile,yaml"
    )
    assert set(GET) - set(ALL_COMMANDS) == {"custom-columns", "custom-columns-file", "wide"}


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("jsonpath", "template format specified but no template given"),
        ("jsonpath=", "template format specified but no template given"),
        ("go-template", "template format specified but no template given"),
        ("custom-columns", "custom-columns format specified but no custom columns given"),
        ("custom-columns=NAME", "unexpected custom-columns spec: NAME, expected <header>:<json-path-expr>"),
        ("jsonpath={.spec.ports[}", "error parsing jsonpath {.spec.ports[}, unterminated array"),
        ("go-template={{", "error parsing template {{, template: output:1: unclosed action"),
        ("jsonpath-file=nosuch", "error reading --template nosuch, open nosuch: no such file or directory"),
        (
            "custom-columns-file=nosuch",
            "error reading template nosuch, open nosuch: no such file or directory\n",
        ),
    ],
)
def test_templates_that_cannot_be_used_are_refused(output: str, message: str) -> None:
    with pytest.raises(CLIError) as caught:
        get_printer(output, PrintOptions())
    assert str(caught.value) == message


def test_json_is_indented_by_four_and_escaped() -> None:
    assert printed("json", SERVICE) == (
        '{\n    "apiVersion": "v1",\n    "kind": "Service",\n    "metadata": {\n        "labels": {\n'
        '            "a": "\\u003cb\\u003e"\n        },\n        "name": "web"\n    },\n    "spec": {\n'
        '        "m": {\n            "x": 1\n        },\n        "n": null,\n        "ports": [\n            {\n'
        '                "port": 80\n            },\n            {\n                "port": 443\n            }\n'
        "        ]\n    }\n}\n"
    )


def test_json_can_keep_the_order_of_fields() -> None:
    assert printed("json", DEPLOYMENT | {"a": 1}, struct_order=True).split() == (
        [
            "{",
            '"apiVersion":',
            '"apps/v1",',
            '"kind":',
            '"Deployment",',
            '"metadata":',
            "{",
            '"name":',
            '"dep"',
            "},",
            '"a":',
            "1",
            "}",
        ]
    )


def test_managed_fields_are_shown_on_demand_and_never_lost() -> None:
    assert "managedFields" not in printed("yaml", SERVICE)
    assert "managedFields" not in printed("yaml", as_list([SERVICE]))
    assert "managedFields" in printed("yaml", SERVICE, show_managed_fields=True)
    assert "managedFields" in printed("jsonpath={.metadata}", SERVICE)
    assert SERVICE["metadata"]["managedFields"] == [{"manager": "m"}]


def test_yaml_documents_are_separated() -> None:
    one = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: dep\n"
    assert printed("yaml", DEPLOYMENT, DEPLOYMENT) == f"{one}---\n{one}"


def test_names_have_kind_and_group() -> None:
    assert printed("name", SERVICE, as_list([DEPLOYMENT])) == "service/web\ndeployment.apps/dep\n"


def test_several_objects_become_a_list() -> None:
    assert (
        printed("yaml", as_list([]))
        == 'apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: ""\n'
    )


def test_an_object_without_kind_is_refused() -> None:
    with pytest.raises(CLIError, match="missing apiVersion or kind"):
        printed("json", {"metadata": {}})


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("jsonpath={.metadata.name}", "web"),
        ("jsonpath-as-json={.spec.ports[*].port}", "[\n    80,\n    443\n]\n"),
        ("go-template={{.metadata.name}}", "web"),
        ("template={{.metadata.name}}", "web"),
        (
            "custom-columns=NAME:.metadata.name,P:spec.ports[*].port,X:{.spec.no},N:.spec.n,M:.spec.m",
            "NAME   P        X        N       M\nweb    80,443   <none>   <nil>   map[x:1]\n",
        ),
    ],
)
def test_templates_are_filled_in(output: str, text: str) -> None:
    assert printed(output, SERVICE) == text


def test_templates_come_from_files_and_flags() -> None:
    files = {"path": b"{.metadata.name}", "columns": b"NAME KIND\nmetadata.name {.kind}\n"}
    assert printed("jsonpath-file=path", SERVICE, read_file=files.__getitem__) == "web"
    assert printed("custom-columns-file=columns", SERVICE, read_file=files.__getitem__) == (
        "NAME   KIND\nweb    Service\n"
    )
    assert printed("", SERVICE, template="{{.kind}}") == "Service"
    assert printed("jsonpath", SERVICE, template="{.kind}") == "Service"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "invalid template, missing header line."),
        (b"A\n", "invalid template, missing spec line."),
        (b"A B\n.a\n", "number of headers (2) and field specifications (1) don't match"),
    ],
)
def test_files_of_columns_have_two_lines(text: bytes, message: str) -> None:
    with pytest.raises(CLIError) as caught:
        get_printer("custom-columns-file=x", PrintOptions(read_file=lambda _: text))
    assert str(caught.value).startswith(message)


def test_columns_of_a_list_have_one_heading() -> None:
    assert printed("custom-columns=N:.metadata.name", as_list([SERVICE, DEPLOYMENT]), SERVICE) == (
        "N\nweb\ndep\nweb\n"
    )
    assert printed("custom-columns=N:.metadata.name", SERVICE, no_headers=True) == "web\n"


def test_a_failing_template_tells_what_it_was_given() -> None:
    with pytest.raises(CLIError) as caught:
        printed("jsonpath={.metadata[0]}", DEPLOYMENT)
    assert str(caught.value) == (
        'error executing jsonpath "{.metadata[0]}": Error executing template: '
        "map[string]interface {} is not array or slice. Printing more information for debugging the template:\n"
        "\ttemplate was:\n\t\t{.metadata[0]}\n\tobject given to jsonpath engine was:\n"
        '\t\tmap[string]interface {}{"apiVersion":"apps/v1", "kind":"Deployment", '
        '"metadata":map[string]interface {}{"name":"dep"}}\n\n\n'
    )


def test_events_of_a_watch() -> None:
    obj = '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"dep"}}'
    assert event("json", DEPLOYMENT) == f'{{"type":"ADDED","object":{obj}}}\n'
    assert event("yaml", DEPLOYMENT) == (
        "object:\n  apiVersion: apps/v1\n  kind: Deployment\n  metadata:\n    name: dep\ntype: ADDED\n"
    )
    assert event("name", DEPLOYMENT) == "deployment.apps/dep\n"
    assert event("jsonpath={.type} {.object.kind}", DEPLOYMENT) == "ADDED Deployment"
