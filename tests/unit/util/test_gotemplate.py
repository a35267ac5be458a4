"""Go templates: every expectation here was checked against kubectl 1.32."""

from __future__ import annotations

import io
from typing import Any

import pytest

from kubesim.util.gotemplate import Template, TemplateError

OBJECT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "my-pod", "labels": {"zz": "zz", "app.kubernetes.io/name": "n"}},
    "spec": {
        "ports": [{"port": 80, "name": "a"}, {"port": 443, "name": "b"}],
        "fl": 1.5,
        "big": 1234567890123,
        "nul": None,
        "em": {},
        "el": [],
        "str": "a<b>&'\"",
        "u": "héé\n",
        "t": True,
        "f": False,
        "b64": "aGVsbG8=",
        "z": 0,
        "nested": [[1, 2], [3]],
    },
}

PRINTED = [
    (
        '{{index .spec.ports 1}} {{(index .spec.ports 1).port}} {{index .spec.ports 0 "name"}} {{index .metadata.labels "app.kubernetes.io/name"}} {{index .metadata.labels "x"}}',
        "map[name:b port:443] 443 a n <no value>",
    ),
    ("{{len .spec.ports}} {{len .kind}} {{len .spec}} {{len .spec.u}}", "2 7 13 6"),
    (
        '{{eq .kind "Service"}} {{eq .kind "x" "Service"}} {{ne .kind "x"}} {{eq .nosuch "x"}} {{eq .spec.z 0}} {{lt 1 2}} {{gt .spec.big 5}} {{le "a" "b"}} {{ge 1.5 .spec.fl}} {{eq .spec.t true}}',
        "true true true false true true true true true true",
    ),
    ("{{eq .spec.nul .nosuch}} {{eq .spec.nul nil}}", "true true"),
    (
        '{{js .spec.str}} {{js .spec.u}} {{html .spec.str}} {{urlquery .spec.str "a b/é~"}} {{html 1 2 "a" 3}} {{html .nosuch}}',
        "a\\u003Cb\\u003E\\u0026\\'\\\" héé\\u000A a&lt;b&gt;&amp;&#39;&#34; a%3Cb%3E%26%27%22a+b%2F%C3%A9~ 1 2a3 &lt;no value&gt;",
    ),
    ("{{base64decode .spec.b64}} {{.spec.b64 | base64decode}}", "hello hello"),
    (
        '{{printf "%d %s %v %q %t %x %5s|%-10s|%05d|%.2f" 1 "a" .spec.t "q" true "hi" "w" "l" 42 1.5}}',
        '1 a true "q" true 6869     w|l         |00042|1.50',
    ),
    (
        '{{printf "%d" "a"}}{{printf "%s" 5}}{{printf "%s" .spec.fl}}{{printf "%d"}}{{printf "x" 1}}{{printf "%s" .nosuch}}{{printf "%z" 1}}{{printf "%"}}',
        "%!d(string=a)%!s(int=5)%!s(float64=1.5)%!d(MISSING)x%!(EXTRA int=1)%!s(<nil>)%!z(int=1)%!(NOVERB)",
    ),
    (
        '{{printf "%5d|%-5d|%+d|%x|%X|%o|%b|%c|%U|%e|%g|%6.2f|%8.3s|%-8q|%#x|%T %T %T %T" 42 42 42 255 255 8 5 65 65 1234.5678 1e10 3.14159 "abcdef" "x" 255 1 "a" .spec.big .spec}}',
        '   42|42   |+42|ff|FF|10|101|A|U+0041|1.234568e+03|1e+10|  3.14|     abc|"x"     |0xff|int string int64 map[string]interface {}',
    ),
    (
        '{{printf "%s %v %d %q" .spec.ports .spec.em .spec.nested .spec.nested}}',
        "[map[name:a port:%!s(int64=80)] map[name:b port:%!s(int64=443)]] map[] [[1 2] [3]] [['\\x01' '\\x02'] ['\\x03']]",
    ),
    (
        '{{printf "%s" .spec}}',
        "map[b64:aGVsbG8= big:%!s(int64=1234567890123) el:[] em:map[] f:%!s(bool=false) fl:%!s(float64=1.5) nested:[[%!s(int64=1) %!s(int64=2)] [%!s(int64=3)]] nul:<nil> ports:[map[name:a port:%!s(int64=80)] map[name:b port:%!s(int64=443)]] str:a<b>&'\" t:%!s(bool=true) u:héé\n z:%!s(int64=0)]",
    ),
    ('{{printf "%*d|%-*d|%.*f" 5 1 5 2 2 3.14159}}', "    1|2    |3.14"),
    (
        '{{printf "%#v %#v %#v %v" .spec.ports "a" 1 .spec.nul}}',
        '[]interface {}{map[string]interface {}{"name":"a", "port":80}, map[string]interface {}{"name":"b", "port":443}} "a" 1 <nil>',
    ),
    ('{{printf "%%|%5t|%q|%v|%6v|%-6v|" true 65 1.0 "ab" "cd"}}', "%| true|'A'|1|    ab|cd    |"),
    ('{{printf "%s\\t%s\\n" .kind .metadata.name}}', "Service\tmy-pod\n"),
    ('{{print 1 2 "a" "b" 3 4 .spec.t .spec.nul}} {{println 1 "a"}}', "1 2ab3 4 true <nil> 1 a\n"),
    ("{{range $i,$e := .spec.ports}}{{$i}}={{$e.port}} {{end}}", "0=80 1=443 "),
    ('{{range .spec.ports}}{{.port}}{{if eq .name "a"}},{{end}}{{end}}', "80,443"),
    ("{{range $k, $v := .metadata.labels}}{{$k}}={{$v}};{{end}}", "app.kubernetes.io/name=n;zz=zz;"),
    (
        "{{range .spec.el}}x{{else}}none{{end}} {{range .nosuch}}x{{else}}none{{end}} {{range .spec.nul}}x{{else}}nil{{end}}",
        "none none nil",
    ),
    (
        "{{range .spec.ports}}{{if eq .port 443}}{{break}}{{end}}{{.port}}{{end}} {{range .spec.ports}}{{if eq .port 80}}{{continue}}{{end}}{{.port}}{{end}}",
        "80 443",
    ),
    (
        "{{range $x := .spec.ports}}{{$x.name}}{{end}}{{range $i, $x := .spec.nested}}{{range $j, $y := $x}}{{$i}}{{$j}}{{$y}} {{end}}{{end}}",
        "ab001 012 103 ",
    ),
    ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}} {{with $y := .kind}}{{$y}}{{end}}", "2 Service"),
    (
        "{{with .nosuch}}a{{else}}b{{end}} {{with .nosuch}}a{{else with .kind}}{{.}}{{else}}c{{end}}",
        "b Service",
    ),
    ("{{if .nosuch}}a{{else if .spec.z}}b{{else if .spec.t}}c{{else}}d{{end}}", "c"),
    (
        '{{define "T"}}[{{.}}]{{end}}{{template "T" .kind}}{{template "T"}}{{block "B" .metadata.name}}<{{.}}>{{end}}',
        "[Service][<no value>]<my-pod>",
    ),
    ('{{define "T"}}{{template "T" .}}{{end}}x', "x"),
    ("a {{- .kind -}} b {{- /* c */ -}} d{{/* x */}}\n  {{ .metadata.name }}", "aServicebd\n  my-pod"),
    (
        "{{ 'a' }} {{'\\n'}} {{0x1F}} {{1e3}} {{1_000}} {{017}} {{0b11}} {{-5}} {{+5}} {{1.5e-3}} {{.5}}",
        "97 10 31 1000 1000 15 3 -5 5 0.0015 0.5",
    ),
    ('{{ `raw` }} {{"\\t\\u00e9\\x41"}}', "raw \téA"),
    ('{{.spec.nul}} {{.spec.nul | printf "%v"}} {{.nosuch | printf "%v"}}', "<no value> <nil> <nil>"),
    ("{{and .nosuch .spec.str.x}} {{or .kind .spec.str.x}}", "<no value> Service"),
    (
        "{{.spec}}",
        "map[b64:aGVsbG8= big:1234567890123 el:[] em:map[] f:false fl:1.5 nested:[[1 2] [3]] nul:<nil> ports:[map[name:a port:80] map[name:b port:443]] str:a<b>&'\" t:true u:héé\n z:0]",
    ),
    ("{{.spec.u}}", "héé\n"),
    (
        "{{.}}",
        "map[apiVersion:v1 kind:Service metadata:map[labels:map[app.kubernetes.io/name:n zz:zz] name:my-pod] spec:map[b64:aGVsbG8= big:1234567890123 el:[] em:map[] f:false fl:1.5 nested:[[1 2] [3]] nul:<nil> ports:[map[name:a port:80] map[name:b port:443]] str:a<b>&'\" t:true u:héé\n z:0]]",
    ),
    (
        "{{$}}{{$.kind}}",
        "map[apiVersion:v1 kind:Service metadata:map[labels:map[app.kubernetes.io/name:n zz:zz] name:my-pod] spec:map[b64:aGVsbG8= big:1234567890123 el:[] em:map[] f:false fl:1.5 nested:[[1 2] [3]] nul:<nil> ports:[map[name:a port:80] map[name:b port:443]] str:a<b>&'\" t:true u:héé\n z:0]]Service",
    ),
    ("{{(index .spec.ports 0).name}} {{(index .spec.ports 0).nosuch}}", "a <no value>"),
    ("{{.kind |}}", "Service"),
    (
        '{{exists .metadata "labels" "zz"}} {{exists .metadata "x"}} {{exists .spec.ports 1 "port"}} {{exists .spec.ports 5}} {{exists .nosuch}} {{exists .spec.nul}} {{exists .kind 0}}',
        "true false true false true true true",
    ),
    ('{{.metadata.name}}\t{{.kind}}{{"\\n"}}', "my-pod\tService\n"),
    ("{{range .spec.ports}}\n  {{- .port}}\n{{end}}", "80\n443\n"),
    ('{{if and .kind (eq .kind "Service") (not .spec.f)}}yes{{end}}', "yes"),
    ('{{printf "%v" (len .spec.ports) | printf "%s!"}}', "2!"),
    ('{{ .metadata.labels.zz | printf "%-10s|" }}', "zz        |"),
    ("{{$a := .kind}}{{range .spec.ports}}{{$a}}{{$.metadata.name}}{{end}}", "Servicemy-podServicemy-pod"),
    ("{{if eq 1 1}}a{{end}}{{if (gt 2 1)}}b{{end}}", "ab"),
    ("multi\n{{if .kind\n}}x{{end}}", "multi\nx"),
    ('{{.spec.ports | len}} {{.kind | len | printf "%03d"}}', "2 007"),
    ("{{- .kind}} {{.kind -}}\n  x", "Service Servicex"),
    ("{{-5}}", "-5"),
    ('{{html "a"|js}}', "a"),
    ("{{print}}{{println}}", "\n"),
    ("{{.1}}", "0.1"),
]
UNREADABLE = [
    ("{{/* unclosed", "template: output:1: unclosed comment"),
    ("{{/* x */ y}}", "template: output:1: comment ends before closing delimiter"),
    ("{{if", "template: output:1: unclosed action"),
    ("{{.x", "template: output:1: unclosed action"),
    ("{{end}}", "template: output:1: unexpected {{end}}"),
    ("{{else}}", "template: output:1: unexpected {{else}}"),
    ("{{if .x}}", "template: output:1: unexpected EOF"),
    ("{{if .x}}{{else}}{{else}}{{end}}", "template: output:1: expected end; found {{else}}"),
    ("{{foo}}", 'template: output:1: function "foo" not defined'),
    ("{{.x | 1}}", "template: output:1: non executable command in pipeline stage 2"),
    ("{{$x}}", 'template: output:1: undefined variable "$x"'),
    ('{{"abc}}', "template: output:1: unterminated quoted string"),
    ("{{`abc}}", "template: output:1: unterminated raw quoted string"),
    ("{{'ab'}}", "template: output:1: malformed character constant: 'ab'"),
    ("{{'a}}", "template: output:1: unterminated character constant"),
    ('{{"\\q"}}', "template: output:1: invalid syntax"),
    ("{{ .x }", 'template: output:1: unexpected "}" in operand'),
    ("{{template x}}", 'template: output:1: unexpected "x" in template clause'),
    ("{{break}}", "template: output:1: {{break}} outside {{range}}"),
    ("{{range .x}}{{break 1}}{{end}}", 'template: output:1: unexpected "1" in {{break}}'),
    ("{{ 1.2.3 }}", 'template: output:1: unexpected ".3" in operand'),
    ("{{ 0x }}", 'template: output:1: illegal number syntax: "0x"'),
    ("{{ 99999999999999999999 }}", 'template: output:1: integer overflow: "99999999999999999999"'),
    ("{{1.x}}", 'template: output:1: bad number syntax: "1.x"'),
    ("{{true.x}}", 'template: output:1: unexpected . after term "true"'),
    ("{{()}}", "template: output:1: missing value for parenthesized pipeline"),
    ("{{(.kind}}", "template: output:1: unclosed left paren"),
    ("{{.kind)}}", "template: output:1: unexpected right paren"),
    ("{{|}}", 'template: output:1: unexpected "|" in command'),
    ("{{}}", "template: output:1: missing value for command"),
    ("{{ }}", "template: output:1: missing value for command"),
    (
        '{{define "a"}}x{{end}}{{define "a"}}y{{end}}',
        'template: output:1: template: multiple definition of template "a"',
    ),
    ("{{define x}}{{end}}", 'template: output:1: unexpected "x" in define clause'),
    ('{{if .x}}{{define "a"}}{{end}}{{end}}', "template: output:1: unexpected <define> in command"),
    ("{{.kind:}}", "template: output:1: expected :="),
    ("{{$x := }}", "template: output:1: missing value for command"),
    ("{{$x, $y := 1}}", "template: output:1: too many declarations in command"),
    ("{{range $x, 1}}{{end}}", "template: output:1: range can only initialize variables"),
    ("{{range $x, $y, $z := .spec}}{{end}}", "template: output:1: too many declarations in range"),
    ("{{ # }}", 'template: output:1: unexpected "#" in command'),
    ("{{ .kind!}}", "template: output:1: bad character U+0021 '!'"),
    ("{{ é }}", 'template: output:1: function "é" not defined'),
    (
        "{{with $x := index .spec.ports 0}}{{$x.name}}{{end}}{{$x}}",
        'template: output:1: undefined variable "$x"',
    ),
    ("{{ .kind\n .foo", "template: output:2: unclosed action started at output:1"),
    ('{{"a\nb"}}', "template: output:1: unterminated quoted string"),
    ("{{continue}}", "template: output:1: {{continue}} outside {{range}}"),
    ("{{-.kind}}", 'template: output:1: bad number syntax: "-.k"'),
    ("{{if}}x{{end}}", "template: output:1: missing value for if"),
    ("{{range}}x{{end}}", "template: output:1: missing value for range"),
    ("{{with}}x{{end}}", "template: output:1: missing value for with"),
    ("{{template}}", 'template: output:1: unexpected "}}" in template clause'),
    ('{{block "x"}}{{end}}', "template: output:1: missing value for block clause"),
    ("{{end .x}}", 'template: output:1: unexpected ".x" in end'),
    ("{{else .x}}", 'template: output:1: unexpected ".x" in else'),
    ("{{.kind.}}", "template: output:1: unexpected <.> in operand"),
    ("{{..kind}}", 'template: output:1: unexpected . after term "."'),
    ("{{$.}}", "template: output:1: unexpected <.> in operand"),
    ("{{.spec.ports.0}}\n", 'template: output:1: unexpected ".0" in operand'),
]
FAILING = [
    (
        "{{range 3}}x{{end}}",
        "",
        'template: output:1:8: executing "output" at <3>: range can\'t iterate over 3',
    ),
    (
        "{{call .kind}}",
        "",
        'template: output:1:2: executing "output" at <call .kind>: error calling call: non-function .kind of type string',
    ),
    (
        "{{call}}",
        "",
        'template: output:1:2: executing "output" at <call>: wrong number of args for call: want at least 1 got 0',
    ),
    (
        "{{call .nosuch}}",
        "",
        'template: output:1:2: executing "output" at <call .nosuch>: error calling call: call of nil',
    ),
    (
        "{{.spec.str.x}}",
        "",
        'template: output:1:7: executing "output" at <.spec.str.x>: can\'t evaluate field x in type interface {}',
    ),
    (
        "{{.spec.nul.x}}",
        "",
        'template: output:1:7: executing "output" at <.spec.nul.x>: nil pointer evaluating interface {}.x',
    ),
    (
        "{{.spec.ports.x}}",
        "",
        'template: output:1:7: executing "output" at <.spec.ports.x>: can\'t evaluate field x in type interface {}',
    ),
    (
        "{{index .spec.ports 2}}",
        "",
        'template: output:1:2: executing "output" at <index .spec.ports 2>: error calling index: reflect: slice index out of range',
    ),
    (
        "{{index .spec.ports 3}} ",
        "",
        'template: output:1:2: executing "output" at <index .spec.ports 3>: error calling index: index out of range: 3',
    ),
    (
        '{{index .spec.ports "x"}}',
        "",
        'template: output:1:2: executing "output" at <index .spec.ports "x">: error calling index: cannot index slice/array with type string',
    ),
    (
        "{{index .metadata 1}}",
        "",
        'template: output:1:2: executing "output" at <index .metadata 1>: error calling index: value has type int; should be string',
    ),
    (
        "{{index .kind 1}} {{index .kind 99}}",
        "101 ",
        'template: output:1:20: executing "output" at <index .kind 99>: error calling index: index out of range: 99',
    ),
    (
        "{{index .nosuch 1}}",
        "",
        'template: output:1:2: executing "output" at <index .nosuch 1>: error calling index: index of untyped nil',
    ),
    (
        "{{index .spec.nul 1}}",
        "",
        'template: output:1:2: executing "output" at <index .spec.nul 1>: error calling index: index of untyped nil',
    ),
    (
        "{{index .spec.big 1}}",
        "",
        'template: output:1:2: executing "output" at <index .spec.big 1>: error calling index: can\'t index item of type int64',
    ),
    (
        "{{index}}",
        "",
        'template: output:1:2: executing "output" at <index>: wrong number of args for index: want at least 1 got 0',
    ),
    (
        "{{len .nosuch}}",
        "",
        'template: output:1:2: executing "output" at <len .nosuch>: error calling len: reflect: call of reflect.Value.Type on zero Value',
    ),
    (
        "{{len .spec.nul}}",
        "",
        'template: output:1:2: executing "output" at <len .spec.nul>: error calling len: len of nil pointer',
    ),
    (
        "{{len 3}}",
        "",
        'template: output:1:2: executing "output" at <len 3>: error calling len: len of type int',
    ),
    (
        "{{eq .kind 1}}",
        "",
        'template: output:1:2: executing "output" at <eq .kind 1>: error calling eq: incompatible types for comparison',
    ),
    (
        "{{lt .nosuch 1}}",
        "",
        'template: output:1:2: executing "output" at <lt .nosuch 1>: error calling lt: invalid type for comparison',
    ),
    (
        "{{lt true false}}",
        "",
        'template: output:1:2: executing "output" at <lt true false>: error calling lt: invalid type for comparison',
    ),
    (
        "{{lt 1 1.5}}",
        "",
        'template: output:1:2: executing "output" at <lt 1 1.5>: error calling lt: incompatible types for comparison',
    ),
    (
        "{{eq .spec.em .spec.em}}",
        "",
        'template: output:1:2: executing "output" at <eq .spec.em .spec.em>: error calling eq: non-comparable type map[]: map[string]interface {}',
    ),
    (
        "{{.a.b.c.d.e.f.g.h}}{{.kind.foo.bar}}",
        "<no value>",
        'template: output:1:27: executing "output" at <.kind.foo.bar>: can\'t evaluate field foo in type interface {}',
    ),
    (
        "{{base64decode .spec.nosuch}}",
        "",
        'template: output:1:20: executing "output" at <.spec.nosuch>: invalid value; expected string',
    ),
    (
        "{{base64decode .spec.t}}",
        "",
        'template: output:1:20: executing "output" at <.spec.t>: wrong type for value; expected string; got bool',
    ),
    (
        '{{base64decode "x"}}',
        "",
        'template: output:1:2: executing "output" at <base64decode "x">: error calling base64decode: base64 decode failed: illegal base64 data at input byte 0',
    ),
    (
        '{{base64decode "abc"}}',
        "",
        'template: output:1:2: executing "output" at <base64decode "abc">: error calling base64decode: base64 decode failed: illegal base64 data at input byte 0',
    ),
    (
        '{{base64decode "ab!d"}}',
        "",
        'template: output:1:2: executing "output" at <base64decode "ab!d">: error calling base64decode: base64 decode failed: illegal base64 data at input byte 2',
    ),
    ("{{base64decode 1}}", "", 'template: output:1:15: executing "output" at <1>: expected string; found 1'),
    ("{{printf 1}}", "", 'template: output:1:9: executing "output" at <1>: expected string; found 1'),
    (
        "{{printf}}",
        "",
        'template: output:1:2: executing "output" at <printf>: wrong number of args for printf: want at least 1 got 0',
    ),
    (
        '{{define "T"}}{{.x.y}}{{$}}{{end}}{{template "T" .metadata.name}}',
        "",
        'template: output:1:18: executing "T" at <.x.y>: can\'t evaluate field x in type string',
    ),
    (
        "{{range .spec.str}}{{end}}",
        "",
        'template: output:1:13: executing "output" at <.spec.str>: range can\'t iterate over a<b>&\'"',
    ),
    (
        "{{range .spec.t}}{{end}}",
        "",
        'template: output:1:13: executing "output" at <.spec.t>: range can\'t iterate over true',
    ),
    (
        '{{template "x"}}',
        "",
        'template: output:1:11: executing "output" at <{{template "x"}}>: template "x" not defined',
    ),
    (
        "{{ 9223372036854775808 }}",
        "",
        'template: output:1:3: executing "output" at <9223372036854775808>: 9223372036854775808 overflows int',
    ),
    ("{{nil}}", "", 'template: output:1:2: executing "output" at <nil>: nil is not a command'),
    (
        '{{not .x}} {{and 1 0}} {{or 0 "a"}} {{and}} ',
        "true 0 a ",
        'template: output:1:38: executing "output" at <and>: wrong number of args for and: want at least 1 got 0',
    ),
    (
        "{{or}}",
        "",
        'template: output:1:2: executing "output" at <or>: wrong number of args for or: want at least 1 got 0',
    ),
    (
        "{{with .kind}}{{.x}}{{end}}",
        "",
        'template: output:1:16: executing "output" at <.x>: can\'t evaluate field x in type string',
    ),
    (
        "{{ .kind.x }}\n{{ .x }}",
        "",
        'template: output:1:8: executing "output" at <.kind.x>: can\'t evaluate field x in type interface {}',
    ),
    (
        "line1\n{{ .kind }}\n   {{ .spec.str.x.y }}",
        "line1\nService\n   ",
        'template: output:3:11: executing "output" at <.spec.str.x.y>: can\'t evaluate field x in type interface {}',
    ),
    (
        '{{.kind "a"}}',
        "",
        'template: output:1:2: executing "output" at <.kind>: kind is not a method but has arguments',
    ),
    (
        '{{"a" "b"}}',
        "",
        'template: output:1:2: executing "output" at <"a">: can\'t give argument to non-function "a"',
    ),
    (
        "{{.metadata.name | .kind}}",
        "",
        'template: output:1:19: executing "output" at <.kind>: kind is not a method but has arguments',
    ),
    (
        "{{(.kind).x}}",
        "",
        'template: output:1:3: executing "output" at <.kind>: can\'t evaluate field x in type string',
    ),
    ("{{(nil).x}}", "", 'template: output:1:3: executing "output" at <nil>: nil is not a command'),
    (
        "{{slice .kind 1 3}} {{slice .spec.ports 1}} {{slice .kind 3 1}}",
        "er [map[name:b port:443]] ",
        'template: output:1:46: executing "output" at <slice .kind 3 1>: error calling slice: invalid slice index: 3 > 1',
    ),
    (
        "{{slice .spec.big 1}}",
        "",
        'template: output:1:2: executing "output" at <slice .spec.big 1>: error calling slice: can\'t slice item of type int64',
    ),
    (
        "{{slice .kind 99}}",
        "",
        'template: output:1:2: executing "output" at <slice .kind 99>: error calling slice: index out of range: 99',
    ),
    (
        '{{ge 1 1}}{{lt "a" 1}}',
        "true",
        'template: output:1:12: executing "output" at <lt "a" 1>: error calling lt: incompatible types for comparison',
    ),
    (
        "{{eq 1}}",
        "",
        'template: output:1:2: executing "output" at <eq 1>: error calling eq: missing argument for comparison',
    ),
    (
        "{{eq}}",
        "",
        'template: output:1:2: executing "output" at <eq>: wrong number of args for eq: want at least 1 got 0',
    ),
    (
        "{{not}}",
        "",
        'template: output:1:2: executing "output" at <not>: wrong number of args for not: want 1 got 0',
    ),
    (
        "{{not 1 2}}",
        "",
        'template: output:1:2: executing "output" at <not>: wrong number of args for not: want 1 got 2',
    ),
    (
        "{{len}}",
        "",
        'template: output:1:2: executing "output" at <len>: wrong number of args for len: want 1 got 0',
    ),
]


@pytest.mark.parametrize(("template", "text"), PRINTED, ids=[t for t, _ in PRINTED])
def test_templates_print_what_kubectl_prints(template: str, text: str) -> None:
    stream = io.StringIO()
    Template(template).execute(OBJECT, stream)
    assert stream.getvalue() == text


@pytest.mark.parametrize(("template", "message"), UNREADABLE, ids=[t for t, _ in UNREADABLE])
def test_templates_that_cannot_be_read_are_refused_in_gos_words(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(template)
    assert str(caught.value) == message


@pytest.mark.parametrize(("template", "before", "message"), FAILING, ids=[t for t, _, _ in FAILING])
def test_failing_templates_say_where_and_keep_what_was_printed(
    template: str, before: str, message: str
) -> None:
    stream = io.StringIO()
    with pytest.raises(TemplateError) as caught:
        Template(template).execute(OBJECT, stream)
    assert (stream.getvalue(), str(caught.value)) == (before, message)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "{{.spec.nosuch}}",
            'template: output:1:7: executing "output" at <.spec.nosuch>: map has no entry for key "nosuch"',
        ),
        (
            "{{.nosuch.x}}",
            'template: output:1:9: executing "output" at <.nosuch.x>: map has no entry for key "nosuch"',
        ),
    ],
)
def test_missing_keys_can_be_errors(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(template, missing_key_is_error=True).execute(OBJECT, io.StringIO())
    assert str(caught.value) == message


def test_a_template_that_calls_itself_for_ever_ends() -> None:
    template = Template('{{define "T"}}{{template "T" .}}{{end}}{{template "T" .}}')
    with pytest.raises(TemplateError, match="exceeded maximum template depth"):
        template.execute(OBJECT, io.StringIO())
