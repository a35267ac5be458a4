"""NetworkPolicies."""

from __future__ import annotations

from collections.abc import Sequence

from kubesim.apimachinery.labels import format_label_selector
from kubesim.apimachinery.meta import annotations_of, labels_of, metadata_of, name_of, namespace_of
from kubesim.cli.describe.page import NONE, Page, PrefixWriter
from kubesim.util.clock import parse_time
from kubesim.util.jsontypes import JSONObject

INDENT = " " * 4


def network_policy(page: Page, obj: JSONObject) -> None:
    """As describeNetworkPolicy: the one page without events."""
    page.line(0, "Name:", name_of(obj))
    page.line(0, "Namespace:", namespace_of(obj))
    created = metadata_of(obj).get("creationTimestamp")
    shown = (
        parse_time(created).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
        if created
        else "0001-01-01 00:00:00 +0000 UTC"
    )
    page.line(0, "Created on:", shown)
    page.labels("Labels", labels_of(obj))
    page.annotations(annotations_of(obj))
    _spec(page, obj.get("spec") or {})


def _spec(page: PrefixWriter, spec: JSONObject) -> None:
    page.write(0, "Spec:\n")
    page.write(1, "PodSelector: ")
    selector = spec.get("podSelector") or {}
    if selector.get("matchLabels") or selector.get("matchExpressions"):
        page.write(2, f"{format_label_selector(selector)}\n")
    else:
        page.write(2, "<none> (Allowing the specific traffic to all pods in this namespace)\n")
    types = spec.get("policyTypes") or []
    for word, kind in (("ingress", "Ingress"), ("egress", "Egress")):
        if kind in types:
            page.write(1, f"Allowing {word} traffic:\n")
            _rules(page, spec.get(word) or [], word)
        else:
            page.write(1, f"Not affecting {word} traffic\n")
    page.write(1, f"Policy Types: {', '.join(types) or NONE}\n")


def _rules(page: PrefixWriter, rules: Sequence[JSONObject], word: str) -> None:
    """As printNetworkPolicySpecIngressFrom and its twin for egress."""
    if not rules:
        page.write(0, f"{INDENT}<none> (Selected pods are isolated for {word} connectivity)\n")
    title, key, end = ("From", "from", "source") if word == "ingress" else ("To", "to", "destination")
    for position, rule in enumerate(rules):
        if position:
            page.write(0, f"{INDENT}----------\n")
        if not rule.get("ports"):
            page.write(0, f"{INDENT}To Port: <any> (traffic allowed to all ports)\n")
        for port in rule.get("ports") or []:
            _port(page, port)
        if not rule.get(key):
            page.write(0, f"{INDENT}{title}: <any> (traffic not restricted by {end})\n")
        for peer in rule.get(key) or []:
            page.write(0, f"{INDENT}{title}:\n")
            _peer(page, peer)


def _port(page: PrefixWriter, port: JSONObject) -> None:
    protocol = "TCP" if port.get("protocol") is None else port["protocol"]
    number = "<nil>" if port.get("port") is None else port["port"]
    if port.get("endPort") is None:
        page.write(0, f"{INDENT}To Port: {number}/{protocol}\n")
    else:
        page.write(0, f"{INDENT}To Port Range: {number}-{port['endPort']}/{protocol}\n")


def _peer(page: PrefixWriter, peer: JSONObject) -> None:
    selectors = [("NamespaceSelector", "namespaceSelector"), ("PodSelector", "podSelector")]
    for word, key in selectors:
        if peer.get(key) is not None:
            page.write(1, f"{INDENT}{word}: {format_label_selector(peer[key])}\n")
    block = peer.get("ipBlock")
    if block is not None and not any(peer.get(key) is not None for _, key in selectors):
        page.write(1, f"{INDENT}IPBlock:\n")
        page.write(2, f"{INDENT}CIDR: {block.get('cidr', '')}\n")
        page.write(2, f"{INDENT}Except: {', '.join(block.get('except') or [])}\n")
