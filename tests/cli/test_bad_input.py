"""Files and values that are wrong: kubectl's own message on standard error, its exit code, and nothing changed.

The texts were compared with those of kubectl 1.32 in front of the same API server.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import Result, new_home, run_cli, stored

DNS_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and "
    "end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_NAME = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
STOP = "if you choose to ignore these errors, turn validation off with --validate=false"
DEFAULT_UNMAPPED = "\nensure CRDs are installed first"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return new_home(tmp_path)


def service(name: str, more: str = "", port: object = 80) -> str:
    return (
        f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  ports:\n  - port: {port}\n{more}"
    )


def config_map(name: str, **more: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n" + "".join(
        f"{k}: {v}\n" for k, v in more.items()
    )


def write(home: Path, content: str | bytes, name: str = "x.yaml") -> str:
    (home / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def refused(home: Path, *words: str, stdin: str = "") -> str:
    """What a command says that fails, writes nothing to standard output and changes nothing."""
    before = stored(home)
    result = run_cli(home, *words, stdin=stdin)
    assert (result.code, result.out) == (1, "")
    assert stored(home) == before
    return result.err.removesuffix("\n")


def bomb() -> str:
    lines = ["data:", "  a: &a [x,x,x,x,x,x,x,x,x,x]"]
    pairs = zip("abcdefgh", "bcdefghi", strict=True)
    return config_map("bomb") + "\n".join(
        [*lines, *(f"  {b}: &{b} [{','.join([f'*{a}'] * 10)}]" for a, b in pairs), ""]
    )


PARSING = "error: error parsing x.yaml: error converting YAML to JSON: "
VALIDATING = 'error: error validating "x.yaml": error validating data: '
DECODING = 'error: unable to decode "x.yaml": json: cannot unmarshal '
SERVER = 'Error from server (BadRequest): error when creating "x.yaml": '
SERVICE = f'{SERVER}Service in version "v1" cannot be handled as a Service: '

# What no kind is looked up for: `create` and `apply` fail alike.
FILES = [
    (
        "a line that does not fit",
        service("a").replace("spec:", " spec: ["),
        f"{PARSING}yaml: line 4: did not find expected key",
    ),
    (
        "a tab",
        "kind: Service\nmetadata:\n\tname: a\n",
        f"{PARSING}yaml: line 3: found character that cannot start any token",
    ),
    (
        "an open quote",
        'kind: "Service\napiVersion: v1\n',
        f"{PARSING}yaml: line 3: found unexpected end of stream",
    ),
    (
        "two colons",
        "a: b: c\n",
        f"{PARSING}yaml: mapping values are not allowed in this context",
    ),
    ("an alias bomb", bomb(), f"{PARSING}yaml: document contains excessive aliasing"),
    ("an unknown alias", "a: *b\n", f"{PARSING}yaml: unknown anchor 'b' referenced"),
    (
        "a control character",
        config_map("x", data='{a: "\x00"}'),
        f"{PARSING}yaml: control characters are not allowed",
    ),
    ("infinity", config_map("x", data="{a: .inf}"), f"{PARSING}json: unsupported value: +Inf"),
    (
        "text after the separator",
        "--- foo\na: b\n",
        "error: error parsing x.yaml: invalid Yaml document separator: foo",
    ),
    ("JSON that ends early", '{"apiVersion": "v1"', "error: error parsing x.yaml: unexpected EOF"),
    (
        "JSON with a comma too many",
        '{"apiVersion": "v1",}',
        "error: error parsing x.yaml: json: offset 21: invalid character '}' looking for beginning of object key string",
    ),
    ("a list", "- a\n- b\n", f"{VALIDATING}invalid object to validate; {STOP}"),
    ("a number", "12\n", f"{VALIDATING}invalid object to validate; {STOP}"),
    ("no kind", "apiVersion: v1\n", f"{VALIDATING}kind not set; {STOP}"),
    (
        "nothing but metadata",
        "metadata: {name: x}\n",
        f"{VALIDATING}[apiVersion not set, kind not set]; {STOP}",
    ),
    (
        "a kind that is no text",
        "apiVersion: 1\nkind: 2\n",
        f"{VALIDATING}[apiVersion isn't string type, kind isn't string type]; {STOP}",
    ),
    (
        "an API version with two slashes",
        "apiVersion: a/b/c\nkind: Pod\n",
        f"{VALIDATING}unexpected GroupVersion string: a/b/c; {STOP}",
    ),
    (
        "an unknown kind",
        "apiVersion: v1\nkind: Sorvice\nmetadata: {name: x}\n",
        (
            'error: resource mapping not found for name: "x" namespace: "" from "x.yaml": no matches for kind "Sorvice" in '
            f'version "v1"{DEFAULT_UNMAPPED}'
        ),
    ),
    (
        "an unknown version",
        "apiVersion: apps/v9\nkind: Deployment\nmetadata: {name: x, namespace: z}\n",
        (
            'error: resource mapping not found for name: "x" namespace: "z" from "x.yaml": no matches for kind "Deployment" '
            f'in version "apps/v9"{DEFAULT_UNMAPPED}'
        ),
    ),
    (
        "a List without items",
        "apiVersion: v1\nkind: List\n",
        f"{VALIDATING}invalid object to validate; {STOP}",
    ),
    (
        "a List of anything",
        "apiVersion: v1\nkind: List\nitems: [1, {kind: Pod}]\n",
        f"{VALIDATING}[invalid object to validate, apiVersion not set]; {STOP}",
    ),
    (
        "a name that is a number",
        config_map("7"),
        f"{DECODING}number into Go struct field ObjectMeta.metadata.name of type string",
    ),
    (
        "metadata that is a number",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: 7\n",
        f"{DECODING}number into Go struct field metadataOnlyObject.metadata of type v1.ObjectMeta",
    ),
    (
        "labels in a list",
        config_map("{name: x, labels: [a]}").replace("{name: {", "{").replace("}}", "}"),
        f"{DECODING}array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
    ),
    (
        "a time that is none",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, creationTimestamp: yesterday}\n",
        (
            'error: unable to decode "x.yaml": parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse '
            '"yesterday" as "2006"'
        ),
    ),
    ("nothing", "", "error: no objects passed to {verb}"),
    ("comments alone", "# nothing\n---\n# here\n", "error: no objects passed to {verb}"),
]


@pytest.mark.parametrize("verb", ["create", "apply"])
@pytest.mark.parametrize(("content", "message"), [f[1:] for f in FILES], ids=[f[0] for f in FILES])
def test_files_that_cannot_be_read_change_nothing(home: Path, verb: str, content: str, message: str) -> None:
    assert refused(home, verb, "-f", write(home, content)) == message.replace("{verb}", verb)


def test_standard_input_is_refused_by_its_name(home: Path) -> None:
    message = "error: error parsing STDIN: error converting YAML to JSON: yaml: line 2: did not find expected ',' or ']'"
    assert refused(home, "apply", "-f", "-", stdin="x: 1\na: [1, 2") == message


def test_an_object_without_an_api_version_finds_no_path(home: Path) -> None:
    name = write(home, "kind: Service\nmetadata: {name: x}\n")
    assert refused(home, "create", "-f", name) == f"{VALIDATING}apiVersion not set; {STOP}"
    assert refused(home, "create", "-f", name, "--validate=false") == (
        'Error from server (NotFound): error when creating "x.yaml": the server could not find the requested resource'
    )


# What the server refuses of a Service.
OBJECTS = [
    ("a port that is text", service("a", port="eighty"), f"{SERVICE}json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32"),
    ("a port that is a fraction", service("a", port=80.5), f"{SERVICE}json: cannot unmarshal number 80.5 into Go struct field ServicePort.spec.ports.port of type int32"),
    ("a port beyond int32", service("a", port=10**20), f"{SERVICE}json: cannot unmarshal number 100000000000000000000 into Go struct field ServicePort.spec.ports.port of type int32"),
    ("ports that are no list", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: 80}\n", f"{SERVICE}json: cannot unmarshal number into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort"),
    ("data that is no text", config_map("a", data="{a: 1, b: true}"), f'{SERVER}ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string'),
    ("a Secret's data that is no base64", config_map("a", data="{a: '%%%'}").replace("ConfigMap", "Secret"), f'{SERVER}Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0'),
    ("a port out of range", service("a", port=0), 'The Service "a" is invalid: \n* spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive\n* spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive'),
    ("a type that is none", service("a", "  type: Nope\n"), 'The Service "a" is invalid: spec.type: Unsupported value: "Nope": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'),
    ("a node port below the range", service("a", "    nodePort: 80\n  type: NodePort\n"), 'The Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767'),
    ("a node port above the range", service("a", "    nodePort: 32768\n  type: NodePort\n"), 'The Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 32768: provided port is not in the valid range. The range of valid ports is 30000-32767'),
    ("a node port that is taken", service("a", "    nodePort: 30080\n  type: NodePort\n"), 'The Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated'),
    ("a node port on a ClusterIP Service", service("a", "    nodePort: 30081\n"), "The Service \"a\" is invalid: spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"),
    ("a cluster IP that is taken", service("a", "  clusterIP: 10.96.7.7\n"), 'The Service "a" is invalid: spec.clusterIPs: Invalid value: []string{"10.96.7.7"}: failed to allocate IP 10.96.7.7: provided IP is already allocated'),
    ("a cluster IP out of range", service("a", "  clusterIP: 192.168.1.1\n"), 'The Service "a" is invalid: spec.clusterIPs: Invalid value: []string{"192.168.1.1"}: failed to allocate IP 192.168.1.1: the provided IP (192.168.1.1) is not in the valid range. The range of valid IPs is 10.96.0.0/12'),
    ("a cluster IP that is none", service("a", "  clusterIP: nope\n"), 'The Service "a" is invalid: spec.clusterIPs[0]: Invalid value: "nope": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'),
    ("a cluster IP of another family", service("a", '  clusterIP: "fd00::1"\n'), 'The Service "a" is invalid: spec.clusterIPs[0]: Invalid value: []string{"fd00::1"}: IPv6 is not configured on this cluster'),
    ("a name with capitals", service("Bad_Name"), f'The Service "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": {DNS_1035}'),
    ("a name that begins with a digit", service("9web"), f'The Service "9web" is invalid: metadata.name: Invalid value: "9web": {DNS_1035}'),
    ("a name with a slash", service("a/b"), f'The Service "a/b" is invalid: metadata.name: Invalid value: "a/b": {DNS_1035}'),
    ("a name too long", service("a" * 64), f'The Service "{"a" * 64}" is invalid: metadata.name: Invalid value: "{"a" * 64}": must be no more than 63 characters'),
    ("no name", service("''"), 'The Service "" is invalid: metadata.name: Required value: name or generateName is required'),
    ("a namespace that is not there", service("a\n  namespace: nope"), 'Error from server (NotFound): error when creating "x.yaml": namespaces "nope" not found'),
    (
        "labels and selectors, all wrong at once",
        service("a\n  labels: {'a b': 'c d', ok: '-'}", "  selector: {'x y': 'z z'}\n"),
        ('The Service "a" is invalid: \n'
        f'* metadata.labels: Invalid value: "a b": {LABEL_NAME}\n'
        f'* metadata.labels: Invalid value: "c d": {LABEL_VALUE}\n'
        f'* metadata.labels: Invalid value: "-": {LABEL_VALUE}\n'
        f'* spec.selector: Invalid value: "x y": {LABEL_NAME}\n'
        f'* spec.selector: Invalid value: "z z": {LABEL_VALUE}'),
    ),
    ("annotations too long", config_map(f"a, annotations: {{a: {'x' * 300_000}}}"), 'The ConfigMap "a" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes'),
    ("data too long", config_map("a", data=f"{{a: {'x' * 1_100_000}}}"), 'The ConfigMap "a" is invalid: []: Too long: may not be more than 1048576 bytes'),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), [o[1:] for o in OBJECTS], ids=[o[0] for o in OBJECTS])
def test_objects_that_the_server_refuses_change_nothing(home: Path, content: str, message: str) -> None:
    taken = (
        service("t1", "    nodePort: 30080\n  type: NodePort\n")
        + "---\n"
        + service("t2", "  clusterIP: 10.96.7.7\n")
    )
    run_cli(home, "create", "-f", write(home, taken, "taken.yaml")).check()
    assert refused(home, "create", "-f", write(home, content)) == message


# What is there, and a change that must not be.
IMMUTABLE = [
    ("a Pod's containers", "run a --image=nginx", ["patch", "pod", "a", "--type=json", "-p", '[{"op":"replace","path":"/spec/containers/0/name","value":"b"}]'], "The Pod \"a\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"),
    ("a Service's cluster IP", "create service clusterip a --tcp=80 --clusterip=10.96.0.9", ["patch", "svc", "a", "-p", '{"spec":{"clusterIP":"10.96.0.8","clusterIPs":["10.96.0.8"]}}'], 'The Service "a" is invalid: spec.clusterIPs[0]: Invalid value: []string{"10.96.0.8"}: may not change once set'),
    ("an immutable ConfigMap", "create configmap a", ["patch", "cm", "a", "-p", '{"data":{"a":"b"}}'], 'The ConfigMap "a" is invalid: data: Forbidden: field is immutable when `immutable` is set'),
    ("a Secret's type", "create secret generic a --from-literal=a=b", ["patch", "secret", "a", "-p", '{"type":"x"}'], 'The Secret "a" is invalid: type: Invalid value: "x": field is immutable'),
    ("a name", "create configmap a", ["patch", "cm", "a", "-p", '{"metadata":{"name":"b"}}'], "Error from server (BadRequest): the name of the object (b) does not match the name on the URL (a)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "change", "message"), [i[1:] for i in IMMUTABLE], ids=[i[0] for i in IMMUTABLE]
)
def test_what_cannot_change_does_not(home: Path, made: str, change: list[str], message: str) -> None:
    run_cli(home, *made.split()).check()
    if "immutable" in message and "cm" in change:
        run_cli(home, "patch", "cm", "a", "-p", '{"immutable":true}').check()
    assert message in refused(home, *change)


def test_a_file_that_is_older_than_the_object_conflicts(home: Path) -> None:
    run_cli(home, "create", "configmap", "a").check()
    name = write(home, config_map('a, resourceVersion: "1"'))
    assert refused(home, "replace", "-f", name) == (
        'Error from server (Conflict): error when replacing "x.yaml": Operation cannot be fulfilled on configmaps "a": '
        "the object has been modified; please apply your changes to the latest version and try again"
    )


def test_a_resource_version_is_left_out_of_what_is_created(home: Path) -> None:
    name = write(home, config_map('a, resourceVersion: "1"'))
    assert run_cli(home, "create", "-f", name) == Result(0, "configmap/a created\n", "")


# Unknown fields.
UNKNOWN = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  lables: {a: b}\nspec:\n  ports:\n  - port: 80\n    targetport: 9\n  foo: 1\n"


def test_unknown_fields_are_refused(home: Path) -> None:
    told = refused(home, "create", "-f", write(home, UNKNOWN))
    fields = (
        'unknown field "metadata.lables", unknown field "spec.foo", unknown field "spec.ports[0].targetport"'
    )
    assert told == f"{SERVICE}strict decoding error: {fields}"


def test_unknown_fields_can_be_warned_of(home: Path) -> None:
    fields = ("metadata.lables", "spec.foo", "spec.ports[0].targetport")
    warnings = "".join(f'Warning: unknown field "{f}"\n' for f in fields)
    result = run_cli(home, "create", "-f", write(home, UNKNOWN), "--validate=warn")
    assert result == Result(0, "service/a created\n", warnings)


@pytest.mark.parametrize("flag", ["--validate=ignore", "--validate=false"])
def test_unknown_fields_can_be_ignored(home: Path, flag: str) -> None:
    assert run_cli(home, "create", "-f", write(home, UNKNOWN), flag) == Result(0, "service/a created\n", "")
    assert "foo" not in run_cli(home, "get", "svc", "a", "-o", "yaml").out


def test_a_way_of_validation_that_does_not_exist_is_refused(home: Path) -> None:
    told = refused(home, "create", "-f", write(home, UNKNOWN), "--validate=maybe")
    assert (
        told
        == 'error: invalid - validate option "maybe"; must be one of: strict (or true), warn, ignore (or false)'
    )


@pytest.mark.parametrize(
    "content",
    [
        service("a\n  name: b", "    port: 81\n"),
        '{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","name":"b"},"spec":{"ports":[{"port":80,"port":81}]}}',
    ],
    ids=["yaml", "json"],
)
def test_of_a_key_given_twice_the_last_counts(home: Path, content: str) -> None:
    assert run_cli(home, "create", "-f", write(home, content)).out == "service/b created\n"
    assert run_cli(home, "get", "svc", "b", "-o", "jsonpath={.spec.ports[*].port}").out == "81"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (config_map("a", data="{a: caf\xe9}").encode("latin-1"), "caf�"),
        (config_map("a", data="{a: 'caf\xe9 '}").encode("latin-1"), "caf� "),
        (b"\xff\xfe" + config_map("a", data="{a: café}").encode("utf-16-le"), "café"),
        (b"\xfe\xff" + config_map("a", data="{a: café}").encode("utf-16-be"), "café"),
        (b"\xef\xbb\xbf" + config_map("a", data="{a: café}").encode(), "café"),
        (b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"caf\xe9"}}', "caf�"),
    ],
    ids=[
        "latin-1",
        "latin-1 quoted",
        "utf-16 little",
        "utf-16 big",
        "utf-8 with its mark",
        "latin-1 in json",
    ],
)
def test_files_in_other_encodings_are_read_as_by_kubectl(home: Path, content: bytes, value: str) -> None:
    run_cli(home, "create", "-f", write(home, content)).check()
    assert run_cli(home, "get", "cm", "a", "-o", "jsonpath={.data.a}").out == value


# Several documents of which one is bad.
BETWEEN = [
    ("the server refuses", service("bad", "  type: Nope\n"), ["a", "c"], 'The Service "bad" is invalid: spec.type: Unsupported value: "Nope": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'),
    ("is of an unknown kind", service("bad").replace("Service", "Sorvice"), ["a", "c"], f'error: resource mapping not found for name: "bad" namespace: "" from "x.yaml": no matches for kind "Sorvice" in version "v1"{DEFAULT_UNMAPPED}'),
    ("has a name that is a number", service("7"), ["a", "c"], f"{DECODING}number into Go struct field ObjectMeta.metadata.name of type string"),
    ("has an unknown field", service("bad", "  foo: 1\n"), ["a", "c"], f'{SERVICE}strict decoding error: unknown field "spec.foo"'),
    # As with kubectl, what stands behind a document that is no object is not looked at.
    ("is no object", "- 1\n", ["a"], f"{VALIDATING}invalid object to validate; {STOP}"),
    ("is broken", "a: [\n", ["a"], f"{PARSING}yaml: line 1: did not find expected node content"),
]  # fmt: skip


@pytest.mark.parametrize("verb", ["create", "apply"])
@pytest.mark.parametrize(("bad", "made", "message"), [b[1:] for b in BETWEEN], ids=[b[0] for b in BETWEEN])
def test_documents_beside_a_bad_one_count(
    home: Path, verb: str, bad: str, made: list[str], message: str
) -> None:
    name = write(home, "---\n".join([service("a"), bad, service("c")]))
    result = run_cli(home, verb, "-f", name)
    assert result == Result(1, "".join(f"service/{n} created\n" for n in made), f"{message}\n")
    found = run_cli(home, "get", "svc", "-o", "name").out.split()
    assert found == [*(f"service/{n}" for n in made), "service/kubernetes"]


def test_files_beside_a_bad_one_count(home: Path) -> None:
    folder = home / "many"
    folder.mkdir()
    for name, content in (("a", service("a")), ("b", "a: [\n"), ("c", service("c")), ("d", "- 1\n")):
        (folder / f"{name}.yaml").write_text(content)
    result = run_cli(home, "apply", "-f", "many")
    assert (result.code, result.out) == (1, "service/a created\nservice/c created\n")
    assert result.err == (
        "error parsing many/b.yaml: error converting YAML to JSON: yaml: line 1: did not find expected node content\n"
        f'error validating "many/d.yaml": error validating data: invalid object to validate; {STOP}\n'
    )


def test_items_beside_a_bad_one_count(home: Path) -> None:
    items = [
        f"- {{apiVersion: v1, kind: {k}, metadata: {{name: {n}}}}}\n"
        for k, n in (("ConfigMap", "a"), ("Nope", "b"), ("ConfigMap", "c"))
    ]
    result = run_cli(
        home, "create", "-f", write(home, "apiVersion: v1\nkind: List\nitems:\n" + "".join(items))
    )
    assert result == Result(
        1,
        "configmap/a created\nconfigmap/c created\n",
        'unable to recognize no matches for kind "Nope" in version "v1"\n',
    )


# Files that are not there.
MISSING = [
    (["-f", "nope.yaml"], 'error: the path "nope.yaml" does not exist'),
    (
        ["-f", "nope.yaml", "-f", "other"],
        'the path "nope.yaml" does not exist\nthe path "other" does not exist',
    ),
    (["-f", "nope*.yaml"], 'error: the path "nope*.yaml" does not exist'),
    (["-f", "["], 'error: pattern "[" is not valid: syntax error in pattern'),
    (["-f", "file/x"], 'error: the path "file/x" cannot be accessed: stat file/x: not a directory'),
    (["-f", "empty"], "error: error reading [empty]: recognized file extensions are [.json .yaml .yml]"),
    (["-f", "texts"], "error: error reading [texts]: recognized file extensions are [.json .yaml .yml]"),
    (
        ["-f", "empty", "-R"],
        "error: error reading [empty]: recognized file extensions are [.json .yaml .yml]",
    ),
    (["-k", "nope", "-f", "file"], "error: only one of -f or -k can be specified"),
    ([], "error: must specify one of -f and -k"),
]


@pytest.mark.parametrize(("flags", "message"), MISSING, ids=[" ".join(f) or "no flag" for f, _ in MISSING])
def test_what_is_not_there_is_told(home: Path, flags: list[str], message: str) -> None:
    (home / "empty").mkdir()
    (home / "texts").mkdir()
    write(home, "not looked at", "texts/x.txt")
    write(home, "", "file")
    assert refused(home, "apply", *flags).removesuffix("\n") == message


def test_get_tells_what_it_cannot_read_without_error_in_front(home: Path) -> None:
    told = refused(home, "get", "-f", write(home, "a: ["))
    assert (
        told
        == "error parsing x.yaml: error converting YAML to JSON: yaml: line 1: did not find expected node content"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["get", "cm", ".."], "error: invalid resource name \"..\": [may not be '..']"),
        (["get", "cm", "a%b"], "error: invalid resource name \"a%b\": [may not contain '%']"),
        (["delete", "cm", "a%b"], "error: invalid resource name \"a%b\": [may not contain '%']"),
        (["get", "cm", "-n", "a/b"], "invalid namespace \"a/b\": [may not contain '/']"),
        (
            ["create", "configmap", "a", "-n", "a/b"],
            "error: invalid namespace \"a/b\": [may not contain '/']",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_names_that_are_no_part_of_a_path_are_not_sent(home: Path, words: list[str], message: str) -> None:
    assert refused(home, *words) == message


# 20 MB.
MEGABYTES_20 = 20_000_000


def test_a_file_of_20_mb_that_is_one_object_is_refused(home: Path) -> None:
    name = write(home, config_map("a", data=f"{{a: {'x' * MEGABYTES_20}}}"))
    told = 'Error from server (RequestEntityTooLarge): error when creating "x.yaml": Request entity too large: limit is 3145728'
    assert refused(home, "create", "-f", name) == told


def test_a_file_of_20_mb_that_is_no_object_is_refused(home: Path) -> None:
    name = write(home, f"[{'1,' * 1_000_000}{'x' * (MEGABYTES_20 - 2_000_000)}]")
    assert refused(home, "create", "-f", name) == f"{VALIDATING}invalid object to validate; {STOP}"


def test_a_file_of_20_mb_of_small_objects_is_created(home: Path) -> None:
    count = 25
    name = write(
        home, "---\n".join(config_map(f"a{i}", data=f"{{a: {'x' * 800_000}}}") for i in range(count))
    )
    result = run_cli(home, "create", "-f", name)
    assert result == Result(0, "".join(f"configmap/a{i} created\n" for i in range(count)), "")


def test_a_file_of_20_mb_of_comments_is_read(home: Path) -> None:
    name = write(home, f"# {'x' * MEGABYTES_20}\n{config_map('a')}")
    assert run_cli(home, "create", "-f", name).out == "configmap/a created\n"
