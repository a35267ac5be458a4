"""`annotate`: set, change and remove annotations."""

from __future__ import annotations

from kubesim.cli.command import Command
from kubesim.cli.pairs import ANNOTATIONS, pair_flags, run_pairs

COMMAND = Command(
    name="annotate",
    use="annotate [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [--resource-version=version]",
    short="Change the annotations of a resource",
    long="Set, change and remove annotations. One that is there is changed only with --overwrite; `KEY-` removes one.",
    examples="""\
# Set an annotation
kubesim annotate pods web note='made by hand'

# Change it
kubesim annotate --overwrite pods web note='made by a script'

# Remove it
kubesim annotate pods web note-""",
    flags=pair_flags(ANNOTATIONS),
    run=lambda context: run_pairs(context, ANNOTATIONS),
)
