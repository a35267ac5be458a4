"""`label`: set, change and remove labels."""

from __future__ import annotations

from kubesim.cli.command import Command
from kubesim.cli.pairs import LABELS, pair_flags, run_pairs

COMMAND = Command(
    name="label",
    use="label [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [--resource-version=version]",
    short="Change the labels of a resource",
    long="Set, change and remove labels. A label that is there is changed only with --overwrite; `KEY-` removes one.",
    examples="""\
# Set a label
kubesim label pods web tier=front

# Change it
kubesim label --overwrite pods web tier=back

# Remove it from every Pod
kubesim label pods --all tier-""",
    flags=pair_flags(LABELS),
    run=lambda context: run_pairs(context, LABELS),
)
