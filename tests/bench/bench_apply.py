"""`kubesim apply -f` of one large file, warm: everything that follows from it is done when the command returns.

CPU is that of the command and of the background process, which has a cluster of ten nodes in a SQLite file.
"""

from __future__ import annotations

from tests.bench.bench_warm import Home, home_with_process
from tests.bench.measure import Cost, Measurement

SERVICES, PODS = 500, 1_000
GROUPS = 10
"""Where each Pod has many Services: so many sets of Pods, each selected by every tenth Service."""


def measure() -> list[Measurement]:
    found = []
    with home_with_process(None) as home:
        _prepare(home)
        _row(found, "500 Services", _apply(home, _services(SERVICES)), target=2.5)
        _row(found, "1,000 Pods, two for each of 500 Services", _apply(home, _pods(SERVICES)), target=5.0)
    with home_with_process(None) as home:
        _prepare(home)
        home.ours("create", "service", "clusterip", "a0", "--tcp=80")
        _row(found, "1,000 Pods behind one Service", _apply(home, _pods(1)), target=5.0)
    with home_with_process(None) as home:
        _prepare(home)
        _apply(home, _services(GROUPS))
        _row(found, "1,000 Pods, each behind 50 of 500 Services", _apply(home, _pods(GROUPS)))
        memory = home.server_memory()
    found.append(Measurement("the background process after the last of these, memory", memory, "MB"))
    return found


def _row(found: list[Measurement], what: str, cost: Cost, *, target: float | None = None) -> None:
    found.append(
        Measurement(f"`kubesim apply -f` of {what}, warm, CPU", cost.cpu, "s", target=target, wall=cost.wall)
    )


def _prepare(home: Home) -> None:
    home.ours("sim", "create", "large", f"--nodes={PODS // 100}")


def _apply(home: Home, documents: list[str]) -> Cost:
    file = home.path / "objects.yaml"
    file.write_text("---\n".join(documents))
    return home.ours("apply", "-f", str(file))


def _services(groups: int) -> list[str]:
    return [
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: s{n}}}\n"
        f"spec: {{selector: {{app: a{n % groups}}}, ports: [{{port: 80}}]}}\n"
        for n in range(SERVICES)
    ]


def _pods(groups: int) -> list[str]:
    return [
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p{n}, labels: {{app: a{n % groups}}}}}\n"
        "spec: {containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}\n"
        for n in range(PODS)
    ]
