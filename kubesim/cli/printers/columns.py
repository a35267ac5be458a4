"""Columns of the user's choice: `-o custom-columns`, kubectl's pkg/cmd/get/customcolumn.go."""

from __future__ import annotations

from collections.abc import Sequence

from kubesim.cli.errors import CLIError
from kubesim.cli.printers.structured import is_list
from kubesim.cli.printers.table import escape_terminal
from kubesim.cli.printers.tabwriter import Output, Tabwriter, table_writer
from kubesim.util.gotext import sprint
from kubesim.util.jsonpath import JSONPath, JSONPathError, relaxed
from kubesim.util.jsontypes import JSONObject

_EXPECTED = (
    "Expected format is one line of space separated headers, one line of space separated column specs."
)


def from_spec(spec: str, *, no_headers: bool = False) -> CustomColumnsPrinter:
    """From `NAME:.metadata.name,IP:.spec.clusterIP`. Raises CLIError."""
    columns = []
    for part in spec.split(","):
        header, colon, path = part.partition(":")
        if not colon:
            raise CLIError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        columns.append((header, _relaxed(path)))
    return CustomColumnsPrinter(columns, no_headers=no_headers)


def from_template(text: str) -> CustomColumnsPrinter:
    """From a file of two lines: headings, and a path for each. Raises CLIError."""
    lines = text.splitlines()
    if not lines:
        raise CLIError(f"invalid template, missing header line. {_EXPECTED}")
    if len(lines) < 2:
        raise CLIError(f"invalid template, missing spec line. {_EXPECTED}")
    headers, paths = lines[0].split(), lines[1].split()
    if len(headers) != len(paths):
        raise CLIError(
            f"number of headers ({len(headers)}) and field specifications ({len(paths)}) don't match"
        )
    return CustomColumnsPrinter([(h, _relaxed(p)) for h, p in zip(headers, paths, strict=True)])


def _relaxed(path: str) -> str:
    try:
        return relaxed(path)
    except JSONPathError as error:
        raise CLIError(str(error)) from None


class CustomColumnsPrinter:
    """Prints columns given as heading and JSONPath template. The heading comes once."""

    def __init__(self, columns: Sequence[tuple[str, str]], *, no_headers: bool = False) -> None:
        self._columns = columns
        self._heading_due = not no_headers

    def print_object(self, obj: JSONObject, stream: Output) -> None:
        writer = stream if isinstance(stream, Tabwriter) else table_writer(stream)
        if self._heading_due:
            writer.write("\t".join(header for header, _ in self._columns) + "\n")
            self._heading_due = False
        try:
            paths = [JSONPath(path, allow_missing_keys=True) for _, path in self._columns]
            for item in obj["items"] if is_list(obj) else [obj]:
                writer.write("\t".join(_cell(path, item) for path in paths) + "\n")
        except JSONPathError as error:
            raise CLIError(str(error)) from None
        finally:
            if not isinstance(stream, Tabwriter):
                writer.flush()

    def print_event(self, event_type: str, obj: JSONObject, stream: Output) -> None:
        self.print_object({"type": event_type, "object": obj}, stream)


def _cell(path: JSONPath, obj: JSONObject) -> str:
    found = path.find(obj)
    texts = [] if found and found[0] else ["<none>"]
    texts += [escape_terminal(sprint(value)) for results in found for value in results]
    return ",".join(texts)
