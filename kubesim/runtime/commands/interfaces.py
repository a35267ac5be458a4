"""ip, ifconfig, route, arp: the network's configuration."""

from __future__ import annotations

import ipaddress

from kubesim.runtime.network_view import Interface, Route
from kubesim.runtime.process import Process


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def _broadcast(address: str) -> str:
    return str(ipaddress.ip_interface(address).network.broadcast_address)


def ip(process: Process) -> int:
    words = list(process.args)
    family, brief = 0, False
    while words and words[0].startswith("-"):
        option = words.pop(0)
        family = 4 if option in ("-4", "-f4") else 6 if option == "-6" else family
        brief = brief or option in ("-br", "-brief")
    if not words:
        process.error(
            "Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }\n       ip [ -force ] -batch "
            "filename\nwhere  OBJECT := { address | addrlabel | l2tp | link | maddress | "
            "monitor | mroute | neighbour | netconf | netns | route | rule | stats | tunnel | "
            "vrf }"
        )
        return 255 if process.machine.flavour == "gnu" else 1
    word = words[0]
    if "address".startswith(word) and word != "":
        return _ip_addresses(process, words[1:], family, brief=brief)
    if "link".startswith(word):
        return _ip_links(process, words[1:], brief=brief)
    if "route".startswith(word):
        return _ip_routes(process, words[1:], family)
    if "neighbour".startswith(word) or "neighbor".startswith(word):
        for route in process.machine.network.routes():
            if route.gateway and family in (0, _version(route.gateway)):
                process.print(f"{route.gateway} dev {route.device} lladdr ee:ee:ee:ee:ee:ee REACHABLE ")
        return 0
    if "rule".startswith(word):
        process.print(
            "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default"
        )
        return 0
    process.error(f'Object "{word}" is unknown, try "ip help".')
    return 1


def _chosen(process: Process, words: list[str]) -> list[tuple[int, Interface]] | None:
    names = [w for w in words if w not in ("show", "list", "ls", "s", "dev", "scope", "global", "up", "sh")]
    interfaces = list(enumerate(process.machine.network.interfaces(), 1))
    if words[:1] and words[0] in ("add", "del", "set", "delete", "flush", "change", "replace"):
        process.error("RTNETLINK answers: Operation not permitted")
        return None
    if not names:
        return interfaces
    found = [(n, i) for n, i in interfaces if i.name in names]
    if not found:
        if process.machine.flavour == "busybox":
            process.error(f"ip: can't find device '{names[0]}'")
        else:
            process.error(f'Device "{names[0]}" does not exist.')
        return None
    return found


def _head(process: Process, number: int, interface: Interface, *, link: bool) -> str:
    loop = interface.name == "lo"
    flags = "LOOPBACK,UP,LOWER_UP" if loop else "BROADCAST,MULTICAST,UP,LOWER_UP"
    name = interface.name + (f"@if{interface.peer_index}" if interface.peer_index else "")
    if process.machine.flavour == "busybox" and "iproute2" not in process.machine.packages:
        return (
            f"{number}: {name}: <{flags}> mtu {interface.mtu} qdisc "
            f"noqueue {'qlen 1000' if loop else ''}".rstrip()
            + (" " if not loop else "")
        )
    mode = " mode DEFAULT" if link else ""
    state = "UNKNOWN" if loop else "UP"
    tail = " qlen 1000" if loop else " "
    return (
        f"{number}: {name}: <{flags}> mtu {interface.mtu} qdisc "
        f"noqueue state {state}{mode} group default{tail}"
    )


def _link_line(interface: Interface, *, netns: bool) -> str:
    kind = "loopback" if interface.name == "lo" else "ether"
    broadcast = "00:00:00:00:00:00" if interface.name == "lo" else "ff:ff:ff:ff:ff:ff"
    return f"    link/{kind} {interface.mac} brd {broadcast}" + (
        " link-netnsid 0" if netns and interface.peer_index else ""
    )


def _ip_addresses(process: Process, words: list[str], family: int, *, brief: bool) -> int:
    found = _chosen(process, words)
    if found is None:
        return 1 if process.machine.flavour == "busybox" else 2
    full = process.machine.flavour == "gnu" or "iproute2" in process.machine.packages
    for number, interface in found:
        addresses = [a for a in interface.addresses if not family or _version(a) == family]
        if brief:
            name = interface.name + (f"@if{interface.peer_index}" if interface.peer_index else "")
            process.print(
                f"{name:<16} {'UNKNOWN' if interface.name == 'lo' else 'UP':<14} {' '.join(addresses)} "
            )
            continue
        if family and not addresses:
            continue
        process.print(_head(process, number, interface, link=False))
        if not family:
            process.print(_link_line(interface, netns=full))
        for address in addresses:
            scope = "host" if interface.name == "lo" else "link" if address.startswith("fe80") else "global"
            if _version(address) == 4:
                alone = interface.name == "lo" or address.endswith("/32")
                broadcast = "" if alone else f" brd {_broadcast(address)}"
                process.print(f"    inet {address}{broadcast} scope {scope} {interface.name}")
            else:
                process.print(
                    f"    inet6 {address} scope {scope} {'nodad ' if scope == 'global' and full else ''}"
                )
            process.print("       valid_lft forever preferred_lft forever")
    return 0


def _ip_links(process: Process, words: list[str], *, brief: bool) -> int:
    found = _chosen(process, words)
    if found is None:
        return 1 if process.machine.flavour == "busybox" else 2
    for number, interface in found:
        if brief:
            name = interface.name + (f"@if{interface.peer_index}" if interface.peer_index else "")
            process.print(
                f"{name:<16} {'UNKNOWN' if interface.name == 'lo' else 'UP':<14} "
                f"{interface.mac} <{'LOOPBACK' if interface.name == 'lo' else 'BROADCAST,MULTICAST'}"
                ",UP,LOWER_UP> "
            )
            continue
        process.print(_head(process, number, interface, link=True))
        process.print(_link_line(interface, netns=process.machine.flavour == "gnu"))
    return 0


def _ip_routes(process: Process, words: list[str], family: int) -> int:
    if words[:1] == ["get"] and len(words) > 1:
        family = _version(words[1])
    routes = [
        r
        for r in process.machine.network.routes()
        if (family or 4) == (6 if ":" in r.destination + r.gateway else 4)
    ]
    if words[:1] == ["get"] and len(words) > 1:
        return _route_get(process, words[1], routes)
    if words[:1] and words[0] in ("add", "del", "delete", "replace", "change", "flush"):
        process.error("RTNETLINK answers: Operation not permitted")
        return 2
    for route in routes:
        process.print(_route_text(route, busybox=process.machine.flavour == "busybox"))
    return 0


def _route_text(route: Route, *, busybox: bool) -> str:
    text = route.destination
    if route.gateway:
        text += f" via {route.gateway}"
    text += f" dev {route.device} "
    if ":" in route.destination + route.gateway:
        metric = 256 if route.protocol == "kernel" else 1024
        if busybox:
            return f"{text} metric {metric} "
        return text + (f"proto {route.protocol} " if route.protocol else "") + f"metric {metric} pref medium"
    if busybox:
        return (
            text
            + (f"scope {route.scope} " if route.scope else "")
            + (f" src {route.source} " if route.source else "")
        )
    return text + "".join(
        f"{label} {value} "
        for label, value in (("proto", route.protocol), ("scope", route.scope), ("src", route.source))
        if value
    )


def _route_get(process: Process, target: str, routes: list[Route]) -> int:
    try:
        address = ipaddress.ip_address(target)
    except ValueError:
        process.error(f'Error: inet prefix is expected rather than "{target}".')
        return 1
    ips = [str(i) for i in process.machine.facts.get("ips") or ()]
    own = next((i for i in ips if _version(i) == address.version), "")
    if target == own or address.is_loopback:
        process.print(f"local {target} dev lo src {target} uid {process.machine.fs.uid} \n    cache <local> ")
        return 0
    best = None
    for route in routes:
        fits = route.destination == "default" or address in ipaddress.ip_network(route.destination)
        if fits and (best is None or best.destination == "default"):
            best = route
    if best is None:
        process.error("RTNETLINK answers: Network is unreachable")
        return 2
    via = f" via {best.gateway}" if best.gateway else ""
    if address.version == 6:
        process.print(
            f"{target} from ::{via} dev {best.device} src {best.source or own} metric 1024 pref medium"
        )
        return 0
    process.print(
        f"{target}{via} dev {best.device} src {best.source or own} uid {process.machine.fs.uid} \n    cache "
    )
    return 0


def ifconfig(process: Process) -> int:
    names = [a for a in process.args if not a.startswith("-")]
    interfaces = sorted(process.machine.network.interfaces(), key=lambda i: i.name)
    chosen = [i for i in interfaces if not names or i.name == names[0]]
    if not chosen:
        if process.machine.flavour == "busybox":
            process.error(f"ifconfig: {names[0]}: error fetching interface information: Device not found")
        else:
            process.error(f"{names[0]}: error fetching interface information: Device not found")
        return 1
    for interface in chosen:
        if process.machine.flavour == "busybox" and "net-tools" not in process.machine.packages:
            _ifconfig_busybox(process, interface)
        else:
            _ifconfig_gnu(process, interface)
    return 0


def _ifconfig_busybox(process: Process, interface: Interface) -> None:
    loop = interface.name == "lo"
    process.print(
        f"{interface.name:<9} Link encap:{'Local Loopback  ' if loop else f'Ethernet  HWaddr {interface.mac.upper()}  '}"
    )
    for address in interface.addresses:
        plain, _, prefix = address.partition("/")
        if _version(address) == 4:
            mask = ipaddress.ip_interface(address).netmask
            process.print(
                f"          inet addr:{plain}  "
                + ("" if loop else f"Bcast:{_broadcast(address)}  ")
                + f"Mask:{mask}"
            )
        else:
            scope = "Host" if loop else "Link" if plain.startswith("fe80") else "Global"
            process.print(f"          inet6 addr: {plain}/{prefix} Scope:{scope}")
    process.print(
        f"          UP {'LOOPBACK RUNNING' if loop else 'BROADCAST RUNNING MULTICAST'}"
        f"  MTU:{interface.mtu}  Metric:1"
    )
    queue = 1000 if loop else 0
    process.print(
        "          RX packets:14 errors:0 dropped:0 overruns:0 frame:0\n          TX packets:"
        f"12 errors:0 dropped:0 overruns:0 carrier:0\n          collisions:0 txqueuelen:{queue} "
        "\n          RX bytes:1156 (1.1 KiB)  TX bytes:968 (968.0 B)\n"
    )


def _ifconfig_gnu(process: Process, interface: Interface) -> None:
    loop = interface.name == "lo"
    process.print(
        f"{interface.name}: flags={'73<UP,LOOPBACK,RUNNING>' if loop else '4163<UP,BROADCAST,RUNNING,MULTICAST>'}"
        f"  mtu {interface.mtu}"
    )
    for address in interface.addresses:
        plain, _, prefix = address.partition("/")
        if _version(address) == 4:
            mask = ipaddress.ip_interface(address).netmask
            process.print(
                f"        inet {plain}  netmask {mask}"
                + ("" if loop else f"  broadcast {_broadcast(address)}")
            )
        else:
            scope = "0x10<host>" if loop else "0x20<link>" if plain.startswith("fe80") else "0x0<global>"
            process.print(f"        inet6 {plain}  prefixlen {prefix}  scopeid {scope}")
    process.print(
        "        loop  txqueuelen 1000  (Local Loopback)"
        if loop
        else f"        ether {interface.mac}  txqueuelen 0  (Ethernet)"
    )
    process.print(
        "        RX packets 14  bytes 1156 (1.1 KiB)\n        RX errors 0  dropped 0  overruns "
        "0  frame 0\n        TX packets 12  bytes 968 (968.0 B)\n        TX errors 0  dropped "
        "0 overruns 0  carrier 0  collisions 0\n"
    )


def route(process: Process) -> int:
    process.print(
        "Kernel IP routing table\nDestination     Gateway         "
        "Genmask         Flags Metric Ref    Use Iface"
    )
    for each in route_rows(process):
        process.print(f"{each[0]:<15} {each[1]:<15} {each[2]:<15} {each[3]:<5} 0      0        0 {each[4]}")
    return 0


def route_rows(process: Process) -> list[tuple[str, str, str, str, str]]:
    """Destination, gateway, mask, flags, interface."""
    rows = []
    for each in process.machine.network.routes():
        if ":" in each.destination + each.gateway:
            continue
        if each.destination == "default":
            rows.append(("0.0.0.0", each.gateway, "0.0.0.0", "UG", each.device))  # noqa: S104 - a route's text
        else:
            network = ipaddress.ip_network(each.destination, strict=False)
            host = "H" if network.prefixlen == 32 else ""
            rows.append(
                (
                    str(network.network_address),
                    each.gateway or "0.0.0.0",  # noqa: S104 - the wildcard's text, nothing is bound
                    str(network.netmask),
                    f"U{'G' if each.gateway else ''}{host}",
                    each.device,
                )
            )
    return rows


def arp(process: Process) -> int:
    gateway = next((r for r in process.machine.network.routes() if r.gateway and ":" not in r.gateway), None)
    if process.machine.flavour == "busybox" or "-a" in process.args:
        if gateway:
            process.print(f"? ({gateway.gateway}) at ee:ee:ee:ee:ee:ee [ether]  on {gateway.device}")
    elif gateway:
        process.print("Address                  HWtype  HWaddress           Flags Mask            Iface")
        process.print(
            f"{gateway.gateway:<24} ether   ee:ee:ee:ee:ee:ee   C                     {gateway.device}"
        )
    return 0
