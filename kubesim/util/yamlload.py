"""YAML and JSON files as kubectl reads them: documents, numbers, merge keys, and the texts for what is wrong.

PyYAML's C parser gives the events of libyaml; the values are built here by the rules of go-yaml v2 and
sigs.k8s.io/yaml. Building from events keeps deep nesting off Python's stack, and alias bombs unexpanded.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from kubesim.util.gojson import GoJSONError, load_stream
from kubesim.util.gotext import float_text, go_syntax, quote
from kubesim.util.jsontypes import JSONValue, deep_copy
from kubesim.util.yamlscalars import BOOL, FLOAT, INT, NULL, STR, TIMESTAMP, is_timestamp, resolve

CONVERTING = "error converting YAML to JSON: "
MAX_DEPTH: Final = 250  # what the JSON encoder can write again; go-yaml stops at 10,000
_LONG_TAG = "tag:yaml.org,2002:"
_RESOLVABLE = (STR, BOOL, INT, FLOAT, NULL, TIMESTAMP)
_SNIFFED = 4096
_SPACES = b" \t\n\v\f\r"
_MAX_INT64 = (1 << 63) - 1


class YAMLSyntaxError(ValueError):
    """Text that kubectl cannot read, with kubectl's words after `error parsing FILE: `."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file.

    `value` is what kubectl sends on: JSON values, the last of equal keys. `text` is the document as written,
    `line` the number of its first line. `duplicates` are go-yaml's complaints of a strict reading, which
    kubectl's commands do not make: a key given twice is lost before the server can see it.
    """

    value: JSONValue
    text: bytes
    line: int = 1
    is_json: bool = False
    duplicates: tuple[str, ...] = ()


def load_documents(data: bytes) -> Iterator[Document]:
    """The documents of a file that are not empty, one after another: those before a bad one are still given.

    Raises YAMLSyntaxError. Source: apimachinery/pkg/util/yaml, YAMLOrJSONDecoder; cli-runtime, StreamVisitor.
    """
    if data[:_SNIFFED].lstrip(_SPACES).startswith(b"{"):
        yield from _json_documents(data)
        return
    for text, line in _split(data):
        value, duplicates = _load(text)
        if value is not None:
            yield Document(value, text, line, duplicates=tuple(duplicates))


def _json_documents(data: bytes) -> Iterator[Document]:
    try:
        for value, start, end in load_stream(data):
            if value is not None:
                line = data.count(b"\n", 0, start) + 1
                yield Document(value, data[start:end], line, is_json=True)
    except GoJSONError as error:
        offset = "" if error.offset is None else f"json: offset {error.offset}: "
        raise YAMLSyntaxError(f"{offset}{error}") from None


def _split(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The parts between lines that begin with `---`, with line breaks made equal, as YAMLReader splits them.

    Such a line inside a block scalar splits too.
    """
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    if data and not data.endswith(b"\n"):
        data += b"\n"
    start, line = 0, 1
    for found in _SEPARATOR.finditer(data):
        rest = found[1].strip()
        if found.start() > start:
            # What follows the dashes is looked at before the document above them is given.
            _check_separator(rest)
            yield data[start : found.start()], line
        else:
            _check_separator(rest)
        line += data.count(b"\n", start, found.end())
        start = found.end()
    if start < len(data):
        yield data[start:], line


_SEPARATOR = re.compile(rb"^---([^\n]*)\n", re.MULTILINE)


def _check_separator(rest: bytes) -> None:
    if rest and not rest.startswith(b"#"):
        raise YAMLSyntaxError(f"invalid Yaml document separator: {rest.decode('utf-8', 'replace')}")


def load(
    data: bytes, *, strict: bool = False, words: Mapping[str, JSONValue] = MappingProxyType({})
) -> JSONValue:
    """The one document that `data` is, as yaml.Unmarshal of sigs.k8s.io reads it into JSON values.

    `words` are plain scalars that mean something else than there. Raises YAMLSyntaxError; with `strict` also
    for a key given twice.
    """
    value, duplicates = _load(data, words)
    if strict and duplicates:
        raise YAMLSyntaxError(
            f"{CONVERTING}yaml: unmarshal errors:\n" + "\n".join(f"  {text}" for text in duplicates)
        )
    return value


def _load(data: bytes, words: Mapping[str, JSONValue] = MappingProxyType({})) -> tuple[JSONValue, list[str]]:
    builder = _Builder(data, words)
    try:
        return builder.document(), builder.duplicates
    except _GoYAMLError as error:
        raise YAMLSyntaxError(f"{CONVERTING}{error}") from None


class _GoYAMLError(Exception):
    """What go-yaml, or the conversion to JSON after it, says."""


class _Frame:
    """A list or mapping that is being built. `operations` counts decoding steps as go-yaml does."""

    __slots__ = ("anchor", "holder", "is_map", "items", "key", "merges", "operations")

    def __init__(self, *, is_map: bool, anchor: str | None) -> None:
        self.is_map = is_map
        self.items: Any = {} if is_map else []
        self.key: str | None = None
        self.merges = False
        self.anchor = anchor
        self.operations = 1
        self.holder: _Anchored | None = None


class _Anchored:
    """What an anchor stands for: not ready while its node is still open."""

    __slots__ = ("operations", "ready", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self.operations = 0
        self.ready = False


class _Alias:
    """A value that came through an alias: only an alias of a mapping may be merged."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class _Builder:
    """Builds the first document of a text.

    go-yaml parses it whole before it decodes, so that mistakes of syntax come before all others: those of
    decoding are kept until the end of the document.
    """

    def __init__(self, data: bytes, words: Mapping[str, JSONValue]) -> None:
        self._data = data
        self.duplicates: list[str] = []
        self._anchors: dict[str, _Anchored] = {}
        self._frames: list[_Frame] = []
        self._operations = 0
        self._aliased = 0
        self._failure: _GoYAMLError | None = None
        self._result: Any = None
        self._scalars: dict[str, JSONValue] = dict(words)

    def document(self) -> JSONValue:
        import yaml  # loaded by the commands that read files, and by no others
        import yaml.cyaml

        parser = yaml.cyaml.CParser(self._data)  # type: ignore[attr-defined]
        try:
            self._events(parser, yaml)
        except yaml.reader.ReaderError as error:
            raise _GoYAMLError(f"yaml: {error.reason}") from None
        except yaml.MarkedYAMLError as error:
            scanner = isinstance(error, yaml.scanner.ScannerError)
            raise _GoYAMLError(_syntax(error, is_scanner=scanner)) from None
        finally:
            parser.dispose()
        if self._failure is not None:
            raise self._failure
        return self._result

    def _events(self, parser: Any, yaml: Any) -> None:
        scalar, end_types = yaml.ScalarEvent, (yaml.MappingEndEvent, yaml.SequenceEndEvent)
        get = parser.get_event
        while True:
            event = get()
            kind = type(event)
            if kind is scalar:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._open(event, is_map=kind is yaml.MappingStartEvent)
            elif kind in end_types:
                self._close(event)
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentEndEvent or kind is yaml.StreamEndEvent:
                return

    def _fail(self, text: str) -> None:
        if self._failure is None:
            self._failure = _GoYAMLError(text)

    def _count(self, operations: int, aliased: int = 0) -> None:
        # As decoder.unmarshal: the ratio only grows within an alias, so it is enough to look at its end.
        self._operations += operations
        self._aliased += aliased
        if (
            self._aliased > 100
            and self._operations > 1000
            and self._aliased / self._operations > _allowed_ratio(self._operations)
        ):
            self._fail("yaml: document contains excessive aliasing")

    def _scalar(self, event: Any) -> None:
        text, tag, implicit = event.value, event.tag, event.implicit[0]
        frame = self._frames[-1] if self._frames else None
        if text == "<<" and _takes_merge(frame) and (implicit or tag == f"{_LONG_TAG}merge"):
            frame.merges = True  # type: ignore[union-attr]
            return
        if tag is None and not implicit:
            value: Any = text
        elif tag is None:
            value = self._scalars.get(text, _MISSING)
            if value is _MISSING:
                value = self._scalars[text] = resolve(text)[1]
        else:
            value = self._tagged(tag, text)
        if event.anchor is not None:
            holder = self._anchors[event.anchor] = _Anchored()
            holder.value, holder.operations, holder.ready = value, 1, True
        self._count(1)
        if frame is not None:
            frame.operations += 1
        self._add(value, event)

    def _tagged(self, long: str, text: str) -> Any:
        tag = f"!!{long.removeprefix(_LONG_TAG)}" if long.startswith(_LONG_TAG) else long
        if tag == "!!binary":
            try:
                data = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
            except (binascii.Error, ValueError):
                self._fail("yaml: !!binary value contains invalid base64 data")
                return None
            return data.decode("utf-8", "replace")
        if tag not in _RESOLVABLE or tag == STR:
            return text
        found, value = resolve(text)
        if found == TIMESTAMP and tag != TIMESTAMP:
            found = STR
        if tag == TIMESTAMP and is_timestamp(text):
            return text
        if found == tag:
            return value
        if tag == FLOAT and found == INT and -_MAX_INT64 <= value <= _MAX_INT64:
            return float(value)
        self._fail(f"yaml: cannot decode {found} `{text}` as a {tag}")
        return None

    def _open(self, event: Any, *, is_map: bool) -> None:
        frame = _Frame(is_map=is_map, anchor=event.anchor)
        if event.anchor is not None:
            frame.holder = self._anchors[event.anchor] = _Anchored()
        if len(self._frames) >= MAX_DEPTH:
            raise _GoYAMLError(f"yaml: exceeded max depth of {MAX_DEPTH}")
        self._frames.append(frame)
        self._count(1)

    def _close(self, event: Any) -> None:
        frame = self._frames.pop()
        value = frame.items if frame.is_map else _unwrapped(frame.items)
        if frame.holder is not None:
            frame.holder.value, frame.holder.operations, frame.holder.ready = value, frame.operations, True
        if self._frames:
            self._frames[-1].operations += frame.operations
        kept = frame.items if self._frames and self._frames[-1].merges else value
        self._add(kept, event)

    def _alias(self, event: Any) -> None:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise _GoYAMLError(f"yaml: unknown anchor '{event.anchor}' referenced")
        if not anchored.ready:
            self._fail(f"yaml: anchor '{event.anchor}' value contains itself")
        self._count(1 + anchored.operations, anchored.operations)
        if self._frames:
            self._frames[-1].operations += 1 + anchored.operations
        value = None if self._failure else deep_copy(anchored.value)
        self._add(_Alias(value), event)

    def _add(self, value: Any, event: Any) -> None:
        """Put a finished value where it belongs."""
        if not self._frames:
            self._result = self._convert(value.value if type(value) is _Alias else value)
            return
        frame = self._frames[-1]
        if not frame.is_map:
            frame.items.append(value if type(value) is _Alias else self._convert(value))
        elif frame.merges:
            frame.merges = False
            self._merge(frame, value)
        elif frame.key is None:
            frame.key = self._key(value.value if type(value) is _Alias else value)
        else:
            found = self._convert(value.value if type(value) is _Alias else value)
            if frame.key is _NULL_KEY:
                value = go_syntax(found, "interface {}")
                self._fail(f"unsupported map key of type: %!s(<nil>), key: <nil>, value: {value}")
            if frame.key in frame.items:
                line = event.start_mark.line + 1
                self.duplicates.append(f"line {line}: key {quote(frame.key)} already set in map")
            frame.items[frame.key] = found
            frame.key = None

    def _merge(self, frame: _Frame, value: Any) -> None:
        # Later ones win over earlier ones, whether merged or written: go-yaml v2.
        through_alias = type(value) is _Alias
        found = value.value if through_alias else value
        if isinstance(found, dict):
            frame.items.update(found)
            return
        if through_alias or not isinstance(found, list):
            self._fail("yaml: map merge requires map or sequence of maps as the value")
            return
        for item in reversed(_unwrapped(found)):
            if not isinstance(item, dict):
                self._fail("yaml: map merge requires map or sequence of maps as the value")
                return
            frame.items.update(item)

    def _key(self, value: Any) -> str:
        """A key as the conversion to JSON writes it."""
        if isinstance(value, str):
            return value
        if isinstance(value, (dict, list)):
            self._fail(f"yaml: invalid map key: {go_syntax(value, 'interface {}')}")
            return ""
        if value is None:
            return _NULL_KEY
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, int) else _float32(value)

    def _convert(self, value: Any) -> Any:
        """A number as it comes out of the JSON through which kubectl sends it."""
        if type(value) is float:
            if value != value or value in (float("inf"), float("-inf")):
                name = {float("inf"): "+Inf", float("-inf"): "-Inf"}.get(value, "NaN")
                self._fail(f"json: unsupported value: {name}")
                return None
            if value.is_integer() and abs(value) < _MAX_INT64:
                return int(value)
        elif type(value) is int and value > _MAX_INT64:
            return float(value)
        return value


_MISSING = object()
_NULL_KEY: Final = "".join(("nu", "ll"))  # told from other keys by its identity


def _takes_merge(frame: _Frame | None) -> bool:
    return frame is not None and frame.is_map and frame.key is None and not frame.merges


def _unwrapped(items: list[Any]) -> list[Any]:
    """A list with what came through aliases itself."""
    return [item.value if type(item) is _Alias else item for item in items]


def _allowed_ratio(operations: int) -> float:
    """How much of the decoding may come from aliases: 99 % of small documents, 10 % of large ones."""
    low, high = 400_000, 4_000_000
    if operations <= low:
        return 0.99
    if operations >= high:
        return 0.10
    return 0.99 - 0.89 * (operations - low) / (high - low)


def _syntax(error: Any, *, is_scanner: bool) -> str:
    """go-yaml's text for a mistake of syntax; the line that its parser names is one too low."""
    line = 0
    if error.problem_mark is not None and error.problem_mark.line:
        line = error.problem_mark.line + is_scanner
    elif error.context_mark is not None and error.context_mark.line:
        line = error.context_mark.line
    where = f"line {line}: " if line else ""
    return f"yaml: {where}{error.problem or 'unknown problem parsing YAML content'}"


def _float32(value: float) -> str:
    """A float as strconv.FormatFloat(v, 'g', -1, 32) writes it, as keys are converted."""
    if value != value or value in (float("inf"), float("-inf")):
        return {float("inf"): ".inf", float("-inf"): "-.inf"}.get(value, ".nan")
    try:
        narrow = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return ".inf" if value > 0 else "-.inf"
    for digits in range(1, 10):
        text = f"{narrow:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == narrow:
            break
    return float_text(float(text))
