"""Host names, /etc/hosts and /etc/resolv.conf of a Pod: pkg/kubelet/kubelet_pods.go and
pkg/kubelet/network/dns.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubesim.kubelet.config import KubeletConfig
from kubesim.util.jsontypes import JSONObject

_LONGEST_HOSTNAME = 63
_MANAGED = "# Kubernetes-managed hosts file.\n"
_LOCAL = (
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
)


def hostname_and_domain(pod: JSONObject, config: KubeletConfig) -> tuple[str, str]:
    """GeneratePodHostNameAndDomain"""
    spec, metadata = pod.get("spec") or {}, pod["metadata"]
    hostname = spec.get("hostname") or metadata["name"]
    hostname = hostname[:_LONGEST_HOSTNAME].rstrip("-.")
    domain = ""
    if spec.get("subdomain"):
        domain = f"{spec['subdomain']}.{metadata['namespace']}.svc.{config.cluster_domain}"
    if spec.get("setHostnameAsFQDN") and domain:
        return f"{hostname}.{domain}", domain
    return hostname, domain


def hosts_file(pod: JSONObject, pod_ips: Sequence[str], hostname: str, domain: str) -> str:
    """managedHostsFileContent, with the Pod's hostAliases; empty for what the runtime writes by itself."""
    aliases = (pod.get("spec") or {}).get("hostAliases") or ()
    if not aliases:
        return ""
    names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
    own = "".join(f"{ip}\t{names}\n" for ip in pod_ips)
    more = "".join(f"{a['ip']}\t" + "\t".join(a.get("hostnames") or ()) + "\n" for a in aliases)
    return f"{_MANAGED}{_LOCAL}{own}\n# Entries added by HostAliases.\n{more}"


def resolv_conf(pod: JSONObject, config: KubeletConfig) -> str:
    """GetPodDNS: by dnsPolicy, then what dnsConfig adds."""
    spec = pod.get("spec") or {}
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        policy = "Default"
    servers: list[str] = []
    searches: list[str] = []
    options: dict[str, str | None] = {}
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet"):
        domain = config.cluster_domain
        servers = list(config.cluster_dns)
        searches = [f"{pod['metadata']['namespace']}.svc.{domain}", f"svc.{domain}", domain]
        options = {"ndots": "5"}
    elif policy == "Default":
        servers, searches, options = _read(config.node_resolv_conf)
    added = spec.get("dnsConfig") or {}
    servers = list(dict.fromkeys([*servers, *(added.get("nameservers") or ())]))
    searches = list(dict.fromkeys([*searches, *(added.get("searches") or ())]))
    options |= {o["name"]: o.get("value") for o in added.get("options") or ()}
    return _write(servers, searches, options)


def _read(text: str) -> tuple[list[str], list[str], dict[str, str | None]]:
    servers: list[str] = []
    searches: list[str] = []
    options: dict[str, str | None] = {}
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "nameserver":
            servers.append(rest.strip())
        elif word == "search":
            searches = rest.split()
        elif word == "options":
            for option in rest.split():
                name, colon, value = option.partition(":")
                options[name] = value if colon else None
    return servers, searches, options


def _write(servers: Sequence[str], searches: Sequence[str], options: dict[str, str | None]) -> str:
    # The order is that of containerd: search, nameservers, options.
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {server}" for server in servers]
    if options:
        texts = [name if value is None else f"{name}:{value}" for name, value in options.items()]
        lines.append(f"options {' '.join(texts)}")
    return "\n".join(lines) + "\n" if lines else ""
