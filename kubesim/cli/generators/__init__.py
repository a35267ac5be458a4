"""The subcommands of `create`: objects made from flags, as pkg/cmd/create makes them."""

from __future__ import annotations

from kubesim.cli.command import Command
from kubesim.cli.generators.basic import NAMESPACE, SERVICE_ACCOUNT
from kubesim.cli.generators.service import SERVICE

GENERATORS: tuple[Command, ...] = (NAMESPACE, SERVICE, SERVICE_ACCOUNT)
