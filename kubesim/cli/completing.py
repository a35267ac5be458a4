"""What may stand where on a command line: types, names of objects, contexts, formats (pkg/util/completion of kubectl).

Nothing here may fail: where a cluster cannot be asked, there is nothing to offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery.errors import StatusError
from kubesim.cli.errors import AggregateError, CLIError
from kubesim.client.restmapper import NoMatch
from kubesim.util.jsontypes import JSONObject, dig

if TYPE_CHECKING:
    from kubesim.cli.flags import Values
    from kubesim.cli.session import Session

# What the shell is to do with the candidates: cobra's ShellCompDirective.
DEFAULT: Final = 0
ERROR: Final = 1
NO_SPACE: Final = 2
NO_FILES: Final = 4
EXTENSIONS: Final = 8
DIRECTORIES: Final = 16

GET_FORMATS: Final = (
    *("json", "yaml", "name", "go-template", "go-template-file", "template", "templatefile", "jsonpath"),
    *("jsonpath-as-json", "jsonpath-file", "custom-columns", "custom-columns-file", "wide"),
)
PRINT_FORMATS: Final = GET_FORMATS[:10]
WITH_PODS: Final = (
    *("daemonsets", "deployments", "pods", "jobs", "replicasets", "replicationcontrollers", "services"),
    "statefulsets",
)
SCALED: Final = ("deployment", "replicaset", "replicationcontroller", "statefulset")
ROLLED: Final = ("deployment", "daemonset", "statefulset")
SHELLS: Final = ("bash", "zsh", "fish", "powershell")


@dataclass(slots=True)
class Candidates:
    """What fits, and what the shell is to do with it."""

    values: list[str] = field(default_factory=list)
    directive: int = NO_FILES


@dataclass(slots=True)
class Line:
    """The line so far: the arguments before the word that is being written, and its flags."""

    args: list[str]
    flags: Values
    session: Session

    def names(self, word: str) -> list[str]:
        """The names of the objects of a type."""
        return [str(dig(o, "metadata", "name", default="")) for o in self.objects(word)]

    def objects(self, word: str, namespace: str = "") -> list[JSONObject]:
        """The objects of a type, in a namespace, or in that of the line."""
        with self._asking() as ready:
            if ready:
                mapping = self.session.mapper.resource(word)
                namespace = (namespace or self.session.namespace) if mapping.namespaced else ""
                return list(self.session.client.list(mapping.gvr, namespace).get("items") or [])
        return []

    def types(self) -> list[str]:
        """The types that can be got: `pods`, `deployments.apps`."""
        with self._asking() as ready:
            if ready:
                found = [m for m in self.session.mapper.mappings if "get" in m.verbs]
                return list(dict.fromkeys(m.gvr.qualified for m in sorted(found, key=lambda m: m.gvr.group)))
        return []

    def pod(self, reference: str) -> JSONObject:
        """The Pod of that name, or the first one that an object of `type/name` selects."""
        word, slash, name = reference.rpartition("/")
        if not slash or word in ("pod", "pods", "po"):
            return next((p for p in self.objects("pods") if dig(p, "metadata", "name") == name), {})
        owner = next((o for o in self.objects(word) if dig(o, "metadata", "name") == name), {})
        selector = dig(owner, "spec", "selector", "matchLabels") or dig(owner, "spec", "selector", default={})
        for pod in self.objects("pods"):
            labels = dig(pod, "metadata", "labels", default={})
            if selector and all(labels.get(k) == v for k, v in selector.items()):
                return pod
        return {}

    def kubeconfig(self, section: str) -> list[str]:
        """The names in a section of the kubeconfig."""
        from kubesim.cli import kubeconfig

        path = self.flags.text("kubeconfig")
        try:
            file = self.session.path(path) if path else self.session.home.kubeconfig
            config = kubeconfig.read(file) if path or file.exists() else kubeconfig.default("")
        except CLIError:
            return []
        return [str(entry.get("name")) for entry in config.get(section) or ()]

    def sims(self) -> list[str]:
        """The simulated clusters of the home."""
        with self._asking():
            return self.session.home.sims()
        return []

    @contextmanager
    def _asking(self) -> Iterator[bool]:
        """Whether there is a cluster to ask; completion alone never makes one. What fails inside offers nothing."""
        try:
            yield self.session.remote or self.session.home.exists(self.session.sim)
        except (StatusError, CLIError, AggregateError, NoMatch, OSError):
            # The user is still typing: an error has no place to be shown, and the command will tell it.
            return


Completer = Callable[[Line, str], Candidates]


def beginning(values: Iterable[str], prefix: str, directive: int = NO_FILES) -> Candidates:
    """Those that begin so."""
    return Candidates([v for v in values if v.startswith(prefix)], directive)


def nothing(line: Line, word: str) -> Candidates:
    return Candidates(directive=DEFAULT)


def types_and_names(line: Line, word: str) -> Candidates:
    """A type, then names; or `type/name` again and again."""
    return _typed(line, word, line.types, repeat=True)


def _of_types(*types: str, repeat: bool = True) -> Completer:
    def complete(line: Line, word: str) -> Candidates:
        return _typed(line, word, lambda: types, repeat=repeat)

    return complete


def _typed(line: Line, word: str, types: Callable[[], Sequence[str]], *, repeat: bool) -> Candidates:
    """ResourceTypeAndNameCompletionFunc and its kin."""
    args = line.args
    if args and "/" not in args[0]:
        if not repeat and len(args) > 1:
            return Candidates()
        return beginning([n for n in line.names(args[0]) if n not in args[1:]], word)
    kind, slash, name = word.partition("/")
    if not slash:
        head, comma, last = word.rpartition(",")
        found = [f"{head}{comma}{t}" for t in types() if t.startswith(last)]
        if not args:
            return Candidates(found)
        return Candidates([f"{t}/" for t in found], NO_FILES | NO_SPACE) if repeat else Candidates()
    if args and not repeat:
        return Candidates()
    return Candidates(
        [f for n in line.names(kind) if n.startswith(name) and (f := f"{kind}/{n}") not in args]
    )


def _names(word_of_type: str) -> Completer:
    """One name of an object of a type."""

    def complete(line: Line, word: str) -> Candidates:
        return Candidates() if line.args else beginning(line.names(word_of_type), word)

    return complete


def types(line: Line, word: str) -> Candidates:
    return Candidates() if line.args else beginning(line.types(), word)


def pods(line: Line, word: str) -> Candidates:
    """A Pod, or what has Pods: doPodResourceCompletion."""
    if line.args:
        return Candidates()
    kind, slash, name = word.partition("/")
    if slash:
        return Candidates([f"{kind}/{n}" for n in line.names(kind) if n.startswith(name)])
    found = beginning(line.names("pods"), word)
    if not found.values:
        found.directive |= NO_SPACE
    found.values += [f"{t}/" for t in WITH_PODS if t.startswith(word)]
    return found


def containers(line: Line, word: str) -> Candidates:
    """The containers of the Pod that the first argument names."""
    if not line.args:
        return Candidates()
    spec = line.pod(line.args[0]).get("spec") or {}
    found = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return beginning([str(c.get("name")) for c in found], word)


def _pods_and_containers(line: Line, word: str) -> Candidates:
    return containers(line, word) if len(line.args) == 1 else pods(line, word)


def _pods_and_ports(line: Line, word: str) -> Candidates:
    if len(line.args) != 1:
        return pods(line, word)
    kind, _, name = line.args[0].rpartition("/")
    if kind in ("service", "services", "svc"):
        service = next((s for s in line.objects("services") if dig(s, "metadata", "name") == name), {})
        ports = [p.get("port") for p in dig(service, "spec", "ports", default=[])]
    else:
        spec = line.pod(line.args[0]).get("spec") or {}
        ports = [p.get("containerPort") for c in spec.get("containers") or () for p in c.get("ports") or ()]
    local = word.split(":")[0]
    return beginning([f"{local or port}:{port}" for port in ports], word)


def _copied(line: Line, word: str) -> Candidates:
    """What `cp` copies: `NAMESPACE/POD:`, `POD:`, or a file of this computer."""
    found = Candidates(directive=NO_SPACE)
    if line.args or word.startswith(("/", ".", "~")) or ":" in word:
        return found
    namespace, slash, _ = word.partition("/")
    if slash:
        names = [str(dig(p, "metadata", "name")) for p in line.objects("pods", namespace)]
        found.values = [f for name in names if (f := f"{namespace}/{name}:").startswith(word)]
        return found
    found.values = [f"{n}/" for n in line.names("namespaces") if n.startswith(word)]
    found.values += [f"{n}:" for n in line.names("pods") if n.startswith(word)]
    if not word:
        found.values += ["./", "/"]
    elif found.values:  # where there are none, the shell looks for files itself
        entries = sorted(line.session.path(".").iterdir())
        found.values += [f"{e.name}/" if e.is_dir() else e.name for e in entries if e.name.startswith(word)]
    return found


def _of_kubeconfig(section: str) -> Completer:
    def complete(line: Line, word: str) -> Candidates:
        return Candidates() if line.args else beginning(line.kubeconfig(section), word)

    return complete


def _words(*words: str) -> Completer:
    def complete(line: Line, word: str) -> Candidates:
        return Candidates() if line.args else beginning(words, word)

    return complete


def _sims(line: Line, word: str) -> Candidates:
    return beginning([s for s in line.sims() if s not in line.args], word)


def _folders(line: Line, word: str) -> Candidates:
    return Candidates(directive=DEFAULT if line.args else DIRECTORIES)


# Command -> what its arguments are.
ARGUMENTS: Final[dict[str, Completer]] = {
    **dict.fromkeys(
        (
            *("annotate", "apply edit-last-applied", "apply view-last-applied", "delete", "describe", "edit"),
            *("get", "label", "patch", "wait"),
        ),
        types_and_names,
    ),
    "attach": pods,
    "autoscale": _of_types(*SCALED),
    "completion": _words(*SHELLS),
    "config delete-cluster": _of_kubeconfig("clusters"),
    "config delete-context": _of_kubeconfig("contexts"),
    "config delete-user": _of_kubeconfig("users"),
    "config get-contexts": _of_kubeconfig("contexts"),
    "config rename-context": _of_kubeconfig("contexts"),
    "config set-context": _of_kubeconfig("contexts"),
    "config use-context": _of_kubeconfig("contexts"),
    "cordon": _names("nodes"),
    "cp": _copied,
    "create token": _names("serviceaccounts"),
    "debug": pods,
    "drain": _names("nodes"),
    "exec": pods,
    "explain": types,
    "expose": _of_types("pod", "service", "replicationcontroller", "deployment", "replicaset"),
    "kustomize": _folders,
    "logs": _pods_and_containers,
    "port-forward": _pods_and_ports,
    "rollout history": _of_types(*ROLLED),
    "rollout pause": _of_types("deployment"),
    "rollout restart": _of_types(*ROLLED),
    "rollout resume": _of_types("deployment"),
    "rollout status": _of_types(*ROLLED, repeat=False),
    "rollout undo": _of_types(*ROLLED),
    "scale": _of_types(*SCALED),
    "set env": _of_types(*WITH_PODS),
    "set image": _of_types(
        "daemonsets",
        "deployments",
        "pods",
        "cronjobs",
        "replicasets",
        "replicationcontrollers",
        "statefulsets",
        repeat=False,
    ),
    "sim delete": _sims,
    "sim reset": _sims,
    "sim use": _sims,
    "taint": _of_types("node"),
    "top node": _names("nodes"),
    "top pod": _names("pods"),
    "uncordon": _names("nodes"),
}


def _file_flag(line: Line, word: str) -> Candidates:
    return Candidates(["json", "yaml", "yml"], EXTENSIONS)


def _folder_flag(line: Line, word: str) -> Candidates:
    return Candidates(directive=DIRECTORIES)


def _of_objects(word_of_type: str) -> Completer:
    def complete(line: Line, word: str) -> Candidates:
        return beginning(line.names(word_of_type), word)

    return complete


def _of_section(section: str) -> Completer:
    def complete(line: Line, word: str) -> Candidates:
        return beginning(line.kubeconfig(section), word)

    return complete


def _of_words(*words: str) -> Completer:
    def complete(line: Line, word: str) -> Candidates:
        return beginning(words, word)

    return complete


# Flag -> what its values are, for all commands that have it.
FLAGS: Final[dict[str, Completer]] = {
    "cascade": _of_words("background", "foreground", "orphan"),
    "cluster": _of_section("clusters"),
    "container": containers,
    "context": _of_section("contexts"),
    "dry-run": _of_words("none", "client", "server"),
    "filename": _file_flag,
    "kustomize": _folder_flag,
    "load-restrictor": _of_words("LoadRestrictionsNone", "LoadRestrictionsRootOnly"),
    "namespace": _of_objects("namespaces"),
    "sim": lambda line, word: beginning(line.sims(), word),
    "subresource": _of_words("status", "scale", "resize"),
    "type": _of_words("json", "merge", "strategic"),
    "user": _of_section("users"),
    "validate": _of_words("strict", "warn", "ignore"),
}
# The same for single commands.
COMMAND_FLAGS: Final[dict[tuple[str, str], Completer]] = {
    ("api-resources", "output"): _of_words("wide", "name"),
    ("apply view-last-applied", "output"): _of_words("json", "yaml"),
    ("config get-contexts", "output"): _of_words("name"),
    ("create clusterrolebinding", "clusterrole"): _of_objects("clusterroles"),
    ("create rolebinding", "clusterrole"): _of_objects("clusterroles"),
    ("create rolebinding", "role"): _of_objects("roles"),
    ("create service", "type"): nothing,
    ("delete", "output"): _of_words("name"),
    ("explain", "output"): _of_words("plaintext", "plaintext-openapiv2"),
    ("expose", "type"): _of_words("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    ("get", "output"): _of_words(*GET_FORMATS),
    ("kustomize", "output"): nothing,
    ("version", "output"): _of_words("json", "yaml"),
}


def flag_completer(command: str, flag: str) -> Completer:
    """What completes the values of a flag."""
    found = COMMAND_FLAGS.get((command, flag)) or FLAGS.get(flag)
    if found is None and flag == "output":
        return _of_words(*PRINT_FORMATS)
    return found or nothing
