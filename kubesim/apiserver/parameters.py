"""Query parameters and DeleteOptions as values, checked as k8s.io/apimachinery meta/v1/validation checks
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kubesim.apimachinery import errors, field
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.fields import FieldSelectorError, parse_field_selector
from kubesim.apimachinery.labels import SelectorError, parse_selector
from kubesim.apimachinery.objectmeta import validate_field_manager
from kubesim.apimachinery.rest import Request, UserInfo
from kubesim.apiserver.requestinfo import first
from kubesim.registry.deletion import validate_delete_options
from kubesim.registry.listing import ListOptions
from kubesim.registry.listing import validate as validate_list_options
from kubesim.registry.options import DeleteOptions, WriteOptions
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject

_VALIDATIONS: Final = ("", "Ignore", "Strict", "Warn")
_MANAGER_LIMIT: Final = 128

Query = Mapping[str, list[str]]


def write_options(
    request: Request,
    user: UserInfo,
    kind: str,
    warn: Callable[[str], None],
    *,
    dry_run: Sequence[str] = (),
) -> WriteOptions:
    """The options of a write. `kind` is `CreateOptions` and the like, for what is refused (StatusError 422)."""
    query = request.query
    asked = [*query.get("dryRun", ()), *dry_run] if query or dry_run else []
    if not asked and not query:
        return WriteOptions(user, field_manager=manager_of(request), warn=warn)
    manager, validation = first(query, "fieldManager"), first(query, "fieldValidation")
    found: list[FieldError] = []
    wrong = [v for v in asked if v != "All"]
    if wrong:
        found.append(field.not_supported(Path("dryRun"), wrong, ["All"]))
    found += validate_field_manager(manager, Path("fieldManager"))
    if validation not in _VALIDATIONS:
        found.append(field.not_supported(Path("fieldValidation"), validation, list(_VALIDATIONS)))
    if kind == "PatchOptions" and "force" in query:
        found.append(field.forbidden(Path("force"), "may not be specified for non-apply patch"))
    if found:
        raise errors.invalid(kind, "", found, group="meta.k8s.io")
    return WriteOptions(user, bool(asked), manager or manager_of(request), validation or "Warn", warn)  # type: ignore[arg-type]


def manager_of(request: Request) -> str:
    """Who writes, where the request does not say: the beginning of the user agent (prefixFromUserAgent)."""
    agent = request.headers.get("user-agent", "").partition("/")[0]
    if agent.isascii() and agent.isprintable() and len(agent) <= _MANAGER_LIMIT:
        return agent
    return "".join(c for c in agent if c.isprintable()).encode()[:_MANAGER_LIMIT].decode("utf-8", "ignore")


def list_options(query: Query, *, watch: bool = False) -> ListOptions:
    """What to list or to watch. Raises StatusError 400 or 422."""
    if not query:
        return ListOptions()
    try:
        labels = parse_selector(first(query, "labelSelector"))
        fields = parse_field_selector(first(query, "fieldSelector"))
    except (SelectorError, FieldSelectorError) as error:
        raise errors.bad_request(str(error)) from None
    timeout = _integer(query, "timeoutSeconds")
    initial = first(query, "sendInitialEvents")
    found = ListOptions(
        labels,
        fields,
        limit=max(0, _integer(query, "limit") or 0),
        continue_token=first(query, "continue"),
        resource_version=first(query, "resourceVersion"),
        resource_version_match=first(query, "resourceVersionMatch"),
        send_initial_events=_boolean(initial) if initial else None,
        bookmarks=_boolean(first(query, "allowWatchBookmarks")),
        timeout_seconds=float(timeout) if timeout else None,
    )
    if wrong := validate_list_options(found, watch=watch):
        raise errors.invalid("ListOptions", "", wrong, group="meta.k8s.io")
    return found


def delete_options(query: Query, body: Any) -> tuple[DeleteOptions, list[str]]:
    """How to delete, from the body if there is one, else from the query; and the dryRun values. Raises
    StatusError.
    """
    if body is None or body == {}:
        raw: JSONObject = {
            "gracePeriodSeconds": _integer(query, "gracePeriodSeconds"),
            "propagationPolicy": first(query, "propagationPolicy") or None,
            "orphanDependents": _boolean(query["orphanDependents"][0])
            if "orphanDependents" in query
            else None,
        }
    elif isinstance(body, dict):
        raw = body
        _check_types(raw)
    else:
        raise errors.bad_request("decoded object cannot be converted to DeleteOptions")
    preconditions = raw.get("preconditions") or {}
    options = DeleteOptions(
        grace_period_seconds=raw.get("gracePeriodSeconds"),
        propagation_policy=raw.get("propagationPolicy"),
        orphan_dependents=raw.get("orphanDependents"),
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
    )
    if wrong := validate_delete_options(options):
        raise errors.invalid("DeleteOptions", "", wrong, group="meta.k8s.io")
    return options, list(raw.get("dryRun") or [])


_TYPES: Final = {
    "gracePeriodSeconds": (int, "int64"),
    "propagationPolicy": (str, "v1.DeletionPropagation"),
    "orphanDependents": (bool, "bool"),
    "preconditions": (dict, "v1.Preconditions"),
    "dryRun": (list, "[]string"),
}
_WORDS: Final = {str: "string", int: "number", float: "number", bool: "bool", list: "array", dict: "object"}


def _check_types(raw: JSONObject) -> None:
    for name, (wanted, shown) in _TYPES.items():
        value = raw.get(name)
        if value is not None and type(value) is not wanted:
            raise errors.bad_request(
                f"json: cannot unmarshal {_WORDS[type(value)]} into Go struct field DeleteOptions.{name} "
                f"of type {shown}"
            )


def _integer(query: Query, name: str) -> int | None:
    text = first(query, name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise _bad_number(text) from None


def _bad_number(text: str) -> StatusError:
    return errors.bad_request(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")


def _boolean(text: str) -> bool:
    """conversion.Convert_Slice_string_To_bool: everything but false and 0 is true."""
    return bool(text) and text.lower() not in ("false", "0")
