"""`replace`: objects as files have them, whole (pkg/cmd/replace)."""

from __future__ import annotations

from datetime import timedelta

from kubesim.apimachinery.errors import StatusError
from kubesim.cli.builder import Builder, Info, collected, filename_flags
from kubesim.cli.command import Command, Context
from kubesim.cli.commands.delete import DELETE_FLAGS, Deletion, delete_all
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag
from kubesim.cli.generated import SAVE_CONFIG_FLAG, prefixed, set_last_applied, unversioned
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
    """Replace every object of the files."""
    flags = context.flags
    options = WriteOptions.of(context)
    files = flags.texts("filename")
    if not files and not flags.text("kustomize"):
        raise CLIError("must specify one of -f and -k")
    _validate(context, options)
    if flags.text("raw"):
        return send_raw(context, "PUT", flags.text("raw"))
    if flags.is_set("force"):
        return _force(context, options)
    errors: list[Exception] = []
    with context.session.deferred():
        for item in _builder(context, options).visit():
            try:
                if isinstance(item, Exception):
                    raise item
                _replace(context, item, options)
            except (CLIError, StatusError) as error:
                errors.append(error)
    failure = collected(errors)
    if failure:
        raise failure
    return 0


def _builder(context: Context, options: WriteOptions) -> Builder:
    flags = context.flags
    return Builder.of(
        context,
        context.args,
        subresource=flags.text("subresource"),
        validation=options.field_validation,
        require_object=False,
        continue_on_error=True,
        flatten=True,
    )


def _validate(context: Context, options: WriteOptions) -> None:
    flags = context.flags
    forced = flags.is_set("force")
    if flags.number("grace-period") >= 0 and not forced:
        raise CLIError("--grace-period must have --force specified")
    if flags.duration("timeout") != timedelta(0) and not forced:
        raise CLIError("--timeout must have --force specified")
    if forced and options.dry_run != "none":
        raise CLIError("--dry-run can not be used when --force is set")
    if flags.text("raw"):
        names = flags.texts("filename")
        if len(names) != 1:
            raise CLIError("--raw can only use a single local file or stdin")
        if names[0].startswith(("http://", "https://")):
            raise CLIError("--raw cannot read from a url")
        if flags.is_set("recursive"):
            raise CLIError("--raw and --recursive are mutually exclusive")
        if flags.text("output"):
            raise CLIError("--raw and --output are mutually exclusive")


def _replace(context: Context, info: Info, options: WriteOptions) -> None:
    obj = info.object or {}
    if context.flags.is_set("save-config"):
        set_last_applied(obj)
    record(context, obj)
    if options.dry_run != "client":
        try:
            answer = context.session.client.request("PUT", info.path, query=options.query, body=obj).body
        except (CLIError, StatusError) as error:
            raise prefixed(f'error when replacing "{info.source}"', error) from None
        info.refresh(answer if isinstance(answer, dict) else obj)
    print_result(context, info, "replaced", options)


def _force(context: Context, options: WriteOptions) -> int:
    """Delete what is there, wait until it is gone, make it anew."""
    flags = context.flags
    infos, errors = _builder(context, options).infos()
    failure = collected(errors)
    if failure:
        raise failure
    grace = flags.number("grace-period")
    how = Deletion(
        1 if grace == 0 else grace,
        ignore_not_found=True,
        wait=True,
        timeout=flags.duration("timeout") or timedelta(minutes=5),
        output="name" if flags.text("output") == "name" else "",
    )
    found = [Info(i.mapping, i.namespace, i.name, i.source) for i in infos]
    delete_all(context, found, how)
    if not infos:
        raise CLIError("no objects passed to replace")
    for info in infos:
        obj = info.object or {}
        if flags.is_set("save-config"):
            set_last_applied(obj)
        record(context, obj)
        answer = context.session.client.request(
            "POST", info.collection_path, query=options.query, body=unversioned(obj)
        ).body
        info.refresh(answer if isinstance(answer, dict) else obj)
        print_result(context, info, "replaced", options)
    return 0


COMMAND = Command(
    name="replace",
    use="replace -f FILENAME",
    short="Replace a resource by file or stdin",
    long="Replace objects by what files say, whole. With --force they are deleted and made anew.",
    examples="""\
# By a file
kubesim replace -f svc.yaml

# By what another command printed
kubesim get svc web -o yaml | sed 's/port: 80$/port: 81/' | kubesim replace -f -

# Delete and make anew
kubesim replace --force -f pod.yaml""",
    flags=(
        RECORD_FLAG,
        Flag("raw", "Path of a PUT request to send as it is."),
        Flag("subresource", "The subresource to replace, such as status."),
        DRY_RUN_FLAG,
        SAVE_CONFIG_FLAG,
        VALIDATE_FLAG,
        field_manager_flag("kubectl-replace"),
        *DELETE_FLAGS,
        *PRINT_FLAGS,
        *filename_flags("with the objects to replace by."),
    ),
    run=run,
)
