"""Applying manifests to a throw-away branch of the cluster, with a note of where each object was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import gvk_of, name_of, namespace_of
from kubesim.cli.applying import apply_object
from kubesim.cli.builder import Info
from kubesim.cli.command import Context
from kubesim.cli.diagnosing.places import Places
from kubesim.cli.documents import decode_document, is_plain_list, validate_document
from kubesim.cli.errors import CLIError, PrefixedStatusError
from kubesim.cli.files import find_sources, find_texts
from kubesim.cli.options import WriteOptions
from kubesim.cli.session import Session
from kubesim.client.restmapper import NoMatch
from kubesim.diagnosis.finding import Finding, ObjectRef, Place
from kubesim.diagnosis.rules.refusals import lost_ports, refusal
from kubesim.diagnosis.view import View
from kubesim.util.jsontypes import JSONObject, deep_copy
from kubesim.util.yamlfmt import Document, YAMLSyntaxError, load_documents

if TYPE_CHECKING:
    from kubesim.cluster.build import Cluster

_OPTIONS = WriteOptions("none", "kubectl-client-side-apply", "Strict")


class BranchSession(Session):
    """What the functions of `apply` work with, on a branch: no controllers run, and nobody is warned."""

    def __init__(self, session: Session, branch: Cluster) -> None:
        super().__init__(session.flags, session.streams, command=session.command)
        self.__dict__["cluster"] = branch
        self.__dict__["schema"] = branch.schema
        self.__dict__["client"] = branch.client
        self.__dict__["_dial"] = None
        self._namespace = session.namespace

    @property
    def namespace(self) -> str:
        return self._namespace


@dataclass(slots=True)
class Outcome:
    """What came of applying manifests. `problems` are what nobody can read or send."""

    places: Places = field(default_factory=Places)
    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """The files of which an object was refused."""


@dataclass(frozen=True, slots=True)
class _Written:
    """An object of a file."""

    obj: JSONObject
    place: Place
    document: Document
    prefix: str = ""


def apply_manifests(context: Context, branch: Cluster, view: View) -> Outcome:
    """Apply what -f and -k name, and say what was refused. Raises CLIError where a file cannot be found."""
    outcome = Outcome()
    session = BranchSession(context.session, branch)
    own = Context(context.path, [], context.flags, context.streams, session)
    for name, documents in _sources(context):
        try:
            for written in _objects(own, name, documents()):
                try:
                    _apply(own, view, written, outcome)
                except CLIError as error:
                    outcome.problems.append(f"{name} (document {written.place.document}): {error}")
        except CLIError as error:
            outcome.problems.append(str(error))
    outcome.namespaces = sorted({ref.namespace for ref in outcome.places.by_object if ref.namespace})
    return outcome


def _sources(context: Context) -> Iterator[tuple[str, Callable[[], Iterator[Document]]]]:
    """Where manifests come from; what a kustomization makes has no lines."""
    flags, session = context.flags, context.session
    filenames, kustomize = flags.texts("filename"), flags.text("kustomize")
    for name, read in find_texts(session, filenames, recursive=flags.is_set("recursive")):
        yield name, partial(_parsed, name, read)
    if kustomize:
        for name, values in find_sources(session, (), kustomize, recursive=False).sources:
            yield name, partial(_built, values)


def _parsed(name: str, read: Callable[[], bytes]) -> Iterator[Document]:
    try:
        yield from load_documents(read())
    except YAMLSyntaxError as error:
        raise CLIError(f"error parsing {name}: {error}") from None


def _built(values: Callable[[], Iterator[Any]]) -> Iterator[Document]:
    yield from (Document(value, b"", 0) for value in values())


def _objects(context: Context, name: str, documents: Iterator[Document]) -> Iterator[_Written]:
    """The objects of a file, those of Lists one by one. Raises CLIError at what is no object."""
    for count, document in enumerate(documents, 1):
        place = Place(name, count, document.line)
        shown = f"{name} (document {count})"
        validate_document(document.value, shown)
        obj: Any = decode_document(document.value, shown, lambda: context.session.schema)
        if is_plain_list(obj):
            for at, item in enumerate(obj.get("items") or ()):
                yield _Written(item or {}, place, document, f"items[{at}].")
        else:
            yield _Written(obj, place, document)


def _apply(context: Context, view: View, written: _Written, outcome: Outcome) -> None:
    session, obj = context.session, deep_copy(written.obj)
    try:
        mapping = session.mapper.kind(gvk_of(obj))
    except NoMatch as error:
        if _is_ours(session, gvk_of(obj).group):
            outcome.problems.append(f"{written.place.file} (document {written.place.document}): {error}")
        else:
            _pass_over(written, outcome)
        return
    if mapping.namespaced:
        namespace = namespace_of(obj) or session.namespace
        obj["metadata"] = (obj.get("metadata") or {}) | {"namespace": namespace}
    else:
        namespace = ""
    ref = ObjectRef(mapping.gvk.kind, namespace, name_of(obj))
    outcome.places.add(ref, written.place, written.document, written.prefix)
    info = Info(mapping, namespace, name_of(obj), written.place.file, obj)
    try:
        stored = _stored(context, info)
    except StatusError as error:
        cause = error.cause if isinstance(error, PrefixedStatusError) else error
        outcome.findings += refusal(view, obj, cause)
        outcome.refused.add(written.place.file)
        return
    if mapping.gvk.kind == "Service":
        outcome.findings += lost_ports(written.obj, stored)


def _pass_over(written: _Written, outcome: Outcome) -> None:
    """Nobody here can say anything about a custom resource; a group that is misspelt looks the same."""
    obj = written.obj
    ref = ObjectRef.of(obj)
    outcome.places.add(ref, written.place, written.document, written.prefix)
    outcome.findings.append(
        Finding(
            code=0,
            severity="info",
            object=ref,
            field="apiVersion",
            message=f"Kubernetes has no group {gvk_of(obj).group}: this is taken for a custom resource, and passed over",
            fix="nothing, if a CustomResourceDefinition defines it",
        )
    )


def _stored(context: Context, info: Info) -> JSONObject:
    if info.name:
        return apply_object(context, info, _OPTIONS, overwrite=True, force=False).obj
    made = context.session.client.request(
        "POST", info.collection_path, query=_OPTIONS.query, body=info.object or {}
    ).body
    return made if isinstance(made, dict) else {}


def _is_ours(session: Session, group: str) -> bool:
    """Whether an API group is one of Kubernetes' own: then a kind or version that it does not have is a mistake."""
    return group in _FORMER or any(m.gvr.group == group for m in session.mapper.mappings)


_FORMER = frozenset({"extensions"})
"""Groups that Kubernetes once had."""
