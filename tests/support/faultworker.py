"""A process of its own that works on the cluster of a home, for tests that start many of them or kill one.

    python faultworker.py creates HOME PREFIX COUNT    create Services, one transaction each; print their names
    python faultworker.py victims HOME ROUNDS SEED     fork a process that writes, kill it; again and again

Each line that `victims` prints is a write that the cluster has acknowledged: `+svc NAME IP`, `+pod NAME`, `-svc NAME`,
`-pod NAME`, and `?KIND NAME` before a delete that may be cut short.
"""

from __future__ import annotations

import os
import random  # noqa: TID251  the moments of a test, seeded
import select
import signal
import sys
from pathlib import Path

from kubesim.apimachinery.errors import StatusError
from kubesim.client.resources import PODS, SERVICES
from kubesim.cluster.home import Home
from kubesim.cluster.open import open_cluster

APPS = ("a", "b", "c")
KINDS = {"svc": SERVICES, "pod": PODS}


def service(name: str, app: str) -> dict[str, object]:
    spec = {"type": "NodePort", "selector": {"app": app}, "ports": [{"port": 80}]}
    return {"metadata": {"name": name}, "spec": spec}


def pod(name: str, app: str) -> dict[str, object]:
    return {
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": {"containers": [{"name": "c", "image": "nginx"}], "terminationGracePeriodSeconds": 0},
    }


def creates(home: str, prefix: str, count: int) -> None:
    """Wait for a line on standard input, then create Services."""
    cluster = open_cluster(Home(Path(home)), "default")
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        made = cluster.client.create(SERVICES, service(f"{prefix}-{number}", "a"), "default")
        print(
            made["metadata"]["name"],
            made["spec"]["clusterIP"],
            made["spec"]["ports"][0]["nodePort"],
            flush=True,
        )
    cluster.close()


def work(home: str, turn: int, out: int, chance: random.Random) -> None:
    """Write until the end comes."""

    def say(*words: str) -> None:
        os.write(out, (" ".join(words) + "\n").encode())

    cluster = open_cluster(Home(Path(home)), "default")
    # What earlier ones have left is deleted too, so that the cluster stays small.
    made = [
        (kind, obj["metadata"]["name"])
        for kind, gvr in KINDS.items()
        for obj in cluster.client.list(gvr, "default")["items"]
        if obj["metadata"]["name"] != "kubernetes"
    ]
    for number in range(1000):
        name, app = f"t{turn}-{number}", chance.choice(APPS)
        action = chance.choice(("svc", "pod", "delete", "settle") if len(made) < 16 else ("delete", "settle"))
        match action:
            case "svc":
                found = cluster.client.create(SERVICES, service(name, app), "default")
                say("+svc", name, found["spec"]["clusterIP"])
                made.append(("svc", name))
            case "pod":
                cluster.client.create(PODS, pod(name, app), "default")
                say("+pod", name)
                made.append(("pod", name))
            case "delete" if made:
                kind, name = made.pop(chance.randrange(len(made)))
                say(f"?{kind}", name)
                try:
                    cluster.client.delete(KINDS[kind], name, "default")
                except StatusError as error:
                    say("error", str(error))
                say(f"-{kind}", name)
            case _:
                cluster.settle()


def victims(home: str, rounds: int, seed: int) -> None:
    """Fork, let it write, kill it."""
    chance = random.Random(seed)
    open_cluster(Home(Path(home)), "default").close()
    for turn in range(rounds):
        child_chance = random.Random(chance.random())
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            work(home, turn, writer, child_chance)
            os._exit(0)
        os.close(writer)
        # So many acknowledged writes, and then some moment between two of them.
        lines, wanted = b"", chance.randrange(12)
        while lines.count(b"\n") < wanted and (more := os.read(reader, 4096)):
            lines += more
        select.select([], [], [], chance.random() * 0.02)
        os.kill(pid, signal.SIGKILL)
        while more := os.read(reader, 4096):
            lines += more
        os.close(reader)
        os.waitpid(pid, 0)
        sys.stdout.write(lines.decode())
        sys.stdout.flush()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["creates", home, prefix, count]:
            creates(home, prefix, int(count))
        case ["victims", home, rounds, seed]:
            victims(home, int(rounds), int(seed))
