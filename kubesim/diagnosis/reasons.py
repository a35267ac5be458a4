"""The reason codes: a number that stays for ever, a name, and one sentence for people. docs/mistakes.md has more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reason:
    """One way in which a request fails to arrive, or surprises who sent it."""

    code: int
    name: str
    summary: str


REASONS: Final[tuple[Reason, ...]] = (
    Reason(0, "Refused", "The API server refuses the object."),
    Reason(1, "SelectorMatchesNothing", "No Pod has the labels that the selector asks for."),
    Reason(2, "PodsInOtherNamespace", "Pods with these labels exist, but in another namespace."),
    Reason(3, "ShortNameAcrossNamespaces", "A short DNS name is used for a Service of another namespace."),
    Reason(4, "NothingListens", "Nothing listens on the target port."),
    Reason(5, "NoSuchPortName", "No Pod has a port of that name."),
    Reason(6, "PortNumberInQuotes", "A port number in quotes is taken for a name."),
    Reason(7, "NoPodReady", "Pods match, but none of them is ready."),
    Reason(
        8,
        "ProtocolMismatch",
        "Service and Pod disagree about TCP and UDP, or one of two equal ports was lost.",
    ),
    Reason(9, "NodePortTaken", "Another Service has that node port."),
    Reason(10, "NodePortOutOfRange", "The node port lies outside the range of the cluster."),
    Reason(11, "PortsMixedUp", "port, targetPort and nodePort stand in each other's places."),
    Reason(12, "HeadlessIgnoresMapping", "A headless Service has no address of its own, and maps no ports."),
    Reason(13, "NoRecords", "DNS has no such record, or is not asked."),
    Reason(
        14,
        "NoLocalEndpoint",
        "externalTrafficPolicy Local drops what comes to a node without a Pod of the Service.",
    ),
    Reason(15, "Hairpin", "A Pod reaches itself through its own Service."),
    Reason(16, "ServiceMadeAfterPod", "The Service came after the Pod, which has no variables for it."),
    Reason(
        17,
        "ServiceVariableSurprise",
        "A variable such as REDIS_PORT holds the URL that Kubernetes puts there.",
    ),
    Reason(
        18,
        "ExternalNameIsOnlyAnAlias",
        "ExternalName is a CNAME: no ports, and the client's name stays in Host and TLS.",
    ),
    Reason(19, "ClusterIPImmutable", "The cluster IP of a Service may not change, and headless is for ever."),
    Reason(
        20,
        "AffinityPerClientAndPort",
        "Session affinity counts for each client address and each port by itself.",
    ),
    Reason(21, "ListensOnLoopback", "The application listens on 127.0.0.1 only."),
    Reason(22, "NoEndpointsBehindService", "The Service selects nothing, and nobody wrote Endpoints for it."),
    Reason(23, "PortsWithoutNames", "A Service with several ports must name them."),
    Reason(24, "DeniedByNetworkPolicy", "A NetworkPolicy does not let it through."),
    Reason(25, "LoadBalancerPending", "Nobody has given the load balancer an address."),
    Reason(26, "BackendMissing", "An Ingress leads to a Service that is not in its namespace."),
    Reason(27, "IngressNotServed", "No ingress controller takes the Ingress on: nobody serves its class."),
    Reason(28, "PathClaimedTwice", "Two Ingresses claim one path of one host, and only one of them has it."),
    Reason(29, "NoCertificate", "The Secret with the certificate of a host is missing, or holds none."),
    Reason(30, "NoRuleMatches", "No rule of an Ingress has this host and path."),
    Reason(
        31, "HintsForZones", "Nodes choose among the endpoints of their zone, or cannot though they should."
    ),
    Reason(32, "SourceNotAllowed", "The load balancer takes certain sources only."),
    Reason(33, "NobodyHasAddress", "No Pod, Service or node has this address, or none any more."),
)


def reason(code: int) -> Reason:
    """The reason of a code. Raises IndexError for one that there is not."""
    return REASONS[code]
