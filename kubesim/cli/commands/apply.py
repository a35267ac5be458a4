"""`apply`: bring objects to the state that files describe (pkg/cmd/apply)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionKind, split_api_version
from kubesim.apimachinery.meta import metadata_of, name_of, namespace_of, uid_of
from kubesim.apimachinery.rest import APPLY_PATCH, MERGE_PATCH
from kubesim.cli.applying import apply_object, last_applied, last_applied_text
from kubesim.cli.builder import SELECTOR_FLAG, Builder, Info, collected, filename_flags
from kubesim.cli.command import Command, Context
from kubesim.cli.commands.delete import DELETE_FLAGS, Deletion, wait_for_deletion
from kubesim.cli.errors import AggregateError, CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.generated import LAST_APPLIED
from kubesim.cli.options import (
    DRY_RUN_FLAG,
    PRINT_FLAGS,
    VALIDATE_FLAG,
    WriteOptions,
    print_object,
    print_result,
    validation_of,
)
from kubesim.cli.recording import RECORD_FLAG, record
from kubesim.client.restmapper import Mapping, NoMatch
from kubesim.util.jsontypes import JSONObject, decode, dig
from kubesim.util.yamlfmt import dump

CLIENT_SIDE = "kubectl-client-side-apply"
SERVER_SIDE = "kubectl"
CONFLICTS = """\
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts"""
# prune.go: what is looked at where no list is given.
PRUNED = (
    ("", "v1", "ConfigMap"),
    ("", "v1", "Endpoints"),
    ("", "v1", "PersistentVolumeClaim"),
    ("", "v1", "Pod"),
    ("", "v1", "ReplicationController"),
    ("", "v1", "Secret"),
    ("", "v1", "Service"),
    ("batch", "v1", "Job"),
    ("batch", "v1", "CronJob"),
    ("networking.k8s.io", "v1", "Ingress"),
    ("apps", "v1", "DaemonSet"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "ReplicaSet"),
    ("apps", "v1", "StatefulSet"),
    ("", "v1", "Namespace"),
    ("", "v1", "PersistentVolume"),
)

DEPRECATED_PRUNE = (
    "Deprecated: kubectl apply will no longer prune non-namespaced resources by default when used with the "
    "--namespace flag in a future release. To preserve the current behaviour, list the resources you want to "
    "target explicitly in the --prune-allowlist flag."
)


def run(context: Context) -> int:
    """Apply every object of the files; one that is refused does not stop the others."""
    flags = context.flags
    if context.args:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    if not flags.texts("filename") and not flags.text("kustomize"):
        raise CLIError("must specify one of -f and -k")
    options = WriteOptions.of(context)
    server_side = flags.is_set("server-side")
    manager = flags.text("field-manager") or (SERVER_SIDE if server_side else CLIENT_SIDE)
    options = WriteOptions(options.dry_run, manager, options.field_validation)
    prunable = _prunable(context) if flags.is_set("prune") else []
    _validate(context, options, server_side=server_side)
    infos, found = _builder(context).infos()
    if not infos and not found:
        raise CLIError("no objects passed to apply")
    unread = collected(found)
    errors = [unread] if unread else []
    applied: list[Info] = []
    with context.session.deferred():
        for info in infos:
            try:
                _apply_one(context, info, options, server_side=server_side)
                applied.append(info)
            except (CLIError, StatusError, AggregateError) as error:
                errors.append(error)
    if flags.is_set("prune") and not errors:
        _prune(context, prunable, applied, options)
    if flags.text("output") not in ("", "name"):
        _print_all(context, applied)
    failure = collected(errors)
    if failure:
        raise failure
    return 0


def _builder(context: Context) -> Builder:
    flags = context.flags
    return Builder.of(
        context,
        validation=validation_of(flags),
        require_object=False,
        continue_on_error=True,
        flatten=True,
    )


def _validate(context: Context, options: WriteOptions, *, server_side: bool) -> None:
    flags = context.flags
    if flags.is_set("force-conflicts") and not server_side:
        raise CLIError("--force-conflicts only works with --server-side")
    if options.dry_run == "client" and server_side:
        raise CLIError(
            "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)"
        )
    if server_side and flags.is_set("force"):
        raise CLIError("--force cannot be used with --server-side")
    if options.dry_run == "server" and flags.is_set("force"):
        raise CLIError("--dry-run=server cannot be used with --force")
    if flags.is_set("all") and flags.text("selector"):
        raise CLIError("cannot set --all and --selector at the same time")
    if flags.is_set("prune") and not flags.is_set("all") and not flags.text("selector"):
        raise CLIError(
            "all resources selected for prune without explicitly passing --all. To prune all resources, "
            "pass the --all flag. If you did not mean to prune all resources, specify a label selector"
        )


def _apply_one(context: Context, info: Info, options: WriteOptions, *, server_side: bool) -> None:
    record(context, info.object or {})
    if not info.name:
        generated = metadata_of(info.object or {}).get("generateName")
        if generated:
            raise CLIError(f"from {generated}: cannot use generate name with apply")
        raise CLIError(_nameless(info))
    if server_side:
        operation = "serverside-applied"
        info.refresh(_server_side(context, info, options))
    else:
        done = apply_object(
            context,
            info,
            options,
            overwrite=context.flags.is_set("overwrite"),
            force=context.flags.is_set("force"),
        )
        operation = done.operation
        info.refresh(done.obj)
    if context.flags.text("output") in ("", "name"):
        print_result(context, info, operation, options)


def _nameless(info: Info) -> str:
    from kubesim.cli.applying import describe

    what = f"retrieving current configuration of:\n{describe(info)}\nfrom server for:"
    return f'error when {what} "{info.source}": resource name may not be empty'


def _server_side(context: Context, info: Info, options: WriteOptions) -> JSONObject:
    query = dict(options.query, force="true" if context.flags.is_set("force-conflicts") else "false")
    try:
        answer = context.session.client.request(
            "PATCH", info.path, query=query, body=info.object, content_type=APPLY_PATCH
        ).body
    except StatusError as error:
        if error.reason == "Conflict":
            raise CLIError(f"{error.message}\n{CONFLICTS}") from None
        if error.code == 415:
            raise CLIError(f"Server-side apply not available on the server: ({error.message})") from None
        raise
    return answer if isinstance(answer, dict) else {}


def _print_all(context: Context, infos: list[Info]) -> None:
    """With `-o`, what was applied is printed at the end: alone, or as a List."""
    if not infos:
        return
    objects = [i.object or {} for i in infos]
    whole = objects[0] if len(objects) == 1 else {
        "apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": objects,
    }  # fmt: skip
    print_object(context, whole, infos[0].shown, "")


def _prune(context: Context, prunable: list[Mapping], applied: list[Info], options: WriteOptions) -> None:
    """Delete what was applied once and is not among the files any more."""
    if not context.flags.texts("prune-allowlist"):
        # Whether `--namespace` is given or not: there always is a namespace.
        context.session.klog("W", "prune.go:71", DEPRECATED_PRUNE)
    keep = {uid_of(i.object or {}) for i in applied}
    namespaces = {i.namespace for i in applied if i.namespace}
    selector = context.flags.text("selector")
    how = Deletion(dry_run=options.dry_run)
    for mapping in prunable:
        for namespace in sorted(namespaces) if mapping.namespaced else [""]:
            for obj in context.session.client.list(mapping.gvr, namespace, label_selector=selector).get(
                "items", []
            ):
                if not last_applied(obj) or uid_of(obj) in keep or dig(obj, "metadata", "deletionTimestamp"):
                    continue
                info = Info(mapping, namespace_of(obj), name_of(obj), object=obj)
                if options.dry_run != "client":
                    query = {"dryRun": "All"} if options.dry_run == "server" else {}
                    context.session.client.request("DELETE", info.path, query=query, body=how.body)
                print_result(context, info, "pruned", options)
                if context.flags.is_set("wait") and options.dry_run == "none":
                    wait_for_deletion(context, [(info, uid_of(obj))], Deletion(timeout=timedelta(0)))


def _prunable(context: Context) -> list[Mapping]:
    """The kinds to look at. Raises CLIError for one that the server does not have."""
    words = context.flags.texts("prune-allowlist")
    kinds = [GroupVersionKind(*kind) for kind in PRUNED]
    if words:
        kinds = [_kind(word) for word in words]
    try:
        return [context.session.mapper.kind(kind) for kind in kinds]
    except NoMatch as error:
        raise CLIError(str(error)) from None


def _kind(word: str) -> GroupVersionKind:
    parts = word.split("/")
    if len(parts) != 3:
        raise CLIError(f"invalid GroupVersionKind format: {word}, please follow <group/version/kind>")
    group, version, kind = parts
    return GroupVersionKind("" if group == "core" else group, version, kind)


# view-last-applied and set-last-applied.


def _view(context: Context) -> int:
    output = context.flags.text("output")
    if output not in ("", "yaml", "json"):
        raise context.usage_error(
            f"Unexpected -o output mode: {output}, the flag 'output' must be one of yaml|json"
        )
    infos, errors = _named(context).infos()
    failure = collected(errors)
    if failure:
        raise failure
    for info in infos:
        text = last_applied(info.object or {})
        if not text:
            raise CLIError(f"no last-applied-configuration annotation found on resource: {info.name}")
        value: Any = decode(text)
        context.streams.stdout.write(
            json.dumps(value, indent=2, ensure_ascii=False) + "\n" if output == "json" else dump(value)
        )
    return 0


def _named(context: Context) -> Builder:
    flags = context.flags
    return Builder.of(
        context,
        context.args,
        select_all=flags.has("all") and flags.is_set("all"),
        latest=True,
        flatten=True,
        continue_on_error=True,
    )


def _set(context: Context) -> int:
    options = WriteOptions.of(context)
    flags = context.flags
    builder = Builder.of(
        context,
        continue_on_error=True,
        flatten=True,
    )
    infos, errors = builder.infos()
    failure = collected(errors)
    if failure:
        raise failure
    for info in infos:
        text = last_applied_text(info.object or {})
        live = context.session.client.request("GET", info.path).body
        held = last_applied(live if isinstance(live, dict) else {})
        if not held and not flags.is_set("create-annotation"):
            raise CLIError(
                f"no last-applied-configuration annotation found on resource: {info.name}, to create the annotation, "
                "run the command with --create-annotation"
            )
        if held == text:
            print_result(context, info, "configured", options)
            continue
        patch = {"metadata": {"annotations": {LAST_APPLIED: text}}}
        if options.dry_run != "client":
            answer = context.session.client.request(
                "PATCH", info.path, query=options.query, body=patch, content_type=MERGE_PATCH
            ).body
            info.object = answer if isinstance(answer, dict) else info.object
        print_result(context, info, "configured", options)
    return 0


def check_kind(context: Context, api_version: str, kind: str) -> Mapping:
    """The resource of a kind. Raises CLIError."""
    from kubesim.apimachinery.gvk import GroupVersionKind

    try:
        return context.session.mapper.kind(GroupVersionKind(*split_api_version(api_version), kind))
    except (NoMatch, ValueError) as error:
        raise CLIError(str(error)) from None


VIEW = Command(
    name="view-last-applied",
    use="view-last-applied (TYPE [NAME | -l label] | TYPE/NAME | -f FILENAME)",
    short="Show what was applied last",
    examples="kubesim apply view-last-applied svc/web -o json",
    flags=(
        boolean("all", "All objects of the types named."),
        Flag("output", "Output: json or yaml.", "o", default="yaml"),
        SELECTOR_FLAG,
        *filename_flags("with the objects to show."),
    ),
    run=_view,
)
SET = Command(
    name="set-last-applied",
    use="set-last-applied -f FILENAME",
    short="Write a file into the annotation of an object without changing anything else",
    examples="kubesim apply set-last-applied -f svc.yaml --create-annotation",
    flags=(
        boolean("create-annotation", "Make the annotation where it is missing."),
        DRY_RUN_FLAG,
        *PRINT_FLAGS,
        *filename_flags("with the configuration."),
    ),
    run=_set,
)
COMMAND = Command(
    name="apply",
    use="apply (-f FILENAME | -k DIRECTORY)",
    short="Bring a resource to the state that a file describes",
    long="Create the objects that files describe, or change them so that they are as the files say. "
    "Fields that a file named last time and does not name any more are removed; what others set stays.",
    examples="""\
# A file, a directory, standard input
kubesim apply -f svc.yaml
kubesim apply -f manifests/ -R
cat svc.yaml | kubesim apply -f -

# What would happen
kubesim apply -f svc.yaml --dry-run=server -o yaml""",
    flags=(
        RECORD_FLAG,
        boolean("all", "With --prune: look at all objects."),
        Flag("field-manager", "Name of the manager that owns the fields written.", shown=f"'{CLIENT_SIDE}'"),
        boolean("force-conflicts", "Server-side apply takes over fields of other managers."),
        boolean(
            "openapi-patch",
            "Accepted for compatibility: patches always follow the published types.",
            default=True,
        ),
        boolean(
            "overwrite", "Take the file's value where the cluster has been changed by others.", default=True
        ),
        boolean("prune", "Delete what was applied before and is not among the files."),
        Flag("prune-allowlist", "With --prune: the kinds to look at, group/version/kind.", kind="list"),
        boolean("server-side", "Let the server merge."),
        Flag("subresource", "With --server-side: the subresource to apply."),
        DRY_RUN_FLAG,
        SELECTOR_FLAG,
        VALIDATE_FLAG,
        *(f for f in DELETE_FLAGS if f.name != "wait"),
        boolean("wait", "With --prune: wait until the objects are gone."),
        *PRINT_FLAGS,
        *filename_flags("with the configuration to apply."),
    ),
    run=run,
    subcommands=(VIEW, SET),
)
