"""`create` for kinds that need little: Namespaces, ServiceAccounts, quotas, priority classes, disruption
budgets (create_{namespace,serviceaccount,quota,priorityclass,pdb}.go in pkg/cmd/create).
"""

from __future__ import annotations

import re

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.generated import metadata
from kubesim.cli.generators.common import Target, generator, int32, require_name
from kubesim.util.jsontypes import JSONObject

_AMOUNT = re.compile(r"[0-9]+%?")


def namespace_manifest(_context: Context, name: str) -> JSONObject:
    require_name(name)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata(name), "spec": {}, "status": {}}


def service_account_manifest(_context: Context, name: str) -> JSONObject:
    require_name(name)
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name)}


def quota_manifest(context: Context, name: str) -> JSONObject:
    """A ResourceQuota; scopes are left to the server to check."""
    require_name(name)
    hard = resource_list(context.flags.text("hard"))
    scopes = context.flags.text("scopes").split(",") if context.flags.text("scopes") else []
    if "" in scopes:
        raise CLIError('invalid resource quota scope ""')
    spec: JSONObject = {}
    if hard:
        spec["hard"] = hard
    if scopes:
        spec["scopes"] = scopes
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": metadata(name),
        "spec": spec,
        "status": {},
    }


def resource_list(text: str) -> dict[str, str]:
    """`cpu=1,memory=1G`, the quantities in their canonical form. Raises CLIError."""
    from kubesim.util.quantity import canonical

    found: dict[str, str] = {}
    for statement in text.split(",") if text else ():
        name, *values = statement.split("=")
        if len(values) != 1:
            raise CLIError(f"Invalid argument syntax {statement}, expected <resource>=<value>")
        try:
            found[name] = canonical(values[0])
        except ValueError as error:
            raise CLIError(str(error)) from None
    return found


def priority_class_manifest(context: Context, name: str) -> JSONObject:
    flags = context.flags
    found: JSONObject = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": metadata(name),
        "value": int32(context, "value"),
        "preemptionPolicy": flags.text("preemption-policy"),
    }
    if flags.is_set("global-default"):
        found["globalDefault"] = True
    if flags.text("description"):
        found["description"] = flags.text("description")
    return found


def disruption_budget_manifest(context: Context, name: str) -> JSONObject:
    """A PodDisruptionBudget with one of its two bounds."""
    require_name(name)
    flags = context.flags
    low, high, selector = (flags.text(n) for n in ("min-available", "max-unavailable", "selector"))
    if not selector:
        raise CLIError("a selector must be specified")
    if not low and not high:
        raise CLIError("one of min-available or max-unavailable must be specified")
    if low and high:
        raise CLIError("min-available and max-unavailable cannot be both specified")
    bound = "min-available" if low else "max-unavailable"
    if not _AMOUNT.fullmatch(low or high):
        raise CLIError(f"invalid format specified for {bound}")
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name),
        "spec": {
            "minAvailable" if low else "maxUnavailable": int_or_string(low or high),
            "selector": label_selector(selector),
        },
        "status": {
            "disruptionsAllowed": 0,
            "currentHealthy": 0,
            "desiredHealthy": 0,
            "expectedPods": 0,
        },
    }


def int_or_string(text: str) -> int | str:
    """A number where the text is one of 32 bits: intstr.Parse."""
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        return text
    return int(text) if -(1 << 31) <= int(text) < 1 << 31 else text


def label_selector(text: str) -> JSONObject:
    """A selector as `-l` has it, as a LabelSelector: metav1.ParseToLabelSelector. Raises CLIError."""
    from kubesim.apimachinery.labels import SelectorError, parse_selector

    try:
        requirements = parse_selector(text).requirements
    except SelectorError as error:
        raise CLIError(f'couldn\'t parse the selector string "{text}": {error}') from None
    operators = {"in": "In", "notin": "NotIn", "exists": "Exists", "!": "DoesNotExist"}
    labels: dict[str, str] = {}
    expressions: list[JSONObject] = []
    for requirement in requirements:
        if requirement.operator in ("=", "=="):
            labels[requirement.key] = requirement.values[0]
        elif requirement.operator in operators:
            expression: JSONObject = {"key": requirement.key, "operator": operators[requirement.operator]}
            if requirement.values:
                expression["values"] = sorted(requirement.values)
            expressions.append(expression)
        elif requirement.operator in ("gt", "lt"):
            raise CLIError(f'"{requirement.operator}" isn\'t supported in label selectors')
        else:
            raise CLIError(f'"{requirement.operator}" is not a valid label selector operator')
    found: JSONObject = {}
    if labels:
        found["matchLabels"] = labels
    if expressions:
        found["matchExpressions"] = expressions
    return found


NAMESPACE = generator(
    "namespace",
    namespace_manifest,
    Target(GroupVersionResource("", "v1", "namespaces"), namespaced=False),
    use="NAME [--dry-run=server|client|none]",
    short="Create a Namespace",
    examples="""\
# A Namespace with the name my-namespace
kubesim create namespace my-namespace""",
    aliases=("ns",),
)
SERVICE_ACCOUNT = generator(
    "serviceaccount",
    service_account_manifest,
    Target(GroupVersionResource("", "v1", "serviceaccounts"), failure="failed to create serviceaccount: "),
    use="NAME [--dry-run=server|client|none]",
    short="Create a ServiceAccount",
    examples="""\
# A ServiceAccount with the name my-service-account
kubesim create serviceaccount my-service-account""",
    aliases=("sa",),
)
QUOTA = generator(
    "quota",
    quota_manifest,
    Target(GroupVersionResource("", "v1", "resourcequotas"), failure="failed to create quota: "),
    use="NAME [--hard=key1=value1,key2=value2] [--scopes=Scope1,Scope2] [--dry-run=server|client|none]",
    short="Create a ResourceQuota",
    long="Create a ResourceQuota: hard limits for what a namespace may hold, for some scopes or for all.",
    examples="""\
# At most 1 CPU, 1G of memory, 2 Pods and 3 Services
kubesim create quota my-quota --hard=cpu=1,memory=1G,pods=2,services=3

# At most 100 Pods that ask for nothing
kubesim create quota best-effort --hard=pods=100 --scopes=BestEffort""",
    flags=(
        Flag("hard", "The limits, resource=quantity separated by commas."),
        Flag("scopes", "The scopes that an object must be in to count, separated by commas."),
    ),
    aliases=("resourcequota",),
)
PRIORITY_CLASS = generator(
    "priorityclass",
    priority_class_manifest,
    Target(
        GroupVersionResource("scheduling.k8s.io", "v1", "priorityclasses"),
        namespaced=False,
        failure="failed to create priorityclass: ",
    ),
    use="NAME --value=VALUE --global-default=BOOL [--dry-run=server|client|none]",
    short="Create a PriorityClass",
    examples="""\
# Pods of this class go before others
kubesim create priorityclass high-priority --value=1000 --description="high priority"

# The class of Pods that name none
kubesim create priorityclass default-priority --value=1000 --global-default=true

# A class whose Pods do not drive others out
kubesim create priorityclass patient --value=1000 --preemption-policy="Never\"""",
    flags=(
        Flag("value", "The priority of the Pods of this class.", kind="int", default=0),
        boolean("global-default", "Give this priority to Pods that name no class."),
        Flag("description", "For whom the class is meant."),
        Flag(
            "preemption-policy",
            "Whether its Pods drive out others of less priority: PreemptLowerPriority or Never.",
            default="PreemptLowerPriority",
        ),
    ),
    aliases=("pc",),
)
DISRUPTION_BUDGET = generator(
    "poddisruptionbudget",
    disruption_budget_manifest,
    Target(
        GroupVersionResource("policy", "v1", "poddisruptionbudgets"),
        failure="failed to create poddisruptionbudgets: ",
    ),
    use="NAME --selector=SELECTOR --min-available=N [--dry-run=server|client|none]",
    short="Create a PodDisruptionBudget",
    examples="""\
# Of the Pods with app=rails, one must be there at any time
kubesim create poddisruptionbudget my-pdb --selector=app=rails --min-available=1

# Of the Pods with app=nginx, half must be there at any time
kubesim create pdb my-pdb --selector=app=nginx --min-available=50%""",
    flags=(
        Flag("min-available", "How many Pods must be there: a number, or a share in percent."),
        Flag("max-unavailable", "How many Pods may be missing: a number, or a share in percent."),
        Flag("selector", "Label selector for the Pods."),
    ),
    aliases=("pdb",),
)
