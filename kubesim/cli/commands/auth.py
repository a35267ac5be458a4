"""`auth`: what one may do, and who one is (pkg/cmd/auth)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubesim.cli.builder import ALL_NAMESPACES_FLAG
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.options import PRINT_FLAGS
from kubesim.cli.printers.tabwriter import Tabwriter
from kubesim.client.restmapper import NoMatch
from kubesim.util.jsontypes import JSONObject, dig

ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
RESOURCE_VERBS = (
    "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "use", "bind",
    "impersonate", "*", "approve", "sign", "escalate", "attest",
)  # fmt: skip
URL_VERBS = ("get", "put", "post", "head", "options", "delete", "patch", "*")
# Names that may be asked about although nothing is served under them.
NON_STANDARD = ("users", "groups")


def _can_i(context: Context) -> int:
    flags = context.flags
    if flags.is_set("list"):
        return _list(context)
    if len(context.args) != 2:
        raise CLIError(
            "you must specify two arguments: verb resource or verb resource/resourceName.\n"
            f"See '{context.path} -h' for help and examples."
        )
    if flags.is_set("no-headers"):
        raise CLIError("--no-headers cannot be set without --list specified")
    verb, what = context.args
    spec = _url_attributes(context, verb, what) if what.startswith("/") else _attributes(context, verb, what)
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    answer = context.session.client.request("POST", ACCESS, body=body).body
    status: JSONObject = dig(answer, "status", default={})
    allowed = bool(status.get("allowed"))
    text = "yes" if allowed else "no"
    if not allowed:
        text += "".join(f" - {status[k]}" for k in ("reason", "evaluationError") if status.get(k))
    if not flags.is_set("quiet"):
        context.out(text)
    return 0 if allowed else 1


def _attributes(context: Context, verb: str, what: str) -> JSONObject:
    flags = context.flags
    word, _, name = what.partition("/")
    group, resource = "", word
    everywhere = flags.is_set("all-namespaces")
    if word != "*":
        try:
            mapping = context.session.mapper.resource(word.lower())
        except NoMatch:
            _warn_unknown(context, word.lower())
        else:
            group, resource = mapping.gvr.group, mapping.gvr.resource
            if not mapping.namespaced and not everywhere:
                where = f" in group '{group}'" if group else ""
                context.err(f"Warning: resource '{resource}' is not namespace scoped{where}\n")
    if verb not in RESOURCE_VERBS:
        context.err(f"Warning: verb '{verb}' is not a known verb\n")
    attributes = {
        "namespace": "" if everywhere else context.session.namespace,
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": flags.text("subresource"),
        "name": name,
    }
    return {"resourceAttributes": {k: v for k, v in attributes.items() if v}}


def _warn_unknown(context: Context, word: str) -> None:
    name, _, group = word.partition(".")
    if word in NON_STANDARD:
        return
    where = f" in group '{group}'" if group else ""
    context.err(f"Warning: the server doesn't have a resource type '{name}'{where}\n")


def _url_attributes(context: Context, verb: str, path: str) -> JSONObject:
    if context.flags.text("subresource"):
        raise CLIError("--subresource can not be used with NonResourceURL")
    if verb not in URL_VERBS:
        context.err(f"Warning: verb '{verb}' is not a known verb\n")
    return {"nonResourceAttributes": {"verb": verb, "path": path}}


def _list(context: Context) -> int:
    flags = context.flags
    if context.args:
        raise CLIError("list option must be specified with no arguments")
    if flags.is_set("quiet") or flags.is_set("all-namespaces") or flags.text("subresource"):
        raise CLIError(
            "list option can't be specified with neither quiet, all-namespaces nor subresource options"
        )
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": context.session.namespace},
    }
    status = dig(context.session.client.request("POST", RULES, body=body).body, "status", default={})
    if status.get("incomplete"):
        context.err(f"Warning: the list may be incomplete: {status.get('evaluationError', '')}")
    writer = Tabwriter(context.streams.stdout, 6, 4, 3)
    if not flags.is_set("no-headers"):
        writer.write("Resources\tNon-Resource URLs\tResource Names\tVerbs\n")
    for resources, urls, names, verbs in sorted(_rows(status), key=_order):
        writer.write(f"{resources}\t{_go_list(urls)}\t{_go_list(names)}\t{_go_list(verbs)}\n")
    writer.flush()
    return 0


Row = tuple[str, list[str], list[str], list[str]]


def _rows(status: JSONObject) -> list[Row]:
    """One row for each resource and name, and one for each URL; the verbs of one resource together."""
    found: dict[tuple[str, str], list[str]] = {}
    for rule in status.get("resourceRules") or []:
        for group in rule.get("apiGroups") or [""]:
            for resource in rule.get("resources") or []:
                shown = f"{resource}.{group}" if group else resource
                for name in rule.get("resourceNames") or [""]:
                    held = found.setdefault((shown, name), [])
                    held += [v for v in rule.get("verbs") or [] if v not in held]
    rows: list[Row] = [(shown, [], [name] if name else [], verbs) for (shown, name), verbs in found.items()]
    for rule in status.get("nonResourceRules") or []:
        rows += [("", [url], [], list(rule.get("verbs") or [])) for url in rule.get("nonResourceURLs") or []]
    return rows


def _order(row: Row) -> tuple[Any, ...]:
    """As Go prints and compares the rules: with verbs first, then the rest (rbacutil.SortableRuleSlice)."""
    resources, urls, names, verbs = row
    return (-len(verbs), resources == "", resources, urls, names) if resources else (0, True, "", urls, names)


def _go_list(values: Sequence[str]) -> str:
    return f"[{' '.join(values)}]"


def _who_am_i(context: Context) -> int:
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "SelfSubjectReview",
        "metadata": {"creationTimestamp": None},
    }
    answer = context.session.client.request("POST", REVIEW, body=body).body
    if context.flags.text("output"):
        from kubesim.cli.printers import printer_for

        printer_for(context).print_object(answer if isinstance(answer, dict) else {}, context.streams.stdout)
        return 0
    user: JSONObject = dig(answer, "status", "userInfo", default={})
    writer = Tabwriter(context.streams.stdout, 6, 4, 3)
    writer.write("ATTRIBUTE\tVALUE\n")
    if user.get("username"):
        writer.write(f"Username\t{user['username']}\n")
    if user.get("uid"):
        writer.write(f"UID\t{user['uid']}\n")
    if user.get("groups"):
        writer.write(f"Groups\t{_go_list(user['groups'])}\n")
    for key, values in sorted((user.get("extra") or {}).items()):
        writer.write(f"Extra: {key}\t{_go_list(values)}\n")
    writer.flush()
    return 0


COMMAND = Command(
    name="auth",
    use="auth",
    short="Look into authorization",
    subcommands=(
        Command(
            "can-i",
            "can-i VERB [TYPE | TYPE/NAME | NONRESOURCEURL]",
            "Say whether something is allowed",
            long="Say whether something is allowed: exit code 0 and `yes`, or 1 and `no`.",
            examples="kubesim auth can-i create pods\nkubesim auth can-i list secrets --as=jane\n"
            "kubesim auth can-i --list",
            flags=(
                ALL_NAMESPACES_FLAG,
                boolean("list", "List all that is allowed."),
                boolean("no-headers", "Print no headings."),
                boolean("quiet", "Print nothing: the exit code tells.", "q"),
                Flag("subresource", "A subresource such as log or scale."),
            ),
            run=_can_i,
        ),
        Command(
            "whoami",
            "whoami",
            "Say who the server takes you for",
            examples="kubesim auth whoami",
            flags=PRINT_FLAGS,
            run=_who_am_i,
        ),
    ),
)
