"""How the shell's commands leave the constructs around them."""

from __future__ import annotations


class Exit(Exception):
    """The shell ends."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class Return(Exception):
    """A function or sourced file ends."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class LoopControl(Exception):
    """`break` or `continue`, for so many loops."""

    def __init__(self, levels: int, *, again: bool) -> None:
        super().__init__()
        self.levels = levels
        self.again = again


class RedirectFailed(Exception):
    """A redirection could not be made; what there is to say has been said."""
