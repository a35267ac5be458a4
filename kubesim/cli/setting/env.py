"""`set env`: environment variables of containers (pkg/cmd/set/set_env.go, pkg/cmd/set/env)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import is_env_var_name
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError, raise_all
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.options import WriteOptions
from kubesim.cli.setting.changing import (
    NO_RESOURCES,
    Setting,
    change_all,
    containers_of,
    pod_spec_of,
    refuse_selector_with_all,
    refuse_server_dry_run,
    setting_flags,
    typed_infos,
)
from kubesim.util.jsontypes import JSONObject, deep_copy, dig

_SETTING = Setting("env updated", "failed to patch env update to pod template: ")
_PAIR = re.compile(r".+=", re.DOTALL)
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")
_REFERENCES = {"Secret": "secretKeyRef", "ConfigMap": "configMapKeyRef"}


@dataclass(slots=True)
class _Words:
    """What the words after the resources ask for."""

    new: list[JSONObject] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def run(context: Context) -> int:
    """Change variables, or list them."""
    flags = context.flags
    refuse_selector_with_all(context)
    resources, given = _split(context.args)
    options = WriteOptions.of(context)
    _validate(context, resources, options)
    words = _parse(context, [*flags.texts("env"), *given])
    if flags.text("from"):
        words.new += _from_resource(context, flags.text("from"))
    for variable in words.new:
        variable["name"] = flags.text("prefix") + variable["name"]
    infos = typed_infos(context, resources, refuse_resources=False)

    def change(obj: JSONObject) -> None:
        _change(context, obj, words)

    if flags.is_set("list"):
        for info in infos:
            _list_all(context, info.object or {}, words)
        return 0
    errors = change_all(context, infos, options, change, _SETTING)
    raise_all(errors)
    return 0


def _validate(context: Context, resources: Sequence[str], options: WriteOptions) -> None:
    flags = context.flags
    refuse_server_dry_run(context, options)
    if not flags.texts("filename") and not resources:
        raise CLIError(NO_RESOURCES)
    if flags.is_set("list") and flags.text("output"):
        raise CLIError("--list and --output may not be specified together")
    if flags.texts("keys") and not flags.text("from"):
        raise CLIError("when specifying --keys, a configmap or secret must be provided with --from")


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Resources first, then variables. Raises CLIError (SplitEnvironmentFromResources)."""
    resources: list[str] = []
    words: list[str] = []
    for argument in arguments:
        if argument.endswith("-") or _PAIR.match(argument):
            words.append(argument)
        elif words:
            raise CLIError(
                f"all resources must be specified before environment changes: {' '.join(arguments)}"
            )
        else:
            resources.append(argument)
    return resources, words


def _parse(context: Context, words: Sequence[str]) -> _Words:
    """`NAME=value`, `NAME-`, and `-` for what stands on standard input. Raises CLIError."""
    found = _Words()
    named: set[str] = set()
    for word in words:
        name, equals, value = word.partition("=")
        if word == "-":
            lines = context.streams.read_stdin().decode(errors="replace").splitlines()
            found.new += _from_lines(lines)
        elif equals:
            problems = is_env_var_name(name)
            if problems:
                raise CLIError(f'"{name}" is not a valid key name: {";".join(problems)}')
            named.add(name)
            found.new.append({"name": name, "value": value})
        elif word.endswith("-"):
            found.removed.append(word[:-1])
        else:
            raise CLIError(f"unknown environment variable: {word}")
    if named.intersection(found.removed):
        raise CLIError("can not both modify and remove the same environment variable in the same command")
    return found


def _from_lines(lines: Iterable[str]) -> list[JSONObject]:
    pairs = (line.partition("#")[0].partition("=") for line in lines)
    return [{"name": name, "value": value} for name, equals, value in pairs if equals]


def _from_resource(context: Context, word: str) -> list[JSONObject]:
    """A variable for each key of a ConfigMap or Secret. Raises CLIError for anything else."""
    keys = context.flags.texts("keys")
    found: list[JSONObject] = []
    for info in typed_infos(context, [word], refuse_resources=False):
        reference = _REFERENCES.get(info.mapping.gvk.kind)
        if reference is None:
            raise CLIError("unsupported resource specified in --from")
        for key in sorted(dig(info.object or {}, "data", default={})):
            if keys and key not in keys:
                continue
            name = _NOT_IN_NAMES.sub("_", key).upper()
            if name != key:
                context.err(f"Warning: key {key} transferred to {name}")
            found.append({"name": name, "valueFrom": {reference: {"name": info.name, "key": key}}})
    return found


def _change(context: Context, obj: JSONObject, words: _Words) -> list[JSONObject]:
    """Change the containers that are meant, in place; those containers."""
    flags = context.flags
    pattern = flags.text("containers")
    found = containers_of(pod_spec_of(obj), pattern)
    if not found:
        context.err(
            f'Warning: {obj["kind"]}/{name_of(obj)} does not have any containers matching "{pattern}"'
        )
    for container in found:
        held = container.get("env") or []
        if not flags.is_set("overwrite"):
            _refuse_overwriting(held, words.new)
        made = _updated(held, words)
        container.pop("env", None)
        if made:
            container["env"] = made
    return found


def _refuse_overwriting(held: Sequence[JSONObject], new: Sequence[JSONObject]) -> None:
    values = {v["name"]: v.get("value", "") for v in reversed(held)}
    for variable in new:
        name = variable["name"]
        if name in values and values[name] != variable.get("value", ""):
            raise CLIError(f"'{name}' already has a value ({values[name]}), and --overwrite is false")


def _updated(held: Sequence[JSONObject], words: _Words) -> list[JSONObject]:
    """New variables take the place of the first of their name, the others of that name go (updateEnv)."""
    new = {v["name"]: v for v in reversed(words.new)}
    done = set(words.removed)
    made: list[JSONObject] = []
    for variable in [*held, *words.new]:
        name = variable["name"]
        if name in done:
            continue
        if name in new:
            done.add(name)
        made.append(deep_copy(new.get(name, variable)))
    return made


# --list


def _list_all(context: Context, obj: JSONObject, words: _Words) -> None:
    """Show the variables as they would be. A kind without containers is passed over."""
    changed = deep_copy(obj)
    try:
        containers = _change(context, changed, words)
    except CLIError:
        return
    for container in containers:
        context.out(f"# {changed['kind']} {name_of(changed)}, container {container.get('name', '')}")
        problems: dict[str, list[str]] = {}
        for variable in container.get("env") or []:
            _list_variable(context, changed, container, variable, problems)
        for text in sorted(
            f"error retrieving reference for {', '.join(sorted(names))}: {problem}"
            for problem, names in problems.items()
        ):
            context.err(text)


def _list_variable(
    context: Context,
    obj: JSONObject,
    container: JSONObject,
    variable: JSONObject,
    problems: dict[str, list[str]],
) -> None:
    from kubesim.cli.setting.envsource import SourceError, described, resolved

    name, source = variable["name"], variable.get("valueFrom")
    if source is None:
        context.out(f"{name}={variable.get('value', '')}")
        return
    if context.flags.is_set("resolve"):
        try:
            context.out(f"{name}={resolved(context, source, obj, container)}")
        except SourceError as error:
            problems.setdefault(str(error), []).append(name)
        else:
            return
    context.out(f"# {name} from {described(source)}")


COMMAND = Command(
    "env",
    "env RESOURCE/NAME KEY_1=VAL_1 ... KEY_N=VAL_N",
    "Change the environment variables of containers",
    examples="kubesim set env deployment/web LEVEL=debug\nkubesim set env deployment/web --list",
    flags=setting_flags(
        Flag("containers", "Names of the containers; * stands for others.", "c", default="*"),
        Flag("env", "A variable, NAME=value.", "e", "list"),
        Flag("from", "A ConfigMap or Secret to take variables from, type/name."),
        Flag("keys", "With --from: the keys to take.", kind="slice"),
        boolean("list", "Show the variables."),
        boolean("overwrite", "Change variables that are there.", default=True),
        Flag("prefix", "What is put in front of the names."),
        boolean("resolve", "With --list: show what references lead to."),
        recording=False,
    ),
    run=run,
)
