"""Roles, what binds them, and ServiceAccounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.meta import annotations_of, name_of, namespace_of, uid_of
from kubesim.cli.describe.page import NONE, Page, go_list
from kubesim.util.jsontypes import JSONObject

SECRETS = GroupVersionResource("", "v1", "secrets")
TOKEN = "kubernetes.io/service-account-token"  # noqa: S105  the type of a Secret, not one
Rule = dict[str, list[str]]


def role(page: Page, obj: JSONObject) -> None:
    """RoleDescriber, and the same for ClusterRoles."""
    page.head(obj, namespaced=False)
    page.write(0, "PolicyRule:\n")
    page.write(1, "Resources\tNon-Resource URLs\tResource Names\tVerbs\n")
    page.write(1, "---------\t-----------------\t--------------\t-----\n")
    for rule in compact_rules(part for r in obj.get("rules") or [] for part in breakdown(r)):
        page.line(
            1,
            _resource(rule),
            *(go_list(rule.get(key)) for key in ("nonResourceURLs", "resourceNames", "verbs")),
        )


def _resource(rule: Rule) -> str:
    """CombineResourceGroup: `pods`, `deployments.apps/scale`."""
    if not rule.get("resources"):
        return ""
    resource, slash, subresource = rule["resources"][0].partition("/")
    group = (rule.get("apiGroups") or [""])[0]
    return resource + (f".{group}" if group else "") + slash + subresource


def breakdown(rule: JSONObject) -> Iterator[Rule]:
    """BreakdownRule: rules of one verb, one resource and at most one name each."""
    verbs = rule.get("verbs") or []
    for group in rule.get("apiGroups") or []:
        for resource in rule.get("resources") or []:
            for verb in verbs:
                one: Rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                names = rule.get("resourceNames")
                yield from [{**one, "resourceNames": [n]} for n in names] if names else [one]
    for url in rule.get("nonResourceURLs") or []:
        for verb in verbs:
            yield {"nonResourceURLs": [url], "verbs": [verb]}


def compact_rules(rules: Iterable[Rule]) -> Sequence[Rule]:
    """CompactRules, sorted: those that differ only by verb are joined."""
    found: list[Rule] = []
    simple: dict[tuple[str, ...], Rule] = {}
    for rule in rules:
        if "nonResourceURLs" in rule:
            found.append(rule)
            continue
        key = (rule["apiGroups"][0], rule["resources"][0], *rule.get("resourceNames", ()))
        if key not in simple:
            simple[key] = rule
        elif rule["verbs"][0] not in simple[key]["verbs"]:
            simple[key]["verbs"] += rule["verbs"]
    return sorted([*found, *simple.values()], key=_sort_key)


def _sort_key(rule: Rule) -> str:
    """SortableRuleSlice goes by the text of the whole rule."""
    parts = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
    return "".join(f"{key[0].upper()}{key[1:]}:{go_list(rule.get(key))}," for key in parts)


def role_binding(page: Page, obj: JSONObject) -> None:
    """RoleBindingDescriber, and the same for ClusterRoleBindings."""
    page.head(obj, namespaced=False)
    page.write(0, "Role:\n")
    reference = obj.get("roleRef") or {}
    page.line(1, "Kind:", reference.get("kind", ""))
    page.line(1, "Name:", reference.get("name", ""))
    page.write(0, "Subjects:\n")
    page.write(1, "Kind\tName\tNamespace\n")
    page.write(1, "----\t----\t---------\n")
    for subject in obj.get("subjects") or []:
        page.line(1, *(subject.get(key) or "" for key in ("kind", "name", "namespace")))


def service_account(page: Page, obj: JSONObject) -> None:
    """As describeServiceAccount."""
    page.head(obj)
    pulled = [str(s.get("name") or "") for s in obj.get("imagePullSecrets") or []]
    mounted = [str(s.get("name") or "") for s in obj.get("secrets") or []]
    missing: set[str] = set()
    tokens: list[str] = []
    try:
        secrets = page.items(SECRETS, namespace_of(obj))
    except StatusError:
        # The account is described all the same: kubectl then says nothing of what is missing.
        secrets = []
    else:
        missing = {*pulled, *mounted} - {name_of(s) for s in secrets}
    for secret in secrets:
        notes = annotations_of(secret)
        if (
            secret.get("type") == TOKEN
            and notes.get("kubernetes.io/service-account.name") == name_of(obj)
            and notes.get("kubernetes.io/service-account.uid", "") == uid_of(obj)
        ):
            tokens.append(name_of(secret))
    for title, names in (
        ("Image pull secrets:", pulled),
        ("Mountable secrets: ", mounted),
        ("Tokens:            ", tokens),
    ):
        if not names:
            page.line(0, title, NONE)
        for position, name in enumerate(names):
            shown = f"{name} (not found)" if name in missing else name
            page.line(0, " " * len(title) if position else title, shown)
    page.events(obj)
