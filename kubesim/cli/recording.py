"""`--record`: the command line as an annotation of what it changed (cli-runtime's pkg/genericclioptions/record_flags.go).

kubectl has deprecated the flag, and scripts still use it.
"""

from __future__ import annotations

from kubesim.apimachinery.meta import metadata_of
from kubesim.cli.command import Context
from kubesim.cli.flags import Flag
from kubesim.util.jsontypes import JSONObject

CHANGE_CAUSE = "kubernetes.io/change-cause"
RECORD_FLAG = Flag(
    "record",
    "Note the command line in an annotation of the object.",
    kind="bool",
    default=False,
    hidden=True,
    deprecated="--record will be removed in the future",
)


def is_recorded(context: Context) -> bool:
    """Whether the command line asks for the annotation."""
    return context.flags.has("record") and context.flags.is_set("record")


def record(context: Context, obj: JSONObject) -> None:
    """Annotate an object with the command line, in place, if that is asked for."""
    if not is_recorded(context):
        return
    metadata = metadata_of(obj)
    metadata["annotations"] = {**(metadata.get("annotations") or {}), CHANGE_CAUSE: _cause(context)}


def _cause(context: Context) -> str:
    """All words first, then the flags with their long names."""
    flags = (f"--{name}={value}" for name, value in context.flags.said)
    return " ".join((context.path, *context.args, *flags))
