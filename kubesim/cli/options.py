"""Flags that many commands share, and what they mean: dry run, validation, field manager, output of an
object.

Texts as in kubectl's pkg/cmd/util/helpers.go and cli-runtime's pkg/genericclioptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, Values, boolean

if TYPE_CHECKING:
    from kubesim.cli.builder import Info
    from kubesim.cli.command import Context
    from kubesim.util.jsontypes import JSONObject

DryRun = Literal["none", "client", "server"]

DRY_RUN_FLAG = Flag(
    "dry-run",
    'Must be "none", "server" or "client": client only prints what would be sent, server sends it without keeping it.',
    default="none",
    no_opt="unchanged",
)
VALIDATE_FLAG = Flag(
    "validate",
    'Must be "strict" (or true), "warn" or "ignore" (or false): what happens to fields that the schema does not have.',
    default="strict",
    no_opt="strict",
)


def field_manager_flag(default: str) -> Flag:
    return Flag("field-manager", "Name of the manager that owns the fields written.", default=default)


PRINT_FLAGS: tuple[Flag, ...] = (
    Flag(
        "output",
        "Output format: json, yaml, name, go-template, go-template-file, template, templatefile, jsonpath, "
        "jsonpath-as-json, jsonpath-file.",
        "o",
    ),
    Flag("template", "Template string, or file with it, for -o go-template and -o go-template-file."),
    boolean("allow-missing-template-keys", "A missing field in a template is not an error.", default=True),
    boolean("show-managed-fields", "Keep metadata.managedFields in JSON and YAML."),
)


def dry_run_of(context: Context) -> DryRun:
    """The dry-run strategy. Raises CLIError for a value that is none. Old boolean values still work, with a
    warning.
    """
    value = context.flags.text("dry-run")
    match value:
        case "none" | "client" | "server":
            return value
        case "unchanged":
            text = "--dry-run is deprecated and can be replaced with --dry-run=client."
            context.session.klog("W", "helpers.go:702", text)
            return "client"
        case "1" | "t" | "T" | "TRUE" | "true" | "True":
            text = (
                f"--dry-run={value} is deprecated (boolean value) and can be replaced with --dry-run=client."
            )
            context.session.klog("W", "helpers.go:716", text)
            return "client"
        case "0" | "f" | "F" | "FALSE" | "false" | "False":
            text = f"--dry-run={value} is deprecated (boolean value) and can be replaced with --dry-run=none."
            context.session.klog("W", "helpers.go:719", text)
            return "none"
    raise CLIError(f'Invalid dry-run value ({value}). Must be "none", "server", or "client".')


def validation_of(flags: Values) -> str:
    """The fieldValidation parameter: Strict, Warn or Ignore. Raises CLIError for any other value."""
    value = flags.text("validate")
    match value:
        case "strict" | "true" | "1" | "t" | "T" | "TRUE" | "True":
            return "Strict"
        case "warn":
            return "Warn"
        case "ignore" | "false" | "0" | "f" | "F" | "FALSE" | "False":
            return "Ignore"
    raise CLIError(
        f'invalid - validate option "{value}"; must be one of: strict (or true), warn, ignore (or false)'
    )


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What goes with a write: how it is tried, who owns the fields, how strictly fields are checked."""

    dry_run: DryRun = "none"
    field_manager: str = ""
    field_validation: str = ""

    @classmethod
    def of(cls, context: Context) -> WriteOptions:
        """From the flags that the command has. Raises CLIError."""
        flags = context.flags
        return cls(
            dry_run_of(context) if flags.has("dry-run") else "none",
            flags.text("field-manager") if flags.has("field-manager") else "",
            validation_of(flags) if flags.has("validate") else "",
        )

    @property
    def query(self) -> dict[str, str]:
        """The query parameters of the request."""
        found = {
            "dryRun": "All" if self.dry_run == "server" else "",
            "fieldManager": self.field_manager,
            "fieldValidation": self.field_validation,
        }
        return {k: v for k, v in found.items() if v}

    @property
    def suffix(self) -> str:
        """What is added to `created`, `configured` …"""
        return {"client": " (dry run)", "server": " (server dry run)", "none": ""}[self.dry_run]


def print_result(context: Context, info: Info, operation: str, options: WriteOptions | None = None) -> None:
    """Say `service/web created`, or print the object in the format that `-o` names."""
    shown = f"{info.mapping.qualified_kind}/{info.name or '<unknown>'}"
    print_object(context, info.object or {}, shown, operation, options)


def print_object(
    context: Context, obj: JSONObject, shown: str, operation: str, options: WriteOptions | None = None
) -> None:
    """As `print_result`, for an object that has no Info. `shown` is for instance `service/web`."""
    output = context.flags.text("output") if context.flags.has("output") else ""
    if not output and not (context.flags.has("template") and context.flags.text("template")):
        context.out(f"{shown} {operation}{options.suffix if options else ''}".rstrip())
        return
    if output == "name":
        context.out(shown)
        return
    from kubesim.cli.printers import printer_for

    printer_for(context).print_object(obj, context.streams.stdout)
