"""`diff`: what is there against what an apply would leave, as the server sees it (pkg/cmd/diff)."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import metadata_of
from kubesim.cli.applying import prune_nulls, three_way_patch, without_annotation
from kubesim.cli.builder import SELECTOR_FLAG, Builder, Info, filename_flags
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import AggregateError, CLIError, SilentExit, error_text, is_not_found
from kubesim.cli.flags import Flag, boolean
from kubesim.util.jsontypes import JSONObject, deep_copy
from kubesim.util.yamlfmt import dump

MASK, BEFORE, AFTER = "***", "*** (before)", "*** (after)"
_ARGUMENT = re.compile(r"[a-zA-Z0-9-=]+")


def run(context: Context) -> int:
    """0: nothing differs; 1: something does; above: it could not be found out."""
    try:
        return _diff(context)
    except (CLIError, StatusError, AggregateError) as error:
        context.err(error_text(error).removesuffix("\n"))
        raise SilentExit(2) from None


def _diff(context: Context) -> int:
    flags = context.flags
    if context.args:
        raise context.usage_error(f"Unexpected args: [{' '.join(context.args)}]")
    if not flags.texts("filename") and not flags.text("kustomize"):
        raise CLIError("must specify one of -f and -k")
    if flags.is_set("force-conflicts") and not flags.is_set("server-side"):
        raise CLIError("--force-conflicts only works with --server-side")
    builder = Builder.of(
        context,
        require_object=False,
        flatten=True,
    )
    temporary = context.streams.env.get("TMPDIR") or None
    folders = [Path(tempfile.mkdtemp(prefix=f"{name}-", dir=temporary)) for name in ("LIVE", "MERGED")]
    try:
        for item in builder.visit():
            if isinstance(item, Exception):
                raise item
            _write(context, item, folders)
        return _compare(context, folders)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _write(context: Context, info: Info, folders: list[Path]) -> None:
    """Both versions of one object, each in its folder."""
    live = _live(context, info)
    merged = _merged(context, info, live)
    if not context.flags.is_set("show-managed-fields"):
        for obj in (live, merged):
            metadata_of(obj or {}).pop("managedFields", None)
    if info.mapping.gvk.kind == "Secret" and info.mapping.gvk.version == "v1":
        _mask(live or {}, merged)
    group = f"{info.mapping.gvk.group}." if info.mapping.gvk.group else ""
    name = f"{group}{info.mapping.gvk.version}.{info.mapping.gvk.kind}.{info.namespace}.{info.name}"
    for folder, obj in zip(folders, (live, merged), strict=True):
        (folder / name).write_text(dump(obj) if obj is not None else "", encoding="utf-8")


def _live(context: Context, info: Info) -> JSONObject | None:
    try:
        answer = context.session.client.request("GET", info.path).body
    except StatusError as error:
        if is_not_found(error):
            return None
        raise
    return answer if isinstance(answer, dict) else None


def _merged(context: Context, info: Info, live: JSONObject | None) -> JSONObject:
    """The object as the server would leave it: a dry run."""
    client = context.session.client
    manager = context.flags.text("field-manager") or "kubectl-client-side-apply"
    query = {"dryRun": "All", "fieldManager": manager}
    wanted = info.object or {}
    if context.flags.is_set("server-side"):
        from kubesim.apimachinery.rest import APPLY_PATCH

        query["force"] = "true" if context.flags.is_set("force-conflicts") else "false"
        answer = client.request("PATCH", info.path, query=query, body=wanted, content_type=APPLY_PATCH).body
    elif live is None:
        body = deep_copy(wanted)
        prune_nulls(body)
        answer = client.request("POST", info.collection_path, query=query, body=body).body
    else:
        patch, content_type = three_way_patch(context, info, live, without_annotation(wanted))
        # The patch names the revision it was worked out for, so that another writer is noticed.
        patch = dict(patch)
        patch["metadata"] = dict(
            patch.get("metadata") or {}, resourceVersion=metadata_of(live)["resourceVersion"]
        )
        answer = client.request("PATCH", info.path, query=query, body=patch, content_type=content_type).body
    if not isinstance(answer, dict):
        raise CLIError("the server's answer is no object")
    return answer


def _mask(before: JSONObject, after: JSONObject) -> None:
    """Hide the values of a Secret, in place; different ones still differ."""
    old, new = before.get("data") or {}, after.get("data") or {}
    for key in {*old, *new}:
        if key in old and key in new and old[key] != new[key]:
            old[key], new[key] = BEFORE, AFTER
            continue
        for data in (old, new):
            if key in data:
                data[key] = MASK


def _compare(context: Context, folders: list[Path]) -> int:
    words = [w for w in context.streams.env.get("KUBECTL_EXTERNAL_DIFF", "").split(" ") if w]
    command = [words[0], *(w for w in words[1:] if _ARGUMENT.fullmatch(w))] if words else ["diff", "-u", "-N"]
    try:
        done = subprocess.run(  # noqa: S603  the program is the user's choice
            [*command, *map(str, folders)],
            cwd=context.streams.cwd,
            env=dict(context.streams.env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        text = (error.strerror or str(error)).lower()
        raise CLIError(f'failed to run "{command[0]}": exec: "{command[0]}": {text}') from None
    context.streams.stdout.write(done.stdout.decode(errors="replace"))
    context.streams.stderr.write(done.stderr.decode(errors="replace"))
    if done.returncode > 1:
        raise CLIError(f'failed to run "{command[0]}": exit status {done.returncode}')
    return done.returncode


COMMAND = Command(
    name="diff",
    use="diff -f FILENAME",
    short="Compare what is there with what would be applied",
    long="Compare the objects as they are with what an apply of the files would leave. Exit code 0: no difference; "
    "1: there are differences; above 1: an error. KUBECTL_EXTERNAL_DIFF names another program than `diff -u -N`.",
    examples="""\
# What would an apply change?
kubesim diff -f svc.yaml

# From standard input
cat svc.yaml | kubesim diff -f -""",
    flags=(
        Flag("concurrency", "Accepted for compatibility.", kind="int", default=1),
        Flag(
            "field-manager",
            "Name of the manager that would own the fields.",
            shown="'kubectl-client-side-apply'",
        ),
        boolean("force-conflicts", "Server-side apply takes over fields of other managers."),
        boolean("server-side", "Let the server merge."),
        boolean("show-managed-fields", "Compare metadata.managedFields too."),
        SELECTOR_FLAG,
        *filename_flags("with the configuration to compare."),
    ),
    run=run,
)
