"""How a command fails, and what the user then reads: kubectl's texts and exit codes
(pkg/cmd/util/helpers.go).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from kubesim.apimachinery.errors import StatusError


class CLIError(Exception):
    """A failure whose text is printed after `error: `, unless it begins so itself."""

    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class RawError(CLIError):
    """A failure whose text is printed as it stands."""


class UsageError(CLIError):
    """The command was used wrongly: its text is followed by where help is to be found."""


class SilentExit(Exception):
    """The command ends with a code; what there was to say has been said."""

    def __init__(self, code: int = 1) -> None:
        super().__init__(f"exit {code}")
        self.code = code


class AggregateError(CLIError):
    """Several failures, each on a line of its own. Its own text is that of apimachinery's Aggregate."""

    def __init__(self, errors: Sequence[Exception]) -> None:
        texts = list(dict.fromkeys(str(e) for e in flat(errors)))
        super().__init__(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
        self.errors = list(errors)


class PrefixedStatusError(StatusError):
    """A server's refusal with words in front that say what was being done (`error when creating "x.yaml":
    …`).
    """

    def __init__(self, prefix: str, cause: StatusError) -> None:
        status = dict(cause.status, message=f"{prefix}: {cause.message}")
        super().__init__(status)
        self.cause = cause


def raise_all(errors: Sequence[Exception]) -> None:
    """Raise nothing, the one error, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise AggregateError(errors)


def error_text(error: Exception) -> str:
    """What a failure prints, without the last line break or with it. Empty for a silent exit."""
    if isinstance(error, SilentExit):
        return ""
    if isinstance(error, AggregateError) and len(error.errors) == 1:
        error = error.errors[0]
    if isinstance(error, AggregateError):
        # A text that ends with a line break of its own leaves an empty line.
        return "".join(f"{message_of(e)}\n" for e in error.errors)
    if isinstance(error, StatusError) and error.reason == "Invalid":
        return _invalid_text(error.status)
    if isinstance(error, (StatusError, RawError)):
        return message_of(error)
    text = str(error)
    return text if text.startswith("error: ") else f"error: {text}"


def exit_code(error: Exception) -> int:
    """The exit code that goes with a failure."""
    return error.code if isinstance(error, (CLIError, SilentExit)) else 1


def message_of(error: Exception) -> str:
    """The text of one failure among several: `StandardErrorMessage`, or the bare text."""
    if not isinstance(error, StatusError):
        return str(error)
    if error.reason == "Unauthorized":
        return f"error: You must be logged in to the server ({error.message})"
    if error.reason:
        return f"Error from server ({error.reason}): {error.message}"
    return f"Error from server: {error.message}"


def without(errors: Sequence[Exception], unwanted: Callable[[Exception], bool]) -> list[Exception]:
    """The failures without those that are unwanted, at any depth: utilerrors.FilterOut."""
    found: list[Exception] = []
    for error in errors:
        if isinstance(error, AggregateError):
            left = without(error.errors, unwanted)
            found += [AggregateError(left)] if left else []
        elif not unwanted(error):
            found.append(error)
    return found


def is_not_found(error: Exception) -> bool:
    """Whether the server said that there is no such object."""
    return isinstance(error, StatusError) and error.reason == "NotFound"


def flat(errors: Sequence[Exception]) -> list[Exception]:
    """The failures one by one, without those that hold others: utilerrors.Flatten."""
    found: list[Exception] = []
    for e in errors:
        found += flat(e.errors) if isinstance(e, AggregateError) else [e]
    return found


def _invalid_text(status: dict[str, Any]) -> str:
    details = status.get("details")
    text = "The request is invalid"
    message = status.get("message") or ""
    if details is None:
        return f"{text}: {message}" if message else text
    causes = details.get("causes") or []
    if details.get("kind") or details.get("name"):
        text = f"The {details.get('kind', '')} {json.dumps(details.get('name', ''), ensure_ascii=False)} is invalid"
    elif message and not causes:
        text += f": {message}"
    lines = list(dict.fromkeys(f"{c.get('field', '')}: {c.get('message', '')}" for c in causes))
    if not lines:
        return text
    if len(lines) == 1:
        # A text that ends with a line break of its own leaves an empty line, as MultilineError does.
        return f"{text}: {lines[0]}\n"
    return "\n".join([f"{text}: ", *(f"* {line}" for line in lines)])
