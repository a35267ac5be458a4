"""`set`: single features of objects: images, variables, selectors, resources, service account (pkg/cmd/set)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import metadata_of, name_of
from kubesim.apimachinery.patch.strategic_diff import create_two_way_patch
from kubesim.apimachinery.rest import STRATEGIC_MERGE_PATCH
from kubesim.cli.builder import SELECTOR_FLAG, Builder, Info, collected, filename_flags
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.options import DRY_RUN_FLAG, PRINT_FLAGS, WriteOptions, field_manager_flag, print_result
from kubesim.cli.pairs import split_arguments
from kubesim.util.jsontypes import JSONObject, deep_copy, dig

Change = Callable[[Info, JSONObject], None]
NO_RESOURCES = "one or more resources must be specified as <resource> <name> or <resource>/<name>"
LOCAL_ONLY = (
    "error: you must specify resources by --filename when --local is set.\n"
    "Example resource specifications include:\n"
    "   '-f rsrc.yaml'\n"
    "   '--filename=rsrc.json'"
)


def _flags(*more: Flag) -> tuple[Flag, ...]:
    return (
        *more,
        boolean("all", "All objects of the types named, in the namespace."),
        boolean("local", "Work on the files alone, without a server."),
        DRY_RUN_FLAG,
        SELECTOR_FLAG,
        field_manager_flag("kubectl-set"),
        *PRINT_FLAGS,
        *filename_flags("with the objects to change."),
    )


def _check(context: Context, resources: Sequence[str]) -> WriteOptions:
    flags = context.flags
    options = WriteOptions.of(context)
    if flags.is_set("all") and flags.text("selector"):
        raise CLIError("cannot set --all and --selector at the same time")
    if flags.is_set("local") and resources:
        raise CLIError(LOCAL_ONLY)
    if not resources and not flags.texts("filename") and not flags.text("kustomize"):
        raise CLIError(NO_RESOURCES)
    if flags.is_set("local") and options.dry_run == "server":
        raise CLIError("cannot specify --local and --dry-run=server - did you mean --dry-run=client?")
    return options


def _infos(context: Context, resources: Sequence[str]) -> list[Info]:
    flags = context.flags
    local = flags.is_set("local")
    builder = Builder.of(
        context,
        resources,
        label_selector="" if local else flags.text("selector"),
        allow_empty_selector=flags.is_set("all"),
        latest=not local,
        continue_on_error=True,
        flatten=True,
    )
    infos, errors = builder.infos()
    failure = collected(errors)
    if failure:
        raise failure
    return infos


def _change_all(
    context: Context, infos: Sequence[Info], options: WriteOptions, change: Change, done: str, failure: str
) -> int:
    """Change a copy of each object, send the difference, say what was done."""
    errors: list[Exception] = []
    for info in infos:
        before = info.object or {}
        after = deep_copy(before)
        try:
            change(info, after)
        except CLIError as error:
            errors.append(error)
            continue
        if after == before:
            continue
        if context.flags.is_set("local") or options.dry_run == "client":
            info.object = after
        else:
            try:
                info.object = _send(context, info, before, after, options)
            except StatusError as error:
                errors.append(CLIError(f"{failure}: {error.message}") if failure else error)
                continue
        print_result(context, info, done, options)
    problem = collected(errors)
    if problem:
        raise problem
    return 0


def _send(
    context: Context, info: Info, before: JSONObject, after: JSONObject, options: WriteOptions
) -> JSONObject:
    patch = create_two_way_patch(before, after, context.session.node(info.mapping.gvk))
    answer = context.session.client.request(
        "PATCH", info.path, query=options.query, body=patch, content_type=STRATEGIC_MERGE_PATCH
    ).body
    return answer if isinstance(answer, dict) else after


def pod_spec_of(obj: JSONObject) -> JSONObject | None:
    """The Pod spec inside an object, None if its kind has none (polymorphichelpers.UpdatePodSpecForObject)."""
    match obj.get("kind"):
        case "Pod":
            found = dig(obj, "spec")
        case "CronJob":
            found = dig(obj, "spec", "jobTemplate", "spec", "template", "spec")
        case _:
            found = dig(obj, "spec", "template", "spec")
    return found if isinstance(found, dict) else None


def _spec(info: Info, obj: JSONObject) -> JSONObject:
    found = pod_spec_of(obj)
    if found is None:
        name = f"{info.mapping.gvr.resource}/{info.name}"
        gvk = info.mapping.gvk
        raise CLIError(
            f"error: {name} the object is not a pod or does not have a pod template: *{gvk.version}.{gvk.kind}\n"
        )
    return found


# image


def _image(context: Context) -> int:
    resources, pairs = split_arguments(context.args, "image")
    wrong = [p for p in pairs if "=" not in p]
    if wrong:
        raise CLIError(f"invalid image format: {', '.join(wrong)}")
    images = {name: image for name, _, image in (p.partition("=") for p in pairs)}
    options = _check(context, resources)
    if not images:
        raise CLIError("at least one image update is required")
    if len(images) > 1 and "*" in images:
        raise CLIError(
            "all containers are already specified by *, but saw more than one container_name=container_image pairs"
        )
    missing: list[str] = []

    def change(info: Info, obj: JSONObject) -> None:
        spec = _spec(info, obj)
        every = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
        for name, image in images.items():
            found = [c for c in every if name in ("*", c.get("name"))]
            if not found:
                missing.append(name)
            for container in found:
                container["image"] = image

    infos = _infos(context, resources)
    _change_all(
        context, infos, options, change, "image updated", "failed to patch image update to pod template"
    )
    failure = collected([CLIError(f'error: unable to find container named "{name}"') for name in missing])
    if failure:
        raise failure
    return 0


# selector


def _selector(context: Context) -> int:
    resources: list[str] = []
    words: list[str] = []
    for word in context.args:
        (words if "=" in word or word.startswith("!") or " in " in word else resources).append(word)
    if not words:
        raise CLIError("one selector is required")
    if len(words) > 1:
        raise CLIError(f"only one selector expression is expected, got {len(words)}")
    labels = _match_labels(words[0])
    options = _check(context, resources)
    version = context.flags.text("resource-version")

    def change(info: Info, obj: JSONObject) -> None:
        if info.mapping.gvk.kind != "Service":
            raise CLIError("setting a selector is only supported for Services")
        obj.setdefault("spec", {})["selector"] = labels
        if version:
            metadata_of(obj)["resourceVersion"] = version

    infos = _infos(context, resources)
    errors: list[Exception] = []
    for info in infos:
        before = deep_copy(info.object or {})
        after = deep_copy(before)
        try:
            change(info, after)
        except CLIError as error:
            errors.append(error)
            continue
        if not context.flags.is_set("local") and options.dry_run != "client":
            after = _send(context, info, before, after, options)
        info.object = after
        print_result(context, info, "selector updated", options)
    failure = collected(errors)
    if failure:
        raise failure
    return 0


def _match_labels(text: str) -> dict[str, str]:
    from kubesim.apimachinery.labels import parse_selector

    try:
        requirements = parse_selector(text).requirements
    except ValueError as error:
        raise CLIError(str(error)) from None
    found: dict[str, str] = {}
    for requirement in requirements:
        if requirement.operator not in ("=", "==") or len(requirement.values) != 1:
            raise CLIError(f"match expression [{requirement}] not supported on this object")
        found[requirement.key] = next(iter(requirement.values))
    return found


# env

_VARIABLE = re.compile(r"[^-._a-zA-Z0-9]|^[0-9]")
_PAIR = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*=")


def _env(context: Context) -> int:
    flags = context.flags
    resources, words = _split_env(context.args)
    options = _check(context, resources)
    if flags.is_set("list") and flags.text("output"):
        raise CLIError("--list and --output may not be specified together")
    if flags.texts("keys") and not flags.text("from"):
        raise CLIError("when specifying --keys, a configmap or secret must be provided with --from")
    new, removed = _parse_env(context, [*flags.texts("env"), *words])
    if flags.text("from"):
        new += _from_resource(context, flags.text("from"))
    for variable in new:
        variable["name"] = flags.text("prefix") + variable["name"]

    def change(info: Info, obj: JSONObject) -> None:
        spec = _spec(info, obj)
        every = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
        found = [c for c in every if fnmatch.fnmatchcase(c.get("name", ""), flags.text("containers"))]
        if not found:
            kind = info.mapping.gvk.kind
            wanted = flags.text("containers")
            context.err(f'Warning: {kind}/{name_of(obj)} does not have any containers matching "{wanted}"')
        for container in found:
            _update_env(container, new, removed, overwrite=flags.is_set("overwrite"))
            if flags.is_set("list"):
                _list_env(context, info, container)

    infos = _infos(context, resources)
    if flags.is_set("list"):
        for info in infos:
            change(info, deep_copy(info.object or {}))
        return 0
    if not new and not removed:
        raise CLIError("at least one environment variable must be provided")
    failure = "failed to patch env update to pod template"
    return _change_all(context, infos, options, change, "env updated", failure)


def _split_env(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    resources: list[str] = []
    words: list[str] = []
    for argument in arguments:
        if argument == "-" or _PAIR.match(argument) or (argument.endswith("-") and len(argument) > 1):
            words.append(argument)
        elif words:
            raise CLIError(
                f"all resources must be specified before environment changes: {' '.join(arguments)}"
            )
        else:
            resources.append(argument)
    return resources, words


def _parse_env(context: Context, words: Sequence[str]) -> tuple[list[JSONObject], list[str]]:
    new: list[JSONObject] = []
    removed: list[str] = []
    for word in words:
        if word == "-":
            lines = context.streams.read_stdin().decode(errors="replace").splitlines()
            more, gone = _parse_env(context, [x for x in lines if x.strip() and not x.startswith("#")])
            new += more
            removed += gone
        elif "=" in word:
            name, _, value = word.partition("=")
            new.append({"name": name, "value": value})
        elif word.endswith("-"):
            removed.append(word[:-1])
        else:
            raise CLIError(f"unknown environment expression: {word}")
    both = [v["name"] for v in new if v["name"] in removed]
    if both:
        raise CLIError(
            f"can not both modify and remove an environment variable in the same command: {both[0]}"
        )
    return new, removed


def _from_resource(context: Context, word: str) -> list[JSONObject]:
    keys = context.flags.texts("keys")
    found: list[JSONObject] = []
    for info in _infos(context, [word]):
        kind = info.mapping.gvk.kind
        reference = {"Secret": "secretKeyRef", "ConfigMap": "configMapKeyRef"}.get(kind)
        if reference is None:
            raise CLIError("unsupported resource specified in --from")
        for key in sorted(dig(info.object or {}, "data", default={})):
            if keys and key not in keys:
                continue
            name = _VARIABLE.sub("_", key).replace("-", "_").replace(".", "_").upper()
            if name != key:
                context.err(f"Warning: key {key} transferred to {name}")
            found.append({"name": name, "valueFrom": {reference: {"name": info.name, "key": key}}})
    return found


def _update_env(
    container: JSONObject, new: Sequence[JSONObject], removed: Sequence[str], *, overwrite: bool
) -> None:
    held: list[JSONObject] = [v for v in container.get("env") or [] if v.get("name") not in removed]
    by_name = {v.get("name"): v for v in held}
    for variable in new:
        current = by_name.get(variable["name"])
        if current is None:
            held.append(dict(variable))
            by_name[variable["name"]] = held[-1]
        elif not overwrite and current.get("value", "") != variable.get("value", ""):
            value = current.get("value", "")
            raise CLIError(f"'{variable['name']}' already has a value ({value}), and --overwrite is false")
        else:
            current.clear()
            current.update(variable)
    if held:
        container["env"] = held
    else:
        container.pop("env", None)


def _list_env(context: Context, info: Info, container: JSONObject) -> None:
    context.out(f"# {info.mapping.gvk.kind} {info.name}, container {container.get('name', '')}")
    for variable in container.get("env") or []:
        source = variable.get("valueFrom")
        if not source:
            context.out(f"{variable['name']}={variable.get('value', '')}")
        elif context.flags.is_set("resolve") and _resolved(context, source) is not None:
            context.out(f"{variable['name']}={_resolved(context, source)}")
        else:
            context.out(f"# {variable['name']} from {_reference(source)}")


def _reference(source: JSONObject) -> str:
    if "configMapKeyRef" in source:
        found = source["configMapKeyRef"]
        return f"configmap {found.get('name', '')}, key {found.get('key', '')}"
    if "secretKeyRef" in source:
        found = source["secretKeyRef"]
        return f"secret {found.get('name', '')}, key {found.get('key', '')}"
    if "fieldRef" in source:
        return f"field path {source['fieldRef'].get('fieldPath', '')}"
    found = source.get("resourceFieldRef") or {}
    prefix = f"{found['containerName']}/" if found.get("containerName") else ""
    return f"resource field {prefix}{found.get('resource', '')}"


def _resolved(context: Context, source: JSONObject) -> str | None:
    import base64

    for key, path in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
        reference = source.get(key)
        if not reference:
            continue
        url = f"/api/v1/namespaces/{context.session.namespace}/{path}/{reference.get('name', '')}"
        value = dig(context.session.client.request("GET", url).body, "data", reference.get("key", ""))
        if value is None:
            return None
        return base64.b64decode(value).decode(errors="replace") if path == "secrets" else str(value)
    return None


# resources, serviceaccount


def _resources(context: Context) -> int:
    flags = context.flags
    options = _check(context, context.args)
    if not flags.text("limits") and not flags.text("requests"):
        raise CLIError(
            "you must specify an update to requests or limits (in the form of --requests/--limits)"
        )
    wanted = {key: _quantities(flags.text(key)) for key in ("limits", "requests")}

    def change(info: Info, obj: JSONObject) -> None:
        spec = _spec(info, obj)
        pattern = flags.text("containers")
        found = [c for c in spec.get("containers") or [] if fnmatch.fnmatchcase(c.get("name", ""), pattern)]
        if not found:
            raise CLIError(f'error: unable to find container named "{pattern}"')
        for container in found:
            for key, values in wanted.items():
                if values:
                    held = container.setdefault("resources", {}).setdefault(key, {})
                    held.update({k: v for k, v in values.items() if v != "0"})
                    for name in [k for k, v in values.items() if v == "0"]:
                        held.pop(name, None)

    infos = _infos(context, context.args)
    failure = "failed to patch resources update to pod template"
    return _change_all(context, infos, options, change, "resource requirements updated", failure)


def _quantities(text: str) -> dict[str, str]:
    from kubesim.util.quantity import canonical

    found: dict[str, str] = {}
    for pair in text.split(",") if text else ():
        parts = pair.split("=")
        if len(parts) != 2:
            raise CLIError(f"Invalid argument syntax {pair}, expected <resource>=<value>")
        try:
            found[parts[0]] = canonical(parts[1])
        except ValueError as error:
            raise CLIError(str(error)) from None
    return found


def _service_account(context: Context) -> int:
    if not context.args:
        raise CLIError("serviceaccount is required")
    *resources, name = context.args
    options = _check(context, resources)

    def change(info: Info, obj: JSONObject) -> None:
        spec = _spec(info, obj)
        spec["serviceAccountName"] = name
        spec["serviceAccount"] = name

    failure = "failed to patch ServiceAccountName"
    return _change_all(
        context, _infos(context, resources), options, change, "serviceaccount updated", failure
    )


def _subject(context: Context) -> int:
    flags = context.flags
    options = _check(context, context.args)
    subjects: list[JSONObject] = []
    for kind, key in (("User", "user"), ("Group", "group")):
        subjects += [
            {"kind": kind, "apiGroup": "rbac.authorization.k8s.io", "name": n} for n in flags.texts(key)
        ]
    for word in flags.texts("serviceaccount"):
        namespace, _, name = word.partition(":")
        if not namespace or not name:
            raise CLIError("serviceaccount must be <namespace>:<name>")
        subjects.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    if not subjects:
        raise CLIError("you must specify at least one value of user, group or serviceaccount")

    def change(info: Info, obj: JSONObject) -> None:
        if info.mapping.gvk.kind not in ("RoleBinding", "ClusterRoleBinding"):
            raise CLIError("setting subjects is only supported for RoleBinding/ClusterRoleBinding")
        held = obj.setdefault("subjects", []) or []
        obj["subjects"] = [*held, *(s for s in subjects if s not in held)]

    failure = "failed to patch subjects to rolebinding"
    return _change_all(context, _infos(context, context.args), options, change, "subjects updated", failure)


COMMAND = Command(
    name="set",
    use="set SUBCOMMAND",
    short="Set single features of objects",
    subcommands=(
        Command(
            "image",
            "image (-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1 ... CONTAINER_NAME_N=CONTAINER_IMAGE_N",
            "Change the image of a container",
            examples="kubesim set image pod/web nginx=nginx:1.27",
            flags=_flags(),
            run=_image,
        ),
        Command(
            "env",
            "env RESOURCE/NAME KEY_1=VAL_1 ... KEY_N=VAL_N",
            "Change the environment variables of containers",
            examples="kubesim set env deployment/web LEVEL=debug\nkubesim set env deployment/web --list",
            flags=_flags(
                Flag("containers", "Names of the containers; * and ? stand for others.", "c", default="*"),
                Flag("env", "A variable, NAME=value.", "e", "list"),
                Flag("from", "A ConfigMap or Secret to take variables from, type/name."),
                Flag("keys", "With --from: the keys to take.", kind="slice"),
                boolean("list", "Show the variables."),
                boolean("overwrite", "Change variables that are there.", default=True),
                Flag("prefix", "What is put in front of the names."),
                boolean("resolve", "With --list: show what references lead to."),
            ),
            run=_env,
        ),
        Command(
            "selector",
            "selector (-f FILENAME | TYPE NAME) EXPRESSIONS [--resource-version=version]",
            "Set the selector of a Service",
            examples="kubesim set selector svc web app=web",
            flags=_flags(Flag("resource-version", "Change the object only if this is its resource version.")),
            run=_selector,
        ),
        Command(
            "resources",
            "resources (-f FILENAME | TYPE NAME)  ([--limits=LIMITS & --requests=REQUESTS]",
            "Set requests and limits of containers",
            examples="kubesim set resources deployment web --limits=cpu=200m,memory=512Mi",
            flags=_flags(
                Flag("containers", "Names of the containers; * and ? stand for others.", "c", default="*"),
                Flag("limits", "Limits, such as cpu=100m,memory=256Mi; 0 removes one."),
                Flag("requests", "Requests, in the same form."),
            ),
            run=_resources,
        ),
        Command(
            "serviceaccount",
            "serviceaccount (-f FILENAME | TYPE NAME) SERVICE_ACCOUNT",
            "Set the service account",
            examples="kubesim set serviceaccount deployment web builder",
            aliases=("sa",),
            flags=_flags(),
            run=_service_account,
        ),
        Command(
            "subject",
            "subject (-f FILENAME | TYPE NAME) [--user=username] [--group=groupname] "
            "[--serviceaccount=namespace:serviceaccountname]",
            "Add subjects to a role binding",
            examples="kubesim set subject rolebinding admin --user=jane",
            flags=_flags(
                Flag("group", "Groups to add.", kind="list"),
                Flag("serviceaccount", "Service accounts to add, namespace:name.", kind="list"),
                Flag("user", "Users to add.", kind="list"),
            ),
            run=_subject,
        ),
    ),
)
