"""The environment of a container: put together once, when it starts.

Rules as in pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables, of Kubernetes 1.32: envFrom, then env,
each value expanded with what came before it and with the Services' variables; then the Services' variables
that nothing replaced. The real kubelet passes them on in the random order of Go's maps; here the order is
that of the sentence above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubesim.kubelet.downward import PodFacts, field_value, resource_value
from kubesim.kubelet.errors import ConfigError
from kubesim.kubelet.sources import Sources, data_of
from kubesim.util.jsontypes import JSONObject


@dataclass(slots=True)
class Environment:
    """Variables in order, and the sentences about keys that are no names for variables (for Events)."""

    variables: Mapping[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def build_environment(facts: PodFacts, container: JSONObject, sources: Sources) -> Environment:
    """The variables of a container. Raises ConfigError where something that it needs is not there."""
    pod = facts.pod
    namespace = pod["metadata"]["namespace"]
    spec = pod.get("spec") or {}
    services = sources.services(namespace, links=spec.get("enableServiceLinks") is not False)
    own: dict[str, str] = {}
    skipped: list[str] = []
    for source in container.get("envFrom") or ():
        _add_source(own, skipped, namespace, source, sources)
    for entry in container.get("env") or ():
        value = _value(facts, container, entry, own, services, sources)
        if value is not None:
            own[entry["name"]] = value
    # The Services' variables are many: containers without any of their own share them.
    return Environment({**own, **services, **own} if own else services, skipped)


def _add_source(
    own: dict[str, str], skipped: list[str], namespace: str, source: JSONObject, sources: Sources
) -> None:
    secret = bool(source.get("secretRef"))
    reference = source.get("secretRef") if secret else source.get("configMapRef")
    if not reference:
        return
    name = reference.get("name") or ""
    obj = sources.secret(namespace, name) if secret else sources.config_map(namespace, name)
    if obj is None:
        if reference.get("optional"):
            return
        raise ConfigError(f'{"secret" if secret else "configmap"} "{name}" not found')
    prefix = source.get("prefix") or ""
    invalid = []
    for key, value in sorted(data_of(obj, secret=secret).items()):
        if not _is_variable_name(prefix + key):
            invalid.append(key)
            continue
        own[prefix + key] = value.decode("utf-8", "replace")
    if invalid:
        kind = "secret" if secret else "configMap"
        skipped.append(
            f"Keys [{', '.join(invalid)}] from the EnvFrom {kind} {namespace}/{name} were skipped since they"
            " are considered invalid environment variable names."
        )


def _is_variable_name(name: str) -> bool:
    """IsRelaxedEnvVarName: printable ASCII without `=`."""
    return bool(name) and all(" " <= c <= "~" and c != "=" for c in name)


def _value(
    facts: PodFacts,
    container: JSONObject,
    entry: JSONObject,
    variables: Mapping[str, str],
    services: Mapping[str, str],
    sources: Sources,
) -> str | None:
    """The value of one entry; None for one that is optional and not there."""
    source = entry.get("valueFrom")
    if not source:
        return expand(entry.get("value") or "", variables, services)
    namespace = facts.pod["metadata"]["namespace"]
    if source.get("fieldRef"):
        return field_value(facts, source["fieldRef"].get("fieldPath") or "")
    if source.get("resourceFieldRef"):
        return resource_value(facts, container, source["resourceFieldRef"])
    secret = bool(source.get("secretKeyRef"))
    reference = source.get("secretKeyRef") if secret else source.get("configMapKeyRef")
    if not reference:
        return ""
    name, key = reference.get("name") or "", reference.get("key") or ""
    obj = sources.secret(namespace, name) if secret else sources.config_map(namespace, name)
    if obj is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f'{"secret" if secret else "configmap"} "{name}" not found')
    data = data_of(obj, secret=secret)
    if key not in data:
        if reference.get("optional"):
            return None
        kind = "Secret" if secret else "ConfigMap"
        raise ConfigError(f"couldn't find key {key} in {kind} {namespace}/{name}")
    return data[key].decode("utf-8", "replace")


def expand(text: str, *contexts: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; `$$` stands for `$`, and what nobody knows stays:
    third_party/forked/expansion.
    """
    out: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character != "$" or position + 1 >= len(text):
            out.append(character)
            position += 1
            continue
        following = text[position + 1]
        end = text.find(")", position) if following == "(" else -1
        if following == "$":
            out.append("$")
            position += 2
        elif end >= 0:
            name = text[position + 2 : end]
            value = next((c[name] for c in contexts if name in c), None)
            out.append(text[position : end + 1] if value is None else value)
            position = end + 1
        elif following == "(":
            out.append("$(")  # no end: the rest stands for itself
            position += 2
        else:
            out.append("$" + following)
            position += 2
    return "".join(out)
