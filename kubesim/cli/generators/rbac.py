"""`create role`, `rolebinding`, `clusterrole`, `clusterrolebinding` (pkg/cmd/create/create_*role*.go)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError, RawError
from kubesim.cli.flags import Flag
from kubesim.cli.generated import metadata
from kubesim.cli.generators.common import Target, flag_error, generator, require_name, unique
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.client.restmapper import Mapping

GROUP = "rbac.authorization.k8s.io"
RESOURCE_VERBS = (
    "*",
    "get",
    "delete",
    "list",
    "create",
    "update",
    "patch",
    "watch",
    "proxy",
    "deletecollection",
    "use",
    "bind",
    "escalate",
    "impersonate",
)
URL_VERBS = ("*", "get", "post", "put", "delete", "patch", "head", "options")
# Verbs that make sense for some resources alone, as (group, resource).
SPECIAL_VERBS: dict[str, tuple[tuple[str, str], ...]] = {
    "use": (("policy", "podsecuritypolicies"), ("extensions", "podsecuritypolicies")),
    "bind": ((GROUP, "roles"), (GROUP, "clusterroles")),
    "escalate": ((GROUP, "roles"), (GROUP, "clusterroles")),
    "impersonate": (
        ("", "users"),
        ("", "serviceaccounts"),
        ("", "groups"),
        ("authentication.k8s.io", "userextras"),
    ),
}


@dataclass(frozen=True, slots=True)
class ResourceWord:
    """`resource.group/subresource`, as `--resource` has it."""

    resource: str
    group: str
    subresource: str

    @classmethod
    def parse(cls, text: str) -> ResourceWord:
        place, _, subresource = text.partition("/")
        resource, _, group = place.partition(".")
        return cls(resource, group, subresource)


def role_manifest(context: Context, name: str) -> JSONObject:
    """A Role with one rule for each API group."""
    words = _resource_words(context)
    verbs = _verbs(context)
    require_name(name)
    if not verbs:
        raise CLIError("at least one verb must be specified")
    _warn_of_verbs(context, verbs)
    if not words:
        raise CLIError("at least one resource must be specified")
    _check_resources(context, words, verbs)
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Role",
        "metadata": metadata(name),
        "rules": _resource_rules(context, words, verbs),
    }


def cluster_role_manifest(context: Context, name: str) -> JSONObject:
    """A ClusterRole: rules for resources and URLs, or the labels of the ClusterRoles to be joined in it."""
    labels = _aggregation_labels(context)
    words, verbs = _resource_words(context), _verbs(context)
    urls = unique(context.flags.texts("non-resource-url"))
    require_name(name)
    found: JSONObject = {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", "metadata": metadata(name)}
    if labels:
        if urls or verbs or words or context.flags.texts("resource-name"):
            raise CLIError(
                "aggregation rule must be specified without nonResourceURLs, verbs, resources "
                "or resourceNames"
            )
        found["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": labels}]}
        found["rules"] = None
        return found
    if not verbs:
        raise CLIError("at least one verb must be specified")
    if not words and not urls:
        raise CLIError("one of resource or nonResourceURL must be specified")
    if words:
        _warn_of_verbs(context, verbs)
        _check_resources(context, words, verbs)
    if urls:
        _check_urls(urls, verbs)
    found["rules"] = _resource_rules(context, words, verbs)
    if urls:
        found["rules"].append({"verbs": verbs, "nonResourceURLs": urls})
    return found


def _aggregation_labels(context: Context) -> dict[str, str]:
    """`key=value` pairs, separated by commas. Raises CLIError as for a flag that cannot be read."""
    found: dict[str, str] = {}
    for text in context.flags.texts("aggregation-rule"):
        for pair in filter(None, text.split(",")):
            key, equals, value = pair.partition("=")
            if not equals:
                raise flag_error(context, text, "--aggregation-rule", "malformed pair, expect string=string")
            found[key.strip()] = value.strip()
    return found


def _verbs(context: Context) -> list[str]:
    verbs = unique(context.flags.texts("verb"))
    return ["*"] if "*" in verbs else verbs


def _resource_words(context: Context) -> list[ResourceWord]:
    """The resources up to the first bare `*`, which takes all of them in."""
    found = []
    for text in context.flags.texts("resource"):
        found.append(ResourceWord.parse(text))
        if text == "*":
            break
    return found


def _warn_of_verbs(context: Context, verbs: list[str]) -> None:
    for verb in verbs:
        if verb not in RESOURCE_VERBS:
            context.err(f"Warning: '{verb}' is not a standard resource verb")


def _check_resources(context: Context, words: list[ResourceWord], verbs: list[str]) -> None:
    """Raises CLIError for a resource that the server does not have, or for which a verb is not meant."""
    for word in words:
        if not word.resource:
            raise CLIError("resource must be specified if apiGroup/subresource specified")
        if word.resource == "*":
            return
        mapping = _mapping(context, word)
        group, resource = _group_resource(mapping, word)
        special = [verb for verb in verbs if verb in SPECIAL_VERBS]
        for verb in special:
            if (group, resource) not in SPECIAL_VERBS[verb]:
                raise CLIError(f"can not perform '{verb}' on '{resource}' in group '{group}'")
        if mapping is None and not special:
            place = f" in group {quote(word.group)}" if word.group else ""
            raise RawError(f"the server doesn't have a resource type {quote(word.resource)}{place}")


def _mapping(context: Context, word: ResourceWord) -> Mapping | None:
    """What the server has under that name: its plural, singular or short name, the group or its beginning."""
    from kubesim.client.restmapper import NoMatch

    try:
        found = context.session.mapper.resource(
            f"{word.resource}.{word.group}" if word.group else word.resource
        )
    except NoMatch:
        return None
    return found if found.gvr.group.startswith(word.group) else None


def _group_resource(mapping: Mapping | None, word: ResourceWord) -> tuple[str, str]:
    return (mapping.gvr.group, mapping.gvr.resource) if mapping else (word.group, word.resource)


def _check_urls(urls: list[str], verbs: list[str]) -> None:
    for verb in verbs:
        if verb not in URL_VERBS:
            raise CLIError(f"invalid verb: '{verb}' for nonResourceURL")
    for url in urls:
        if url == "*":
            continue
        if not url.startswith("/"):
            raise CLIError("nonResourceURL should start with /")
        if "*" in url[:-1]:
            raise CLIError("nonResourceURL only supports wildcard matches when '*' is at the end")


def _resource_rules(context: Context, words: list[ResourceWord], verbs: list[str]) -> list[JSONObject]:
    """One rule for each group, the groups sorted; what the server does not know stands as it was written."""
    groups: dict[str, list[str]] = {}
    for word in words:
        group, resource = _group_resource(_mapping(context, word), word)
        if word.subresource:
            resource = f"{resource}/{word.subresource}"
        groups.setdefault(group, []).append(resource)
    names = unique(context.flags.texts("resource-name"))
    rules: list[JSONObject] = []
    for group in sorted(groups):
        rule: JSONObject = {"verbs": list(verbs), "apiGroups": [group], "resources": unique(groups[group])}
        if names:
            rule["resourceNames"] = names
        rules.append(rule)
    return rules


def role_binding_manifest(context: Context, name: str) -> JSONObject:
    require_name(name)
    role, cluster_role = context.flags.text("role"), context.flags.text("clusterrole")
    if bool(role) == bool(cluster_role):
        raise CLIError("exactly one of clusterrole or role must be specified")
    return _binding(context, name, "RoleBinding", "Role" if role else "ClusterRole", role or cluster_role)


def cluster_role_binding_manifest(context: Context, name: str) -> JSONObject:
    return _binding(context, name, "ClusterRoleBinding", "ClusterRole", context.flags.text("clusterrole"))


def _binding(context: Context, name: str, kind: str, role_kind: str, role: str) -> JSONObject:
    found: JSONObject = {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": metadata(name),
        "roleRef": {"apiGroup": GROUP, "kind": role_kind, "name": role},
    }
    subjects = _subjects(context)
    if subjects:
        found["subjects"] = subjects
    return found


def _subjects(context: Context) -> list[JSONObject]:
    """Users, groups, then service accounts."""
    flags = context.flags
    found: list[JSONObject] = [
        {"kind": kind, "apiGroup": GROUP, "name": name}
        for kind, flag in (("User", "user"), ("Group", "group"))
        for name in flags.texts(flag)
    ]
    for account in flags.texts("serviceaccount"):
        parts = account.split(":")
        if len(parts) != 2 or not all(parts):
            raise CLIError("serviceaccount must be <namespace>:<name>")
        found.append({"kind": "ServiceAccount", "namespace": parts[0], "name": parts[1]})
    return found


_RULE_FLAGS = (
    Flag("verb", "A verb that is allowed. May be repeated.", kind="slice"),
    Flag(
        "resource",
        "The resource that it is allowed for: resource.group/subresource. May be repeated.",
        kind="slice",
    ),
    Flag("resource-name", "The name of an object; without it, all are meant. May be repeated.", kind="list"),
)
_SUBJECT_FLAGS = (
    Flag("user", "A user. May be repeated.", kind="list"),
    Flag("group", "A group. May be repeated.", kind="list"),
    Flag("serviceaccount", "A service account, namespace:name. May be repeated.", kind="list"),
)

ROLE = generator(
    "role",
    role_manifest,
    Target(GroupVersionResource(GROUP, "v1", "roles")),
    use="NAME --verb=verb --resource=resource.group/subresource [--resource-name=resourcename] "
    "[--dry-run=server|client|none]",
    short="Create a Role with one rule",
    examples="""\
# Pods may be read
kubesim create role pod-reader --verb=get --verb=list --verb=watch --resource=pods

# Two of them, by name
kubesim create role pod-reader --verb=get --resource=pods --resource-name=one --resource-name=two

# A resource of another API group, and a subresource
kubesim create role foo --verb=get,list,watch --resource=rs.apps,pods/status""",
    flags=_RULE_FLAGS,
)
CLUSTER_ROLE = generator(
    "clusterrole",
    cluster_role_manifest,
    Target(GroupVersionResource(GROUP, "v1", "clusterroles"), namespaced=False),
    use="NAME --verb=verb --resource=resource.group [--resource-name=resourcename] "
    "[--dry-run=server|client|none]",
    short="Create a ClusterRole",
    examples="""\
# Pods may be read
kubesim create clusterrole pod-reader --verb=get,list,watch --resource=pods

# A part of the server's URLs may be read
kubesim create clusterrole logs --verb=get --non-resource-url=/logs/*

# The rules of all ClusterRoles with a label
kubesim create clusterrole monitoring --aggregation-rule="rbac.example.com/aggregate-to-monitoring=true\"""",
    flags=(
        *_RULE_FLAGS,
        Flag(
            "non-resource-url",
            "A path of the server; a star may stand at its end. May be repeated.",
            kind="slice",
        ),
        Flag("aggregation-rule", "Labels of the ClusterRoles to be joined.", kind="list", shown=""),
    ),
)
ROLE_BINDING = generator(
    "rolebinding",
    role_binding_manifest,
    Target(GroupVersionResource(GROUP, "v1", "rolebindings"), failure="failed to create rolebinding: "),
    use="NAME --clusterrole=NAME|--role=NAME [--user=username] [--group=groupname] "
    "[--serviceaccount=namespace:serviceaccountname] [--dry-run=server|client|none]",
    short="Bind a Role or ClusterRole in a namespace",
    examples="""\
# Two users and a group get a ClusterRole, in this namespace
kubesim create rolebinding admin --clusterrole=admin --user=user1 --user=user2 --group=group1

# A service account gets a Role
kubesim create rolebinding admin-binding --role=admin --serviceaccount=monitoring:sa-dev""",
    flags=(Flag("clusterrole", "The ClusterRole."), Flag("role", "The Role."), *_SUBJECT_FLAGS),
)
CLUSTER_ROLE_BINDING = generator(
    "clusterrolebinding",
    cluster_role_binding_manifest,
    Target(
        GroupVersionResource(GROUP, "v1", "clusterrolebindings"),
        namespaced=False,
        failure="failed to create clusterrolebinding: ",
    ),
    use="NAME --clusterrole=NAME [--user=username] [--group=groupname] "
    "[--serviceaccount=namespace:serviceaccountname] [--dry-run=server|client|none]",
    short="Bind a ClusterRole in all namespaces",
    examples="""\
# Two users and a group may do everything
kubesim create clusterrolebinding all --clusterrole=cluster-admin --user=user1 --user=user2 --group=group1""",
    flags=(Flag("clusterrole", "The ClusterRole.", required=True), *_SUBJECT_FLAGS),
)
