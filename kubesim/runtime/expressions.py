"""The regular expressions of simulated programs: matching them is bounded, as everything is that a program does."""

from __future__ import annotations

import re

from kubesim.runtime.process import Stopped
from kubesim.util.boundedre import compile_bounded


def compile_expression(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Compile an expression in Python's form. Raises re.error; the program is stopped where matching takes too long."""
    return compile_bounded(pattern, flags, _stopped)


def _stopped() -> Stopped:
    return Stopped("stopped: a simulated process may not match an expression for ever")
