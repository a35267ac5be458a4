"""Which names, labels, ports and keys Kubernetes accepts: k8s.io/apimachinery/pkg/util/validation.

Every function returns the texts why a value is refused, none where it is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_UNDERSCORE = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_UNDERSCORE = rf"{_LABEL_UNDERSCORE}(\.{_LABEL_UNDERSCORE})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_PERCENT = "[0-9]+%"
_HTTP_HEADER = "[-A-Za-z0-9]+"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_ENV_VAR = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_CONDITION_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"

_label = re.compile(_LABEL).fullmatch
_subdomain = re.compile(_SUBDOMAIN).fullmatch
_label_1035 = re.compile(_LABEL_1035).fullmatch
_qualified = re.compile(_QUALIFIED).fullmatch
_label_value = re.compile(_LABEL_VALUE).fullmatch
_env_var = re.compile(_ENV_VAR).fullmatch
_config_key = re.compile(_CONFIG_KEY).fullmatch
_port_name = re.compile("[-a-z0-9]+").fullmatch
_letter = re.compile("[a-z]").search

LABEL_MAX = 63
SUBDOMAIN_MAX = 253
INVALID_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"

NameErrors = Callable[[str, bool], list[str]]


def byte_length(text: str) -> int:
    """The length that Go's len() has: in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def max_len_error(length: int) -> str:
    return f"must be no more than {length} characters"


def empty_error() -> str:
    return "must be non-empty"


def inclusive_range_error(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def regex_error(message: str, pattern: str, *examples: str) -> str:
    """The text for a value that does not fit a pattern; the odd commas between examples are Kubernetes'."""
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {listed}regex used for validation is '{pattern}')"


_QUALIFIED_ERROR = regex_error(
    "must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _QUALIFIED,
    "MyName",
    "my.name",
    "123-abc",
)


def is_qualified_name(value: str) -> list[str]:
    """A name with an optional DNS subdomain and a slash in front: label and annotation keys, finalizers."""
    if len(value) <= LABEL_MAX and _qualified(value):
        return []
    prefix, slash, name = value.partition("/")
    if "/" in name:
        example = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a qualified name {_QUALIFIED_ERROR} {example}"]
    errors = []
    if not slash:
        name = value
    elif not prefix:
        errors.append(f"prefix part {empty_error()}")
    else:
        errors += [f"prefix part {e}" for e in is_dns1123_subdomain(prefix)]
    if not name:
        errors.append(f"name part {empty_error()}")
    elif byte_length(name) > LABEL_MAX:
        errors.append(f"name part {max_len_error(LABEL_MAX)}")
    if not _qualified(name):
        errors.append(f"name part {_QUALIFIED_ERROR}")
    return errors


def is_valid_label_value(value: str) -> list[str]:
    errors = []
    if byte_length(value) > LABEL_MAX:
        errors.append(max_len_error(LABEL_MAX))
    if not _label_value(value):
        errors.append(
            regex_error(
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
                "or '.', and must start and end with an alphanumeric character",
                _LABEL_VALUE,
                "MyValue",
                "my_value",
                "12345",
            )
        )
    return errors


def is_dns1123_label(value: str) -> list[str]:
    errors = []
    if byte_length(value) > LABEL_MAX:
        errors.append(max_len_error(LABEL_MAX))
    if not _label(value):
        if _subdomain(value):
            errors.append("must not contain dots")
        else:
            errors.append(
                regex_error(
                    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                    "and must start and end with an alphanumeric character",
                    _LABEL,
                    "my-name",
                    "123-abc",
                )
            )
    return errors


def is_dns1123_subdomain(value: str) -> list[str]:
    errors = []
    if byte_length(value) > SUBDOMAIN_MAX:
        errors.append(max_len_error(SUBDOMAIN_MAX))
    if not _subdomain(value):
        errors.append(
            regex_error(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
                "'-' or '.', and must start and end with an alphanumeric character",
                _SUBDOMAIN,
                "example.com",
            )
        )
    return errors


def is_dns1123_subdomain_with_underscore(value: str) -> list[str]:
    errors = []
    if byte_length(value) > SUBDOMAIN_MAX:
        errors.append(max_len_error(SUBDOMAIN_MAX))
    if not re.fullmatch(_SUBDOMAIN_UNDERSCORE, value):
        errors.append(
            regex_error(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
                "'_', '-' or '.', and must start and end with an alphanumeric character",
                _SUBDOMAIN,
                "example.com",
            )
        )
    return errors


def is_dns1035_label(value: str) -> list[str]:
    errors = []
    if byte_length(value) > LABEL_MAX:
        errors.append(max_len_error(LABEL_MAX))
    if not _label_1035(value):
        errors.append(
            regex_error(
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
                "alphabetic character, and end with an alphanumeric character",
                _LABEL_1035,
                "my-name",
                "abc-123",
            )
        )
    return errors


def is_wildcard_dns1123_subdomain(value: str) -> list[str]:
    errors = []
    if byte_length(value) > SUBDOMAIN_MAX:
        errors.append(max_len_error(SUBDOMAIN_MAX))
    if not re.fullmatch(_WILDCARD, value):
        errors.append(
            regex_error(
                "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, "
                "which must consist of lower case alphanumeric characters, '-' or '.' and end with an "
                "alphanumeric character",
                _WILDCARD,
                "*.example.com",
            )
        )
    return errors


def is_fully_qualified_name(value: str) -> list[str]:
    """A subdomain of three segments or more. The caller requires a value."""
    if errors := is_dns1123_subdomain(value):
        return [",".join(errors)]
    if value.count(".") < 2:
        return ["should be a domain with at least three segments separated by dots"]
    return []


def is_fully_qualified_domain_name(value: str) -> list[str]:
    """A domain of two segments or more, a dot at its end allowed. The caller requires a value."""
    value = value.removesuffix(".")
    if errors := is_dns1123_subdomain(value):
        return [",".join(errors)]
    if "." not in value:
        return ["should be a domain with at least two segments separated by dots"]
    for label in value.split("."):
        if errors := is_dns1123_label(label):
            return [",".join(errors)]
    return []


def is_domain_prefixed_path(value: str) -> list[str]:
    """`acme.io/foo`. The caller requires a value."""
    host, _, path = value.partition("/")
    if not host or not path:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    errors = is_dns1123_subdomain(host)
    if not re.fullmatch(_HTTP_PATH, path):
        errors.append(regex_error("Invalid path", _HTTP_PATH))
    return errors


def is_c_identifier(value: str) -> list[str]:
    if re.fullmatch(_C_IDENTIFIER, value):
        return []
    return [
        regex_error(
            "a valid C identifier must start with alphabetic character or '_', followed by a string of "
            "alphanumeric characters or '_'",
            _C_IDENTIFIER,
            "my_name",
            "MY_NAME",
            "MyName",
        )
    ]


def is_valid_port_num(port: int) -> list[str]:
    return is_in_range(port, 1, 65535)


def is_in_range(value: int, low: int, high: int) -> list[str]:
    return [] if low <= value <= high else [inclusive_range_error(low, high)]


def is_valid_user_id(value: int) -> list[str]:
    return is_in_range(value, 0, (1 << 31) - 1)


def is_valid_group_id(value: int) -> list[str]:
    return is_in_range(value, 0, (1 << 31) - 1)


def is_valid_port_name(value: str) -> list[str]:
    errors = []
    if byte_length(value) > 15:
        errors.append(max_len_error(15))
    if not _port_name(value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _letter(value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def is_percentage(value: str) -> list[str]:
    if re.fullmatch(_PERCENT, value):
        return []
    return [
        regex_error(
            "a valid percent string must be a numeric string followed by an ending '%'", _PERCENT, "1%", "93%"
        )
    ]


def is_http_header_name(value: str) -> list[str]:
    if re.fullmatch(_HTTP_HEADER, value):
        return []
    return [
        regex_error(
            "a valid HTTP header must consist of alphanumeric characters or '-'",
            _HTTP_HEADER,
            "X-Header-Name",
        )
    ]


def is_env_var_name(value: str) -> list[str]:
    errors = []
    if not _env_var(value):
        errors.append(
            regex_error(
                "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', "
                "or '.', and must not start with a digit",
                _ENV_VAR,
                "my.env-name",
                "MY_ENV.NAME",
                "MyEnvName1",
            )
        )
    return errors + _has_chdir_prefix(value)


def is_relaxed_env_var_name(value: str) -> list[str]:
    """Any printable ASCII but `=`; what 1.32 accepts by default (RelaxedEnvironmentVariableValidation)."""
    errors = [] if value else [f"environment variable name {empty_error()}"]
    if any(not " " <= character <= "~" or character == "=" for character in value):
        errors.append(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        )
    return errors


def is_config_map_key(value: str) -> list[str]:
    errors = []
    if byte_length(value) > SUBDOMAIN_MAX:
        errors.append(max_len_error(SUBDOMAIN_MAX))
    if not _config_key(value):
        errors.append(
            regex_error(
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                _CONFIG_KEY,
                "key.name",
                "KEY_NAME",
                "key-name",
            )
        )
    return errors + _has_chdir_prefix(value)


def _has_chdir_prefix(value: str) -> list[str]:
    if value in {".", ".."}:
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def is_valid_condition_reason(value: str) -> list[str]:
    if re.fullmatch(_CONDITION_REASON, value):
        return []
    return [
        regex_error(
            "a condition reason must start with alphabetic character, optionally followed by a string of "
            "alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
            _CONDITION_REASON,
            "my_name",
            "MY_NAME",
            "MyName",
            "ReasonA,ReasonB",
            "ReasonA:ReasonB",
        )
    ]


def is_valid_ip(value: str) -> list[str]:
    return [] if ip_family(value) else [INVALID_IP]


def is_valid_ipv4_address(value: str) -> list[str]:
    return [] if ip_family(value) == 4 else ["must be a valid IPv4 address"]


def is_valid_ipv6_address(value: str) -> list[str]:
    return [] if ip_family(value) == 6 else ["must be a valid IPv6 address"]


def is_valid_cidr(value: str) -> list[str]:
    address, slash, length = value.partition("/")
    family = ip_family(address)
    limit = 128 if ":" in address else 32
    if family and slash and length.isascii() and length.isdigit() and int(length) <= limit:
        return []
    return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]


@lru_cache(maxsize=16_384)
def ip_family(value: str) -> int:
    """4 or 6, or 0 for what is no IP address. Leading zeros are decimal: k8s.io/utils/net, ParseIPSloppy.

    An IPv4 address written as an IPv6 one (`::ffff:10.0.0.1`) is of family 4, as in Go.
    """
    head, _, tail = value.rpartition(":")
    if "." in tail:
        octets = tail.split(".")
        if len(octets) != 4 or not all(o.isascii() and o.isdigit() and int(o) < 256 for o in octets):
            return 0
        if not head and ":" not in value:
            return 4
        value = f"{head}:{int(octets[0]) << 8 | int(octets[1]):x}:{int(octets[2]) << 8 | int(octets[3]):x}"
    return _ipv6_family(value)


def _ipv6_family(value: str) -> int:
    """6, or 4 for an address within ::ffff:0:0/96, or 0."""
    left, gap, right = value.partition("::")
    groups = [part.split(":") if part else [] for part in (left, right)]
    count = len(groups[0]) + len(groups[1])
    if (gap and count > 7) or (not gap and count != 8):
        return 0
    hexadecimal = set("0123456789abcdefABCDEF")
    if not all(1 <= len(g) <= 4 and set(g) <= hexadecimal for part in groups for g in part):
        return 0
    numbers = [int(g, 16) for g in groups[0]] + [0] * (8 - count) + [int(g, 16) for g in groups[1]]
    return 4 if numbers[:5] == [0] * 5 and numbers[5] == 0xFFFF else 6


def is_valid_path_segment_name(name: str) -> list[str]:
    """What can stand in a URL: api/validation/path."""
    if name in {".", ".."}:
        return [f"may not be '{name}'"]
    return is_valid_path_segment_prefix(name)


def is_valid_path_segment_prefix(name: str) -> list[str]:
    return [f"may not contain '{part}'" for part in "/%" if part in name]


# Functions for `Resource.name_errors`: `prefix` says that the name is a generateName.


def name_is_dns_subdomain(name: str, prefix: bool) -> list[str]:
    return is_dns1123_subdomain(_mask_trailing_dash(name) if prefix else name)


def name_is_dns_label(name: str, prefix: bool) -> list[str]:
    return is_dns1123_label(_mask_trailing_dash(name) if prefix else name)


def name_is_dns1035_label(name: str, prefix: bool) -> list[str]:
    return is_dns1035_label(_mask_trailing_dash(name) if prefix else name)


def name_is_path_segment(name: str, prefix: bool) -> list[str]:
    return is_valid_path_segment_prefix(name) if prefix else is_valid_path_segment_name(name)


def _mask_trailing_dash(name: str) -> str:
    # As maskTrailingDash, which takes off two characters for the one that it puts.
    return f"{name[:-2]}a" if len(name) > 1 and name.endswith("-") else name
