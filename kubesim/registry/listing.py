"""Lists in pieces: what a list may be asked for, and the tokens by which it goes on.

Sources: k8s.io/apimachinery meta/internalversion/validation, k8s.io/apiserver
pkg/storage/{continue,errors}.go.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from kubesim.apimachinery import errors, field
from kubesim.apimachinery import fields as fieldselectors
from kubesim.apimachinery import labels as labelselectors
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.fields import FieldSelector
from kubesim.apimachinery.labels import Selector
from kubesim.registry.wire import parse_json
from kubesim.util.gojson import GoJSONError
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import encode

EXACT: Final = "Exact"
NOT_OLDER_THAN: Final = "NotOlderThan"
TOKEN_VERSION: Final = "meta.k8s.io/v1"  # noqa: S105 - no password

TOO_OLD_TO_CONTINUE: Final = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an inconsistent "
    "list - objects that were created, modified, or deleted between the time the first chunk was returned "
    "and now may show up in the list."
)
VERSION_TOO_OLD: Final = "The resourceVersion for the provided list is too old."


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What to list or watch: metav1.ListOptions with the selectors already read."""

    label_selector: Selector = labelselectors.EVERYTHING
    field_selector: FieldSelector = fieldselectors.EVERYTHING
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    send_initial_events: bool | None = None
    bookmarks: bool = False
    timeout_seconds: float | None = None

    @property
    def selective(self) -> bool:
        """Whether some objects may be left out."""
        return not (self.label_selector.empty() and self.field_selector.empty())


@dataclass(frozen=True, slots=True)
class Position:
    """Where a list goes on: after a key (below the list's prefix), at a revision; None for an inconsistent
    rest.
    """

    start: str
    revision: int | None


def validate(options: ListOptions, *, watch: bool) -> list[FieldError]:
    """ValidateListOptions. Order as there."""
    if options.send_initial_events is not None:
        if watch:
            return _initial_events_errors(options)
        path = Path("sendInitialEvents")
        return [field.forbidden(path, "sendInitialEvents is forbidden for list")]
    match = options.resource_version_match
    if not match:
        return []
    path = Path("resourceVersionMatch")
    found: list[FieldError] = []
    if watch:
        found.append(field.forbidden(path, "resourceVersionMatch is forbidden for watch"))
    if not options.resource_version:
        detail = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        found.append(field.forbidden(path, detail))
    if options.continue_token:
        found.append(field.forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
    if match not in (EXACT, NOT_OLDER_THAN):
        found.append(field.not_supported(path, match, [EXACT, NOT_OLDER_THAN, ""]))
    if match == EXACT and options.resource_version == "0":
        detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        found.append(field.forbidden(path, detail))
    return found


def _initial_events_errors(options: ListOptions) -> list[FieldError]:
    found: list[FieldError] = []
    path = Path("resourceVersionMatch")
    match = options.resource_version_match
    if match != NOT_OLDER_THAN:
        detail = f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}"
        found.append(field.forbidden(path, detail))
    if match and match not in (EXACT, NOT_OLDER_THAN):
        found.append(field.not_supported(path, match, [NOT_OLDER_THAN]))
    if options.continue_token:
        found.append(field.forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
    return found


def encode_token(position: Position) -> str:
    """The continue token of a position."""
    revision = -1 if position.revision is None else position.revision
    # A NUL after the last key: the first key that can come after it.
    text = encode({"v": TOKEN_VERSION, "rv": revision, "start": f"/{position.start}\0"})
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode_token(token: str) -> Position:
    """Where a token points. Raises StatusError 400."""
    try:
        return _decode_token(token)
    except ValueError as error:
        raise errors.bad_request(f"invalid continue token: {error}") from None


def _decode_token(token: str) -> Position:
    for position, character in enumerate(token):
        if not (character.isascii() and (character.isalnum() or character in "-_")):
            raise ValueError(f"continue key is not valid: illegal base64 data at input byte {position}")
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        found = parse_json(text)
    except binascii.Error:
        raise ValueError(
            f"continue key is not valid: illegal base64 data at input byte {len(token)}"
        ) from None
    except GoJSONError as error:
        raise ValueError(f"continue key is not valid: {error}") from None
    version = found.get("v") if isinstance(found, dict) else ""
    if version != TOKEN_VERSION:
        shown = quote(str(version or ""))
        raise ValueError(f"continue key is not valid: server does not recognize this encoded version {shown}")
    revision, start = found.get("rv"), found.get("start")
    if not isinstance(revision, int) or not revision:
        raise ValueError(
            f"continue key is not valid: incorrect encoded start resourceVersion (version {version})"
        )
    if not isinstance(start, str) or not start:
        raise ValueError(f"continue key is not valid: encoded start key empty (version {version})")
    if not start.startswith("/") or ".." in start.split("/"):
        raise ValueError(f"continue key is not valid: {start}")
    return Position(start[1:].removesuffix("\0"), None if revision < 0 else revision)


def parse_resource_version(text: str) -> int:
    """A resourceVersion as a number, 0 for none. Raises StatusError as etcd3.APIObjectVersioner does."""
    if not text:
        return 0
    told = f"resourceVersion: Invalid value: {quote(text)}: strconv.ParseUint: parsing {quote(text)}"
    if not (text.isascii() and text.isdigit()):
        raise errors.plain_error(f"{told}: invalid syntax")
    value = int(text)
    if value >= 1 << 64:
        raise errors.plain_error(f"{told}: value out of range")
    return value


def too_large(asked: int, current: int) -> StatusError:
    """504 for a revision that does not exist yet: storage.NewTooLargeResourceVersionError."""
    refusal = errors.timeout(f"Timeout: Too large resource version: {asked}, current: {current}", 1)
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    refusal.status["details"] = {"causes": [cause], "retryAfterSeconds": 1}
    return refusal


def continue_too_old(position: Position) -> StatusError:
    """410 with a token for the inconsistent rest: handleCompactedErrorForPaging."""
    refusal = errors.expired(TOO_OLD_TO_CONTINUE)
    refusal.status["metadata"] = {"continue": encode_token(Position(position.start, None))}
    return refusal
