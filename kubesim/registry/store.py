"""The generic registry: the one way in which objects are written, whatever their kind.

Order as in k8s.io/apiserver pkg/endpoints/handlers/{create,update,patch,delete}.go and
pkg/registry/generic/registry/store.go: decode, default, managed fields, mutating admission, metadata,
allocate, prepare, validate, validating admission, one transaction of the store. From mutating admission on
everything happens inside the transaction: what was read is still so when it is committed, and a patch never
has to be tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from kubesim.admission.chain import Chain
from kubesim.admission.interface import CREATE, DELETE, UPDATE, Attributes, Operation, Reader
from kubesim.apimachinery import errors
from kubesim.apimachinery.errors import MODIFIED, StatusError
from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.managedfields import record_update
from kubesim.apimachinery.schema import Schema
from kubesim.apimachinery.scheme import Resource
from kubesim.registry import metadata as objectmeta
from kubesim.registry.decoding import Body, decode_body
from kubesim.registry.deletion import (
    before_delete,
    check_preconditions,
    garbage_collection_finalizers,
    mark_as_deleting,
    should_delete_during_update,
)
from kubesim.registry.hooks import NO_HOOKS, Hooks
from kubesim.registry.keys import indexes_of
from kubesim.registry.listing import ListOptions, parse_resource_version
from kubesim.registry.options import DeleteOptions, WriteOptions
from kubesim.registry.reading import Reading
from kubesim.registry.transaction import writing
from kubesim.storage.interface import KeyExists, Row, Storage, Transaction
from kubesim.util.clock import Clock, format_time
from kubesim.util.ids import Identities
from kubesim.util.jsontypes import JSONObject, decode, encode

MAX_NAME_ATTEMPTS: Final = 8
MAX_OBJECT: Final = 3 * 1024 * 1024
"""As much as a request may hold; what comes in process is measured here."""

_ENTRY_TIME: Final = '"time":"2006-01-02T15:04:05Z",'
"""By so much an entry of managedFields is longer for having a time."""

_BEFORE_REVISION: Final = ("name", "generateName", "namespace", "selfLink", "uid")

# Kinds whose deletion answers with the object: ReturnDeletedObject in pkg/registry. The others answer with a
# Status.
RETURNS_DELETED: Final = frozenset(
    {
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "podtemplates",
        "resourcequotas",
        "serviceaccounts",
        "services",
        "csidrivers.storage.k8s.io",
        "csinodes.storage.k8s.io",
        "csistoragecapacities.storage.k8s.io",
        "storageclasses.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "volumeattributesclasses.storage.k8s.io",
    }
)


Advise = Callable[[JSONObject, JSONObject | None, Reader], list[str]]
"""Further texts for Warning headers: of the new object, with the old one, and a reader for others."""


@dataclass(frozen=True, slots=True)
class UpdateStrategy:
    """How one endpoint of a resource (itself, /status, …) changes objects.

    `prepare(new, old)` carries over what this endpoint may not change; `validate(new, old)` finds what is
    wrong. `records` says whether the write is noted in managedFields.
    """

    prepare: Callable[[JSONObject, JSONObject], None]
    validate: Callable[[JSONObject, JSONObject], list[FieldError]]
    warnings: Callable[[JSONObject, JSONObject | None], list[str]] | None = None
    allocates: bool = False
    may_create: bool = False
    subresource: str = ""
    records: bool = True


class Store(Reading):
    """The registry of one resource. Bodies handed in are given away; objects that come out are the caller's
    own.
    """

    def __init__(
        self,
        resource: Resource,
        *,
        storage: Storage,
        schema: Schema,
        admission: Chain,
        reader: Reader,
        clock: Clock,
        identities: Identities,
        hooks: Hooks = NO_HOOKS,
        stored_as: Resource | None = None,
        advise: Advise | None = None,
    ) -> None:
        super().__init__(resource, storage=storage, clock=clock)
        self.schema = schema
        self._admission = admission
        self._reader = reader
        self._identities = identities
        self._hooks = hooks
        self._stored_as = stored_as or resource
        self._advise = advise
        self._node = schema.node(resource.gvk)

    @cached_property
    def strategy(self) -> UpdateStrategy:
        """How the resource itself is updated. Made late: a kind's own code is not loaded to read objects."""
        resource = self.resource
        return UpdateStrategy(
            prepare=resource.prepare_update,
            validate=resource.validate_update,
            warnings=self._warnings,
            allocates=True,
            may_create=resource.allow_create_on_update,
        )

    def _warnings(self, new: JSONObject, old: JSONObject | None) -> list[str]:
        """Kubernetes' own warnings, and what else there is to be said."""
        texts = self.resource.warnings(new, old)
        return texts if self._advise is None else [*texts, *self._advise(new, old, self._reader)]

    # Creation.

    def create(self, body: Body, *, namespace: str = "", name: str = "", options: WriteOptions) -> JSONObject:
        """Make an object. `name` is the one in the URL, where there is one. Raises StatusError."""
        obj = self._decode(body, options)
        metadata = objectmeta.metadata_of(obj)
        if name and not metadata.get("name"):
            metadata["name"] = name
        objectmeta.wipe_system_fields(metadata)
        if self.resource.kind == "Namespace" and not self.resource.group:
            namespace = ""
        objectmeta.ensure_namespace(metadata, namespace)
        self.resource.default(obj)
        with writing(self.storage, dry_run=options.dry_run) as tx:
            return self._create(tx, obj, namespace, options)

    def _create(self, tx: Transaction, obj: JSONObject, namespace: str, options: WriteOptions) -> JSONObject:
        resource = self.resource
        metadata = obj["metadata"]
        if text := objectmeta.dedup_owner_references(metadata):
            options.warn(text)
        if metadata.get("resourceVersion"):
            raise errors.plain_error("resourceVersion should not be set on objects to be created")
        metadata.pop("resourceVersion", None)
        self._record(obj, None, "", options)
        attributes = self._attributes(CREATE, namespace, metadata.get("name") or "", options, obj=obj)
        self._admission.admit(attributes, self._reader)
        metadata["creationTimestamp"] = format_time(self.clock.now())
        metadata["uid"] = self._identities.uid()
        if metadata.get("generateName") and not metadata.get("name"):
            self._generate_name(tx, metadata, namespace)
        if resource.generation:
            metadata["generation"] = 1
        name = metadata.get("name") or ""
        self._hooks.allocate_create(tx, obj, dry_run=options.dry_run)
        resource.prepare_create(obj)
        resource.requested_by(obj, options.user)
        self._refuse(objectmeta.creation_errors(resource, obj), name)
        for text in self._warnings(obj, None):
            options.warn(text)
        attributes.name = name
        self._admission.validate(attributes, self._reader)
        return self._insert(tx, obj, namespace, name, options)

    def _generate_name(self, tx: Transaction, metadata: JSONObject, namespace: str) -> None:
        """A name that nobody has; after some attempts one that somebody has, which the store will refuse."""
        for _ in range(MAX_NAME_ATTEMPTS):
            name = objectmeta.generated_name(
                metadata["generateName"], self._identities.suffix(objectmeta.SUFFIX)
            )
            metadata["name"] = name
            if tx.get(self.key(namespace, name)) is None:
                return

    def _insert(
        self, tx: Transaction, obj: JSONObject, namespace: str, name: str, options: WriteOptions
    ) -> JSONObject:
        made, value, indexes = self._encoded(obj)
        key = self.key(namespace, name)
        try:
            revision = tx.create(key, value, indexes)
        except KeyExists:
            raise self._already_exists(tx.get(key), obj["metadata"]) from None
        if options.dry_run:
            del made["metadata"]["resourceVersion"]
            return made
        return self._stamped(made, revision)

    def _stamped(self, made: JSONObject, revision: int) -> JSONObject:
        """A stored object as the client sees it."""
        made["metadata"]["resourceVersion"] = str(revision)
        return self._conversion.from_stored(made) if self._conversion else made

    def _already_exists(self, row: Row | None, metadata: JSONObject) -> StatusError:
        refusal = errors.already_exists(self.resource.plural, metadata["name"], group=self.resource.group)
        if row is not None and self.load(row)["metadata"].get("deletionTimestamp"):
            refusal.status["message"] = f"object is being deleted: {refusal.message}"
        return refusal

    # Update.

    def update(
        self,
        name: str,
        body: Body,
        *,
        namespace: str = "",
        options: WriteOptions,
        strategy: UpdateStrategy | None = None,
    ) -> tuple[JSONObject, bool]:
        """Replace an object; the new one, and whether the update has made it. Raises StatusError."""
        strategy = strategy or self.strategy
        obj = self._decode(body, options)
        metadata = objectmeta.metadata_of(obj)
        objectmeta.ensure_namespace(metadata, namespace)
        objectmeta.check_name(metadata, name)
        self.resource.default(obj)
        with writing(self.storage, dry_run=options.dry_run) as tx:
            row = tx.get(self.key(namespace, name))
            if row is None:
                return self._create_on_update(tx, obj, namespace, name, options, strategy), True
            old = self.load(row)
            self._check_uid(metadata.get("uid"), old, row, name)
            return self._update(tx, obj, old, row, options, strategy), False

    def _create_on_update(
        self,
        tx: Transaction,
        obj: JSONObject,
        namespace: str,
        name: str,
        options: WriteOptions,
        strategy: UpdateStrategy,
    ) -> JSONObject:
        resource = self.resource
        if not strategy.may_create:
            raise errors.not_found(resource.plural, name, group=resource.group)
        metadata = obj["metadata"]
        if metadata.get("uid"):
            raise objectmeta.uid_mismatch(resource, name, metadata["uid"], "", self.key(namespace, name))
        objectmeta.wipe_system_fields(metadata)
        metadata.pop("resourceVersion", None)
        return self._create(tx, obj, namespace, options)

    def modify(
        self,
        name: str,
        change: Callable[[JSONObject], JSONObject],
        *,
        namespace: str = "",
        options: WriteOptions,
        strategy: UpdateStrategy | None = None,
    ) -> JSONObject:
        """Read, change and write an object in one transaction. `change` gets an object of its own. Raises
        StatusError.
        """
        with writing(self.storage, dry_run=options.dry_run) as tx:
            row = self._existing(tx, namespace, name)
            new = change(self.load(row))
            return self._update(tx, new, self.load(row), row, options, strategy or self.strategy)

    def patch(
        self,
        name: str,
        patch: Any,
        content_type: str,
        *,
        namespace: str = "",
        options: WriteOptions,
        strategy: UpdateStrategy | None = None,
    ) -> JSONObject:
        """Change an object by a patch (bytes or decoded). Raises StatusError."""
        from kubesim.registry.patching import apply_patch, read_patch

        read = read_patch(patch, content_type, options)

        def change(current: JSONObject) -> JSONObject:
            obj = apply_patch(
                current, read, schema=self.schema, node=self._node, gvk=self.resource.gvk, options=options
            )
            metadata = objectmeta.metadata_of(obj)
            objectmeta.ensure_namespace(metadata, namespace)
            objectmeta.check_name(metadata, name)
            self.resource.default(obj)
            return obj

        return self.modify(name, change, namespace=namespace, options=options, strategy=strategy)

    def _existing(self, tx: Transaction, namespace: str, name: str) -> Row:
        row = tx.get(self.key(namespace, name))
        if row is None:
            raise errors.not_found(self.resource.plural, name, group=self.resource.group)
        return row

    def _update(
        self,
        tx: Transaction,
        new: JSONObject,
        old: JSONObject,
        row: Row,
        options: WriteOptions,
        strategy: UpdateStrategy,
    ) -> JSONObject:
        """Replace `old`, which is `row` decoded for this update alone."""
        metadata, before = new["metadata"], old["metadata"]
        name, namespace = before["name"], before.get("namespace") or ""
        if text := objectmeta.dedup_owner_references(metadata):
            options.warn(text)
        if strategy.records:
            self._record(new, old, strategy.subresource, options)
        attributes = self._attributes(
            UPDATE, namespace, name, options, obj=new, old=old, subresource=strategy.subresource
        )
        self._admission.admit(attributes, self._reader)
        self._check_version(metadata, row, name)
        if strategy.allocates:
            self._hooks.allocate_update(tx, new, old, dry_run=options.dry_run)
        self._prepare(new, old, strategy)
        self._refuse(objectmeta.update_errors(new, old) + strategy.validate(new, old), name)
        for text in (strategy.warnings or _no_warnings)(new, old):
            options.warn(text)
        self._admission.validate(attributes, self._reader)
        if should_delete_during_update(new, old):
            return self._finish_deletion(tx, new, row, options)
        return self._replace(tx, new, row, options)

    def _check_uid(self, wanted: str | None, old: JSONObject, row: Row, name: str) -> None:
        """A PUT that names a uid means that object: rest.UpdatedObjectInfo.Preconditions."""
        if wanted and wanted != (found := old["metadata"].get("uid", "")):
            raise objectmeta.uid_mismatch(self.resource, name, wanted, found, row.key)

    def _check_version(self, metadata: JSONObject, row: Row, name: str) -> None:
        """The update must be based on what is there, or on nothing where the kind allows that."""
        resource = self.resource
        based_on = parse_resource_version(metadata.get("resourceVersion") or "")
        if not based_on:
            if not resource.allow_unconditional_update:
                raise objectmeta.must_have_resource_version(resource, name)
            metadata["resourceVersion"] = str(row.revision)
        elif based_on != row.revision:
            raise errors.conflict(resource.plural, name, MODIFIED, group=resource.group)

    def _prepare(self, new: JSONObject, old: JSONObject, strategy: UpdateStrategy) -> None:
        metadata, before = new["metadata"], old["metadata"]
        generation = before.get("generation")
        if generation is None:
            metadata.pop("generation", None)
        else:
            metadata["generation"] = generation
        strategy.prepare(new, old)
        metadata = new["metadata"]  # the strategy may have made it anew
        objectmeta.carry_over(metadata, before)
        if (
            self.resource.generation
            and metadata.get("generation") == generation
            and not strategy.subresource
            and new.get("spec") != old.get("spec")
        ):
            metadata["generation"] = (generation or 0) + 1

    def _replace(self, tx: Transaction, new: JSONObject, row: Row, options: WriteOptions) -> JSONObject:
        """Write, unless nothing has changed."""
        made, value, indexes = self._encoded(new)
        if value == row.value or _same_but_times(made, value, row):
            return self.load(row)
        revision = tx.update(row.key, value, row.revision, indexes)
        return self._stamped(made, row.revision if options.dry_run else revision)

    # Deletion.

    def delete(
        self,
        name: str,
        *,
        namespace: str = "",
        delete_options: DeleteOptions,
        options: WriteOptions,
    ) -> tuple[JSONObject, bool]:
        """Delete an object, or begin to; what to answer, and whether it is gone. Raises StatusError."""
        with writing(self.storage, dry_run=options.dry_run) as tx:
            row = self._existing(tx, namespace, name)
            return self._delete(tx, row, namespace, delete_options, options)

    def _delete(
        self,
        tx: Transaction,
        row: Row,
        namespace: str,
        delete_options: DeleteOptions,
        options: WriteOptions,
    ) -> tuple[JSONObject, bool]:
        obj = self.load(row)
        metadata = obj["metadata"]
        check_preconditions(self.resource, obj, delete_options)
        attributes = self._attributes(DELETE, namespace, metadata["name"], options, old=obj)
        self._admission.admit(attributes, self._reader)
        self._admission.validate(attributes, self._reader)
        if self._hooks.begin_delete(obj, delete_options, self.clock.now()):
            return self._replace(tx, obj, row, options), False
        now = self.clock.now()
        preparation = before_delete(self.resource, obj, delete_options, now)
        if preparation.outcome == "pending":
            return self._deleted(obj), False
        finalizers = garbage_collection_finalizers(metadata, delete_options)
        if finalizers != (metadata.get("finalizers") or []):
            metadata["finalizers"] = finalizers
        graceful = preparation.outcome == "graceful"
        if finalizers and not graceful:
            mark_as_deleting(metadata, now)
        if graceful or finalizers:
            obj = self._replace(tx, obj, row, options)
            if finalizers or preparation.grace_period_seconds > 0:
                return obj, False
            row = self._existing(tx, namespace, metadata["name"])
        return self._deleted(self._finish_deletion(tx, self.load(row), row, options)), True

    def _finish_deletion(
        self, tx: Transaction, obj: JSONObject, row: Row, options: WriteOptions
    ) -> JSONObject:
        """Take the object out of the store. The answer has its last state, and the revision of its end."""
        made, value, _ = self._encoded(obj)
        revision = tx.delete(row.key, row.revision, value)
        self._hooks.release(tx, obj)
        return self._stamped(made, row.revision if options.dry_run else revision)

    def _deleted(self, obj: JSONObject) -> JSONObject:
        """What a deletion answers: store.go finalizeDelete."""
        resource = self.resource
        if resource.gvr.qualified in RETURNS_DELETED:
            return obj
        details = {"name": obj["metadata"]["name"]}
        if resource.group:
            details["group"] = resource.group
        details |= {"kind": resource.plural, "uid": obj["metadata"].get("uid", "")}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def delete_collection(
        self,
        namespace: str,
        list_options: ListOptions,
        *,
        delete_options: DeleteOptions,
        options: WriteOptions,
    ) -> JSONObject:
        """Delete what a list finds, one by one; the List of what was there. Raises StatusError."""
        found = self.list(namespace, replace(list_options, limit=0))
        for obj in found["items"]:
            metadata = obj["metadata"]
            try:
                self.delete(
                    metadata["name"],
                    namespace=metadata.get("namespace") or "",
                    delete_options=delete_options,
                    options=options,
                )
            except StatusError as error:
                if error.code != 404:
                    raise
        return found

    # What all of them share.

    def _decode(self, body: Body, options: WriteOptions) -> JSONObject:
        return decode_body(
            self.schema, self.resource.gvk, body, validation=options.field_validation, warn=options.warn
        )

    def _attributes(
        self,
        operation: Operation,
        namespace: str,
        name: str,
        options: WriteOptions,
        *,
        obj: JSONObject | None = None,
        old: JSONObject | None = None,
        subresource: str = "",
    ) -> Attributes:
        return Attributes(
            operation,
            self.resource,
            namespace,
            name,
            obj,
            old,
            subresource,
            options.user,
            options.dry_run,
            options.warn,
        )

    def _record(
        self, new: JSONObject, old: JSONObject | None, subresource: str, options: WriteOptions
    ) -> None:
        """Write down who has set which field. Comes before admission: what that sets is nobody's."""
        managed = record_update(
            old,
            new,
            manager=options.field_manager,
            subresource=subresource,
            time=format_time(self.clock.now()),
            api_version=self.resource.api_version,
            node=self._node,
        )
        if managed:
            new["metadata"]["managedFields"] = managed
        else:
            new["metadata"].pop("managedFields", None)

    def _refuse(self, found: list[FieldError], name: str) -> None:
        if found:
            raise errors.invalid(self.resource.kind, name, found, group=self.resource.group)

    def _encoded(self, obj: JSONObject) -> tuple[JSONObject, bytes, list[tuple[str, str]]]:
        """An object as it is stored, without its revision: in Go's form; as bytes; what it is found by."""
        if self._conversion is not None:
            obj = self._conversion.to_stored(obj)
        stored = self._stored_as
        obj["metadata"].pop("resourceVersion", None)
        made = self.schema.encode(stored.gvk, obj)
        made["metadata"] = _with_room(made["metadata"])
        try:
            value = encode(made)
        except TypeError:  # deeper than any encoder goes
            raise errors.bad_request("exceeded max depth") from None
        if len(value) > MAX_OBJECT:
            raise errors.request_entity_too_large(f"Request entity too large: limit is {MAX_OBJECT}")
        return made, value, indexes_of(stored, made)


def _with_room(metadata: JSONObject) -> JSONObject:
    """Metadata with a place for the revision, which comes in when it is read, where Go's struct has it."""
    placed: JSONObject = {name: metadata.pop(name) for name in _BEFORE_REVISION if name in metadata}
    placed["resourceVersion"] = ""
    placed.update(metadata)
    return placed


def _no_warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    return []


def _same_but_times(made: JSONObject, value: bytes, row: Row) -> bool:
    """Whether only times in managedFields differ: IgnoreManagedFieldsTimestampsTransformer."""
    managed = made["metadata"].get("managedFields")
    if not managed or abs(len(value) - len(row.value)) > len(managed) * len(_ENTRY_TIME):
        return False
    old = decode(row.value)
    before = old["metadata"].get("managedFields") or []
    if len(managed) != len(before):
        return False
    if any({**a, "time": ""} != {**b, "time": ""} for a, b in zip(managed, before, strict=True)):
        return False
    return bool({**made, "metadata": {**made["metadata"], "managedFields": before}} == old)
