"""What the subcommands of `create` have in common: one name, flags, and the way to the server.

As pkg/cmd/create has it: the name, then the flags that all share, then the printer are checked; then the
object is made, and only then is the server asked, by the path that a typed client knows without discovery.
`--dry-run=client` asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError, UsageError
from kubesim.cli.flags import Flag
from kubesim.cli.generated import LAST_APPLIED, SAVE_CONFIG_FLAG
from kubesim.cli.options import (
    DRY_RUN_FLAG,
    PRINT_FLAGS,
    VALIDATE_FLAG,
    WriteOptions,
    field_manager_flag,
    print_object,
)
from kubesim.cli.paths import resource_path
from kubesim.cli.structorder import in_struct_order
from kubesim.util.gotext import quote, to_json
from kubesim.util.jsontypes import JSONObject

COMMON_FLAGS: tuple[Flag, ...] = (
    DRY_RUN_FLAG,
    SAVE_CONFIG_FLAG,
    VALIDATE_FLAG,
    field_manager_flag("kubectl-create"),
    *PRINT_FLAGS,
)
INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Target:
    """Where the objects of a generator go. `failure` stands in front of the server's refusal, as it is.

    `annotated` says whether `--save-config` has an effect: `create service` takes the flag and forgets it.
    """

    resource: GroupVersionResource
    namespaced: bool = True
    failure: str = ""
    annotated: bool = True


Build = Callable[[Context, str], JSONObject]


def generator(
    name: str,
    build: Build,
    target: Target,
    *,
    use: str,
    short: str,
    long: str = "",
    examples: str,
    flags: Sequence[Flag] = (),
    aliases: Sequence[str] = (),
) -> Command:
    """A subcommand that makes one object. `build` gets the name, checks the flags and raises CLIError."""

    def run(context: Context) -> None:
        wanted = name_argument(context)
        options = WriteOptions.of(context)
        check_output(context)
        create(context, build(context, wanted), target, options)

    return Command(
        name=name,
        use=f"{name} {use}",
        short=short,
        long=long or f"{short}.",
        examples=examples,
        flags=(*flags, *COMMON_FLAGS),
        run=run,
        aliases=aliases,
    )


def group(
    name: str, short: str, subcommands: Sequence[Command], *, long: str = "", aliases: Sequence[str] = ()
) -> Command:
    """A subcommand that has subcommands of its own; alone, it shows its help and fails."""
    return Command(
        name=name,
        use=f"{name} [flags]",
        short=short,
        long=long or f"{short}.",
        subcommands=subcommands,
        aliases=aliases,
    )


def name_argument(context: Context) -> str:
    """The one argument before `--`. Raises UsageError."""
    count = len(context.args) if context.dash == -1 else context.dash
    if count != 1:
        raise context.usage_error(f"exactly one NAME is required, got {count}")
    return context.args[0]


def require_name(name: str) -> None:
    """Raises CLIError for the empty name, where kubectl looks."""
    if not name:
        raise CLIError("name must be specified")


def check_output(context: Context) -> None:
    """Find the printer before anything is made. Raises CLIError for a format that there is not."""
    output = context.flags.text("output")
    if (output and output != "name") or context.flags.text("template"):
        from kubesim.cli.printers import printer_for

        printer_for(context, struct_order=True)


def create(context: Context, obj: JSONObject, target: Target, options: WriteOptions) -> None:
    """Create the object, unless only the client shall try, and say so. Raises CLIError, StatusError."""
    session = context.session
    metadata = obj["metadata"]
    if target.namespaced and session.explicit_namespace:
        metadata["namespace"] = session.namespace
    obj = in_struct_order(obj)
    if target.annotated and context.flags.is_set("save-config"):
        _annotate(obj)
        obj = in_struct_order(obj)
    if options.dry_run != "client":
        obj = in_struct_order(_post(context, obj, target, options))
    print_object(
        context, obj, f"{_qualified_kind(obj, target)}/{obj['metadata'].get('name', '')}", "created", options
    )


def _post(context: Context, obj: JSONObject, target: Target, options: WriteOptions) -> JSONObject:
    session = context.session
    path = resource_path(target.resource, session.namespace if target.namespaced else "")
    try:
        answer = session.client.request("POST", path, query=options.query, body=obj).body
    except StatusError as error:
        if not target.failure:
            raise
        raise CLIError(f"{target.failure}{error.message}") from None
    return answer if isinstance(answer, dict) else obj


def _annotate(obj: JSONObject) -> None:
    """Keep the object, as it is, in an annotation: GetModifiedConfiguration of a typed object."""
    text = to_json(obj, sort_keys=False) + "\n"
    metadata = obj["metadata"]
    metadata["annotations"] = {**metadata.get("annotations", {}), LAST_APPLIED: text}


def _qualified_kind(obj: JSONObject, target: Target) -> str:
    kind = str(obj["kind"]).lower()
    return f"{kind}.{target.resource.group}" if target.resource.group else kind


def int32(context: Context, name: str, short: str = "") -> int:
    """The value of a flag that holds 32 bits. Raises CLIError as for any flag that cannot be read."""
    value = context.flags.number(name)
    if INT32_MIN <= value <= INT32_MAX:
        return value
    reason = f"strconv.ParseInt: parsing {quote(str(value))}: value out of range"
    raise flag_error(context, str(value), f"-{short}, --{name}" if short else f"--{name}", reason)


def flag_error(context: Context, value: str, name: str, reason: str) -> UsageError:
    """The error for a flag's value that cannot be read; `name` is `-r, --replicas` or `--port`."""
    message = f"invalid argument {quote(value)} for {quote(name)} flag: {reason}"
    return UsageError(f"{message}\nSee '{context.path} --help' for usage.")


def unique(values: Sequence[str]) -> list[str]:
    """The values without repetition, in their order."""
    return list(dict.fromkeys(values))
