"""`kustomize`: print what a kustomization makes (sigs.k8s.io/kustomize/kustomize/v5/commands/build)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.util.jsontypes import JSONObject
from kubesim.util.yamlfmt import dump

ROOT_ONLY, NO_RESTRICTIONS = "LoadRestrictionsRootOnly", "LoadRestrictionsNone"


def run(context: Context) -> int:
    """Build the kustomization in a directory; print it, or write it to a file or into a directory."""
    from kubesim.cli.kustomize import build

    flags = context.flags
    if len(context.args) > 1:
        raise CLIError("specify one path to kustomization.yaml")
    _check(flags.text("load-restrictor"), "load-restrictor", (ROOT_ONLY, NO_RESTRICTIONS))
    _check(flags.text("reorder"), "reorder", ("legacy", "none"))
    if flags.changed("reorder"):
        context.err(
            "Flag --reorder has been deprecated, use the new 'sortOptions' field in kustomization.yaml instead."
        )
    shown = context.args[0] if context.args else "."
    found = build(
        context.session.path(shown),
        shown,
        legacy_order=flags.text("reorder") == "legacy",
        restricted=flags.text("load-restrictor") != NO_RESTRICTIONS,
        warn=context.err,
    )
    objects = list(found)
    output = flags.text("output")
    target = context.session.path(output) if output else None
    if target is not None and target.is_dir():
        _write_each(context, target, objects)
        return 0
    text = "---\n".join(dump(obj) for obj in objects)
    if target is None:
        context.streams.stdout.write(text)
    else:
        _write(context, target, text)
    return 0


def _check(value: str, name: str, legal: tuple[str, ...]) -> None:
    if value not in legal:
        raise CLIError(f"illegal flag value --{name} {value}; legal values: [{' '.join(legal)}]")


def _write_each(context: Context, folder: Path, objects: list[JSONObject]) -> None:
    """A file for each object; their namespaces are in the names where there are several."""
    from kubesim.cli.kustomize.identity import NO_NAMESPACE, gvk_of, id_of

    by_namespace: dict[str, list[JSONObject]] = defaultdict(list)
    for obj in objects:
        by_namespace[id_of(obj).effective_namespace].append(obj)
    several = len(set(by_namespace) - {NO_NAMESPACE}) > 1
    for namespace, found in by_namespace.items():
        prefix = f"{namespace.lower()}_" if several and namespace != NO_NAMESPACE else ""
        for obj in found:
            gvk = gvk_of(obj)
            kind = "_".join(part for part in (gvk.group, gvk.version, gvk.kind) if part)
            _write(context, folder / f"{prefix}{kind.lower()}_{id_of(obj).name.lower()}.yaml", dump(obj))


def _write(context: Context, path: Path, text: str) -> None:
    try:
        with context.streams.create(path) as file:
            file.write(text)
    except OSError as error:
        raise CLIError(f"open {path}: {(error.strerror or str(error)).lower()}") from None


COMMAND = Command(
    name="kustomize",
    use="kustomize DIR",
    short="Build a kustomization from a directory",
    long="Print the objects that the kustomization.yaml of a directory makes. Without a directory, the current one.",
    examples="""\
# The current directory
kubesim kustomize

# Another one
kubesim kustomize overlays/production

# Into a file
kubesim kustomize overlays/production -o all.yaml""",
    flags=(
        boolean("enable-helm", "Accepted for compatibility; charts are not inflated."),
        Flag(
            "load-restrictor",
            f"With {NO_RESTRICTIONS}, files may lie outside of the kustomization's directory.",
            default=ROOT_ONLY,
        ),
        Flag("output", "Write to this file, or a file for each object into this directory.", "o"),
        Flag("reorder", "Order of the objects: legacy or none.", default="legacy", hidden=True),
    ),
    run=run,
)
