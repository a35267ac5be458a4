"""`version`: of the client and of the server (pkg/cmd/version)."""

from __future__ import annotations

import json

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.util.jsontypes import JSONObject
from kubesim.util.yamlfmt import dump
from kubesim.version import VERSION

# The kubectl whose behaviour kubesim has, in the form of the server's own answer. Release facts of Kubernetes 1.32.
CLIENT_VERSION: JSONObject = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.5",
    "gitCommit": "9894294ef13a5b32803e3ca2c0d620a088cc84d1",
    "gitTreeState": "clean",
    "buildDate": "2025-05-15T09:12:10Z",
    "goVersion": "go1.23.8",
    "compiler": "gc",
    "platform": "linux/amd64",
}
KUSTOMIZE_VERSION = "v5.5.0"


def run(context: Context) -> int:
    """Print the versions, as text or as a document."""
    output = context.flags.text("output")
    if context.args:
        raise CLIError(f"extra arguments: [{' '.join(context.args)}]")
    if output not in ("", "yaml", "json"):
        raise CLIError("--output must be 'yaml' or 'json'")
    found: JSONObject = {"clientVersion": CLIENT_VERSION, "kustomizeVersion": KUSTOMIZE_VERSION}
    if not context.flags.is_set("client"):
        found["serverVersion"] = context.session.client.request("GET", "/version").body
    if output == "json":
        context.out(json.dumps(found, indent=2))
    elif output == "yaml":
        context.out(dump(found))
    else:
        context.out(f"Client Version: {CLIENT_VERSION['gitVersion']}")
        context.out(f"Kustomize Version: {KUSTOMIZE_VERSION}")
        if "serverVersion" in found:
            context.out(f"Server Version: {found['serverVersion']['gitVersion']}")
    return 0


COMMAND = Command(
    name="version",
    use="version",
    short="Print the versions of client and server",
    long=f"Print the version of kubectl that this program behaves as, and the version of the server. "
    f"This is kubesim {VERSION}.",
    examples="kubesim version",
    flags=(
        boolean("client", "Print the client's version alone."),
        Flag("output", "Output: json or yaml.", "o"),
    ),
    run=run,
)
