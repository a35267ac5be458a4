"""`create --edit`: the objects of files in the user's editor before they are created."""

from __future__ import annotations

import json

from kubesim.cli.builder import Builder, Info
from kubesim.cli.command import Context
from kubesim.cli.commands.create import create_one
from kubesim.cli.commands.edit import HEADER, strip_comments
from kubesim.cli.documents import decode_document, validate_document
from kubesim.cli.editor import edit_file
from kubesim.cli.errors import CLIError
from kubesim.cli.options import WriteOptions
from kubesim.util.yamlfmt import YAMLSyntaxError, dump, load_documents


def edit_and_create(context: Context, builder: Builder, options: WriteOptions) -> int:
    """Edit each object by itself; one that was not changed is not created."""
    for item in builder.visit():
        if isinstance(item, Exception):
            raise item
        if _edit(context, item):
            create_one(context, item, options)
    return 0


def _edit(context: Context, info: Info) -> bool:
    as_json = context.flags.text("output") == "json"
    obj = info.object or {}
    text = HEADER + (json.dumps(obj, indent=4, sort_keys=True) + "\n" if as_json else dump(obj))
    suffix = ".json" if as_json else ".yaml"
    edited, path = edit_file(context.streams, text, prefix=f"{context.streams.program}-edit-", suffix=suffix)
    try:
        if strip_comments(text) == strip_comments(edited):
            context.err("Edit cancelled, no changes made.")
            return False
        document = next(iter(load_documents(edited.encode("utf-8", "surrogateescape"))), None)
        if document is None or document.value is None:
            context.err("Edit cancelled, saved file was empty.")
            return False
        validate_document(document.value, "edited-file")
        info.object = decode_document(document.value, "edited-file", lambda: context.session.schema)
    except (YAMLSyntaxError, CLIError) as error:
        context.err(f'A copy of your changes has been stored to "{path}"')
        raise CLIError(str(error)) from None
    path.unlink(missing_ok=True)
    return True
