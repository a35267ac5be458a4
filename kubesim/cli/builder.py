"""From arguments, files and selectors to objects: what cli-runtime's resource.Builder does, with its texts.

A `Builder` is filled in with what the command line said and then visited: it yields an `Info` for each
object, and, where
`continue_on_error` is set, the exceptions met on the way in the place of the objects they concern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.meta import (
    gvk_of,
    labels_of,
    metadata_of,
    name_of,
    namespace_of,
    resource_version_of,
)
from kubesim.apimachinery.rest import JSON
from kubesim.cli.errors import AggregateError, CLIError
from kubesim.cli.flags import Flag, Values, boolean
from kubesim.cli.paths import resource_path
from kubesim.client.restmapper import Mapping, NoMatch
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.cli.command import Context
    from kubesim.cli.session import Session

NAMESPACES_PATH = "/api/v1/namespaces"
MISSING_RESOURCE = (
    "You must provide one or more resources by argument or filename.\n"
    "Example resource specifications include:\n"
    "   '-f rsrc.yaml'\n"
    "   '--filename=rsrc.json'\n"
    "   '<resource> <name>'\n"
    "   '<resource>'"
)
SELECTOR_FLAG = Flag(
    "selector", "Label selector: key=value, key!=value, 'key in (a,b)', key, !key; all must hold.", "l"
)
ALL_NAMESPACES_FLAG = boolean("all-namespaces", "In all namespaces, whatever --namespace says.", "A")
FIELD_SELECTOR_FLAG = Flag("field-selector", "Field selector: key=value or key!=value, separated by commas.")
CHUNK_SIZE_FLAG = Flag(
    "chunk-size", "Read large lists in chunks of this size; 0: at once.", kind="int", default=500
)


def filename_flags(what: str) -> tuple[Flag, ...]:
    """`-f`, `-k` and `-R`; `what` says what the files hold."""
    return (
        Flag("filename", f"File, directory or URL {what}", "f", "slice"),
        Flag("kustomize", "Directory with a kustomization; not together with -f or -R.", "k"),
        boolean("recursive", "Take the directories of -f with all that is below them.", "R"),
    )


@dataclass(slots=True)
class Info:
    """One object that a command is about. `object` is None until it has been read."""

    mapping: Mapping
    namespace: str = ""
    name: str = ""
    source: str = ""
    object: JSONObject | None = None
    subresource: str = ""

    @property
    def path(self) -> str:
        """The object's URL. Raises CLIError."""
        if not self.name:
            raise CLIError("resource name may not be empty")
        return resource_path(self.mapping.gvr, self.namespace, self.name, self.subresource)

    @property
    def collection_path(self) -> str:
        """The URL of the objects of its kind. Raises CLIError."""
        return resource_path(self.mapping.gvr, self.namespace)

    @property
    def shown(self) -> str:
        """`service/web`, `deployment.apps/web`."""
        return f"{self.mapping.qualified_kind}/{self.name}"

    def refresh(self, obj: JSONObject) -> None:
        """Take what the server answered."""
        self.object = obj
        self.name = name_of(obj) or self.name
        self.namespace = namespace_of(obj) if self.mapping.namespaced else ""


Item = Info | Exception


_FROM_FLAGS: tuple[tuple[str, str, Callable[[Values, str], Any]], ...] = (
    ("filenames", "filename", Values.texts),
    ("kustomize", "kustomize", Values.text),
    ("recursive", "recursive", Values.is_set),
    ("all_namespaces", "all-namespaces", Values.is_set),
    ("label_selector", "selector", Values.text),
    ("field_selector", "field-selector", Values.text),
    ("local", "local", Values.is_set),
)
"""Field of a Builder, flag, and how the flag is read."""


@dataclass(slots=True)
class Builder:
    """What to visit. The fields are those of resource.Builder.

    `accept` and `query` go with every read request, so that `get` can ask for tables. `enforce_namespace`
    refuses objects of files that name another namespace than the command line does. `local` never asks the
    server for anything.
    """

    session: Session
    arguments: Sequence[str] = ()
    filenames: Sequence[str] = ()
    kustomize: str = ""
    recursive: bool = False
    namespace: str = ""
    all_namespaces: bool = False
    enforce_namespace: bool = False
    label_selector: str = ""
    field_selector: str = ""
    select_all: bool = False
    allow_empty_selector: bool = False
    single_type: bool = False
    subresource: str = ""
    latest: bool = False
    flatten: bool = False
    require_object: bool = True
    continue_on_error: bool = False
    validation: str = "Ignore"
    local: bool = False
    chunk_size: int = 500
    accept: str = JSON
    query: dict[str, str] = field(default_factory=dict)
    single_item_implied: bool = False
    targets_single_items: bool = True

    @classmethod
    def of(cls, context: Context, arguments: Sequence[str] = (), **how: Any) -> Builder:
        """A Builder with what the command line says, by those of the usual flags that the command has.

        `how` is what the command itself decides; it wins.
        """
        flags, session = context.flags, context.session
        found = {name: read(flags, flag) for name, flag, read in _FROM_FLAGS if flags.has(flag)}
        found |= {"namespace": session.namespace, "enforce_namespace": session.explicit_namespace}
        return cls(session, arguments, **(found | how))

    @property
    def has_files(self) -> bool:
        return bool(self.filenames or self.kustomize)

    def infos(self) -> tuple[list[Info], list[Exception]]:
        """Every object and every error. Errors that leave nothing to visit are raised."""
        infos: list[Info] = []
        errors: list[Exception] = []
        for item in self.visit():
            if isinstance(item, Exception):
                errors.append(item)
            else:
                infos.append(item)
        return infos, errors

    def visit(self) -> Iterator[Item]:
        """Visit each object. Raises CLIError or StatusError where errors are not to be continued after."""
        for item in self._source():
            if isinstance(item, Exception):
                if not self.continue_on_error:
                    raise item
                yield item
                continue
            try:
                self._complete(item)
            except (CLIError, StatusError) as error:
                if not self.continue_on_error:
                    raise
                yield error
                continue
            yield item

    def _complete(self, info: Info) -> None:
        if self.local:
            # Nobody has said what the kind is: its namespace stays as it is.
            return
        if info.mapping.namespaced:
            if not info.namespace and not self.all_namespaces:
                info.namespace = self.namespace
                if info.object is not None:
                    _set_namespace(info.object, self.namespace)
            elif self.enforce_namespace and info.namespace != self.namespace and self.has_files:
                raise CLIError(
                    f'the namespace from the provided object "{info.namespace}" does not match the namespace '
                    f"\"{self.namespace}\". You must pass '--namespace={info.namespace}' to perform this operation."
                )
        else:
            info.namespace = ""
            if info.object is not None and info.name:
                metadata_of(info.object).pop("namespace", None)
        if self.require_object and info.object is None:
            self.read(info)

    def read(self, info: Info) -> None:
        """Read the object. A namespace that does not exist is reported in the place of the object."""
        client = self.session.client
        try:
            answer = client.request("GET", info.path, query=self.query, accept=self.accept).body
        except StatusError as error:
            if error.reason == "NotFound" and info.namespace not in ("", "default"):
                client.request("GET", f"{NAMESPACES_PATH}/{info.namespace}")
            raise
        info.object = answer if isinstance(answer, dict) else {}

    # What is visited: files, a selector, or names.

    def _source(self) -> Iterator[Item]:
        if self.select_all and (self.label_selector or self.field_selector):
            raise CLIError("setting 'all' parameter but found a non empty selector. ")
        if len(self.filenames) and self.kustomize:
            raise CLIError("only one of -f or -k can be specified")
        if self.kustomize and self.recursive:
            raise CLIError("the -k flag can't be used with -f or -R")
        types, names, tuples = self._split()
        by_selector = bool(self.label_selector or self.field_selector or self.select_all)
        if not by_selector and self.allow_empty_selector and types and not names and not tuples:
            by_selector = len(self.arguments) == 1
        if self.has_files:
            return self._from_files(types, names, tuples)
        if by_selector:
            return self._from_selector(types, names, tuples)
        if tuples:
            return self._from_tuples(types, tuples)
        if names:
            return self._from_names(types, names)
        if types:
            for word in types:
                self._mapping(word)
            raise CLIError("resource(s) were provided, but no name was specified")
        raise CLIError(MISSING_RESOURCE)

    def _split(self) -> tuple[list[str], list[str], list[tuple[str, str]]]:
        """Types, names and type/name pairs among the arguments."""
        arguments = _normalised(list(self.arguments))
        with_slash = [a for a in arguments if "/" in a]
        if with_slash and len(with_slash) != len(arguments):
            program = self.session.streams.program
            raise CLIError(
                "there is no need to specify a resource type as a separate argument when passing arguments in "
                f"resource/name form (e.g. '{program} get resource/<resource_name>' instead of "
                f"'{program} get resource resource/<resource_name>'"
            )
        if with_slash:
            return [], [], [_pair(a) for a in arguments]
        if not arguments:
            return [], [], []
        types = [t for word in _unique(arguments[0].split(",")) for t in self._expanded(word)]
        return _unique(types), arguments[1:], []

    def _expanded(self, word: str) -> list[str]:
        """A category in the place of its resources."""
        if self.local:
            return [word]
        found = self.session.mapper.category(word)
        return [m.gvr.qualified for m in found] or [word]

    def _mapping(self, word: str) -> Mapping:
        try:
            return self.session.mapper.resource(word)
        except NoMatch as error:
            raise CLIError(str(error)) from None

    def _mappings(self, types: Sequence[str]) -> list[Mapping]:
        if len(types) > 1 and self.single_type:
            raise CLIError("you may only specify a single resource type")
        return list(dict.fromkeys(self._mapping(word) for word in types))

    def _namespace_for(self, mapping: Mapping) -> str:
        if not mapping.namespaced:
            return ""
        if self.all_namespaces:
            raise CLIError("a resource cannot be retrieved by name across all namespaces")
        if not self.namespace:
            raise CLIError("namespace may not be empty when retrieving a resource by name")
        return self.namespace

    def _from_selector(
        self, types: list[str], names: list[str], tuples: list[tuple[str, str]]
    ) -> Iterator[Item]:
        self.targets_single_items = False
        if names:
            raise CLIError("name cannot be provided when a selector is specified")
        if tuples:
            raise CLIError("selectors and the all flag cannot be used when passing resource/name arguments")
        if not types:
            raise CLIError("at least one resource must be specified to use a selector")
        if self.subresource:
            raise CLIError("subresource cannot be used when bulk resources are specified")
        return self._lists(self._mappings(types))

    def _lists(self, mappings: list[Mapping]) -> Iterator[Item]:
        failures: list[Exception] = []
        for mapping in mappings:
            namespace = self.namespace if mapping.namespaced and not self.all_namespaces else ""
            try:
                for page in self._pages(mapping, namespace):
                    if self.flatten and page.get("kind") != "Table":
                        yield from self._flat(Info(mapping, namespace, object=page))
                    else:
                        yield Info(mapping, namespace, object=page)
            except (CLIError, StatusError) as error:
                failures.append(self._selector_error(mapping, error))
                if not self.continue_on_error:
                    raise failures[0] from None
        if failures:
            yield AggregateError(failures)

    def _pages(self, mapping: Mapping, namespace: str) -> Iterator[JSONObject]:
        query = dict(self.query, labelSelector=self.label_selector, fieldSelector=self.field_selector)
        if self.chunk_size:
            query["limit"] = str(self.chunk_size)
        path = resource_path(mapping.gvr, namespace)
        while True:
            answer = self.session.client.request("GET", path, query=query, accept=self.accept).body
            page = answer if isinstance(answer, dict) else {}
            following = metadata_of(page).get("continue")
            yield page
            if not following:
                return
            query["continue"] = following

    def _selector_error(self, mapping: Mapping, error: CLIError | StatusError) -> CLIError | StatusError:
        """A refused selector is reported with both selectors, as cli-runtime's Selector does."""
        if isinstance(error, CLIError):
            return error
        if error.reason not in ("BadRequest", "NotFound") or not (self.label_selector or self.field_selector):
            return error
        text = (
            f'Unable to find "{mapping.gvr}" that match label selector "{self.label_selector}", '
            f'field selector "{self.field_selector}": {error.message}'
        )
        return StatusError(dict(error.status, message=text))

    def _from_tuples(self, types: list[str], tuples: list[tuple[str, str]]) -> Iterator[Item]:
        self.single_item_implied = self.single_item_implied or len(tuples) == 1
        if types:
            raise CLIError("you may not specify individual resources and bulk resources in the same call")
        found = [(self._mapping(word), name) for word, name in tuples]
        if self.single_type and len({m.gvr for m, _ in found}) > 1:
            raise CLIError("you may only specify a single resource type")
        infos = [Info(m, self._namespace_for(m), name, subresource=self.subresource) for m, name in found]
        return iter(infos)

    def _from_names(self, types: list[str], names: list[str]) -> Iterator[Item]:
        self.single_item_implied = len(names) == 1
        if len(types) > 1:
            raise CLIError("you must specify only one resource")
        mapping = self._mapping(types[0])
        namespace = self._namespace_for(mapping)
        return iter([Info(mapping, namespace, name, subresource=self.subresource) for name in names])

    def _from_files(
        self, types: list[str], names: list[str], tuples: list[tuple[str, str]]
    ) -> Iterator[Item]:
        if types:
            raise CLIError(
                "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well"
            )
        if tuples:
            raise CLIError("resource/name arguments cannot be provided when a path is specified")
        from kubesim.cli.files import find_sources

        found = find_sources(self.session, self.filenames, self.kustomize, recursive=self.recursive)
        self.single_item_implied = found.single_item_implied
        return self._documents(found.sources)

    def _documents(self, sources: Sequence[tuple[str, Callable[[], Iterator[Any]]]]) -> Iterator[Item]:
        """What can be read of the files, then all that was wrong with them as one error.

        A mistake of syntax and a refused document end their file; other documents that make no object do not.
        Order as in cli-runtime's EagerVisitorList, StreamVisitor and FlattenListVisitor.
        """
        matches = self._selector_filter()
        failures: list[Exception] = []
        for source, documents in sources:
            try:
                for value in documents():
                    for item in self._items(value, source):
                        if not isinstance(item, Exception):
                            if matches(item):
                                yield item
                        elif self.continue_on_error:
                            failures.append(item)
                        else:
                            raise item
            except CLIError as error:
                if not self.continue_on_error:
                    raise
                failures.append(error)
        if failures:
            yield AggregateError(failures)

    def _selector_filter(self) -> Callable[[Info], bool]:
        if not self.label_selector:
            return lambda info: True
        from kubesim.apimachinery.labels import parse_selector

        try:
            selector = parse_selector(self.label_selector)
        except ValueError as error:
            raise CLIError(f'the provided selector "{self.label_selector}" is not valid: {error}') from None
        return lambda info: selector.matches(labels_of(info.object or {}))

    def _items(self, value: Any, source: str) -> Iterator[Item]:
        from kubesim.cli.documents import decode_document, is_plain_list, validate_document

        if self.validation != "Ignore":
            validate_document(value, source, items=self.validation == "Strict")
        if self.validation == "Warn" and is_plain_list(value):
            text = "cannot perform warn validation if server-side field validation is unsupported, skipping validation"
            self.session.klog("W", "schema.go:145", text)
        try:
            obj = decode_document(value, source, lambda: self.session.schema)
            info = self._info(obj, source)
        except NoMatch as error:
            name, namespace = name_of(obj), namespace_of(obj)
            yield CLIError(
                f'resource mapping not found for name: "{name}" namespace: "{namespace}" from "{source}": {error}\n'
                "ensure CRDs are installed first"
            )
        except CLIError as error:
            yield error
        else:
            if self.flatten and "items" in obj:
                yield from self._flat(info)
            else:
                yield self._latest(info)

    def _flat(self, info: Info) -> Iterator[Item]:
        """The items of a list, each with its own kind, then what was wrong with them as one error."""
        whole = info.object or {}
        items = whole.get("items") or []
        if any(isinstance((i or {}).get("items"), list) for i in items):
            yield CLIError("*unstructured.Unstructured is not a list: no Items field in this object")
            return
        kind = {
            "apiVersion": whole.get("apiVersion"),
            "kind": str(whole.get("kind", "")).removesuffix("List"),
        }
        failures: list[Exception] = []
        for item in items:
            obj = dict(item or {})
            if not obj.get("apiVersion") and not obj.get("kind"):
                obj |= kind
            try:
                found = self._latest(self._item(obj, info.source))
            except CLIError as error:
                found = error
            if isinstance(found, Exception):
                failures.append(found)
            else:
                yield found
        if failures:
            yield AggregateError(failures)

    def _item(self, obj: JSONObject, source: str) -> Info:
        for name, word in (("kind", "kind field "), ("apiVersion", "apiVersion field")):
            if not obj.get(name) or not isinstance(obj[name], str):
                shown = "Kind" if name == "kind" else name
                raise CLIError(
                    'unable to get type info from the object "*unstructured.Unstructured": '
                    f"Object '{shown}' is missing in 'object has no {word}'"
                )
        try:
            return self._info(obj, source)
        except (NoMatch, ValueError) as error:
            raise CLIError(f"unable to recognize {error}") from None

    def _latest(self, info: Info) -> Item:
        """The object of a file as the server has it, where that is wanted."""
        if not self.latest or not self.has_files or self.local or not info.name:
            return info
        if info.mapping.namespaced and not info.namespace and not self.all_namespaces:
            info.namespace = self.namespace
        try:
            self.read(info)
        except (CLIError, StatusError) as error:
            return error
        return info

    def _info(self, obj: JSONObject, source: str) -> Info:
        """Raises NoMatch, ValueError for an API version that is none."""
        name, namespace = _text(obj, "name"), _text(obj, "namespace")
        gvk = gvk_of(obj)
        mapping = _local_mapping(gvk) if self.local else self.session.mapper.kind(gvk)
        return Info(mapping, namespace, name, source, obj, self.subresource)


def object_of(infos: Sequence[Info], *, single: bool) -> JSONObject:
    """One object, or a List of them: Result.Object."""
    if single and len(infos) == 1:
        return infos[0].object or {}
    version = resource_version_of(infos[0].object or {}) if len(infos) == 1 else ""
    return {
        "apiVersion": "v1",
        "kind": "List",
        "metadata": {"resourceVersion": version},
        "items": [i.object for i in infos],
    }


def collected(errors: Sequence[Exception]) -> Exception | None:
    """Nothing, the one error, or all together, as ContinueOnErrorVisitor returns them."""
    if not errors:
        return None
    return errors[0] if len(errors) == 1 else AggregateError(errors)


def _local_mapping(gvk: GroupVersionKind) -> Mapping:
    from kubesim.apimachinery.gvk import GroupVersionResource

    return Mapping(GroupVersionResource(gvk.group, gvk.version, gvk.kind.lower()), gvk, namespaced=True)


def _text(obj: JSONObject, name: str) -> str:
    """A text in the metadata of an object that nobody has looked at yet; empty where it is something else."""
    found = metadata_of(obj).get(name)
    return found if isinstance(found, str) else ""


def _set_namespace(obj: JSONObject, namespace: str) -> None:
    meta = obj.get("metadata")
    if meta is None:
        meta = obj["metadata"] = {}
    if isinstance(meta, dict):
        meta["namespace"] = namespace


def _normalised(arguments: list[str]) -> list[str]:
    """`a,b c d` means `a/c a/d b/c b/d`."""
    if len(arguments) < 2:
        return arguments
    types = _unique(arguments[0].split(","))
    return [f"{t}/{n}" for t in types for n in arguments[1:]] if len(types) > 1 else arguments


def _pair(argument: str) -> tuple[str, str]:
    parts = argument.split("/")
    if len(parts) != 2:
        raise CLIError("arguments in resource/name form may not have more than one slash")
    word, name = parts
    if not word or not name or "," in word:
        raise CLIError("arguments in resource/name form must have a single resource and name")
    return word, name


def _unique(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(words))
