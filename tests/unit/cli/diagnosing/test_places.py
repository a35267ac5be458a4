"""From a field's path to a line of the file."""

from __future__ import annotations

import pytest

from kubesim.cli.diagnosing.places import line_of

TEXT = b"""\
# a comment
apiVersion: v1
kind: Service
metadata:
  name: web
  labels: {app.kubernetes.io/name: web}
spec:
  selector:
    app.kubernetes.io/name: web
    app: web
  ports:
  - port: 80
    targetPort: 8080
  - {name: b, port: 81}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", 1),
        ("kind", 2),
        ("metadata.name", 4),
        ("metadata.labels.app.kubernetes.io/name", 5),
        ("spec.selector", 7),
        ("spec.selector.app.kubernetes.io/name", 8),
        ("spec.selector.app", 9),
        ("spec.ports[0]", 11),
        ("spec.ports[0].targetPort", 12),
        ("spec.ports[1].port", 13),
        ("spec.ports[1].nodePort", 13),
        ("spec.ports[7].port", 10),
        ("spec.type", 6),
        ("status.loadBalancer", 1),
        ("[", 1),
    ],
)
def test_a_field_has_the_line_of_what_comes_nearest(path, line):
    assert line_of(TEXT, path) == line


@pytest.mark.parametrize(
    "text", [b"", b"a: [", b"- 1", b"text", b'{"spec": {"ports": [{"port": 80}]}}', b"\xff\xfe"]
)
def test_any_text_has_a_line(text):
    assert line_of(text, "spec.ports[0].port") == 0
