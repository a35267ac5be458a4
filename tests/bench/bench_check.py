"""What `check` costs: 1,000 documents of a file, beside reading their YAML alone; and a live cluster of that size.

The documents are Services and Deployments, each Service with a named target port of its own Deployment, whose image is
tried out: all rules have something to look at, and nothing to say.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.measure import Measurement, Run, kubesim, run

COUNT = 1_000
TARGET_SECONDS = 2.0
_PAIR = """\
apiVersion: v1
kind: Service
metadata: {{name: web-{n}}}
spec:
  selector: {{app: web-{n}}}
  ports:
  - {{name: http, port: 80, targetPort: http}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web-{n}}}
spec:
  replicas: 3
  selector:
    matchLabels: {{app: web-{n}}}
  template:
    metadata:
      labels: {{app: web-{n}}}
    spec:
      containers:
      - name: web
        image: nginx
        ports:
        - {{name: http, containerPort: 80}}
        env:
        - {{name: BACKEND_URL, value: "http://web-{next}/"}}
        readinessProbe:
          httpGet: {{path: /, port: http}}
---
"""
_READ = "import sys, yaml; list(yaml.load_all(open(sys.argv[1]), Loader=yaml.CSafeLoader))"


def measure() -> list[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        env = {"KUBESIM_HOME": f"{folder}/home", "KUBESIM_AUTOSTART": "0"}
        many, one = Path(folder, "many.yaml"), Path(folder, "one.yaml")
        many.write_text("".join(_PAIR.format(n=n, next=(n + 1) % (COUNT // 2)) for n in range(COUNT // 2)))
        one.write_text(_PAIR.format(n=0, next=0))
        run(kubesim("get", "pods"), env=env, times=1)
        checked = run(kubesim("check", "-f", str(many)), env=env, times=5)
        least = run(kubesim("check", "-f", str(one)), env=env, times=5)
        reading = run([sys.executable, "-c", _READ, str(many)], env=env, times=5)
        run(kubesim("apply", "-f", str(many)), env=env, times=1)
        live = run(kubesim("check"), env=env, times=5)
    return [
        _row(
            f"`kubesim check -f` of {COUNT:,} documents, CPU",
            checked,
            "PyYAML in C reads them",
            reading,
            TARGET_SECONDS,
        ),
        _row("the same of two documents, CPU", least),
        _row(f"`kubesim check` of a cluster with these {COUNT:,} objects, CPU", live),
    ]


def _row(
    what: str, found: Run, name: str = "", peer: Run | None = None, target: float | None = None
) -> Measurement:
    return Measurement(what, found.cpu, "s", name, peer and peer.cpu, target=target, wall=found.wall)
