"""`explain`: what the fields of a kind mean, from the published schema (pkg/explain/v2)."""

from __future__ import annotations

from pathlib import Path

from kubesim.apimachinery.gvk import GroupVersionKind, split_api_version
from kubesim.apimachinery.schema.explain import ExplainNode, FieldNotFoundError, explain_node
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError, RawError
from kubesim.cli.flags import Flag, boolean
from kubesim.client.restmapper import Mapping, NoMatch, RESTMapper

FORMATS = ("plaintext", "plaintext-openapiv2")
SHORT_ENUM = 4


def run(context: Context) -> int:
    """Print the page of a kind or of one of its fields."""
    flags = context.flags
    program = context.streams.program
    if not context.args:
        raise CLIError(
            "You must specify the type of resource to explain. "
            f'Use "{program} api-resources" for a complete list of supported resources.\n'
        )
    if len(context.args) > 1:
        raise CLIError("We accept only this format: explain RESOURCE\n")
    if flags.text("output") not in FORMATS:
        raise CLIError(f"unrecognized format: {flags.text('output')}")
    gvk, fields = _parse(context, context.args[0], flags.text("api-version"))
    context.streams.stdout.write(page(context, gvk, fields) + "\n")
    return 0


def _parse(context: Context, text: str, api_version: str) -> tuple[GroupVersionKind, list[str]]:
    """`svc.spec.ports`, `deployments.apps.spec`: the kind, and the path of the field.

    As SplitAndParseResourceRequestWithMatchingPrefix: where the text begins with the full name of one of the
    resources that the first word may mean, the group belongs to the name; else all that follows is a field.
    """
    word, *fields = text.removesuffix(".").split(".")
    if not all((word, *fields)) or "[" in text:
        raise CLIError("invalid jsonpath syntax, first node must be field node")
    mapper = context.session.mapper
    found = mapper.resources(word)
    if not found:
        try:
            found = [mapper.resource(word)]
        except NoMatch as error:
            raise RawError(str(error)) from None
    if api_version:
        return _in_version(mapper, found[0], api_version), fields
    for mapping in found:
        name = f"{mapping.gvr.resource}.{mapping.gvr.group}" if mapping.gvr.group else mapping.gvr.resource
        if text.startswith(name):
            return mapping.gvk, [f for f in text[len(name) :].split(".")[1:] if f]
    return found[0].gvk, fields


def _in_version(mapper: RESTMapper, mapping: Mapping, api_version: str) -> GroupVersionKind:
    """The kind that a resource has in the group and version that the user names."""
    try:
        group, version = split_api_version(api_version)
    except ValueError as error:
        raise CLIError(str(error)) from None
    resource = mapping.gvr.resource
    known = [m for m in mapper.mappings if (m.gvr.group, m.gvr.version) == (group, version)]
    for other in known:
        if other.gvr.resource == resource:
            return other.gvk
    shown = f"{group}/{version}, Resource={resource}"
    if known:
        raise CLIError(f"GVR ({shown}) not found in OpenAPI schema")
    raise CLIError(f'couldn\'t find resource for "{shown}"')


def page(context: Context, gvk: GroupVersionKind, fields: list[str]) -> str:
    """The page as kubectl's plaintext template lays it out. Raises CLIError."""
    version, cache = _schema_of(context)
    text = f"GROUP:      {gvk.group}\n" if gvk.group else ""
    text += f"KIND:       {gvk.kind}\nVERSION:    {gvk.version}\n\n"
    try:
        node = explain_node(version, gvk, fields, cache_dir=cache)
    except FieldNotFoundError as error:
        context.streams.stdout.write(text)  # the template has come so far when it fails
        raise CLIError(str(error)) from None
    except KeyError:
        shown = f"{gvk.group}/{gvk.version}, Kind={gvk.kind}"
        raise CLIError(f"GVK ({shown}) not found in OpenAPI schema") from None
    if fields:
        text += f"FIELD: {fields[-1]} <{node.type}>\n"
        if node.enum:
            text += "ENUM:" + "".join(f"\n    {_enum(e)}" for e in node.enum)
        text += "\n\n"
    description = "".join(f"{d}\n" for d in node.descriptions) or "<empty>"
    text += "DESCRIPTION:\n" + indented(4, wrapped(76, description)) + "\n"
    recursive = context.flags.is_set("recursive")
    listed = _field_list(node, 1, recursive=recursive, seen=frozenset())
    return text + (f"FIELDS:\n{listed}" if listed else "")


def _schema_of(context: Context) -> tuple[str, Path | None]:
    schema = context.session.schema
    return schema.version, schema.cache_dir


def _field_list(node: ExplainNode, level: int, *, recursive: bool, seen: frozenset[str]) -> str:
    """The fields below a node; a kind that contains itself is not opened a second time."""
    if node.definition and node.definition in seen:
        return ""
    below = seen | {node.definition} if node.definition else seen
    text = ""
    for child in node.children:
        text += _field(child, level, short=recursive)
        if recursive:
            text += _field_list(child, level + 1, recursive=True, seen=below)
    return text


def _field(node: ExplainNode, level: int, *, short: bool) -> str:
    indent = " " * (2 * level)
    text = f"{indent}{node.name}\t<{node.type}>" + (" -required-" if node.required else "")
    if node.enum:
        shown = [_enum(e) for e in node.enum[:SHORT_ENUM]]
        more = ", ...." if len(node.enum) > SHORT_ENUM else ""
        text += f"\n{indent}enum: {', '.join(shown)}{more}"
    text += "\n"
    if not short:
        description = wrapped(78 - len(indent), node.summary or "<no description>")
        text += indented(len(indent) + 2, description) + "\n\n"
    return text


def _enum(value: str) -> str:
    return value or '""'


def indented(amount: int, text: str) -> str:
    """Every line that many spaces in."""
    pad = " " * amount
    return pad + text.replace("\n", "\n" + pad)


def wrapped(limit: int, text: str) -> str:
    """Lines broken at white space where they would be longer than the limit; longer words stand whole."""
    return "\n".join(_wrapped_line(limit, line) for line in text.split("\n"))


def _wrapped_line(limit: int, line: str) -> str:
    made, width, spaces = "", 0, ""
    word = ""
    for letter in [*line, None]:
        if letter is not None and not (letter.isspace() and letter != "\u00a0"):
            word += letter
            continue
        if word:
            # A word that is too long for any line does not begin a new one.
            if width + len(spaces) + len(word) > limit and (
                len(word) < limit or _breaks(limit, width, spaces, word)
            ):
                made += "\n" + word
                width = len(word)
            else:
                made += spaces + word
                width += len(spaces) + len(word)
            spaces, word = "", ""
        if letter is not None:
            spaces += letter
    return made + (spaces if width + len(spaces) <= limit else "")


def _breaks(limit: int, width: int, spaces: str, word: str) -> bool:
    """Whether a long word goes to a line of its own: it does once a part of it no longer fits."""
    return any(width + len(spaces) + n > limit and n < limit for n in range(1, len(word) + 1))


COMMAND = Command(
    name="explain",
    use="explain TYPE [--recursive=FALSE|TRUE] [--api-version=api-version-group] "
    "[-o|--output=plaintext|plaintext-openapiv2]",
    short="Say what the fields of a resource mean",
    long="Say what a kind is for and what its fields mean, from the published descriptions.",
    examples="""\
# The fields of a Service
kubesim explain svc

# One field
kubesim explain svc.spec.ports.nodePort

# All fields below, names alone
kubesim explain svc.spec --recursive""",
    flags=(
        Flag("api-version", "The version to explain, group/version."),
        Flag("output", "Form: plaintext or plaintext-openapiv2.", "o", default="plaintext"),
        boolean("recursive", "Names of all fields below, without texts."),
    ),
    run=run,
)
