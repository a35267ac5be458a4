"""`delete`: by file, name or selector; waits until what was deleted is gone (pkg/cmd/delete/delete.go)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import uid_of
from kubesim.cli.builder import (
    ALL_NAMESPACES_FLAG,
    FIELD_SELECTOR_FLAG,
    SELECTOR_FLAG,
    Builder,
    Info,
    Item,
    collected,
    filename_flags,
)
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError, is_not_found, without
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.generated import prefixed
from kubesim.cli.options import DRY_RUN_FLAG, DryRun, dry_run_of
from kubesim.cli.raw import send_raw
from kubesim.cli.waiting import Deadline, gone, wait_until
from kubesim.util.jsontypes import JSONObject, dig

PROPAGATION = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}
FORCED = (
    "Immediate deletion does not wait for confirmation that the running resource has been terminated. "
    "The resource may continue to run on the cluster indefinitely."
)
# How long `--timeout=0` waits: "for ever", which kubectl takes to be a week.
FOREVER = timedelta(hours=168)


@dataclass(frozen=True, slots=True)
class Deletion:
    """How objects are deleted. A grace period below zero leaves it to the object."""

    grace: int = -1
    propagation: str = "Background"
    dry_run: DryRun = "none"
    ignore_not_found: bool = False
    wait: bool = True
    timeout: timedelta = timedelta(0)
    output: str = ""
    quiet: bool = False
    warn_cluster_scope: bool = False

    @property
    def body(self) -> JSONObject:
        """The DeleteOptions that are sent."""
        options: JSONObject = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": self.propagation,
        }
        return options | {"gracePeriodSeconds": self.grace} if self.grace >= 0 else options


def run(context: Context) -> int:
    """Delete what the command line names."""
    how = deletion_of(context)
    raw = context.flags.text("raw")
    if raw:
        return send_raw(context, "DELETE", raw)
    _validate(context, how)
    builder = builder_of(context)
    if context.flags.is_set("interactive"):
        return _interactive(context, builder, how)
    return delete_all(context, builder.visit(), how)


def builder_of(context: Context) -> Builder:
    """What the command line names."""
    flags = context.flags
    return Builder.of(
        context,
        context.args,
        select_all=flags.is_set("all"),
        require_object=False,
        continue_on_error=True,
        flatten=True,
    )


def deletion_of(context: Context) -> Deletion:
    """From the flags. Raises CLIError where they contradict each other."""
    flags = context.flags
    grace, forced = flags.number("grace-period"), flags.is_set("force")
    if flags.is_set("now"):
        if grace != -1:
            raise CLIError("--now and --grace-period cannot be specified together")
        grace = 1
    if grace == 0 and not forced:
        grace = 1
    if forced and grace < 0:
        grace = 0
    cascade = flags.text("cascade")
    if cascade not in PROPAGATION:
        raise CLIError(f'invalid cascade value ({cascade}). Must be "background", "foreground", or "orphan"')
    selected = flags.is_set("all") or flags.text("selector") or flags.text("field-selector")
    ignore = flags.is_set("ignore-not-found") if flags.changed("ignore-not-found") else bool(selected)
    return Deletion(
        grace,
        PROPAGATION[cascade],
        dry_run_of(context),
        ignore,
        flags.is_set("wait"),
        flags.duration("timeout"),
        flags.text("output"),
        warn_cluster_scope=context.session.explicit_namespace and not flags.is_set("all-namespaces"),
    )


def _validate(context: Context, how: Deletion) -> None:
    flags = context.flags
    if how.output not in ("", "name"):
        raise CLIError(f"unexpected -o output mode: {how.output}. We only support '-o name'")
    if flags.is_set("force"):
        if how.grace > 0:
            raise CLIError("--force and --grace-period greater than 0 cannot be specified together")
        context.err(f"Warning: {FORCED}")


def delete_all(context: Context, items: Iterable[Item], how: Deletion) -> int:
    """Delete everything that was found, then wait until it is gone."""
    errors: list[Exception] = []
    deleted: list[tuple[Info, str]] = []
    found, warned = 0, not how.warn_cluster_scope
    with context.session.deferred():
        for item in items:
            try:
                if isinstance(item, Exception):
                    raise item
                found += 1
                if not warned and not item.mapping.namespaced:
                    context.err(
                        "Warning: deleting cluster-scoped resources, not scoped to the provided namespace"
                    )
                    warned = True
                uid = _delete_one(context, item, how)
                deleted.append((item, uid))
            except (CLIError, StatusError) as error:
                errors.append(error)
    if how.ignore_not_found:
        errors = without(errors, is_not_found)
    failure = collected(errors)
    if failure:
        raise failure
    if not found:
        if not how.quiet:
            context.out("No resources found")
        return 0
    if how.wait and how.dry_run == "none":
        wait_for_deletion(context, deleted, how)
    return 0


def _delete_one(context: Context, info: Info, how: Deletion) -> str:
    """Delete one object and say so; the uid of what was deleted."""
    if how.dry_run == "client":
        _say(context, info, how)
        return ""
    query = {"dryRun": "All"} if how.dry_run == "server" else {}
    try:
        answer = context.session.client.request("DELETE", info.path, query=query, body=how.body).body
    except (CLIError, StatusError) as error:
        if not info.source:
            raise
        raise prefixed(f'error when deleting "{info.source}"', error) from None
    _say(context, info, how)
    body = answer if isinstance(answer, dict) else {}
    return str(dig(body, "details", "uid", default="")) if body.get("kind") == "Status" else uid_of(body)


def _say(context: Context, info: Info, how: Deletion) -> None:
    if how.quiet:
        return
    if how.output == "name":
        context.out(info.shown)
        return
    words = "force deleted" if how.grace == 0 else "deleted"
    words += {"client": " (dry run)", "server": " (server dry run)", "none": ""}[how.dry_run]
    context.out(f"{info.mapping.qualified_kind} {json.dumps(info.name)} {words}")


def wait_for_deletion(context: Context, deleted: Sequence[tuple[Info, str]], how: Deletion) -> None:
    """Wait until each object is gone, or another one has its name. Raises CLIError when time runs out."""
    deadline = Deadline(context.session, how.timeout or FOREVER)
    errors: list[Exception] = []
    for info, uid in deleted:
        if not wait_until(context.session, partial(gone, context.session, info, uid), deadline):
            name = f"{info.mapping.gvr.resource}/{info.name}"
            errors.append(CLIError(f"timed out waiting for the condition on {name}"))
    failure = collected(errors)
    if failure:
        raise failure


def _interactive(context: Context, builder: Builder, how: Deletion) -> int:
    infos, errors = builder.infos()
    failure = collected(without(errors, is_not_found) if how.ignore_not_found else errors)
    if failure:
        raise failure
    if not infos:
        context.out("No resources found")
        return 0
    context.out("You are about to delete the following " + f"{len(infos)} resource(s):")
    for info in infos:
        context.out(info.shown)
    context.streams.stdout.write("Do you want to continue? (y/N): ")
    context.streams.stdout.flush()
    answer = context.streams.stdin.readline().decode(errors="replace").strip()
    if answer not in ("y", "Y"):
        context.out("deletion is cancelled")
        return 0
    return delete_all(context, infos, how)


DELETE_FLAGS: tuple[Flag, ...] = (
    Flag(
        "cascade",
        "What happens to objects that belong to the deleted one: background, foreground or orphan.",
        default="background",
        no_opt="background",
    ),
    boolean("force", "With a grace period of 0: take the object away at once."),
    Flag(
        "grace-period",
        "Seconds that the object gets to end well; below 0: as the object says.",
        kind="int",
        default=-1,
    ),
    Flag("timeout", "How long to wait for the end; 0: as the object says.", kind="duration"),
    boolean("wait", "Wait until the objects are gone.", default=True),
)

COMMAND = Command(
    name="delete",
    use="delete ([-f FILENAME] | [-k DIRECTORY] | TYPE [(NAME | -l label | --all)])",
    short="Delete resources by file, stdin, name or selector",
    long="Delete objects: those that files describe, those named, or those that a selector finds. "
    "The command waits until they are gone.",
    examples="""\
# What a file describes
kubesim delete -f pod.yaml

# Objects by type and name
kubesim delete pod/web service/web
kubesim delete pods web-1 web-2

# Everything with a label
kubesim delete pods,services -l app=web

# At once, without asking the container
kubesim delete pod web --force""",
    flags=(
        boolean("all", "All objects of the types named, in the namespace."),
        boolean("ignore-not-found", "What is not there is no failure; the default with --all and selectors."),
        boolean("interactive", "Ask before anything is deleted.", "i"),
        boolean("now", "As --grace-period=1."),
        Flag("output", 'Output: "name" prints type/name.', "o"),
        Flag("raw", "Path of a DELETE request to send as it is."),
        DRY_RUN_FLAG,
        ALL_NAMESPACES_FLAG,
        FIELD_SELECTOR_FLAG,
        SELECTOR_FLAG,
        *DELETE_FLAGS,
        *filename_flags("with the objects to delete."),
    ),
    run=run,
)
