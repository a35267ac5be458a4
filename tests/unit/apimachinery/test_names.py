"""What Kubernetes accepts as names, labels, keys, ports and addresses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubesim.apimachinery import names

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
DNS1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
Check = Callable[[str], list[str]]

ACCEPTED: list[tuple[Check, str]] = [
    (names.is_dns1123_label, "a-1"),
    (names.is_dns1123_label, "1" * 63),
    (names.is_dns1123_subdomain, "a.b-c.1"),
    (names.is_dns1123_subdomain_with_underscore, "_a.b"),
    (names.is_dns1035_label, "a1"),
    (names.is_wildcard_dns1123_subdomain, "*.example.com"),
    (names.is_qualified_name, "example.com/My_name.1"),
    (names.is_qualified_name, "a"),
    (names.is_valid_label_value, ""),
    (names.is_valid_label_value, "a_B.1"),
    (names.is_valid_port_name, "http-1"),
    (names.is_config_map_key, "a.b_C-1"),
    (names.is_env_var_name, "_a.B-1"),
    (names.is_relaxed_env_var_name, "1 a:b"),
    (names.is_http_header_name, "X-Header"),
    (names.is_percentage, "100%"),
    (names.is_c_identifier, "_a1"),
    (names.is_fully_qualified_name, "a.b.c"),
    (names.is_fully_qualified_domain_name, "a.b."),
    (names.is_domain_prefixed_path, "acme.io/foo/bar"),
    (names.is_valid_path_segment_name, "a:b"),
    (names.is_valid_condition_reason, "A,b:c"),
    (names.is_valid_ip, "10.0.0.1"),
    (names.is_valid_ip, "010.0.0.1"),
    (names.is_valid_ip, "::"),
    (names.is_valid_ip, "fd00::1:10.0.0.1"),
    (names.is_valid_ipv4_address, "::ffff:10.0.0.1"),
    (names.is_valid_ipv6_address, "fd00::1"),
    (names.is_valid_cidr, "10.0.0.0/8"),
    (names.is_valid_cidr, "fd00::/108"),
]


@pytest.mark.parametrize(("check", "value"), ACCEPTED, ids=[f"{c.__name__}-{v}"[:60] for c, v in ACCEPTED])
def test_good_values_have_no_faults(check: Check, value: str) -> None:
    assert check(value) == []


REFUSED: list[tuple[Check, str, list[str]]] = [
    (names.is_dns1123_label, "A", [LABEL]),
    (names.is_dns1123_label, "a\n", [LABEL]),
    (names.is_dns1123_label, "a.b", ["must not contain dots"]),
    (names.is_dns1123_label, "a" * 64, ["must be no more than 63 characters"]),
    (names.is_dns1123_label, "é" * 32, ["must be no more than 63 characters", LABEL]),
    (names.is_dns1123_subdomain, "a..b", [SUBDOMAIN]),
    (names.is_dns1123_subdomain, "a" * 254, ["must be no more than 253 characters"]),
    (names.is_dns1035_label, "1a", [DNS1035]),
    (names.is_qualified_name, "/a", ["prefix part must be non-empty"]),
    (names.is_qualified_name, "A/a", [f"prefix part {SUBDOMAIN}"]),
    (names.is_qualified_name, "a" * 64, ["name part must be no more than 63 characters"]),
    (
        names.is_valid_port_name,
        "-" * 16,
        [
            "must be no more than 15 characters",
            "must contain at least one letter (a-z)",
            "must not contain consecutive hyphens",
            "must not begin or end with a hyphen",
        ],
    ),
    (
        names.is_valid_port_name,
        "A",
        [
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
            "must contain at least one letter (a-z)",
        ],
    ),
    (names.is_config_map_key, "a/b", [CONFIG_KEY]),
    (names.is_config_map_key, ".", ["must not be '.'"]),
    (names.is_config_map_key, "..a", ["must not start with '..'"]),
    (names.is_relaxed_env_var_name, "", ["environment variable name must be non-empty"]),
    (
        names.is_relaxed_env_var_name,
        "a=b",
        ["a valid environment variable name must consist only of printable ASCII characters other than '='"],
    ),
    (
        names.is_fully_qualified_name,
        "a.b",
        ["should be a domain with at least three segments separated by dots"],
    ),
    (names.is_domain_prefixed_path, "a", ['must be a domain-prefixed path (such as "acme.io/foo")']),
    (names.is_valid_path_segment_name, "..", ["may not be '..'"]),
    (names.is_valid_path_segment_name, "a/%", ["may not contain '/'", "may not contain '%'"]),
    (names.is_valid_ip, "10.0.0.256", [names.INVALID_IP]),
    (names.is_valid_ip, "10.0.0", [names.INVALID_IP]),
    (names.is_valid_ip, "fe80::1%eth0", [names.INVALID_IP]),
    (names.is_valid_ip, "1::2::3", [names.INVALID_IP]),
    (names.is_valid_ip, "1:2:3:4:5:6:7:8:9", [names.INVALID_IP]),
    (names.is_valid_ip, "", [names.INVALID_IP]),
    (names.is_valid_ipv6_address, "::ffff:10.0.0.1", ["must be a valid IPv6 address"]),
    (
        names.is_valid_cidr,
        "10.0.0.0/33",
        ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"],
    ),
]


@pytest.mark.parametrize(
    ("check", "value", "faults"), REFUSED, ids=[f"{c.__name__}-{v!r}"[:60] for c, v, _ in REFUSED]
)
def test_bad_values_have_all_their_faults_named(check: Check, value: str, faults: list[str]) -> None:
    assert check(value) == faults


def test_numbers_are_held_against_their_range() -> None:
    assert names.is_valid_port_num(80) == []
    assert names.is_valid_port_num(0) == ["must be between 1 and 65535, inclusive"]
    assert names.is_valid_user_id(-1) == ["must be between 0 and 2147483647, inclusive"]


def test_a_generated_name_may_end_with_a_dash() -> None:
    assert names.name_is_dns_label("web-", True) == []
    assert names.name_is_dns_label("web-", False) == [LABEL]
    assert names.name_is_dns_subdomain("a.", True) == [SUBDOMAIN]
    assert names.name_is_path_segment("..", True) == []
    assert names.name_is_path_segment("..", False) == ["may not be '..'"]
