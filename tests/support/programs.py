"""Command lines of network programs: the cluster they are used in, and what of their output is another one each time."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from support.transcripts import Shown

from kubesim import Cluster

DIRECTORY: Final = Path(__file__).parents[1] / "cli" / "programs"
START: Final = "2026-01-01T09:00:00Z"

MANIFEST: Final = r"""
apiVersion: v1
kind: ConfigMap
metadata: {name: site}
data:
  default.conf: |
    server {
      listen 80;
      server_name _;
      root /usr/share/nginx/html;
      location = /old { return 301 /new; }
      location = /new { return 200 "you are here\n"; }
      location = /loop { return 302 /loop; }
      location = /away { return 302 http://web/; }
      location = /gone { return 410; }
      location = /broken { return 503; }
      location = /nothing { return 204; }
      location = /bare { return 200 "no line break"; }
    }
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  nodeName: node-1
  containers:
  - {name: c, image: nginx:1.27.3}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, labels: {app: web}}
spec:
  nodeName: node-1
  containers:
  - {name: c, image: nginx:1.27.3}
---
apiVersion: v1
kind: Pod
metadata: {name: site, labels: {app: site}}
spec:
  nodeName: node-1
  containers:
  - name: c
    image: nginx:1.27.3
    volumeMounts: [{name: conf, mountPath: /etc/nginx/conf.d}]
  volumes: [{name: conf, configMap: {name: site}}]
---
apiVersion: v1
kind: Pod
metadata: {name: who, labels: {app: who}}
spec:
  nodeName: node-1
  containers:
  - {name: c, image: traefik/whoami}
---
apiVersion: v1
kind: Pod
metadata: {name: cache, labels: {app: cache}}
spec:
  nodeName: node-1
  containers:
  - {name: c, image: redis}
---
apiVersion: v1
kind: Pod
metadata: {name: agn, labels: {app: agn}}
spec:
  nodeName: node-1
  containers:
  - {name: c, image: registry.k8s.io/e2e-test-images/agnhost:2.53, args: [netexec]}
---
apiVersion: v1
kind: Pod
metadata: {name: debian}
spec:
  nodeName: node-2
  containers:
  - {name: c, image: debian, command: [sleep, infinity]}
---
apiVersion: v1
kind: Pod
metadata: {name: busybox}
spec:
  nodeName: node-2
  containers:
  - {name: c, image: busybox:1.37, command: [sleep, infinity]}
---
apiVersion: v1
kind: Pod
metadata: {name: alpine}
spec:
  nodeName: node-2
  containers:
  - {name: c, image: alpine, command: [sleep, infinity]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: 10.96.1.1
  selector: {app: web}
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: site}
spec:
  clusterIP: 10.96.1.2
  selector: {app: site}
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: who}
spec:
  clusterIP: 10.96.1.3
  selector: {app: who}
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec:
  clusterIP: 10.96.1.4
  selector: {app: nobody}
  ports: [{port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: agn}
spec:
  clusterIP: 10.96.1.5
  selector: {app: agn}
  ports: [{name: http, port: 8080}, {name: udp, port: 8081, protocol: UDP}]
---
apiVersion: v1
kind: Service
metadata: {name: pods}
spec:
  clusterIP: None
  selector: {app: web}
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: web.default.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: example.com}
"""

CA: Final = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
OWN: Final = "/tmp/.own"
"""Where the certificate of the cluster is for programs, and in the real file system what else a Pod has of its own."""
INSTALLED: Final = "curl dnsutils wget iputils-ping netcat-openbsd"


Place = Literal["debian", "busybox", "alpine"]
"""The Pod in which a transcript is played."""
DEBIAN: Final = "debian"
BUSYBOX: Final = "busybox"
ALPINE: Final = "alpine"
PACKAGES: Final = {
    "curl": "curl",
    "curl-8": "curl",
    "dig": "bind9-dnsutils",
    "getent": "libc-bin",
    "host": "bind9-host",
    "nc": "netcat-openbsd",
    "nslookup": "bind9-dnsutils",
    "ping": "iputils-ping",
    "wget": "wget",
}
"""The Debian packages that the real programs are from, by the names of transcripts."""


def place_of(transcript: Path) -> Place:
    """Transcripts of busybox' programs have its name in theirs."""
    if transcript.stem.startswith(BUSYBOX):
        return BUSYBOX
    return ALPINE if transcript.stem == "curl-8" else DEBIAN


def package_of(transcript: Path) -> str:
    """The Debian package that the real programs are from; not for busybox."""
    return PACKAGES[transcript.stem]


def transcripts() -> list[Path]:
    return sorted(DIRECTORY.glob("*.txt"))


def make_cluster() -> Cluster:
    """The cluster in which the command lines are played. Its addresses stand in the transcripts."""
    cluster = Cluster(seed=1, clock=START)
    cluster.apply(MANIFEST)
    cluster.exec("debian", ["sh", "-c", f"apt-get update && apt-get install -y {INSTALLED}"], check=True)
    for pod in (DEBIAN, ALPINE):
        cluster.exec(pod, ["sh", "-c", f"mkdir {OWN}; cp {CA} {OWN}/ca.crt"], check=True)
    cluster.exec("alpine", ["apk", "add", "--no-cache", "curl"], check=True)
    return cluster


CLEANING: Final = "rm -rf /tmp/*"
"""What a shell does before a transcript begins."""


def play(cluster: Cluster, transcript: Path, recorded: Shown) -> Shown:
    """A command line in the simulation."""
    done = cluster.exec(place_of(transcript), ["sh", "-c", recorded.line])
    return Shown(recorded.line, done.stdout, done.stderr, done.exit_code, recorded.remarks)


# What may differ

Rule = tuple[str, str | Callable[[re.Match[str]], str]]
COMMON: Final[list[Rule]] = [
    (r"\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "DATE"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "DATE"),
]
RULES: Final[dict[str, list[Rule]]] = {
    "curl": [
        (r"\bafter \d+ ms", "after MS ms"),
        (r"\bafter \d+ milliseconds", "after MS milliseconds"),
        (r"\b\d\.\d{6}\b", "SECONDS"),
        (r"(?<= port )\d+(?= failed: )", "PORT"),
        (r"(?<=Found bundle for host: )0x[0-9a-f]+", "ADDRESS"),
        (r"(?<= date: ).*", "DATE"),
        (r"(?<=OpenSSL/3\.)\d\.\d+", "VERSION"),
        # How long the steps of TLS are depends on the keys.
        (r"(, TLS [^\n]*:\n[{}] \[)\d+", r"\1N"),
        # Said, or not, as it happens.
        (r"\* Request completely sent off\n|[{}] \[5 bytes data\]\n", ""),
    ],
    "dig": [
        (r"\b9\.18\.\d+-\S+(?=-Debian)", "VERSION"),
        (r"(?<= in )\d+(?= ms)", "MS"),
        (r"\bid: \d+", "id: ID"),
        (r"(?<=COOKIE: )[0-9a-f]+", "COOKIE"),
        (r"(?<=Query time: )\d+", "MS"),
        (r"(?<=WHEN: ).*", "DATE"),
        (r"(?<= )\d{10}(?= 7200 1800 86400 30)", "SERIAL"),
    ],
    "nslookup": [
        (r"\b9\.18\.\d+-\S+(?=-Debian)", "VERSION"),
        (r"(?<=completed in )\d+(?=ms)", "MS"),
        (r"(?<=serial = )\d{10}", "SERIAL"),
        (r"(?<= )\d{10}(?= 7200 1800 86400 30)", "SERIAL"),
    ],
    "ping": [(r"(?<=time=)[\d.]+", "MS"), (r"(?<= = )[\d./]+(?= ms)", "MS"), (r"(?<=time )\d+(?=ms)", "MS")],
    "wget": [
        (r"\([\d.]+ [KMG]?B/s\)", "(SPEED)"),
        (r"(?<=100%|    ) *[\d.]+[KMG]?=[\d.]+s", " SPEED"),
        (r"\d:\d\d:\d\d ETA", "ETA"),
    ],
}


# How often it is tried before the answer that nobody listens is believed.
REFUSED: Final[Rule] = (r"(;; communications error to \S+: connection refused\n)\1+", r"\1")


def normal(transcript: Path, shown: Shown) -> Shown:
    """The same without what is another one each time."""
    rules = [*COMMON, REFUSED]
    for program, more in RULES.items():
        if program in transcript.stem or (program == "dig" and transcript.stem == "host"):
            rules += more
    out, err = shown.out, shown.err
    for pattern, text in rules:
        out, err = re.sub(pattern, text, out), re.sub(pattern, text, err)
    if "curl" in transcript.stem:
        # When the meter begins depends on who is faster; it shows before a name could not be resolved, or does not.
        err, begun = METER.subn("", err)
        err = "the meter begins\n" * (begun if shown.code != 6 else 0) + _without_speeds(err)
    if "# in any order" in shown.remarks:
        out = "\n".join(sorted(out.split("\n")))
    return Shown(shown.line, out, err, shown.code, shown.remarks)


METER: Final = re.compile(r"  % Total.*\n.*Dload.*\n\r[ \d]{3} .{74}")
ROW_WIDTH: Final = 79
NOTHING_YET: Final = "\r  0     0    0     0    0     0  MEASURED"


def _without_speeds(text: str) -> str:
    """curl's progress meter without speeds and times, and without the rows that it shows because time has passed."""
    rows, found, last = re.split(r"(?=\r[ \d]{3} )|(?<=\n)", text), "", ""
    for row in rows:
        said = row
        if re.match(r"\r[ \d]{3} ", row):
            said = row[:33] + " MEASURED" + row[ROW_WIDTH:]
            if said == NOTHING_YET:
                continue
            if said.rstrip("\n") == last.rstrip("\n"):
                found = found[: -len(last)]
        found += said
        last = said
    return found
