"""`wait`: until a condition holds (pkg/cmd/wait)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import uid_of
from kubesim.cli.builder import (
    ALL_NAMESPACES_FLAG,
    FIELD_SELECTOR_FLAG,
    SELECTOR_FLAG,
    Builder,
    Info,
    collected,
    filename_flags,
)
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.options import PRINT_FLAGS, print_result
from kubesim.cli.waiting import Deadline, gone, wait_until
from kubesim.util.jsontypes import JSONObject, dig

FOREVER = timedelta(hours=168)
TIMED_OUT = "timed out waiting for the condition"


@dataclass(frozen=True, slots=True)
class Condition:
    """What is waited for. `holds` looks at an object; None for the conditions `delete` and `create`."""

    word: str
    holds: Callable[[JSONObject], bool] | None = None


def run(context: Context) -> int:
    """Wait for every object named."""
    condition = parse_condition(context.flags.text("for"))
    timeout = context.flags.duration("timeout")
    deadline = Deadline(context.session, FOREVER if timeout < timedelta(0) else timeout)
    infos, errors = _found(context, condition, deadline)
    visited = len(infos)
    for info in infos:
        try:
            _wait(context, info, condition, deadline, once=timeout == timedelta(0))
        except (CLIError, StatusError) as error:
            errors.append(error)
    if condition.word == "delete":
        errors = [e for e in errors if not (isinstance(e, StatusError) and e.reason == "NotFound")]
    failure = collected(errors)
    if failure:
        raise failure
    if not visited and condition.word != "delete":
        raise CLIError("no matching resources found")
    return 0


def _found(context: Context, condition: Condition, deadline: Deadline) -> tuple[list[Info], list[Exception]]:
    """The objects there are; for `create`, once there are any."""
    infos, errors = _builder(context).infos()
    if condition.word != "create":
        return infos, errors

    def appeared() -> bool:
        nonlocal infos, errors
        infos, errors = _builder(context).infos()
        missing = [e for e in errors if isinstance(e, StatusError) and e.reason == "NotFound"]
        return not missing

    if not wait_until(context.session, appeared, deadline):
        raise CLIError(TIMED_OUT)
    return infos, errors


def _builder(context: Context) -> Builder:
    flags = context.flags
    return Builder.of(
        context,
        context.args,
        select_all=flags.is_set("all"),
        latest=True,
        flatten=True,
        continue_on_error=True,
    )


def _wait(context: Context, info: Info, condition: Condition, deadline: Deadline, *, once: bool) -> None:
    session = context.session
    name = f"{info.mapping.gvr.resource}/{info.name}"
    if condition.word == "delete":
        uid = uid_of(info.object or {})
        done = (
            gone(session, info, uid)
            if once
            else wait_until(session, lambda: gone(session, info, uid), deadline)
        )
    elif condition.holds is None:
        done = True
    else:
        done = wait_until(session, lambda: _holds(context, info, condition), deadline)
    if not done:
        raise CLIError(f"condition not met for {name}" if once else f"{TIMED_OUT} on {name}")
    print_result(context, info, "condition met")


def _holds(context: Context, info: Info, condition: Condition) -> bool:
    answer = context.session.client.request("GET", info.path).body
    info.object = answer if isinstance(answer, dict) else {}
    return condition.holds is not None and condition.holds(info.object)


def parse_condition(text: str) -> Condition:
    """The condition of `--for`. Raises CLIError with kubectl's texts."""
    if text.lower() in ("delete", "create"):
        return Condition(text.lower())
    kind, equals, rest = text.partition("=")
    if kind == "condition" and equals:
        name, has_value, value = rest.partition("=")
        return Condition("condition", _status_condition(name, value if has_value else "true"))
    if kind == "jsonpath" and equals:
        return Condition("jsonpath", _jsonpath_condition(rest))
    raise CLIError(f'unrecognized condition: "{text}"')


def _status_condition(name: str, wanted: str) -> Callable[[JSONObject], bool]:
    def holds(obj: JSONObject) -> bool:
        for condition in dig(obj, "status", "conditions", default=[]):
            if str(condition.get("type", "")).casefold() != name.casefold():
                continue
            generation, seen = dig(obj, "metadata", "generation"), condition.get("observedGeneration")
            if generation is not None and seen is not None and seen < generation:
                return False
            seen = dig(obj, "status", "observedGeneration")
            if generation is not None and seen is not None and seen < generation:
                return False
            return str(condition.get("status", "")).casefold() == wanted.casefold()
        return False

    return holds


def _jsonpath_condition(text: str) -> Callable[[JSONObject], bool]:
    from kubesim.util.jsonpath import JSONPath, JSONPathError, relaxed

    parts = _split(text)
    if len(parts) > 2:
        raise CLIError(
            "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or "
            "--for=jsonpath='{.status.readyReplicas}'"
        )
    wanted = parts[1].strip("'\"") if len(parts) == 2 else None
    if wanted == "":
        raise CLIError(
            "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3"
        )
    try:
        expression = relaxed(parts[0])
        if not expression:
            raise CLIError("jsonpath expression cannot be empty")
        path = JSONPath(expression, allow_missing_keys=True)
    except JSONPathError as error:
        raise CLIError(str(error)) from None

    def holds(obj: JSONObject) -> bool:
        found = [value for group in path.find(obj) for value in group]
        if not found:
            return False
        if len(found) > 1:
            raise CLIError("given jsonpath expression matches more than one value")
        return _matches(found[0], wanted)

    return holds


def _matches(value: Any, wanted: str | None) -> bool:
    if wanted is None:
        return True
    if isinstance(value, (dict, list)):
        raise CLIError("jsonpath leads to a nested object or list which is not supported")
    if isinstance(value, bool):
        return wanted.strip() == ("true" if value else "false")
    return str(value).strip() == wanted.strip()


def _split(text: str) -> list[str]:
    """Split at single `=`; a double one belongs to the expression."""
    parts, at = [""], 0
    while at < len(text):
        if text.startswith("==", at):
            parts[-1] += "=="
            at += 2
        elif text[at] == "=":
            parts.append("")
            at += 1
        else:
            parts[-1] += text[at]
            at += 1
    return parts


COMMAND = Command(
    name="wait",
    use="wait ([-f FILENAME] | resource.group/resource.name | resource.group [(-l label | --all)]) "
    "[--for=create|--for=delete|--for condition=available|--for=jsonpath='{}'[=value]]",
    short="Wait for a condition of one or many resources",
    long="Wait until a condition of the named objects holds, they are gone, or time runs out.",
    examples="""\
# Until a Pod is ready
kubesim wait --for=condition=Ready pod/web

# Until a field has a value
kubesim wait --for=jsonpath='{.status.phase}'=Running pod/web

# Until a Pod is gone, at most a minute
kubesim wait --for=delete pod/web --timeout=60s""",
    flags=(
        boolean("all", "All objects of the types named."),
        Flag("for", "create, delete, condition=NAME[=VALUE] or jsonpath='{EXPRESSION}'[=VALUE]."),
        boolean("local", "Do not ask the server."),
        Flag(
            "timeout",
            "How long to wait; 0 looks once, below 0 waits for a week.",
            kind="duration",
            default=timedelta(seconds=30),
        ),
        ALL_NAMESPACES_FLAG,
        FIELD_SELECTOR_FLAG,
        SELECTOR_FLAG,
        *PRINT_FLAGS,
        *(f for f in filename_flags("with the objects to wait for.") if f.name != "kustomize"),
    ),
    run=run,
)
