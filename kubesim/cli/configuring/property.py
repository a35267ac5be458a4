"""`config set` and `config unset`: one value by its dotted path.

Sources: pkg/cmd/config/set.go, unset.go and navigation_step_parser.go. The name of an entry may hold dots: it
reaches to the first word that is a field of such an entry.
"""

from __future__ import annotations

from base64 import b64encode

from kubesim.apimachinery.schema.values import base64_text
from kubesim.cli import kubeconfig
from kubesim.cli.command import Command, Context
from kubesim.cli.configuring.file import CURRENT, load, save, unexpected
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import boolean
from kubesim.cli.kubeconfigtypes import ANY, ENTRIES
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, JSONValue, dig

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_ACTING = {
    "as": "act-as",
    "as-uid": "act-as-uid",
    "as-groups": "act-as-groups",
    "as-user-extra": "act-as-user-extra",
}
_TEXTS = ("kind", "apiVersion", CURRENT)


def _set(context: Context) -> int:
    if len(context.args) != 2:
        raise unexpected(context, SET)
    name, value = context.args
    if not value:
        raise CLIError("you cannot use set to unset a property")
    return _change(context, name, value)


def _unset(context: Context) -> int:
    if len(context.args) != 1:
        raise unexpected(context, UNSET)
    return _change(context, context.args[0], None)


def _change(context: Context, name: str, value: str | None) -> int:
    if not name:
        raise CLIError("you must specify a property")
    config = load(context)
    raw = value is not None and context.flags.is_set("set-raw-bytes")
    first, _, rest = name.partition(".")
    if first in ENTRIES:
        _change_section(config, first, rest, name, value, raw=raw)
    elif first in _TEXTS:
        if rest:
            raise _no_such_value(name)
        config[first] = value or ""
    elif first == "preferences":
        _change_preferences(config, rest, name, value)
    else:
        raise CLIError(f"unable to parse {name} after [] at api.Config")
    save(context, config, relative=False)
    context.out(f'Property "{name}" {"unset" if value is None else "set"}.')
    return 0


def _change_section(
    config: JSONObject, section: str, rest: str, name: str, value: str | None, *, raw: bool
) -> None:
    entry_name, field = _split(section, rest)
    held = kubeconfig.entries(config, section)
    if field:
        _must_lead_to_a_value(section, field, name, value)
    elif value is not None:
        raise CLIError(f"can't set a map to a value: map[{' '.join(sorted(held))}]")
    elif entry_name:
        kubeconfig.remove(config, section, entry_name)
        return
    else:
        config[section] = None
        return
    if entry_name not in held and value is None:
        raise CLIError(f"current map key `{entry_name}` is invalid")
    field = _fields(section)[field]
    entry = dict(held.get(entry_name, {}))
    if value is None:
        entry.pop(field, None)
    else:
        entry[field] = _value(ENTRIES[section][field], value, raw=raw)
    kubeconfig.put(config, section, entry_name, entry)


def _split(section: str, rest: str) -> tuple[str, str]:
    """The name of the entry, and what follows it."""
    if not rest:
        return "", ""
    parts = rest.split(".")
    known = _fields(section)
    end = next((i for i, part in enumerate(parts) if i and part in known), len(parts))
    return ".".join(parts[:end]), ".".join(parts[end:])


def _fields(section: str) -> dict[str, str]:
    """The words for an entry's fields, and the fields: most have one name in the program and in the file."""
    return {_ACTING.get(field, field): field for field in ENTRIES[section]}


def _must_lead_to_a_value(section: str, field: str, name: str, value: str | None) -> None:
    word, _, below = field.partition(".")
    if below:
        raise _no_such_value(name)
    kind = ENTRIES[section][_fields(section)[word]]
    if value is not None and kind == ANY:
        raise CLIError(f"unrecognized type: {word}")
    if value is not None and kind == "[]string":
        raise CLIError("unrecognized slice type. string")


def _no_such_value(name: str) -> CLIError:
    return CLIError(f"unable to parse one or more field values of {name}")


def _change_preferences(config: JSONObject, rest: str, name: str, value: str | None) -> None:
    field, _, below = rest.partition(".")
    if not rest and value is None:
        config["preferences"] = {}
        return
    if not rest:
        colors = "true" if dig(config, "preferences", "colors") else "false"
        step = 'config.navigationStep{stepValue:"", stepType:reflect.Type(nil)}'
        raise CLIError(f"unable to locate path {step} under {{{colors} map[]}}")
    if field != "colors":
        raise CLIError(f"unable to parse {name} after [preferences] at api.Preferences")
    if below:
        raise _no_such_value(name)
    found = dict(config.get("preferences") or {})
    found["colors"] = value is not None and _value("bool", value, raw=False)
    config["preferences"] = found


def _value(kind: str, text: str, *, raw: bool) -> JSONValue:
    """The value that a word stands for. Raises CLIError."""
    if kind == "bool":
        if text not in _TRUE + _FALSE:
            raise CLIError(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax")
        return text in _TRUE
    if kind != "[]uint8":
        return text
    if raw:
        return b64encode(text.encode()).decode()
    try:
        return base64_text(text)
    except ValueError as error:
        raise CLIError(f"error decoding input value: {error}") from None


SET = Command(
    "set",
    "set PROPERTY_NAME PROPERTY_VALUE",
    "Set one property",
    examples="kubesim config set contexts.kubesim.namespace team-a",
    flags=(boolean("set-raw-bytes", "Take the value of a binary field as it stands, not as base 64."),),
    run=_set,
)
UNSET = Command(
    "unset",
    "unset PROPERTY_NAME",
    "Unset one property",
    examples="kubesim config unset current-context",
    run=_unset,
)
