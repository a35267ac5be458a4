"""`describe`: objects as pages of text (pkg/cmd/describe)."""

from __future__ import annotations

from kubesim.apimachinery.errors import StatusError
from kubesim.cli.builder import (
    ALL_NAMESPACES_FLAG,
    CHUNK_SIZE_FLAG,
    SELECTOR_FLAG,
    Builder,
    Info,
    collected,
    filename_flags,
)
from kubesim.cli.command import Command, Context
from kubesim.cli.describe import describer_for
from kubesim.cli.describe.page import Page
from kubesim.cli.errors import AggregateError, CLIError, is_not_found, raise_all
from kubesim.cli.flags import boolean


def run(context: Context) -> int:
    """Describe what the command line names; a name that does not exist is taken for the beginning of names."""
    flags = context.flags
    if not context.args and not flags.texts("filename") and not flags.text("kustomize"):
        program = context.streams.program
        raise CLIError(
            "You must specify the type of resource to describe. "
            f'Use "{program} api-resources" for a complete list of supported resources.\n'
        )
    builder = _builder(context, context.args)
    infos, errors = builder.infos()
    if errors and len(context.args) == 2 and any(is_not_found(e) for e in errors):
        return _matching(context, errors[0])
    pages: list[str] = []
    failures: list[Exception] = []
    for info in infos:
        try:
            pages.append(describe(context, info))
        except (CLIError, StatusError) as error:
            failures.append(error)
    context.streams.stdout.write("\n\n".join(pages))
    if not infos and not errors:
        where = "" if flags.is_set("all-namespaces") else f" in {context.session.namespace} namespace."
        context.err(f"No resources found{where}")
    unread = collected(errors)
    if unread:
        raise AggregateError([unread, *failures])
    raise_all(failures)
    return 0


def _builder(context: Context, arguments: list[str], *, files: bool = True) -> Builder:
    return Builder.of(
        context,
        arguments,
        allow_empty_selector=True,
        continue_on_error=True,
        flatten=True,
        chunk_size=context.flags.number("chunk-size"),
        **({} if files else {"filenames": (), "kustomize": "", "label_selector": ""}),
    )


def describe(context: Context, info: Info) -> str:
    """The page of one object, read anew. Raises StatusError."""
    client = context.session.client
    page = Page(client, context.session.now(), show_events=context.flags.is_set("show-events"))
    answer = client.request("GET", info.path).body
    obj = answer if isinstance(answer, dict) else {}
    describer_for(info.mapping.gvk)(page, obj)
    return page.text()


def _matching(context: Context, error: Exception) -> int:
    """Describe every object whose name begins so; the first error again if there is none."""
    word, prefix = context.args
    infos, errors = _builder(context, [word], files=False).infos()
    failure = collected(errors)
    if failure:
        raise failure
    found = [i for i in infos if i.name.startswith(prefix)]
    if not found:
        raise error
    for info in found:
        context.streams.stdout.write(describe(context, info) + "\n")
    return 0


COMMAND = Command(
    name="describe",
    use="describe (-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME)",
    short="Show details of a resource or a group of resources",
    long="Show what there is to say of objects: fields, related objects, and what happened to them. A name that no "
    "object has is taken for the beginning of names.",
    examples="""\
# A Service
kubesim describe svc web

# Every Pod whose name begins with web
kubesim describe pods web

# Pods with a label
kubesim describe po -l app=web""",
    flags=(
        boolean("show-events", "Show what happened to the object.", default=True),
        ALL_NAMESPACES_FLAG,
        CHUNK_SIZE_FLAG,
        SELECTOR_FLAG,
        *filename_flags("with the objects to describe."),
    ),
    run=run,
)
