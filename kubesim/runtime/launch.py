"""From a container's specification to what its processes find: command line, environment, user, hosts, volumes."""

from __future__ import annotations

from typing import Any

from kubesim.runtime.filesystem import (
    DIRECTORY,
    FILE,
    Files,
    FileSystem,
    Node,
)
from kubesim.runtime.images import Image
from kubesim.runtime.machine import SIGNALS, Machine
from kubesim.runtime.spec import (
    ContainerSpec,
    StartError,
)


def command_line(spec: ContainerSpec, image: Image) -> list[str]:
    """Entry point and arguments. Kubernetes' rule: `command` replaces both of the image's, `args` only its cmd."""
    if spec.command:
        return [*spec.command, *spec.args]
    argv = [*image.entrypoint, *(spec.args or image.cmd)]
    if argv:
        return argv
    if not image.known:
        return [f"/{image.reference.path.rpartition('/')[2]}"]
    raise StartError(
        f'failed to generate container "{spec.id}" spec: failed to generate spec: no command specified',
        "CreateContainerError",
    )


def environment(spec: ContainerSpec, image: Image, machine: Machine) -> dict[str, str]:
    """The order is containerd's: PATH, HOSTNAME, the image's, the Pod's; runc adds HOME where it is missing."""
    env = {"PATH": image.search_path, "HOSTNAME": machine.hostname}
    if spec.tty:
        env["TERM"] = "xterm"
    env |= image.env
    env |= spec.env
    if "HOME" not in env:
        user = next((user for user in machine.users() if user.uid == machine.fs.uid), None)
        env["HOME"] = user.home if user else "/"
    return env


def give_user(spec: ContainerSpec, image: Image, machine: Machine) -> None:
    """Whom the processes belong to: runAsUser, else the image's user."""
    name, _, group = image.user.partition(":")
    uid, gid = 0, 0
    if spec.run_as_user is not None:
        uid = spec.run_as_user
        gid = next((user.gid for user in machine.users() if user.uid == uid), 0)
    elif name.isdigit():
        uid = int(name)
        gid = next((user.gid for user in machine.users() if user.uid == uid), 0)
    elif name:
        user = next((user for user in machine.users() if user.name == name), None)
        if user is not None:
            uid, gid = user.uid, user.gid
    if spec.run_as_group is not None:
        gid = spec.run_as_group
    elif group.isdigit():
        gid = int(group)
    machine.fs.uid, machine.fs.gid, machine.fs.groups = uid, gid, {gid}


def hosts_file(spec: ContainerSpec, hostname: str) -> str:
    """As the kubelet writes it: pkg/kubelet/kubelet_pods.go, managedHostsFileContent."""
    text = (
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
    )
    names = f"{hostname}.{spec.domain}\t{hostname}" if spec.domain else hostname
    return text + "".join(f"{ip}\t{names}\n" for ip in spec.pod_ips)


def facts_of(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "pod": spec.pod_name,
        "namespace": spec.pod_namespace,
        "node": spec.node_name,
        "container": spec.name,
        "image": spec.image,
        "ips": list(spec.pod_ips),
        "host_ips": list(spec.host_ips),
        "domain": spec.domain,
        "ports": [[p.protocol, p.port, p.name] for p in spec.ports],
        "memory": spec.memory_limit,
    }


def make_directories(fs: FileSystem, path: str) -> None:
    parts = ""
    for part in path.strip("/").split("/"):
        parts += f"/{part}"
        if fs.find(parts) is None:
            fs.root.put(fs.resolve(parts), Node(DIRECTORY, 0o755))


def volume_files(files: dict[str, bytes], mode: int, now: float) -> Files:
    tree = Files()
    tree.nodes["/"].mtime = now
    for path, data in files.items():
        tree.add("/" + path.strip("/"), Node(FILE, mode, data, mtime=now))
    return tree


def signal_number(name: str) -> int:
    """The number of a stop signal such as SIGQUIT; SIGTERM's for a name that nobody knows."""
    text = name.removeprefix("SIG")
    return int(text) if text.isdigit() else SIGNALS.get(text, 15)
