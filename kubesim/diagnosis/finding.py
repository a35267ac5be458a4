"""A finding: one reason why a request does or does not arrive, with all that `check`, `trace` and warnings say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.diagnosis.reasons import reason
from kubesim.util.jsontypes import JSONObject

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""The worst first."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an object was written down: the file, which of its documents (from 1), and the line where it is known."""

    file: str
    document: int
    line: int = 0


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """Which object a finding is about; `namespace` is empty for what has none."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: JSONObject, kind: str = "") -> ObjectRef:
        return cls(kind or str(obj.get("kind") or ""), namespace_of(obj), name_of(obj))

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"

    @property
    def qualified(self) -> str:
        """`service/web in namespace blue`."""
        return f"{self} in namespace {self.namespace}" if self.namespace else str(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`code` is one of `reasons.REASONS`; 0 stands for what the API server refuses for any other reason.

    `field` is the path of the field at fault in the object (`spec.ports[0].targetPort`); `evidence` are the facts that
    the message rests on, one a line; `fix` says what to change.
    """

    code: int
    severity: Severity
    object: ObjectRef
    field: str
    message: str
    evidence: tuple[str, ...] = ()
    fix: str = ""
    place: Place | None = None

    @property
    def name(self) -> str:
        """The name of the reason: `SelectorMatchesNothing`."""
        return reason(self.code).name

    def as_json(self) -> dict[str, Any]:
        """What `-o json` prints of it."""
        ref = self.object
        found: dict[str, Any] = {
            "code": self.code,
            "reason": self.name,
            "severity": self.severity,
            "object": {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name},
            "field": self.field,
            "message": self.message,
            "evidence": list(self.evidence),
            "fix": self.fix,
        }
        if not ref.namespace:
            del found["object"]["namespace"]
        if self.place is not None:
            found["source"] = {
                "file": self.place.file,
                "document": self.place.document,
                "line": self.place.line,
            }
        return found


def worst(findings: list[Finding]) -> Severity | None:
    """The worst severity among findings; None where there are none."""
    return min((f.severity for f in findings), key=SEVERITIES.index, default=None)
