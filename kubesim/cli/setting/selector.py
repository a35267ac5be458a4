"""`set selector`: which Pods a Service sends to (pkg/cmd/set/set_selector.go)."""

from __future__ import annotations

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import metadata_of
from kubesim.cli.builder import Info
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError, raise_all
from kubesim.cli.flags import Flag
from kubesim.cli.options import WriteOptions, print_result
from kubesim.cli.recording import record
from kubesim.cli.setting.changing import print_typed, setting_flags, typed_items, write
from kubesim.util.jsontypes import JSONObject, deep_copy

_OPERATORS = {"in": "In", "notin": "NotIn", "exists": "Exists", "!": "DoesNotExist"}


def run(context: Context) -> int:
    """The last word is the selector, those before it say whose."""
    options = WriteOptions.of(context)
    if not context.args:
        raise CLIError("one selector is required")
    *resources, text = context.args
    labels, problem = _parse(text)
    print_typed(context)
    errors: list[Exception] = []
    for item in typed_items(context, resources):
        if isinstance(item, Exception):
            errors.append(item)
            continue
        before = item.object or {}
        after = deep_copy(before)
        version = context.flags.text("resource-version")
        try:
            _select(item, after, labels, problem)
            record(context, after)
            if version:
                # So that the version is part of the patch, whatever the object's is.
                metadata_of(before).pop("resourceVersion", None)
                metadata_of(after)["resourceVersion"] = version
            item.object = write(context, item, before, after, options)
        except (CLIError, StatusError) as error:
            errors.append(error)
        else:
            print_result(context, item, "selector updated", options)
    raise_all(errors)
    return 0


def _select(info: Info, obj: JSONObject, labels: dict[str, str], problem: str) -> None:
    if info.mapping.gvk.kind != "Service":
        raise CLIError("setting a selector is only supported for Services")
    if problem:
        raise CLIError(problem)
    obj.setdefault("spec", {})["selector"] = labels


def _parse(text: str) -> tuple[dict[str, str], str]:
    """The labels, and what is wrong with the expressions for a map of labels. Raises CLIError.

    As metav1.ParseToLabelSelector, of whose answer a Service takes the labels alone.
    """
    from kubesim.apimachinery.labels import parse_selector

    try:
        requirements = parse_selector(text).requirements
    except ValueError as error:
        raise CLIError(f'couldn\'t parse the selector string "{text}": {error}') from None
    labels: dict[str, str] = {}
    expressions: list[str] = []
    for requirement in requirements:
        if requirement.operator in ("=", "=="):
            labels[requirement.key] = next(iter(requirement.values))
            continue
        operator = _OPERATORS.get(requirement.operator)
        if operator is None:
            why = "is not a valid label selector operator"
            if requirement.operator in ("gt", "lt"):
                why = "isn't supported in label selectors"
            raise CLIError(f'"{requirement.operator}" {why}')
        values = " ".join(sorted(requirement.values))
        expressions.append(f"{{{requirement.key} {operator} [{values}]}}")
    problem = f"match expression [{' '.join(expressions)}] not supported on this object"
    return labels, problem if expressions else ""


COMMAND = Command(
    "selector",
    "selector (-f FILENAME | TYPE NAME) EXPRESSIONS [--resource-version=version]",
    "Set the selector of a Service",
    examples="kubesim set selector svc web app=web",
    flags=setting_flags(
        Flag("resource-version", "Change the object only if this is its resource version."), selector=False
    ),
    run=run,
)
