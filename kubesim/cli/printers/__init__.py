"""How objects are printed: one Printer for each output format of `-o`.

`get_printer` finds the printer for a format, `printer_for` the one that a command's flags ask for. Printers
write to the stream they are given, and to nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from kubesim.cli.errors import CLIError
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.cli.command import Context
    from kubesim.cli.flags import Values
    from kubesim.cli.printers.tabwriter import Output

_JSONPATH = ("jsonpath", "jsonpath-as-json", "jsonpath-file")
_GO_TEMPLATE = ("go-template", "go-template-file", "template", "templatefile")
_COLUMNS = ("custom-columns", "custom-columns-file")
ALL_COMMANDS = ("json", "yaml", "name", *_GO_TEMPLATE, *_JSONPATH)
GET = (*ALL_COMMANDS, *_COLUMNS, "wide")


class Printer(Protocol):
    """Prints objects one after another; it may remember what it printed before."""

    def print_object(self, obj: JSONObject, stream: Output) -> None:
        """Print an object, a List, or a Table. Raises CLIError."""
        ...

    def print_event(self, event_type: str, obj: JSONObject, stream: Output) -> None:
        """Print an object with what happened to it: `--output-watch-events`. Raises CLIError."""
        ...


def _no_files(name: str) -> bytes:
    raise FileNotFoundError(2, "no such file or directory", name)


@dataclass(frozen=True, slots=True)
class PrintOptions:
    """What flags say of printing. `kind` is `Service` or `Deployment.apps`: what `--show-kind` puts before
    names.

    `read_file` reads a file named by the user. `struct_order` says that the objects' fields stand in the
    order in which Go has them, and are to be printed so in JSON; objects from the server are printed in
    alphabetical order. `now` is for ages of objects that come in no Table.
    """

    template: str = ""
    allow_missing_keys: bool = True
    show_managed_fields: bool = False
    no_headers: bool = False
    wide: bool = False
    show_labels: bool = False
    label_columns: Sequence[str] = ()
    show_kind: bool = False
    with_namespace: bool = False
    kind: str = ""
    sort_by: str = ""
    struct_order: bool = False
    read_file: Callable[[str], bytes] = field(default=_no_files)
    now: Callable[[], datetime] | None = None


def get_printer(output: str, options: PrintOptions, formats: Sequence[str] = GET) -> Printer:
    """The printer for an output format as `-o` names it, with its template behind `=`.

    `formats` are those that the command knows. Raises CLIError for any other, and for a template that is
    wrong.
    """
    if options.template and not output:
        output = "go-template"
    printer = _template_printer(output, options)
    if printer is None:
        printer = _structured_printer(output, options)
    if printer is None and "wide" in formats:
        printer = _table_printer(output, options)
    if printer is None:
        raise no_printer(output, formats)
    if options.sort_by:
        from kubesim.cli.printers.sorting import SortingPrinter

        return SortingPrinter(printer, options.sort_by)
    return printer


def no_printer(output: str, formats: Sequence[str]) -> CLIError:
    """The error for a format that a command does not know."""
    return CLIError(
        f"unable to match a printer suitable for the output format {quote(output)}, "
        f"allowed formats are: {','.join(sorted(formats))}"
    )


def _split(output: str, options: PrintOptions, formats: Sequence[str]) -> tuple[str, str] | None:
    """Format and template, if the format is one of these."""
    name, _, template = output.partition("=")
    if options.template:
        name, template = output, options.template
    return (name, template) if name in formats else None


def _template_printer(output: str, options: PrintOptions) -> Printer | None:
    if found := _split(output, options, _JSONPATH):
        from kubesim.cli.printers.templates import JSONPathPrinter

        name, template = _with_template(found, options)
        allow = options.allow_missing_keys
        return JSONPathPrinter(template, allow_missing_keys=allow, as_json=name == "jsonpath-as-json")
    if found := _split(output, options, _GO_TEMPLATE):
        from kubesim.cli.printers.templates import GoTemplatePrinter

        _, template = _with_template(found, options)
        return GoTemplatePrinter(template, allow_missing_keys=options.allow_missing_keys)
    return None


def _with_template(found: tuple[str, str], options: PrintOptions) -> tuple[str, str]:
    name, template = found
    if not template:
        raise CLIError("template format specified but no template given")
    if name.endswith("file"):
        try:
            template = options.read_file(template).decode("utf-8", "replace")
        except OSError as error:
            raise CLIError(f"error reading --template {template}, {_os_error(template, error)}") from None
    return name, template


def _os_error(name: str, error: OSError) -> str:
    """A failure to open a file as Go words it."""
    return f"open {name}: {(error.strerror or str(error)).lower()}"


def _structured_printer(output: str, options: PrintOptions) -> Printer | None:
    from kubesim.cli.printers import structured

    match output.lower():
        case "json":
            return structured.JSONPrinter(
                managed_fields=options.show_managed_fields, struct_order=options.struct_order
            )
        case "yaml":
            return structured.YAMLPrinter(managed_fields=options.show_managed_fields)
        case "name":
            return structured.NamePrinter()
        case _:
            return None


def _table_printer(output: str, options: PrintOptions) -> Printer | None:
    if output in {"", "wide"}:
        from kubesim.cli.printers.table import TablePrinter

        return TablePrinter(options, wide=options.wide or output == "wide")
    found = _split(output, options, _COLUMNS)
    if found is None:
        return None
    from kubesim.cli.printers import columns

    name, template = found
    if not template:
        raise CLIError("custom-columns format specified but no custom columns given")
    if name == "custom-columns":
        return columns.from_spec(template, no_headers=options.no_headers)
    try:
        text = options.read_file(template).decode("utf-8", "replace")
    except OSError as error:
        raise CLIError(f"error reading template {template}, {_os_error(template, error)}\n") from None
    return columns.from_template(text)


def printer_for(context: Context, *, struct_order: bool = False) -> Printer:
    """The printer that a command's flags ask for; the same one each time, as printers count what they print.

    Raises CLIError.
    """
    if context.printer is None:
        output = _text(context.flags, "output")
        context.printer = get_printer(output, print_options(context, struct_order=struct_order), ALL_COMMANDS)
    return context.printer


def print_options(context: Context, *, struct_order: bool = False) -> PrintOptions:
    """What a command's flags say of printing; flags that the command does not have count as not given."""
    flags = context.flags
    return PrintOptions(
        template=_text(flags, "template"),
        allow_missing_keys=_is_set(flags, "allow-missing-template-keys", default=True),
        show_managed_fields=_is_set(flags, "show-managed-fields"),
        no_headers=_is_set(flags, "no-headers"),
        wide=_text(flags, "output") == "wide",
        show_labels=_is_set(flags, "show-labels"),
        label_columns=tuple(flags.texts("label-columns")) if flags.has("label-columns") else (),
        show_kind=_is_set(flags, "show-kind"),
        sort_by=_text(flags, "sort-by"),
        struct_order=struct_order,
        read_file=lambda name: context.streams.path(name).read_bytes(),
        now=context.session.now,
    )


def _text(flags: Values, name: str) -> str:
    return flags.text(name) if flags.has(name) else ""


def _is_set(flags: Values, name: str, *, default: bool = False) -> bool:
    return flags.is_set(name) if flags.has(name) else default


def as_list(items: Sequence[JSONObject], resource_version: str = "") -> JSONObject:
    """Several objects as the one List that `get` prints."""
    return {
        "apiVersion": "v1",
        "items": list(items),
        "kind": "List",
        "metadata": {"resourceVersion": resource_version},
    }
