"""The difference of two Go values as google/go-cmp writes it, which the API server puts into some refusals.

The tree of the comparison is built as cmp.Diff builds it, and written by the same rules: two identical
fields around a change, values shortened by their depth. What go-cmp writes for long texts and byte slices
has no place here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from kubesim.apis.govalue import go_fields, is_zero, struct_fields, underlying
from kubesim.util.gotext import quote
from kubesim.util.quantity import Quantity

Mode = Literal["", " ", "-", "+"]
TypeMode = Literal["emit", "elide", "auto"]
_ABSENT = object()
_CONTEXT = 2
_LINE = 80
_ELLIPSIS = "..."


def diff(kind: str, old: Any, new: Any) -> str:
    """The difference of two values of a type (`core.PodSpec`), empty where there is none."""
    root = _compare(kind, old, new)
    if not root.differing:
        return ""
    text = _Options().format_diff(root)
    return "  " + _expanded(_compact(text, ""), "", 0) + "\n"


@dataclass(slots=True)
class _Node:
    """Two values side by side: report_value.go, valueNode."""

    kind: str
    x: Any
    y: Any
    same: int = 0
    differing: int = 0
    depth: int = 0
    children: int = 0
    records: list[tuple[str, _Node]] = field(default_factory=list)
    target: _Node | None = None
    parent_kind: str = ""

    def add(self, child: _Node) -> None:
        child.parent_kind = self.kind
        self.same += child.same
        self.differing += child.differing
        self.children += child.children + 1
        self.depth = max(self.depth, child.depth + 1)


def _leaf(kind: str, x: Any, y: Any, *, equal: bool) -> _Node:
    return _Node(kind, x, y, same=int(equal), differing=int(not equal))


def _compare(kind: str, x: Any, y: Any) -> _Node:
    if x is _ABSENT or y is _ABSENT:
        return _leaf(kind, x, y, equal=False)
    base = underlying(kind)
    if kind == "resource.Quantity":
        return _leaf(kind, x, y, equal=Quantity.from_json(x or 0) == Quantity.from_json(y or 0))
    if kind.startswith("*"):
        return _compare_pointer(kind, x, y)
    if base.startswith("[]"):
        return _compare_lists(kind, base[2:], x, y)
    if base.startswith("map["):
        return _compare_maps(kind, base, x, y)
    if struct_fields(kind) is not None:
        node = _Node(kind, x, y)
        others = [v for _, v in go_fields(kind, y)]
        for (found, value), other in zip(go_fields(kind, x), others, strict=True):
            child = _compare(found.type, value, other)
            node.add(child)
            node.records.append((found.name, child))
        return node
    return _leaf(kind, x, y, equal=(x or _zero(base)) == (y or _zero(base)))


def _zero(base: str) -> Any:
    return "" if base == "string" else False if base == "bool" else 0


def _compare_pointer(kind: str, x: Any, y: Any) -> _Node:
    if x is None or y is None:
        return _leaf(kind, x, y, equal=x is None and y is None)
    node = _Node(kind, x, y)
    node.target = _compare(kind[1:], x, y)
    node.add(node.target)
    return node


def _compare_maps(kind: str, base: str, x: Any, y: Any) -> _Node:
    if x is None or y is None:
        return _leaf(kind, x, y, equal=x is None and y is None)
    node = _Node(kind, x, y)
    item = base.partition("]")[2]
    for key in sorted({*x, *y}):
        child = _compare(item, x.get(key, _ABSENT), y.get(key, _ABSENT))
        node.add(child)
        node.records.append((_map_key(base, key), child))
    return node


def _map_key(base: str, key: str) -> str:
    # core.ResourceName has a String method, which go-cmp marks with an s.
    return f"s{quote(key)}" if base.startswith("map[core.ResourceName]") else quote(key)


def _compare_lists(kind: str, item: str, x: Any, y: Any) -> _Node:
    if x is None or y is None:
        return _leaf(kind, x, y, equal=x is None and y is None)
    node = _Node(kind, x, y)
    for left, right in _aligned(item, x, y):
        child = _compare(item, left, right)
        node.add(child)
        node.records.append(("", child))
    return node


def _aligned(item: str, x: list[Any], y: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Pairs of items; what has no partner stands alone."""
    start = 0
    while start < min(len(x), len(y)) and not _compare(item, x[start], y[start]).differing:
        yield x[start], y[start]
        start += 1
    end = 0
    while end < min(len(x), len(y)) - start and not _compare(item, x[-1 - end], y[-1 - end]).differing:
        end += 1
    left, right = x[start : len(x) - end], y[start : len(y) - end]
    for at in range(max(len(left), len(right))):
        one = left[at] if at < len(left) else _ABSENT
        other = right[at] if at < len(right) else _ABSENT
        if one is not _ABSENT and other is not _ABSENT:
            node = _compare(item, one, other)
            if node.same + 1 < node.differing:
                yield one, _ABSENT
                yield _ABSENT, other
                continue
        yield one, other
    if end:
        yield from zip(x[len(x) - end :], y[len(y) - end :], strict=True)


# The text that is written: a line, or a list of records between a prefix and a suffix.
_Text: TypeAlias = "str | _Wrap | list[_Record]"


@dataclass(slots=True)
class _Record:
    value: _Text
    mode: Mode = ""
    key: str = ""
    comment: str = ""
    comma: bool = True


@dataclass(slots=True)
class _Wrap:
    prefix: str
    value: _Text
    suffix: str = ""


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b)


def _add_ellipsis(records: list[_Record], comment: str = "") -> None:
    if records and records[-1].value == _ELLIPSIS:
        return
    records.append(_Record(_ELLIPSIS, comment=comment, comma=False))


@dataclass(frozen=True, slots=True)
class _Options:
    """How a value is to be written: report_compare.go, formatOptions."""

    mode: Mode = ""
    types: TypeMode = "emit"
    level: int = 0
    limited: bool = False

    @property
    def verbosity(self) -> int:
        return min(max(self.level, 0), 16)

    def limit(self, shift: int) -> int:
        return ((1 << self.verbosity) >> 1) << 2 if shift == 2 else (1 << self.verbosity) << 1

    def deeper(self) -> _Options:
        return replace(self, level=self.level - 1) if self.limited else self

    def format_diff(self, node: _Node) -> Any:
        opts = self
        if opts.mode == " ":
            opts = replace(opts, level=1, limited=True)
        elif opts.verbosity < 3:
            opts = replace(opts, level=3, limited=True)
        if node.depth == 0:
            return opts.format_leaf(node)
        if node.kind.startswith("*") and node.target is not None:
            return _Wrap("&", opts.format_diff(node.target))
        return opts.format_type(node.kind, opts.format_records(node))

    def format_leaf(self, node: _Node) -> Any:
        if self.mode == "-":
            return self.format_value(node.kind, node.x)
        if self.mode == "+":
            return self.format_value(node.kind, node.y)
        if not node.differing:
            texts = (self.format_value(node.kind, node.x), self.format_value(node.kind, node.y))
            return min(texts, key=_length)
        plain = replace(self, types="elide")
        records = []
        for mode, value in (("-", node.x), ("+", node.y)):
            text = plain.format_value(node.kind, value)
            if text is not None:
                records.append(_Record(text, mode=mode))  # type: ignore[arg-type]
        return replace(self, types="emit").format_type(node.kind, records)

    def format_type(self, kind: str, text: Any) -> Any:
        if self.types == "elide":
            return text
        if self.types == "auto":
            base = underlying(kind)
            composite = base.startswith(("[]", "map[")) or struct_fields(kind) is not None
            if not composite or kind.startswith("*") or text == "nil" or self.mode == " ":
                return text
        if isinstance(text, _Wrap) and text.prefix.startswith("{"):
            return _Wrap(kind, text)
        return _Wrap(f"({kind})" if kind.startswith("*") else kind, _Wrap("(", text, ")"))

    def format_records(self, node: _Node) -> Any:
        base = underlying(node.kind)
        struct = struct_fields(node.kind) is not None
        name = "field" if struct else "element" if base.startswith("[]") else "entry"
        opts = replace(self, types="auto" if struct else "elide")
        limit = -1
        if opts.limited:
            limit = opts.limit(2 if opts.mode == " " else 1)
            opts = opts.deeper()
        if opts.mode:
            return _Wrap("{", opts.one_sided(node, limit, struct=struct), "}")
        return _Wrap("{", opts.two_sided(node, limit, name), "}")

    def one_sided(self, node: _Node, limit: int, *, struct: bool) -> list[_Record]:
        records: list[_Record] = []
        for key, child in node.records:
            if len(records) == limit:
                _add_ellipsis(records)
                break
            if struct:
                zeros = [is_zero(child.kind, v) for v in (child.x, child.y)]
                if {" ": any(zeros), "-": zeros[0], "+": zeros[1]}[self.mode]:
                    continue
            text = self.format_diff(child)
            if text is not None:
                records.append(_Record(text, key=key))
        return records

    def two_sided(self, node: _Node, limit: int, name: str) -> list[_Record]:
        records: list[_Record] = []
        groups = list(_groups(node.records))
        changes = 0
        left_out = _Stats()
        for at, group in enumerate(groups):
            if 0 <= limit <= changes:
                left_out.count(group)
                continue
            if not group[0][1].differing:
                self._context(records, group, name, first=at == 0, last=at == len(groups) - 1)
                continue
            for key, child in group:
                self._change(records, key, child)
            changes += len(group)
        if text := left_out.text(name):
            _add_ellipsis(records, text)
        return records

    def _context(
        self, records: list[_Record], group: list[tuple[str, _Node]], name: str, *, first: bool, last: bool
    ) -> None:
        count = len(group)
        low = 0 if first else min(_CONTEXT, count)
        high = 0 if last else min(_CONTEXT, count - low)
        if count - low - high == 1:
            high += 1  # one more costs no more than saying that there is one
        calm = replace(self, mode=" ")
        records += [_Record(calm.format_diff(child), key=key) for key, child in group[:low]]
        if count > low + high:
            rest = count - low - high
            _add_ellipsis(records, f"{rest} identical {_plural(name, rest)}")
        records += [_Record(calm.format_diff(child), key=key) for key, child in group[count - high :]]

    def _change(self, records: list[_Record], key: str, child: _Node) -> None:
        if child.children != child.depth:
            records.append(_Record(self.format_diff(child), key=key))
            return
        one, other = (replace(self, mode=mode).format_diff(child) for mode in ("-", "+"))
        level = 0
        while one is not None and other is not None and _equal(one, other) and level <= 6:
            opts = replace(self, level=self.verbosity + 2 * level)
            one, other = (replace(opts, mode=mode).format_diff(child) for mode in ("-", "+"))
            level += 1
        if one is not None:
            records.append(_Record(one, "-", key))
        if other is not None:
            records.append(_Record(other, "+", key))

    def format_value(self, kind: str, value: Any) -> Any:
        """A value alone: report_reflect.go, FormatValue. None for one that is not there."""
        if value is _ABSENT:
            return None
        base = underlying(kind)
        if kind.startswith("*"):
            if value is None:
                return self.format_type(kind, "nil")
            return _Wrap("&", self.format_value(kind[1:], value))
        if kind == "v1.Time":
            return f"s{quote(str(value or '0001-01-01 00:00:00 +0000 UTC'))}"
        if base.startswith(("[]", "map[")):
            return self.format_type(kind, self._collection(base, value))
        if struct_fields(kind) is not None or kind in {"resource.Quantity", "intstr.IntOrString"}:
            return self.format_type(kind, self._struct(kind, value))
        return self._scalar(kind, base, value)

    def _scalar(self, kind: str, base: str, value: Any) -> Any:
        if base == "string":
            text = str(value or "")
            prefix = "s" if kind == "core.ResourceName" else ""
            size = (1 << self.verbosity) << 5 if self.limited else len(text)
            if len(text) > size + len(_ELLIPSIS):
                return f"{prefix}{_quoted(text[:size])}{_ELLIPSIS}"
            return f"{prefix}{_quoted(text)}"
        if base == "bool":
            return self.format_type(kind, "true" if value else "false")
        return self.format_type(kind, str(value or 0))

    def _collection(self, base: str, value: Any) -> Any:
        if value is None:
            return "nil"
        limit = self.limit(2) if self.limited else len(value)
        opts = replace(self.deeper(), types="elide")
        item = base[2:] if base.startswith("[]") else base.partition("]")[2]
        entries = [("", v) for v in value] if isinstance(value, list) else sorted(value.items())
        records: list[_Record] = []
        for key, entry in entries:
            if len(records) == limit:
                _add_ellipsis(records)
                break
            records.append(_Record(opts.format_value(item, entry), key=_map_key(base, key) if key else ""))
        return _Wrap("{", records, "}")

    def _struct(self, kind: str, value: Any) -> Any:
        found = list(_struct_values(kind, value))
        limit = self.limit(2) if self.limited else len(found)
        opts = replace(self.deeper(), types="auto")
        records: list[_Record] = []
        for name, part, entry in found:
            if is_zero(part, entry):
                continue
            if len(records) == limit:
                _add_ellipsis(records)
                break
            records.append(_Record(opts.format_value(part, entry), key=name))
        return _Wrap("{", records, "}")


def _struct_values(kind: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    if kind == "resource.Quantity":
        amount = Quantity.from_json(value or 0)
        yield "i", "resource.int64Amount", {"value": amount.mantissa, "scale": amount.scale}
        yield "s", "string", str(amount)
        yield "Format", "resource.Format", amount.format
    elif kind == "intstr.IntOrString":
        text = isinstance(value, str)
        yield "Type", "intstr.Type", int(text)
        yield "IntVal", "int32", 0 if text else value
        yield "StrVal", "string", value if text else ""
    else:
        for found, entry in go_fields(kind, value):
            yield found.name, found.type, entry


def _quoted(text: str) -> str:
    """A quoted text, or one in back quotes where that needs no escapes: report_reflect.go, formatString."""
    plain = quote(text)
    if len(plain) == len(text) + 2 or "`" in text or not all(c.isprintable() or c == "\t" for c in text):
        return plain
    return f"`{text}`"


def _groups(records: list[tuple[str, _Node]]) -> Iterator[list[tuple[str, _Node]]]:
    """Runs of records that are all equal, or all changed."""
    run: list[tuple[str, _Node]] = []
    for record in records:
        if run and bool(run[0][1].differing) != bool(record[1].differing):
            yield run
            run = []
        run.append(record)
    if run:
        yield run


class _Stats:
    """How many records of each sort are not shown: report_text.go, diffStats."""

    def __init__(self) -> None:
        self._counts = {"identical": 0, "removed": 0, "inserted": 0, "modified": 0}

    def count(self, group: list[tuple[str, _Node]]) -> None:
        for _, child in group:
            if not child.differing:
                self._counts["identical"] += 1
            elif child.y is _ABSENT:
                self._counts["removed"] += 1
            elif child.x is _ABSENT:
                self._counts["inserted"] += 1
            else:
                self._counts["modified"] += 1

    def text(self, name: str) -> str:
        parts = [f"{n} {word}" for word, n in self._counts.items() if n]
        if not parts:
            return ""
        noun = _plural(name, sum(self._counts.values()))
        if len(parts) < 3:
            return f"{' and '.join(parts)} {noun}"
        return f"{', '.join(parts[:-1])}, and {parts[-1]} {noun}"


def _plural(name: str, count: int) -> str:
    if count == 1:
        return name
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def _length(text: Any) -> int:
    if text is None:
        return 0
    if isinstance(text, str):
        return len(text)
    if isinstance(text, _Wrap):
        return len(text.prefix) + _length(text.value) + len(text.suffix)
    total = sum(len(r.key) + 2 * bool(r.key) + _length(r.value) for r in text)
    return total + 2 * max(len(text) - 1, 0)


def _compact(text: Any, mode: str) -> Any:
    """Put on one line what fits there: report_text.go, formatCompactTo."""
    if isinstance(text, str):
        return text
    if isinstance(text, _Wrap):
        inner = _compact(text.value, mode)
        if isinstance(inner, str):
            return f"{text.prefix}{inner}{text.suffix}"
        return _Wrap(text.prefix, inner, text.suffix)
    records = [replace(r, value=_compact(r.value, r.mode or mode)) for r in text]
    lines = all(isinstance(r.value, str) and not r.mode and not r.comment for r in records)
    joined = ", ".join(f"{r.key}: {r.value}" if r.key else str(r.value) for r in records)
    if lines and not (mode in {"-", "+"} and len(joined) > _LINE):
        return joined
    return records


def _indent(mode: str, depth: int) -> str:
    return {"-": "- ", "+": "+ "}.get(mode, "  ") + "\t" * depth


def _expanded(text: Any, mode: str, depth: int) -> str:
    """The lines of what did not fit on one: report_text.go, formatExpandedTo."""
    if isinstance(text, str):
        return text
    if isinstance(text, _Wrap):
        return f"{text.prefix}{_expanded(text.value, mode, depth)}{text.suffix}"
    records: list[_Record] = text
    if all(not r.mode and not r.key and not r.comment and isinstance(r.value, str) for r in records):
        return _batched([str(r.value) for r in records], mode, depth)
    pads = _key_padding(records)
    lines = []
    for record, pad in zip(records, pads, strict=True):
        own = record.mode or mode
        key = f"{record.key}: {' ' * pad}" if record.key else ""
        line = f"{_indent(own, depth + 1)}{key}{_expanded(record.value, own, depth + 1)}"
        lines.append(
            line + ("," if record.comma else "") + (f" // {record.comment}" if record.comment else "")
        )
    return "\n" + "\n".join(lines) + "\n" + _indent(mode, depth)


def _batched(values: list[str], mode: str, depth: int) -> str:
    lines: list[str] = []
    batch = ""
    for value in values:
        if batch and len(batch) + len(value) + 2 > _LINE:
            lines.append(batch.rstrip(" "))
            batch = ""
        batch += f"{value}, "
    if batch:
        lines.append(batch.rstrip(" "))
    body = "".join(f"\n{_indent(mode, depth + 1)}{line}" for line in lines)
    return f"{body}\n{_indent(mode, depth)}"


def _key_padding(records: list[_Record]) -> list[int]:
    """Blanks after the keys of neighbouring one-line values, so that these stand below each other."""
    pads = [0] * len(records)
    run: list[int] = []
    for at, record in [*enumerate(records), (len(records), _Record([]))]:
        if at < len(records) and record.key and isinstance(record.value, str):
            run.append(at)
            continue
        widest = max((len(records[i].key) for i in run), default=0)
        for i in run:
            pads[i] = widest - len(records[i].key)
        run = []
    return pads
