"""`create`: objects from files, or from flags with one of the subcommands (pkg/cmd/create)."""

from __future__ import annotations

from kubesim.apimachinery.errors import StatusError
from kubesim.cli.builder import SELECTOR_FLAG, Builder, Info, collected, filename_flags
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.generated import SAVE_CONFIG_FLAG, prefixed, set_last_applied, unversioned
from kubesim.cli.generators import GENERATORS
from kubesim.cli.options import (
    DRY_RUN_FLAG,
    PRINT_FLAGS,
    VALIDATE_FLAG,
    WriteOptions,
    field_manager_flag,
    print_result,
)
from kubesim.cli.raw import send_raw
from kubesim.cli.recording import RECORD_FLAG, record


def run(context: Context) -> int:
    """Create every object of the files; one that is refused does not stop the others."""
    flags = context.flags
    if context.args:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    if not flags.texts("filename") and not flags.text("kustomize"):
        raise CLIError("must specify one of -f and -k")
    options = WriteOptions.of(context)
    if flags.text("raw"):
        _validate_raw(context)
        return send_raw(context, "POST", flags.text("raw"))
    builder = Builder.of(
        context,
        validation=options.field_validation,
        require_object=False,
        continue_on_error=True,
        flatten=True,
    )
    if flags.is_set("edit"):
        from kubesim.cli.editcreate import edit_and_create

        return edit_and_create(context, builder, options)
    errors: list[Exception] = []
    count = 0
    with context.session.deferred():
        for item in builder.visit():
            try:
                if isinstance(item, Exception):
                    raise item
                create_one(context, item, options)
                count += 1
            except (CLIError, StatusError) as error:
                errors.append(error)
    failure = collected(errors)
    if failure:
        raise failure
    if not count:
        raise CLIError("no objects passed to create")
    return 0


def create_one(context: Context, info: Info, options: WriteOptions) -> None:
    """Create one object of a file and say so."""
    obj = info.object or {}
    if context.flags.is_set("save-config"):
        set_last_applied(obj)
    record(context, obj)
    if options.dry_run != "client":
        body = unversioned(obj)
        try:
            answer = context.session.client.request(
                "POST", info.collection_path, query=options.query, body=body
            ).body
        except (CLIError, StatusError) as error:
            raise prefixed(f'error when creating "{info.source}"', error) from None
        info.refresh(answer if isinstance(answer, dict) else obj)
    print_result(context, info, "created", options)


def _validate_raw(context: Context) -> None:
    flags = context.flags
    names = flags.texts("filename")
    if flags.is_set("edit"):
        raise CLIError("--raw and --edit are mutually exclusive")
    if len(names) != 1:
        raise CLIError("--raw can only use a single local file or stdin")
    if names[0].startswith(("http://", "https://")):
        raise CLIError("--raw cannot read from a url")
    if flags.is_set("recursive"):
        raise CLIError("--raw and --recursive are mutually exclusive")
    if flags.text("selector"):
        raise CLIError("--raw and --selector (-l) are mutually exclusive")
    if flags.text("output"):
        raise CLIError("--raw and --output are mutually exclusive")


COMMAND = Command(
    name="create",
    use="create -f FILENAME",
    short="Create a resource from a file or from stdin",
    long="Create objects from files, in JSON or YAML, or from flags with one of the subcommands.",
    examples="""\
# From a file
kubesim create -f pod.yaml

# From standard input
cat pod.yaml | kubesim create -f -

# From flags
kubesim create service clusterip web --tcp=80:8080""",
    flags=(
        RECORD_FLAG,
        boolean("edit", "Edit the objects before they are created."),
        Flag("raw", "Path of a POST request to send as it is."),
        boolean("windows-line-endings", "With --edit: give the file the line ends of Windows."),
        DRY_RUN_FLAG,
        SAVE_CONFIG_FLAG,
        SELECTOR_FLAG,
        VALIDATE_FLAG,
        field_manager_flag("kubectl-create"),
        *PRINT_FLAGS,
        *filename_flags("with the objects to create."),
    ),
    run=run,
    subcommands=GENERATORS,
)
