"""`set`: single features of objects: images, variables, selectors, resources, service account, subjects."""

from __future__ import annotations

from kubesim.cli.command import Command
from kubesim.cli.setting import env, image, resources, selector, serviceaccount, subject

COMMAND = Command(
    name="set",
    use="set SUBCOMMAND",
    short="Set single features of objects",
    subcommands=(
        image.COMMAND,
        env.COMMAND,
        selector.COMMAND,
        resources.COMMAND,
        serviceaccount.COMMAND,
        subject.COMMAND,
    ),
)
