"""`config`: kubesim's own kubeconfig file, or the one that `--kubeconfig` names (pkg/cmd/config)."""

from __future__ import annotations

from kubesim.cli.command import Command
from kubesim.cli.configuring import entries, property, removal, show  # noqa: A004 - the command's word

COMMAND = Command(
    name="config",
    use="config SUBCOMMAND",
    short="Change kubesim's own kubeconfig file",
    long="Show and change the kubeconfig file in kubesim's home, or the one that --kubeconfig names. "
    "~/.kube/config is never touched unless it is named.",
    subcommands=(
        *show.COMMANDS,
        removal.USE,
        entries.SET_CONTEXT,
        entries.SET_CLUSTER,
        entries.SET_CREDENTIALS,
        removal.RENAME,
        *removal.DELETE.values(),
        property.SET,
        property.UNSET,
    ),
)
