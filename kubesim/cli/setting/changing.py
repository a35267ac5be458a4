"""What the subcommands of `set` share: their flags, the objects as kubectl's typed clients hold them, patches.

Sources: pkg/cmd/set/helper.go (CalculatePatches) and the Run of each subcommand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.patch.strategic_diff import create_two_way_patch
from kubesim.apimachinery.rest import STRATEGIC_MERGE_PATCH
from kubesim.cli.builder import SELECTOR_FLAG, Builder, Info, filename_flags
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError, raise_all
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.options import DRY_RUN_FLAG, PRINT_FLAGS, WriteOptions, field_manager_flag, print_result
from kubesim.cli.printers import printer_for
from kubesim.cli.recording import RECORD_FLAG, record
from kubesim.util.jsontypes import JSONObject, deep_copy, dig

Change = Callable[[JSONObject], None]
"""Changes an object in place. Raises CLIError where its kind does not fit."""

NO_RESOURCES = "one or more resources must be specified as <resource> <name> or <resource>/<name>"
SELECTOR_AND_ALL = "cannot set --all and --selector at the same time"
LOCAL_AND_SERVER = "cannot specify --local and --dry-run=server - did you mean --dry-run=client?"
_LOCAL_ONLY = (
    "error: you must specify resources by --filename when --local is set.\n"
    "Example resource specifications include:\n"
    "   '-f rsrc.yaml'\n"
    "   '--filename=rsrc.json'"
)


def setting_flags(*more: Flag, selector: bool = True, recording: bool = True) -> tuple[Flag, ...]:
    """The flags of every subcommand, and its own."""
    return (
        *more,
        *((RECORD_FLAG,) if recording else ()),
        boolean("all", "All objects of the types named, in the namespace."),
        boolean("local", "Work on the files alone, without a server."),
        DRY_RUN_FLAG,
        *((SELECTOR_FLAG,) if selector else ()),
        field_manager_flag("kubectl-set"),
        *PRINT_FLAGS,
        *filename_flags("with the objects to change."),
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """How one subcommand changes objects and what it says.

    `failure` stands in front of the server's refusal. `keep_empty` sends a patch that changes nothing as well.
    """

    done: str
    failure: str
    keep_empty: bool = False


def is_local(context: Context) -> bool:
    return context.flags.is_set("local")


def refuse_server_dry_run(context: Context, options: WriteOptions) -> None:
    """Raises CLIError for --local with --dry-run=server."""
    if is_local(context) and options.dry_run == "server":
        raise CLIError(LOCAL_AND_SERVER)


def refuse_selector_with_all(context: Context) -> None:
    """Raises CLIError for --all with --selector."""
    if context.flags.is_set("all") and context.flags.text("selector"):
        raise CLIError(SELECTOR_AND_ALL)


def typed_infos(context: Context, resources: Sequence[str], *, refuse_resources: bool = True) -> list[Info]:
    """The objects that the command line names, as typed structs. Raises what was wrong with any of them.

    `refuse_resources`: with --local, resources are an error; else they are passed over.
    """
    items = list(typed_items(context, resources, refuse_resources=refuse_resources))
    raise_all([item for item in items if isinstance(item, Exception)])
    return [item for item in items if isinstance(item, Info)]


def typed_items(
    context: Context, resources: Sequence[str], *, refuse_resources: bool = True
) -> Iterator[Info | Exception]:
    """As `typed_infos`, with errors in the places of the objects that they concern."""
    flags, local = context.flags, is_local(context)
    if local and resources and refuse_resources:
        raise CLIError(_LOCAL_ONLY)
    builder = Builder.of(
        context,
        () if local else resources,
        label_selector=flags.text("selector") if flags.has("selector") and not local else "",
        allow_empty_selector=flags.is_set("all"),
        latest=not local,
        continue_on_error=True,
        flatten=True,
    )
    for item in builder.visit():
        if isinstance(item, Exception):
            yield item
            continue
        try:
            item.object = _typed(context, item)
        except CLIError as error:
            yield error
        else:
            yield item


def _typed(context: Context, info: Info) -> JSONObject:
    """The object as kubectl's scheme holds it. Raises CLIError for a kind that the scheme does not have."""
    gvk, schema = info.mapping.gvk, context.session.schema
    prefix = f'unable to decode "{info.source}": ' if info.source else ""
    if schema.definition_of(gvk) is None:
        raise CLIError(
            f'{prefix}no kind "{gvk.kind}" is registered for version "{gvk.api_version}" '
            'in scheme "pkg/scheme/scheme.go:28"'
        )
    try:
        return schema.encode(gvk, schema.decode(gvk, info.object or {}).obj)
    except ValueError as error:
        raise CLIError(f"{prefix}{error}") from None


def change_all(
    context: Context, infos: Sequence[Info], options: WriteOptions, change: Change, setting: Setting
) -> list[Exception]:
    """Change a copy of each object, send the difference, say what was done. What failed is given back."""
    print_typed(context)
    errors: list[Exception] = []
    for info in infos:
        before = info.object or {}
        after = deep_copy(before)
        try:
            change(after)
            record(context, after)
        except CLIError as error:
            name = f"{info.mapping.gvr.resource}/{info.name}"
            errors.append(CLIError(f"error: {name} {error}\n"))
            continue
        if after == before and not setting.keep_empty:
            continue
        try:
            info.object = write(context, info, before, after, options)
        except StatusError as error:
            errors.append(CLIError(f"{setting.failure}{error.message}"))
            continue
        print_result(context, info, setting.done, options)
    return errors


def print_typed(context: Context) -> None:
    """Have objects printed in the order of Go's structs. Raises CLIError for a format that there is not."""
    if context.flags.text("output"):
        printer_for(context, struct_order=True)


def write(
    context: Context, info: Info, before: JSONObject, after: JSONObject, options: WriteOptions
) -> JSONObject:
    """The object as it is then: the server's answer to a patch, or without a server the changed one."""
    gvk = info.mapping.gvk
    if is_local(context) or options.dry_run == "client":
        schema = context.session.schema
        return schema.encode(gvk, schema.decode(gvk, after).obj)
    patch = create_two_way_patch(before, after, context.session.node(gvk))
    answer = context.session.client.request(
        "PATCH", info.path, query=options.query, body=patch, content_type=STRATEGIC_MERGE_PATCH
    ).body
    return answer if isinstance(answer, dict) else after


def pod_spec_of(obj: JSONObject) -> JSONObject:
    """The Pod spec inside an object. Raises CLIError if its kind has none (updatePodSpecForObject)."""
    kind = obj.get("kind")
    match kind:
        case "Pod":
            found = dig(obj, "spec")
        case "CronJob":
            found = dig(obj, "spec", "jobTemplate", "spec", "template", "spec")
        case "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet" | "Job" | "ReplicationController":
            found = dig(obj, "spec", "template", "spec")
        case _:
            found = None
    if isinstance(found, dict):
        return found
    version = str(obj.get("apiVersion", "")).rpartition("/")[2]
    raise CLIError(f"the object is not a pod or does not have a pod template: *{version}.{kind}")


def containers_of(spec: JSONObject, pattern: str) -> list[JSONObject]:
    """The containers that a pattern means, then the init containers."""
    every = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    return [c for c in every if _selected(c.get("name", ""), pattern)]


def _selected(name: str, pattern: str) -> bool:
    """Whether `*` in a pattern can stand for the rest of a name (selectString): never trying a second place,
    and without asking that the first part begins the name.
    """
    if pattern == "*":
        return True
    parts = pattern.split("*")
    if len(parts) == 1:
        return name == pattern
    position = 0
    for number, part in enumerate(parts):
        if not part:
            continue
        at = name[position:].find(part)
        if at < position or (number == len(parts) - 1 and len(name) != len(part) + at):
            return False
        position = at
    return True
