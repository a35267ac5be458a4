"""`check`: say what keeps requests from arriving, in the cluster as it is or in manifests, without a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubesim.cli.builder import ALL_NAMESPACES_FLAG
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean

if TYPE_CHECKING:
    from kubesim.cluster.build import Cluster
    from kubesim.diagnosis.finding import Finding
    from kubesim.diagnosis.listening import Listening

FORMS = ("text", "json", "sarif", "github")
LEVELS = ("error", "warning", "info")
_BAD_INPUT = 2


def run(context: Context) -> int:
    """Check, print what was found, and say by the exit code how bad it is."""
    flags = context.flags
    if context.args:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    form, level = flags.text("output"), flags.text("level")
    if form not in FORMS:
        raise CLIError(f"--output must be one of {', '.join(FORMS)}: {form!r}", code=_BAD_INPUT)
    if level not in LEVELS:
        raise CLIError(f"--level must be one of {', '.join(LEVELS)}: {level!r}", code=_BAD_INPUT)
    from_files = bool(flags.texts("filename") or flags.text("kustomize"))
    if not from_files and (flags.is_set("alone") or flags.is_set("recursive")):
        raise CLIError("--alone and --recursive are for manifests: name them with -f or -k", code=_BAD_INPUT)
    try:
        findings, problems = _of_files(context) if from_files else (_of_cluster(context), [])
    except CLIError as error:
        raise CLIError(str(error), code=_BAD_INPUT) from None
    from kubesim.cli.diagnosing.reports import report

    report(context, [f for f in findings if LEVELS.index(f.severity) <= LEVELS.index(level)], form)
    for problem in problems:
        context.err(f"error: {problem}")
    if problems:
        return _BAD_INPUT
    return 1 if any(f.severity == "error" for f in findings) else 0


def _of_cluster(context: Context) -> list[Finding]:
    from kubesim.diagnosis.engine import examine
    from kubesim.diagnosis.view import View

    session = context.session
    view = View(session.client, listening_of(context))
    namespaces = view.namespaces() if context.flags.is_set("all-namespaces") else [session.namespace]
    return examine(view, namespaces)


def listening_of(context: Context) -> Listening:
    """Who knows what listens in this cluster's Pods: its runtime, where it is in this process."""
    from kubesim.diagnosis.listening import Predicted, Running

    session = context.session
    runtime = None if session.remote else session.cluster.runtime
    predicted = Predicted(session.given_images)
    return Running(runtime, predicted) if runtime is not None else predicted


def _of_files(context: Context) -> tuple[list[Finding], list[str]]:
    from kubesim.cli.diagnosing.branching import apply_manifests
    from kubesim.diagnosis.engine import examine, ordered
    from kubesim.diagnosis.listening import Predicted
    from kubesim.diagnosis.view import View
    from kubesim.kubelet.catalogues import nothing

    branch = _branch(context)
    given = nothing if context.flags.is_set("alone") else context.session.given_images
    view = View(branch.client, Predicted(given), planning=True, node_ports=branch.config.node_port_range)
    outcome = apply_manifests(context, branch, view)
    after = View(
        branch.client,
        view.listening,
        planning=True,
        places=outcome.places.by_object,
        incomplete=frozenset(outcome.refused),
        node_ports=view.node_ports,
    )
    found = examine(after, outcome.namespaces, wanted=after.was_written)
    found = ordered(after, [*outcome.findings, *found])
    return [outcome.places.located(f) for f in found], outcome.problems


def _branch(context: Context) -> Cluster:
    """A copy of the cluster, or with `--alone` one that is empty."""
    from kubesim.cluster.branch import copied_objects, likely_config, make_branch
    from kubesim.cluster.build import load_kinds

    session, alone = context.session, context.flags.is_set("alone")
    objects = () if alone else tuple(copied_objects(session.client))
    if session.remote or (alone and _has_home(context)):  # a cluster need not be opened, or made, for that
        return make_branch(
            likely_config(objects),
            objects,
            lambda version: load_kinds(version, cache_dir=session.home.cache),
        )
    cluster = session.cluster
    return make_branch(cluster.config, objects, lambda _: (cluster.scheme, cluster.schema))


def _has_home(context: Context) -> bool:
    """Whether the command runs in a home: a cluster that is part of a Python program has none."""
    try:
        return bool(context.session.home)
    except CLIError:
        return False


COMMAND = Command(
    name="check",
    use="check [-f FILENAME] [-k DIRECTORY] [-R] [-o text|json|sarif|github]",
    short="Say what keeps requests from arriving",
    long="Say which Services, Pods, NetworkPolicies and Ingresses will not do what they seem to be meant for, and why: the "
    "object, the field at fault, and the fix. Without -f it looks at the cluster as it is. With -f or -k it applies "
    "manifests to a branch of the cluster that is thrown away afterwards; the cluster does not change.\n\n"
    "Ends with 0 where nothing is wrong, 1 where there are errors, 2 where the input cannot be read. docs/mistakes.md "
    "explains the reason codes.",
    examples="""\
# Look at the current namespace, or at all
kubesim check
kubesim check -A

# Look at manifests before they are applied
kubesim check -f service.yaml
kubesim check -R -f manifests/

# For a pipeline: nothing but these files counts, and GitHub shows findings beside the lines
kubesim check --alone -R -f deploy/ -o github""",
    flags=(
        Flag("filename", "File, directory or URL with manifests to check.", "f", "slice"),
        Flag("kustomize", "Directory with a kustomization to check.", "k"),
        boolean("recursive", "Take the directories of -f with all that is below them.", "R"),
        boolean("alone", "Check the manifests by themselves, and not together with what the cluster has."),
        ALL_NAMESPACES_FLAG,
        Flag("output", "One of: text, json, sarif, github.", "o", default="text"),
        Flag("level", "How much to tell: error, warning or info.", default="warning"),
    ),
    run=run,
)
