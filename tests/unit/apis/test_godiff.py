"""Differences are written as go-cmp writes them, values as %#v does."""

from __future__ import annotations

from typing import Any

import pytest

from kubesim.apis.godiff import diff
from kubesim.apis.govalue import sharp

DIFFS: list[Any] = [
    pytest.param({"nodeSelector": {"a": "b"}}, {"nodeSelector": {"a": "b"}}, "", id="equal"),
    pytest.param(
        {"nodeSelector": {"a": "1", "b": "2"}},
        {"nodeSelector": {"a": "1", "b": "3", "c": "4"}},
        "  core.PodSpec{\n"
        "  \t... // 6 identical fields\n"
        "  \tActiveDeadlineSeconds: nil,\n"
        '  \tDNSPolicy:             "",\n'
        "  \tNodeSelector: map[string]string{\n"
        '  \t\t"a": "1",\n'
        '- \t\t"b": "2",\n'
        '+ \t\t"b": "3",\n'
        '+ \t\t"c": "4",\n'
        "  \t},\n"
        '  \tServiceAccountName:           "",\n'
        "  \tAutomountServiceAccountToken: nil,\n"
        "  \t... // 23 identical fields\n"
        "  }\n",
        id="map",
    ),
    pytest.param(
        {"hostNetwork": True},
        {},
        "  core.PodSpec{\n"
        "  \t... // 10 identical fields\n"
        "  \tAutomountServiceAccountToken: nil,\n"
        '  \tNodeName:                     "",\n'
        "- \tSecurityContext:              &core.PodSecurityContext{HostNetwork: true},\n"
        "+ \tSecurityContext:              nil,\n"
        "  \tImagePullSecrets:             nil,\n"
        '  \tHostname:                     "",\n'
        "  \t... // 19 identical fields\n"
        "  }\n",
        id="pointer",
    ),
    pytest.param(
        {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]},
        {"imagePullSecrets": [{"name": "b"}]},
        "  core.PodSpec{\n"
        "  \t... // 11 identical fields\n"
        '  \tNodeName:        "",\n'
        "  \tSecurityContext: nil,\n"
        "  \tImagePullSecrets: []core.LocalObjectReference{\n"
        '- \t\t{Name: "a"},\n'
        '  \t\t{Name: "b"},\n'
        "  \t},\n"
        '  \tHostname:  "",\n'
        '  \tSubdomain: "",\n'
        "  \t... // 18 identical fields\n"
        "  }\n",
        id="list",
    ),
]


@pytest.mark.parametrize(("old", "new", "wanted"), DIFFS)
def test_differences(old: dict[str, Any], new: dict[str, Any], wanted: str) -> None:
    assert diff("core.PodSpec", old, new) == wanted


VALUES: list[Any] = [
    (
        "v1.LabelSelector",
        None,
        "v1.LabelSelector{MatchLabels:map[string]string(nil), MatchExpressions:[]v1.LabelSelectorRequirement(nil)}",
    ),
    ("intstr.IntOrString", "25%", 'intstr.IntOrString{Type:1, IntVal:0, StrVal:"25%"}'),
    ("intstr.IntOrString", 5, 'intstr.IntOrString{Type:0, IntVal:5, StrVal:""}'),
    (
        "core.Toleration",
        {"key": "a", "tolerationSeconds": 5},
        'core.Toleration{Key:"a", Operator:"", Value:"", Effect:"", TolerationSeconds:(*int64)(0xc000000000)}',
    ),
    ("[]string", ["a"], '[]string{"a"}'),
    ("map[string]string", None, "map[string]string(nil)"),
    (
        "core.ConfigMapKeySelector",
        {"name": "c", "key": "k"},
        'core.ConfigMapKeySelector{LocalObjectReference:core.LocalObjectReference{Name:"c"}, Key:"k", Optional:(*bool)(nil)}',
    ),
]


@pytest.mark.parametrize(("kind", "value", "wanted"), VALUES)
def test_values(kind: str, value: Any, wanted: str) -> None:
    assert sharp(kind, value) == wanted
