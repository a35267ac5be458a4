"""`patch`: change fields with a strategic merge, merge or JSON patch (pkg/cmd/patch/patch.go)."""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery.meta import gvk_of
from kubesim.apimachinery.patch.merge import create_merge_patch
from kubesim.apimachinery.rest import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from kubesim.cli.builder import Builder, Info, collected, filename_flags
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.options import DRY_RUN_FLAG, PRINT_FLAGS, WriteOptions, field_manager_flag, print_result
from kubesim.cli.recording import RECORD_FLAG, is_recorded, record
from kubesim.util.jsontypes import JSONObject, decode, deep_copy, encode
from kubesim.util.yamlfmt import YAMLSyntaxError, load_documents

TYPES = {"json": JSON_PATCH, "merge": MERGE_PATCH, "strategic": STRATEGIC_MERGE_PATCH}


def run(context: Context) -> int:
    """Patch every object named."""
    flags = context.flags
    options = WriteOptions.of(context)
    _validate(context, options)
    kind = flags.text("type").lower() or "strategic"
    patch = _patch_bytes(context)
    builder = Builder.of(
        context,
        context.args,
        subresource=flags.text("subresource"),
        continue_on_error=True,
        flatten=True,
    )
    errors: list[Exception] = []
    count = 0
    for item in builder.visit():
        if isinstance(item, Exception):
            errors.append(item)
            continue
        count += 1
        query = {k: v for k, v in options.query.items() if k != "fieldValidation"}
        before = item.object
        if flags.is_set("local") or options.dry_run == "client":
            item.object = _patched(context, item, patch, kind)
        else:
            answer = context.session.client.request(
                "PATCH", item.path, query=query, body=patch, content_type=TYPES[kind]
            ).body
            item.object = answer if isinstance(answer, dict) else {}
        words = "patched" if item.object != before else "patched (no change)"
        if not flags.is_set("local") and options.dry_run != "client":
            item.object = _recorded(context, item, item.object, query)
        context.printer = None  # kubectl makes one for each object: no `---` stands between them
        print_result(context, item, words)
    failure = collected(errors)
    if failure:
        raise failure
    if not count:
        raise CLIError("no objects passed to patch")
    return 0


def _recorded(context: Context, info: Info, obj: JSONObject, query: dict[str, str]) -> JSONObject:
    """The patched object, after a second patch if the command line is to be noted."""
    if not is_recorded(context):
        return obj
    noted = deep_copy(obj)
    record(context, noted)
    answer = context.session.client.request(
        "PATCH", info.path, query=query, body=create_merge_patch(obj, noted), content_type=MERGE_PATCH
    ).body
    return answer if isinstance(answer, dict) else noted


def _validate(context: Context, options: WriteOptions) -> None:
    flags = context.flags
    if flags.text("patch") and flags.text("patch-file"):
        raise CLIError("cannot specify --patch and --patch-file together")
    if not flags.text("patch") and not flags.text("patch-file"):
        raise CLIError("must specify --patch or --patch-file containing the contents of the patch")
    if flags.is_set("local") and context.args:
        raise CLIError("cannot specify --local and server resources")
    if flags.is_set("local") and options.dry_run == "server":
        raise CLIError("cannot specify --local and --dry-run=server - did you mean --dry-run=client?")
    kind = flags.text("type")
    if kind and kind.lower() not in TYPES:
        raise CLIError(f'--type must be one of [{" ".join(sorted(TYPES))}], not "{kind}"')


def _patch_bytes(context: Context) -> bytes:
    """The patch as JSON. What begins like JSON is sent as it stands: the server judges it."""
    flags = context.flags
    data = flags.text("patch").encode()
    if flags.text("patch-file"):
        try:
            data = context.session.path(flags.text("patch-file")).read_bytes()
        except OSError as error:
            text = (error.strerror or str(error)).lower()
            raise CLIError(f"unable to read patch file: open {flags.text('patch-file')}: {text}") from None
    if data.lstrip()[:1] in (b"{", b"["):
        return data
    try:
        document = next(iter(load_documents(data)), None)
    except YAMLSyntaxError as error:
        raise CLIError(f'unable to parse "{flags.text("patch")}": {error}') from None
    return encode(document.value if document else None)


def _patched(context: Context, info: Info, patch: bytes, kind: str) -> JSONObject:
    """The object as the patch would leave it, without a server."""
    from kubesim.apimachinery.errors import StatusError
    from kubesim.apimachinery.patch.json_patch import apply_json_patch
    from kubesim.apimachinery.patch.merge import apply_merge_patch
    from kubesim.apimachinery.patch.strategic import apply_strategic_patch

    obj: JSONObject = info.object or {}
    made: Any
    try:
        value = decode(patch)
        if kind == "json":
            made = apply_json_patch(obj, value)
        elif kind == "merge":
            made = apply_merge_patch(obj, value)
        else:
            made = apply_strategic_patch(obj, value, context.session.node(gvk_of(obj)))
    except (ValueError, StatusError) as error:
        raise CLIError(str(error)) from None
    if not isinstance(made, dict):
        raise CLIError("the patch does not leave an object")
    return made


COMMAND = Command(
    name="patch",
    use="patch (-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE]",
    short="Change fields of a resource",
    long="Change fields of objects with a strategic merge patch, a JSON merge patch or a JSON patch, in JSON or YAML.",
    examples="""\
# Make a Service reachable on every node
kubesim patch service web -p '{"spec":{"type":"NodePort"}}'

# Replace one value by its position
kubesim patch service web --type=json -p '[{"op":"replace","path":"/spec/ports/0/targetPort","value":8080}]'

# Change the status by hand
kubesim patch pod web --subresource=status --type=merge -p '{"status":{"message":"hello"}}'""",
    flags=(
        RECORD_FLAG,
        boolean("local", "Work on the files alone, without a server."),
        Flag("patch", "The patch.", "p"),
        Flag("patch-file", "File with the patch."),
        Flag("subresource", "The subresource to patch, such as status or scale."),
        Flag("type", "The type of the patch: json, merge or strategic.", default="strategic"),
        DRY_RUN_FLAG,
        field_manager_flag("kubectl-patch"),
        *PRINT_FLAGS,
        *filename_flags("with the objects to change."),
    ),
    run=run,
)
