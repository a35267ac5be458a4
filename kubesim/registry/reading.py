"""Reading one resource from the store: get, list with selectors and in pieces, watch.

A list costs what it returns: a name is a key, labels and fields are look-ups in an index, and only what is
left is compared object by object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from kubesim.apimachinery import errors
from kubesim.apimachinery.fields import FieldSelector
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.scheme import Resource
from kubesim.registry.conversion import Conversion, conversion_of
from kubesim.registry.keys import UNINDEXED, prefix_of
from kubesim.registry.listing import (
    EXACT,
    VERSION_TOO_OLD,
    ListOptions,
    Position,
    continue_too_old,
    decode_token,
    encode_token,
    parse_resource_version,
    too_large,
)
from kubesim.registry.watching import Watch
from kubesim.storage.interface import Compacted, FutureRevision, Page, Row, Storage
from kubesim.util.clock import Clock
from kubesim.util.collection import collection_paused
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, decode, encode

Match = Callable[[JSONObject], bool]
Objects = list[JSONObject]
LookUp = tuple[str, tuple[str, ...]]
"""An index and the values of which any will do."""
Found = tuple[Row, JSONObject | None]
"""A row, and its object where that had to be looked into."""
Selection = list[Found]
Selected = tuple[Objects, int, int | None, Position | None]
"""Objects, the revision they are of, how many are left, and where to go on (None at the end)."""
MANY = 500
"""Of so many objects, decoding is what Python's garbage collector would slow down."""
TALLY_BOUNDS = (30, 3000)
"""How far the finds of look-ups are counted to choose the one with the fewest: a few, then many."""
NO_REVISION = b'"resourceVersion":""'
STANDARD_LABELS = frozenset({"metadata.name", "metadata.namespace"})
_NOT_LOOKED_UP = STANDARD_LABELS | UNINDEXED


class Reading:
    """The reading half of a resource's registry. Objects that come out are the caller's own."""

    def __init__(self, resource: Resource, *, storage: Storage, clock: Clock) -> None:
        self.resource = resource
        self.storage = storage
        self.clock = clock
        self._conversion: Conversion | None = conversion_of(resource.gvr)
        self._labels: frozenset[str] | None = None

    @property
    def gvr(self) -> GroupVersionResource:
        return self.resource.gvr

    # One object.

    def key(self, namespace: str, name: str) -> str:
        return prefix_of(self.gvr, namespace) + name

    def load(self, row: Row) -> JSONObject:
        """A row as the object that clients see, freshly decoded."""
        return self.load_value(row.value, row.revision)

    def load_value(self, value: bytes, revision: int) -> JSONObject:
        obj: JSONObject = decode(value)
        obj["metadata"]["resourceVersion"] = str(revision)
        return self._conversion.from_stored(obj) if self._conversion else obj

    def get(self, namespace: str, name: str, *, resource_version: str = "") -> JSONObject:
        """One object. Raises StatusError 404, or 504 for a resourceVersion that does not exist yet."""
        wanted = parse_resource_version(resource_version)
        if wanted and wanted > self.storage.revision():
            raise too_large(wanted, self.storage.revision())
        row = self.storage.get(self.key(namespace, name))
        if row is None:
            raise errors.not_found(self.resource.plural, name, group=self.resource.group)
        return self.load(row)

    def get_json(self, namespace: str, name: str) -> bytes:
        """One object as its JSON. Raises StatusError 404."""
        row = self.storage.get(self.key(namespace, name))
        if row is None:
            raise errors.not_found(self.resource.plural, name, group=self.resource.group)
        return self._json(row)

    def _json(self, row: Row) -> bytes:
        """A row as JSON with its revision in the place that is kept for it; names before it have no quotes."""
        at = row.value.find(NO_REVISION) if self._conversion is None else -1
        if at < 0:  # converted, or stored by a kubesim that kept no place
            return encode(self.load(row))
        return b'%s"resourceVersion":"%d"%s' % (
            row.value[:at],
            row.revision,
            row.value[at + len(NO_REVISION) :],
        )

    def _item_json(self, row: Row) -> bytes:
        text = self._json(row)
        head = self._head
        return b"{" + text[len(head) :] if text.startswith(head) else encode(_untyped(self.load(row)))

    @cached_property
    def _head(self) -> bytes:
        """How every stored object of this resource begins."""
        return f'{{"kind":"{self.resource.kind}","apiVersion":"{self.resource.api_version}",'.encode()

    # Many objects.

    def check_field_selector(self, selector: FieldSelector) -> FieldSelector:
        """Raises StatusError 400 for a field that this kind cannot be selected by."""
        known = self._selectable()
        for requirement in selector.requirements:
            label = requirement.field
            if label in known:
                continue
            if self.resource.kind == "Job":
                raise errors.bad_request(f"field label {quote(label)} not supported for Job")
            if known <= STANDARD_LABELS:
                raise errors.bad_request(
                    f"{quote(label)} is not a known field selector: "
                    'only "metadata.name", "metadata.namespace"'
                )
            raise errors.bad_request(f"field label not supported: {label}")
        return selector

    def _selectable(self) -> frozenset[str]:
        if self._labels is None:
            sample: JSONObject = {"metadata": {"name": "x", "namespace": "x"}}
            self._labels = frozenset(self.resource.fields(sample)) | STANDARD_LABELS
        return self._labels

    def list(
        self,
        namespace: str,
        options: ListOptions,
        *,
        index: tuple[str, Sequence[str]] | None = None,
    ) -> JSONObject:
        """A List object, items in the order of their keys. `index` is a look-up as client-go's ByIndex."""
        objects, page, remaining, following = self.select(namespace, options, index=index)
        return {
            "kind": f"{self.resource.kind}List",
            "apiVersion": self.resource.api_version,
            "metadata": _list_metadata(options, page, remaining, following),
            "items": objects,
        }

    def list_json(self, namespace: str, options: ListOptions) -> bytes:
        """The same List as its JSON, put together from what is stored; items do not repeat what they are."""
        found, page, remaining, following = self._select(namespace, options, None)
        resource = self.resource
        metadata = encode(_list_metadata(options, page, remaining, following))
        head = f'{{"kind":"{resource.kind}List","apiVersion":"{resource.api_version}","metadata":'.encode()
        items = b",".join([self._item_json(row) for row, _ in found])
        return b"".join((head, metadata, b',"items":[', items, b"]}"))

    def select(
        self, namespace: str, options: ListOptions, *, index: tuple[str, Sequence[str]] | None = None
    ) -> Selected:
        """What a list returns, before it is a List. Raises StatusError."""
        found, page, remaining, following = self._select(namespace, options, index)
        if len(found) < MANY:
            return [obj or self.load(row) for row, obj in found], page, remaining, following
        with collection_paused():
            return [obj or self.load(row) for row, obj in found], page, remaining, following

    def _select(
        self, namespace: str, options: ListOptions, index: tuple[str, Sequence[str]] | None
    ) -> tuple[Selection, int, int | None, Position | None]:
        """The rows that are selected, those decoded that had to be looked into. Raises StatusError."""
        namespace = self._narrowed(namespace, options)
        prefix = prefix_of(self.gvr, namespace)
        at, after = self._position(options)
        page = self._looked_up(namespace, prefix, options, index) if at is None and not after else None
        if page is None:
            return self._scanned(prefix, options, at, after)
        found = self._matching(page.rows, options)
        if not options.limit or len(found) <= options.limit:
            return found, page.revision, None, None
        kept = found[: options.limit]
        start = kept[-1][0].key[len(prefix) :]
        return kept, page.revision, len(found) - options.limit, Position(start, page.revision)

    def _narrowed(self, namespace: str, options: ListOptions) -> str:
        """A field selector may name the one namespace."""
        if namespace or not self.resource.namespaced:
            return namespace
        return options.field_selector.exact_match("metadata.namespace") or ""

    def _position(self, options: ListOptions) -> tuple[int | None, str]:
        """The revision to list at (None for the newest), and the key to start after. Raises StatusError."""
        if options.continue_token:
            if options.resource_version not in {"", "0"}:
                raise errors.bad_request("specifying resource version is not allowed when using continue")
            position = decode_token(options.continue_token)
            return position.revision, position.start
        wanted = parse_resource_version(options.resource_version)
        if not wanted:
            return None, ""
        if options.resource_version_match == EXACT or (options.limit and not options.resource_version_match):
            return wanted, ""
        current = self.storage.revision()
        if wanted > current:
            raise too_large(wanted, current)
        return None, ""

    def _looked_up(
        self, namespace: str, prefix: str, options: ListOptions, index: tuple[str, Sequence[str]] | None
    ) -> Page | None:
        """The candidates by key or by index; None if all of the prefix has to be read."""
        whole = bool(namespace) or not self.resource.namespaced
        if index is not None:
            name, values = index
            if whole and name == "field" and all(v.startswith("metadata.name=") for v in values):
                return self._by_names(prefix, sorted({v.partition("=")[2] for v in values}))
            return self.storage.lookup(prefix, name, values)
        name_wanted = options.field_selector.exact_match("metadata.name")
        if name_wanted and whole:
            return self._by_names(prefix, [name_wanted])
        if self._conversion is not None:
            return None
        rarest = self._rarest(prefix, options)
        return self.storage.lookup(prefix, *rarest) if rarest else None

    def _rarest(self, prefix: str, options: ListOptions) -> LookUp | None:
        """The look-up, of those that the selectors allow, that finds least; None if they allow none."""
        allowed: list[LookUp] = [("label", pairs) for pairs in options.label_selector.lookups()]
        allowed += [
            ("field", (f"{r.field}={r.value}",))
            for r in options.field_selector.requirements
            if r.operator == "=" and r.value and r.field not in _NOT_LOOKED_UP
        ]
        if len(allowed) < 2:
            return allowed[0] if allowed else None
        tallies: list[int] = []
        for bound in TALLY_BOUNDS:
            tallies = [self.storage.tally(prefix, name, values, bound) for name, values in allowed]
            if min(tallies) < bound:
                break
        return allowed[tallies.index(min(tallies))]

    def _by_names(self, prefix: str, names: Sequence[str]) -> Page:
        rows = [row for row in (self.storage.get(prefix + n) for n in names) if row is not None]
        return Page(rows, self.storage.revision())

    def _scanned(
        self, prefix: str, options: ListOptions, at: int | None, after: str
    ) -> tuple[Selection, int, int | None, Position | None]:
        found: Selection = []
        start = prefix + after if after else ""
        limit = options.limit
        while True:
            page = self._page(prefix, at, start, limit - len(found) if limit else 0, options)
            found += self._matching(page.rows, options)
            if not page.more:
                return found, page.revision, None, None
            # A page may hold fewer matches than asked for: read on, at the same revision.
            at, start = page.revision, page.rows[-1].key
            if len(found) >= limit:
                return found, page.revision, page.remaining, Position(start[len(prefix) :], page.revision)

    def _page(self, prefix: str, at: int | None, start: str, limit: int, options: ListOptions) -> Page:
        try:
            return self.storage.list(prefix, at=at, after=start, limit=limit)
        except Compacted:
            if options.continue_token:
                raise continue_too_old(Position(start[len(prefix) :], None)) from None
            raise errors.expired(VERSION_TOO_OLD) from None
        except FutureRevision as error:
            raise too_large(error.asked, error.current) from None

    def _matching(self, rows: Sequence[Row], options: ListOptions) -> Selection:
        match = self.matcher(options)
        if match is None:
            return [(row, None) for row in rows]
        if len(rows) < MANY:
            return [found for found in ((row, self.load(row)) for row in rows) if match(found[1])]
        with collection_paused():
            return [found for found in ((row, self.load(row)) for row in rows) if match(found[1])]

    def matcher(self, options: ListOptions) -> Match | None:
        """Whether an object is selected; None if every one is."""
        labels, fields = options.label_selector, options.field_selector
        if not options.selective:
            return None

        def match(obj: JSONObject) -> bool:
            return (labels.empty() or labels.matches(obj["metadata"].get("labels") or {})) and (
                fields.empty() or fields.matches(self.resource.fields(obj))
            )

        return match

    def watch(self, namespace: str, options: ListOptions) -> Watch:
        """A watch from a revision on, or from what is there now."""
        return Watch(self, self._narrowed(namespace, options), options)


def _list_metadata(
    options: ListOptions, revision: int, remaining: int | None, following: Position | None
) -> JSONObject:
    metadata: JSONObject = {"resourceVersion": str(revision)}
    if following is not None:
        metadata["continue"] = encode_token(following)
        if remaining is not None and not options.selective:
            metadata["remainingItemCount"] = remaining
    return metadata


def _untyped(obj: JSONObject) -> JSONObject:
    """An object without what it is, as a typed list holds it."""
    return {k: v for k, v in obj.items() if k not in ("kind", "apiVersion")}
