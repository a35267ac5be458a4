"""Which module has which program. A module is imported when one of its programs first runs."""

from __future__ import annotations

from importlib import import_module

from kubesim.runtime.machine import Program

_MODULES: dict[str, str] = {
    "printing": "[ [[ test echo printf printenv env true false yes seq basename dirname expr clear reset",
    "clocks": "date sleep usleep timeout time uptime watch",
    "files": "cat cp mv rm mkdir rmdir touch ln unlink link",
    "filling": "tee dd mktemp truncate install split mkfifo",
    "rights": "chmod chown chgrp",
    "listing": "ls du stat readlink realpath pwd df tree file",
    "matching": "grep egrep fgrep",
    "text": "head tail wc sort uniq cut tr rev tac nl fold paste shuf join comm expand more less",
    "binary": "base64 md5sum sha1sum sha256sum sha512sum cksum xxd hexdump od cmp diff",
    "sed": "sed",
    "awk": "awk mawk gawk",
    "search": "find xargs which",
    "archive": "tar gzip gunzip zcat",
    "system": "hostname dnsdomainname domainname id whoami groups who w users uname hostid nproc tty stty dmesg sync "
    "free mount umount lsblk findmnt logger getopt nohup setsid su sudo ldd arch locale ldconfig fsync sysctl",
    "tasks": "ps top kill killall pkill pgrep pidof",
    "curl": "curl",
    "wget": "wget",
    "nslookup": "nslookup",
    "dig": "dig nsupdate",
    "host": "host",
    "getent": "getent",
    "ping": "ping ping6 traceroute",
    "netcat": "nc ncat netcat telnet tcpdump",
    "interfaces": "ip ifconfig route arp",
    "sockets": "ss netstat",
    "packages": "apt apt-get apt-cache dpkg dpkg-query apk pip pip3",
    "editors": "vi vim nano",
    "jq": "jq",
    "servers": "nginx httpd httpd-foreground apachectl docker-entrypoint.sh envsubst "
    "nginx-ingress-controller",
    "stores": "redis-server redis-cli postgres pg_isready mysqld mariadbd mysqladmin mariadb-admin",
    "echoes": "http-echo whoami-server echo-server hello-app run.sh node pause entrypoint.sh",
    "agnhost": "agnhost",
    "described": "described",
    "coredns": "coredns",
    "python": "python python3",
}
_ELSEWHERE = {
    **dict.fromkeys(("sh", "dash", "bash", "ash"), ("kubesim.runtime.shell.program", "run")),
}
_SPELLED = {
    "[": "test", "[[": "test", "docker-entrypoint.sh": "docker_entrypoint", "run.sh": "echoserver",
    "entrypoint.sh": "curl_entrypoint", "true": "true", "false": "false",
}  # fmt: skip
_OF_NAME = {name: module for module, names in _MODULES.items() for name in names.split()}


def find(name: str) -> Program | None:
    """The program of a name, or None."""
    elsewhere = _ELSEWHERE.get(name)
    if elsewhere is not None:
        program: Program = getattr(import_module(elsewhere[0]), elsewhere[1])
        return program
    module = _OF_NAME.get(name)
    if module is None:
        return None
    spelled = _SPELLED.get(name, name.replace("-", "_").replace(".", "_"))
    functions = import_module(f"kubesim.runtime.commands.{module}")
    found: Program = (
        functions.PROGRAMS[name] if hasattr(functions, "PROGRAMS") else getattr(functions, spelled)
    )
    return found
