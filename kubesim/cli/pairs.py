"""`label` and `annotate`: the same command on two maps of the metadata (pkg/cmd/label, pkg/cmd/annotate)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import metadata_of
from kubesim.apimachinery.names import is_valid_label_value
from kubesim.apimachinery.patch.merge import create_merge_patch
from kubesim.apimachinery.rest import MERGE_PATCH
from kubesim.cli.builder import (
    ALL_NAMESPACES_FLAG,
    FIELD_SELECTOR_FLAG,
    SELECTOR_FLAG,
    Builder,
    Info,
    collected,
    filename_flags,
)
from kubesim.cli.command import Context
from kubesim.cli.errors import AggregateError, CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.options import DRY_RUN_FLAG, PRINT_FLAGS, WriteOptions, field_manager_flag, print_result
from kubesim.cli.recording import RECORD_FLAG, record
from kubesim.util.jsontypes import JSONObject, deep_copy


@dataclass(frozen=True, slots=True)
class Kind:
    """Which map is edited, and the words that go with it."""

    word: str
    field: str
    done: str
    undone: str
    unchanged: str


LABELS = Kind("label", "labels", "labeled", "unlabeled", "not labeled")
ANNOTATIONS = Kind("annotation", "annotations", "annotated", "annotated", "annotated")


@dataclass(frozen=True, slots=True)
class Change:
    """What is set and what is removed."""

    new: dict[str, str]
    removed: list[str]


def pair_flags(kind: Kind) -> tuple[Flag, ...]:
    """The flags of both commands."""
    return (
        RECORD_FLAG,
        boolean("all", "All objects of the types named, in the namespace."),
        boolean("list", f"Show the {kind.field} of the objects."),
        boolean("local", "Do not ask the server: work on files alone."),
        boolean("overwrite", f"Allow {kind.field} that are there to be changed."),
        Flag("resource-version", "Change the object only if this is its resource version."),
        DRY_RUN_FLAG,
        field_manager_flag("kubectl-label" if kind is LABELS else "kubectl-annotate"),
        ALL_NAMESPACES_FLAG,
        FIELD_SELECTOR_FLAG,
        SELECTOR_FLAG,
        *PRINT_FLAGS,
        *filename_flags("with the objects to change."),
    )


def run_pairs(context: Context, kind: Kind) -> int:
    """Change the map of every object named."""
    flags = context.flags
    options = WriteOptions.of(context)
    resources, words = split_arguments(context.args, kind.word)
    change = _parse_labels(words) if kind is LABELS else parse_changes(words, kind.word)
    _validate(context, kind, resources, change, options)
    builder = Builder.of(
        context,
        resources,
        label_selector="" if flags.is_set("local") else flags.text("selector"),
        field_selector="" if flags.is_set("local") else flags.text("field-selector"),
        allow_empty_selector=flags.is_set("all"),
        latest=not flags.is_set("local"),
        continue_on_error=True,
        flatten=True,
    )
    items = list(builder.visit())
    errors: list[Exception] = []
    one = builder.single_item_implied
    if flags.text("resource-version") and not one:
        raise CLIError("--resource-version may only be used with a single resource")
    for item in items:
        try:
            if isinstance(item, Exception):
                raise item
            _apply(context, kind, item, change, options, one=one)
        except (CLIError, AggregateError, StatusError) as error:
            errors.append(error)
    failure = collected(errors)
    if failure:
        raise failure
    return 0


def _apply(
    context: Context, kind: Kind, info: Info, change: Change, options: WriteOptions, *, one: bool
) -> None:
    flags = context.flags
    before = info.object or {}
    held = metadata_of(before).get(kind.field) or {}
    local = options.dry_run == "client" or flags.is_set("local") or flags.is_set("list")
    if kind is LABELS and not local:
        for key in change.removed:
            if key not in held:
                context.out(f'label "{key}" not found.')
    after = changed_object(before, kind, change, overwrite=flags.is_set("overwrite"))
    if flags.is_set("list"):
        info.object = after
        _list(context, kind, info, one=one)
        return
    if flags.text("resource-version"):
        metadata_of(after)["resourceVersion"] = flags.text("resource-version")
        metadata_of(before).pop("resourceVersion", None)
    if not local:
        record(context, after)
    words = _operation(kind, before, after, overwrite=flags.is_set("overwrite"))
    if not local:
        patch: Any = create_merge_patch(before, after)
        answer = context.session.client.request(
            "PATCH", info.path, query=options.query, body=patch, content_type=MERGE_PATCH
        ).body
        after = answer if isinstance(answer, dict) else after
    info.object = after
    if kind is LABELS:
        context.printer = None  # `label` makes one for each object: no `---` stands between them
    print_result(context, info, words, options)


def _operation(kind: Kind, before: JSONObject, after: JSONObject, *, overwrite: bool) -> str:
    old, new = (metadata_of(o).get(kind.field) or {} for o in (before, after))
    if old == new:
        # kubectl compares JSON: an object without labels gets an empty map of them, and so counts as labeled.
        had_none = metadata_of(before).get(kind.field) is None
        return kind.done if kind is LABELS and had_none else kind.unchanged
    # kubectl tells by the length of the JSON text whether something was taken away.
    shorter = sum(len(k) + len(v) + 6 for k, v in new.items()) < sum(
        len(k) + len(v) + 6 for k, v in old.items()
    )
    return kind.undone if shorter and not overwrite else kind.done


def changed_object(obj: JSONObject, kind: Kind, change: Change, *, overwrite: bool) -> JSONObject:
    """A copy with the change made. Raises CLIError or AggregateError where a value would be overwritten."""
    found = metadata_of(obj).get(kind.field)
    held: dict[str, str] = dict(found) if isinstance(found, dict) else {}
    if not overwrite:
        _refuse_overwrites(kind, held, change)
    held.update(change.new)
    for key in change.removed:
        held.pop(key, None)
    made = deep_copy(obj)
    meta = made["metadata"] = dict(metadata_of(made))
    if held:
        meta[kind.field] = held
    else:
        meta.pop(kind.field, None)
    return dict(made)


def _refuse_overwrites(kind: Kind, held: dict[str, str], change: Change) -> None:
    clashes = [
        f"'{key}' already has a value ({held[key]})"
        for key, value in change.new.items()
        if held.get(key, value) != value and key != "kubernetes.io/change-cause"
    ]
    if not clashes:
        return
    if kind is ANNOTATIONS:
        text = "; ".join(clashes)
        raise CLIError(f"--overwrite is false but found the following declared annotation(s): {text}")
    failure = collected([CLIError(f"{text}, and --overwrite is false") for text in clashes])
    if failure:
        raise failure


def _list(context: Context, kind: Kind, info: Info, *, one: bool) -> None:
    indent = "" if one else " "
    if not one:
        context.out(f"Listing {kind.field} for {info.mapping.gvk.kind}.{info.mapping.gvk.group}/{info.name}:")
    for key, value in (metadata_of(info.object or {}).get(kind.field) or {}).items():
        context.out(f"{indent}{key}={value}")


def _validate(
    context: Context, kind: Kind, resources: list[str], change: Change, options: WriteOptions
) -> None:
    flags = context.flags
    files = flags.texts("filename") or flags.text("kustomize")
    if flags.is_set("list") and flags.text("output"):
        raise CLIError("--list and --output may not be specified together")
    if flags.is_set("all") and flags.text("selector"):
        raise CLIError("cannot set --all and --selector at the same time")
    if flags.is_set("all") and flags.text("field-selector"):
        raise CLIError("cannot set --all and --field-selector at the same time")
    if flags.is_set("local"):
        _validate_local(kind, resources, options, files=bool(files))
    elif not resources and not files:
        raise CLIError("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    if not change.new and not change.removed and not flags.is_set("list"):
        raise CLIError(f"at least one {kind.word} update is required")
    if kind is ANNOTATIONS:
        both = [key for key in change.removed if key in change.new]
        if both:
            raise CLIError(
                "can not both modify and remove the following annotation(s) in the same command: "
                + ", ".join(both)
            )


def _validate_local(kind: Kind, resources: list[str], options: WriteOptions, *, files: bool) -> None:
    example = "pod" if kind is LABELS else "rsrc"
    if options.dry_run == "server":
        raise CLIError("cannot specify --local and --dry-run=server - did you mean --dry-run=client?")
    if resources:
        raise CLIError(
            f"can only use local files by -f {example}.yaml or --filename={example}.json when --local=true is set"
        )
    if not files:
        raise CLIError(
            f"one or more files must be specified as -f {example}.yaml or --filename={example}.json"
        )


def split_arguments(arguments: Sequence[str], word: str) -> tuple[list[str], list[str]]:
    """Resources first, then pairs. Raises CLIError where they are mixed (cmdutil.GetResourcesAndPairs)."""
    resources: list[str] = []
    pairs: list[str] = []
    for argument in arguments:
        is_pair = ("=" in argument and not argument.startswith("=")) or (
            argument.endswith("-") and len(argument) > 1
        )
        if is_pair:
            pairs.append(argument)
        elif pairs:
            raise CLIError(f"all resources must be specified before {word} changes: {argument}")
        else:
            resources.append(argument)
    return resources, pairs


def _parse_labels(words: Sequence[str]) -> Change:
    new: dict[str, str] = {}
    removed: list[str] = []
    for word in words:
        if "=" in word:
            key, *values = word.split("=")
            if len(values) != 1:
                raise CLIError(f"invalid label spec: {word}")
            problems = is_valid_label_value(values[0])
            if problems:
                raise CLIError(f'invalid label value: "{word}": {";".join(problems)}')
            new[key] = values[0]
        else:
            removed.append(word[:-1])
    if any(key in new for key in removed):
        raise CLIError("can not both modify and remove a label in the same command")
    return Change(new, removed)


def parse_changes(words: Sequence[str], what: str) -> Change:
    """`key=value` and `key-` words; a value may hold further `=`. Raises CLIError (cmdutil.ParsePairs)."""
    new: dict[str, str] = {}
    removed: list[str] = []
    wrong: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key:
            new[key] = value
        elif not equals and word.endswith("-") and len(word) > 1:
            removed.append(word[:-1])
        else:
            wrong.append(word)
    if wrong:
        raise CLIError(f"invalid {what} format: {', '.join(wrong)}")
    return Change(new, removed)
