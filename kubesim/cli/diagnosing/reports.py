"""Findings as people, programs, code scanners and GitHub read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from kubesim.cli.command import Context
from kubesim.diagnosis.finding import Finding
from kubesim.diagnosis.reasons import REASONS
from kubesim.version import VERSION

PAGE: Final = "docs/mistakes.md"
_LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}
_COLOURS: Final = {"error": "\x1b[31m", "warning": "\x1b[33m", "info": "\x1b[36m"}
_PLAIN: Final = "\x1b[0m"


def report(context: Context, findings: Sequence[Finding], form: str) -> None:
    """Print findings in a form."""
    FORMS[form](context, findings)


def text(context: Context, findings: Sequence[Finding]) -> None:
    """For people; nothing where there is nothing to say."""
    coloured = context.streams.stdout_is_terminal and not context.streams.env.get("NO_COLOR")
    for finding in findings:
        context.out("\n".join(lines_of(finding, coloured=coloured)))
    if findings:
        context.out(_counted(findings))


def lines_of(finding: Finding, *, coloured: bool = False) -> list[str]:
    """A finding as lines: where and what, then the facts and the fix, further in."""
    word = f"{finding.severity} {finding.code} {finding.name}"
    if coloured:
        word = f"{_COLOURS[finding.severity]}{word}{_PLAIN}"
    place = finding.place
    line = f":{place.line}" if place and place.line else ""
    where = f"{place.file}{line} (document {place.document}): " if place else ""
    field = f" {finding.field}" if finding.field else ""
    lines = [f"{where}{finding.object.qualified}{field}: {word}", f"    {finding.message}"]
    lines += [f"      {line}" for line in finding.evidence]
    if finding.fix:
        lines.append(f"    fix: {finding.fix}")
    return lines


def _counted(findings: Sequence[Finding]) -> str:
    counts = [(s, sum(f.severity == s for f in findings)) for s in ("error", "warning", "info")]
    words = [f"{n} {s}{'s' if n > 1 and s != 'info' else ''}" for s, n in counts if n]
    return f"{', '.join(words)}; {PAGE} explains each number"


def as_json(context: Context, findings: Sequence[Finding]) -> None:
    context.out(json.dumps({"findings": [f.as_json() for f in findings]}, indent=2, ensure_ascii=False))


def sarif(context: Context, findings: Sequence[Finding]) -> None:
    """SARIF 2.1.0, with a rule for each reason code."""
    rules = [
        {
            "id": f"kubesim/{r.code}",
            "name": r.name,
            "shortDescription": {"text": r.summary},
        }
        for r in REASONS
    ]
    driver = {"name": "kubesim", "version": VERSION, "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_result(f) for f in findings]}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    context.out(
        json.dumps({"version": "2.1.0", "$schema": schema, "runs": [run]}, indent=2, ensure_ascii=False)
    )


def _result(finding: Finding) -> dict[str, Any]:
    name = f"{finding.object.namespace}/{finding.object.kind}/{finding.object.name}".lstrip("/")
    location: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": f"{name}:{finding.field}", "kind": "member"}]
    }
    if finding.place is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": finding.place.file},
            "region": {"startLine": max(1, finding.place.line)},
        }
    return {
        "ruleId": f"kubesim/{finding.code}",
        "ruleIndex": finding.code,
        "level": _LEVELS[finding.severity],
        "message": {"text": _whole(finding)},
        "locations": [location],
    }


def _whole(finding: Finding) -> str:
    parts = [f"{finding.object} {finding.field}: {finding.message}", *finding.evidence]
    return "\n".join([*parts, f"fix: {finding.fix}"] if finding.fix else parts)


def github(context: Context, findings: Sequence[Finding]) -> None:
    """Workflow commands, which GitHub shows beside the lines of a change."""
    for finding in findings:
        level = "notice" if finding.severity == "info" else finding.severity
        said = [f"title={_property(f'{finding.code} {finding.name}')}"]
        if finding.place is not None:
            said = [f"file={_property(finding.place.file)}", f"line={max(1, finding.place.line)}", *said]
        context.out(f"::{level} {','.join(said)}::{_data(_whole(finding))}")


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


FORMS: Final[dict[str, Callable[[Context, Sequence[Finding]], None]]] = {
    "text": text,
    "json": as_json,
    "sarif": sarif,
    "github": github,
}
