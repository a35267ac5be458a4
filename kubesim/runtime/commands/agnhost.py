"""agnhost: the subcommands that Kubernetes' tests run."""

from __future__ import annotations

import re
from collections.abc import Callable

from kubesim.runtime.applications.client import DialError, dial, http_get, join_host_port
from kubesim.runtime.commands.common import program
from kubesim.runtime.filesystem import DEVICE, DIRECTORY, LINK
from kubesim.runtime.process import Process
from kubesim.runtime.resolver import resolver_config

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def go_duration(text: str) -> float | None:
    """A Go duration in seconds; None for what is none."""
    if text == "0":
        return 0.0
    if not re.fullmatch(r"(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+", text):
        return None
    return sum(float(n) * _UNITS[u] for n, u in re.findall(r"(\d+\.?\d*)(ns|us|µs|ms|s|m|h)", text))


class _Flags:
    """Flags as cobra reads them: --name=value, --name value, --flag, -s value."""

    def __init__(self, words: list[str], booleans: str = "") -> None:
        self.values: dict[str, str] = {}
        self.args: list[str] = []
        flags = set(booleans.split())
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if not word.startswith("-") or word == "-":
                self.args.append(word)
                continue
            name, equals, value = word.lstrip("-").partition("=")
            if not equals:
                value = "true" if name in flags or not rest else rest.pop(0)
            self.values[name] = value

    def get(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def on(self, name: str, *, default: bool = False) -> bool:
        return self.values.get(name, str(default)).lower() == "true"

    def number(self, name: str, default: int) -> int:
        text = self.values.get(name, str(default))
        return int(text) if re.fullmatch(r"-?\d+", text) else default


@program
def agnhost(process: Process) -> int:
    args = process.args
    if not args or args[0] in ("help", "-h", "--help"):
        names = "\n".join(f"  {name}" for name in sorted(_COMMANDS))
        process.print(f"Usage:\n  app [command]\n\nAvailable Commands:\n{names}\n")
        return 0
    if args[0] == "--version":
        process.print(f"agnhost version {process.machine.image.version or '2.53'}")
        return 0
    command = _COMMANDS.get(args[0])
    if command is None:
        process.error(f'Error: unknown command "{args[0]}" for "app"\nRun \'app --help\' for usage.')
        return 1
    return command(process, args[1:])


def _log(process: Process, text: str) -> None:
    import time

    process.error(f"{time.strftime('%Y/%m/%d %H:%M:%S', time.gmtime(process.timeline.now()))} {text}")


def _serve(process: Process, service: dict[str, object], *, code: int = 2) -> int:
    return process.machine.serve(process, service | {"exit_code": code}, exit_on=(2, 15))


def _netexec(process: Process, words: list[str]) -> int:
    flags = _Flags(words)
    http, udp, sctp = (
        flags.number("http-port", 8080),
        flags.number("udp-port", 8081),
        flags.number("sctp-port", -1),
    )
    if process.resume is None:
        _log(process, f"Started HTTP server on port {http}")
        if udp > 0:
            _log(process, f"Started UDP server on port  {udp}")
        if sctp > 0:
            _log(process, "Started SCTP server")
    addresses = [a for a in flags.get("udp-listen-addresses").split(",") if a]
    delay = max(flags.number("delay-shutdown", 0), 0)
    return _serve(
        process,
        {"application": "netexec", "http": http, "udp": max(udp, 0), "sctp": max(sctp, 0), "udp_addresses": addresses,
         "tls": bool(flags.get("tls-cert-file")), "override": flags.get("http-override"), "delay_shutdown": delay},
        code=0 if delay else 2,
    )  # fmt: skip


def _serve_hostname(process: Process, words: list[str]) -> int:
    flags = _Flags(words, "tcp udp http close")
    tcp, udp, http = flags.on("tcp"), flags.on("udp"), flags.on("http", default=True)
    if http and (tcp or udp):
        _log(process, "Can't server TCP/UDP mode and HTTP mode at the same time")
        return 1
    port = flags.number("port", 9376)
    if process.resume is None:
        _log(process, f"Serving on port {port}.")
    service: dict[str, object] = {
        "application": "serve-hostname",
        "port": port,
        "tcp": tcp,
        "udp": udp,
        "http": http,
        "close": flags.on("close"),
    }
    return process.machine.serve(process, service, exit_on=())


def _pause(process: Process, words: list[str]) -> int:
    del words
    if process.resume is None:
        process.print("Paused")
    return _serve(process, {"application": "unknown", "ports": []}, code=0)


def _porter(process: Process, words: list[str]) -> int:
    flags = _Flags(words, "json-response")
    ports = []
    for name, value in process.env.items():
        match = re.fullmatch(r"SERVE_(TCP_|UDP_|TLS_|SCTP_)?PORT_(\d+)", name)
        if match:
            ports.append([(match.group(1) or "TCP_").rstrip("_"), int(match.group(2)), value])
    return _serve(process, {"application": "porter", "ports": ports, "json": flags.on("json-response")})


def _connect(process: Process, words: list[str]) -> int:
    flags = _Flags(words)
    if len(flags.args) != 1:
        process.error(f"Error: accepts 1 arg(s), received {len(flags.args)}")
        return 1
    target = flags.args[0]
    host, colon, port = target.rpartition(":")
    if not colon or not port.isdigit():
        process.error(f"UNKNOWN: address {target}: missing port in address")
        return 1
    kind = {"": "TCP", "tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}.get(flags.get("protocol", "tcp"))
    if kind is None:
        process.error("Unsupported protocol")
        return 1
    timeout = go_duration(flags.get("timeout", "0")) or 0.0
    try:
        connection = dial(process.machine, host.strip("[]"), int(port), kind)  # type: ignore[arg-type]
        data = flags.get("udp-data" if kind == "UDP" else "sctp-data", "hostname").encode() + b"\n"
        answer = (
            connection.datagram(data)
            if kind == "UDP"
            else connection.exchange(data)
            if kind == "SCTP"
            else b"-"
        )
    except DialError as error:
        label = {"dns": f"DNS: {error}", "refused": "REFUSED", "timeout": "TIMEOUT"}.get(
            error.kind, f"OTHER: {error}"
        )
        if error.kind == "timeout":
            process.timeline.pass_by(timeout or 130.0)
        process.error(label)
        return 1
    if not answer:
        process.timeline.pass_by(timeout)
        process.error("TIMEOUT: read udp: i/o timeout" if kind == "UDP" else "TIMEOUT")
        return 1
    return 0


def _dns_suffix(process: Process, words: list[str]) -> int:
    del words
    process.print(",".join(resolver_config(process.machine).search))
    return 0


def _dns_server_list(process: Process, words: list[str]) -> int:
    del words
    process.print(",".join(resolver_config(process.machine).nameservers))
    return 0


def _etc_hosts(process: Process, words: list[str]) -> int:
    del words
    process.write_bytes(process.machine.fs.read("/etc/hosts"))
    return 0


def _entrypoint_tester(process: Process, words: list[str]) -> int:
    process.print(f"[{' '.join(['/agnhost', 'entrypoint-tester', *words])}]")
    return 0


def _logs_generator(process: Process, words: list[str]) -> int:
    flags = _Flags(words)
    total = int(flags.get("log-lines-total") or flags.get("t") or "0")
    seconds = go_duration(flags.get("run-duration") or flags.get("d") or "0s") or 0.0
    if total <= 0:
        process.error("Invalid total number of lines")
        return 255
    pause = seconds / total
    first = int(process.resume[0]) if process.resume else 0
    process.resume = None
    methods, spaces = ("GET", "PUT", "POST"), ("kube-system", "default", "ns")
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    from kubesim.runtime.process import Suspended

    for n in range(first, total):
        process.budget.step()
        seed = n * 2654435761 & 0xFFFFFFFF
        name = "".join(letters[(seed >> k) % 36] for k in range(0, 20, 5))
        process.error(
            f"I0101 00:00:00.000000 {process.pid:7d} logs_generator.go:76] {n} "
            f"{methods[seed % 3]} /api/v1/namespaces/{spaces[seed // 3 % 3]}/pods/{name} "
            f"{200 + seed % 400}"
        )
        try:
            process.sleep(pause)
        except Suspended as wait:
            wait.frames = [n + 1]
            raise
    return 0


def _inclusterclient(process: Process, words: list[str]) -> int:
    flags = _Flags(words)
    pause = float(flags.get("poll-interval") or "30")
    if not flags.get("poll-interval"):
        pause = 30.0
    from kubesim.runtime.process import Suspended

    if process.resume is None:
        process.error("I0101 00:00:00.000000       1 main.go:61] started")
    process.resume = None
    while True:
        process.error("I0101 00:00:00.000000       1 main.go:93] calling /healthz")
        host, port = (
            process.env.get("KUBERNETES_SERVICE_HOST", ""),
            process.env.get("KUBERNETES_SERVICE_PORT", ""),
        )
        try:
            http_get(process.machine, host, int(port or 0), "/healthz")
        except DialError as error:
            process.error(
                "E0101 00:00:00.000000       1 main.go:96] status=failed\nE0101 00:00:"
                f'00.000000       1 main.go:97] error checking /healthz: Get "https://'
                f'{join_host_port(host, port)}/healthz": {error}'
            )
        try:
            process.sleep(pause)
        except Suspended as wait:
            wait.endless = True
            raise


def _net(process: Process, words: list[str]) -> int:
    flags = _Flags(words)
    if flags.get("serve"):
        port = flags.get("serve").rpartition(":")[2]
        return _serve(process, {"application": "net", "port": int(port) if port.isdigit() else 8889})
    runner = flags.get("runner")
    if runner not in ("nat-closewait-client", "nat-closewait-server"):
        process.error(f"Unknown runner '{runner}'" if runner else "must specify --runner or --serve")
        return 1
    match = re.search(r'"RemoteAddr"\s*:\s*"([^"]+):(\d+)"', flags.get("options"))
    if match:
        try:
            dial(process.machine, match.group(1), int(match.group(2)))
        except DialError as error:
            _log(process, str(error))
            return 1
    return 0


def _on_port(application: str, default: int, flag: str = "port") -> Callable[[Process, list[str]], int]:
    def run(process: Process, words: list[str]) -> int:
        return _serve(process, {"application": application, "port": _Flags(words).number(flag, default)})

    return run


def _test_webserver(process: Process, words: list[str]) -> int:
    port = _Flags(words).number("port", 80)
    return _serve(process, {"application": "test-webserver", "listen": [["*", port]], "root": "/"})


def _guestbook(process: Process, words: list[str]) -> int:
    flags = _Flags(words)
    http, backend = flags.number("http-port", 80), flags.number("backend-port", 6379)
    return _serve(process, {"application": "guestbook", "port": http, "backend": backend})


def _grpc(process: Process, words: list[str]) -> int:
    flags = _Flags(words)
    port, http = flags.number("port", 5000), flags.number("http-port", 8080)
    if process.resume is None:
        _log(process, f"Http server starting to listen on :{http}")
        _log(process, f"gRPC server starting to listen on :{port}")
    service: dict[str, object] = {
        "application": "grpc-health",
        "port": port,
        "http": http,
        "delay": flags.number("delay-unhealthy-sec", -1),
        "service": flags.get("service"),
    }
    return _serve(process, service)


def _port_forward_tester(process: Process, words: list[str]) -> int:
    del words
    port = process.env.get("BIND_PORT", "")
    if not port.isdigit():
        process.error("Environment variable BIND_PORT not set")
        return 1
    return _serve(
        process,
        {
            "application": "port-forward-tester",
            "port": int(port),
            "address": process.env.get("BIND_ADDRESS", "localhost"),
        },
    )


def _mounttest(process: Process, words: list[str]) -> int:
    flags = _Flags(words)
    fs = process.machine.fs
    for name, path in flags.values.items():
        node = fs.find(process.path(path))
        if name.startswith("new_file_"):
            fs.write(
                process.path(path), b"mount-tester new file\n", mode=int(name.removeprefix("new_file_"), 8)
            )
            process.print(f'content of file "{path}": mount-tester new file\n')
            continue
        if node is None:
            process.print(
                f"error with {'Lstat' if name.startswith('file_m') else 'opening'}"
                f' "{path}": no such file or directory'
            )
            return 2
        if name in ("file_mode", "file_perm"):
            kind = {DIRECTORY: "d", LINK: "L", DEVICE: "D"}.get(node.kind, "-")
            bits = "".join(c if node.mode >> (8 - n) & 1 else "-" for n, c in enumerate("rwxrwxrwx"))
            label = "mode of file" if name == "file_mode" else "perms of file"
            process.print(f'{label} "{path}": {kind}{bits}')
        elif name == "file_owner":
            process.print(f'owner UID of "{path}": {node.uid}\nowner GID of "{path}": {node.gid}')
        elif name == "fs_type":
            process.print(f'mount type of "{path}": {"tmpfs" if "tmp" in path else 61267}')
        elif name.startswith("file_content"):
            process.print(f'content of file "{path}": {node.content().decode("utf-8", "replace")}')
    return 0


_COMMANDS: dict[str, Callable[[Process, list[str]], int]] = {
    "netexec": _netexec, "serve-hostname": _serve_hostname, "pause": _pause, "porter": _porter, "connect": _connect,
    "dns-suffix": _dns_suffix, "dns-server-list": _dns_server_list, "etc-hosts": _etc_hosts,
    "entrypoint-tester": _entrypoint_tester, "logs-generator": _logs_generator, "inclusterclient": _inclusterclient,
    "net": _net, "test-webserver": _test_webserver, "guestbook": _guestbook, "grpc-health-checking": _grpc,
    "liveness": _on_port("liveness", 8080), "no-snat-test": _on_port("no-snat", 8080),
    "no-snat-test-proxy": _on_port("no-snat", 31235), "nettest": _on_port("nettest", 8080),
    "tcp-reset": _on_port("tcp-reset", 8080), "fake-gitserver": _on_port("fake-gitserver", 8000),
    "port-forward-tester": _port_forward_tester, "mounttest": _mounttest,
}  # fmt: skip
