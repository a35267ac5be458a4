"""The programs of the echo images, and pause."""

from __future__ import annotations

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.serving import TERM, go_time
from kubesim.runtime.process import Process


@program
def http_echo(process: Process) -> int:
    args = {}
    for word in process.args:
        name, _, value = word.lstrip("-").partition("=")
        args[name] = value
    words = list(process.args)
    for n, word in enumerate(words[:-1]):  # -text hello
        if word.lstrip("-") in ("text", "listen", "status-code") and word.startswith("-"):
            args[word.lstrip("-")] = words[n + 1]
    version = process.machine.image.version or "1.0.0"
    if "version" in args:
        process.error(f"http-echo v{version} (kubesim)")
        return 0
    text = args.get("text") or process.env.get("ECHO_TEXT", "")
    if not text:
        process.error("Missing -text option!")
        return 127
    listen = args.get("listen") or ":5678"
    if process.resume is None:
        process.print(f"{go_time(process)} [INFO] server is listening on {listen}")
    service = {
        "application": "http-echo",
        "version": version,
        "text": text,
        "listen": listen,
        "status": args.get("status-code") or 200,
    }
    return process.machine.serve(process, service, exit_on=TERM)


def _go_flags(process: Process) -> dict[str, str]:
    """Flags as Go's flag package reads them: -name=value, --name value, -name."""
    found: dict[str, str] = {}
    words = list(process.args)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals and words and not words[0].startswith("-"):
            value = words.pop(0)
        found[name] = value
    return found


def whoami_server(process: Process) -> int:
    flags = _go_flags(process)
    port = flags.get("port") or process.env.get("WHOAMI_PORT_NUMBER") or "80"
    if process.resume is None:
        process.error(f"{go_time(process)} Starting up on port {port}")
    service = {
        "application": "whoami",
        "listen": port,
        "name": flags.get("name") or process.env.get("WHOAMI_NAME", ""),
    }
    return process.machine.serve(process, service | {"exit_code": 2}, exit_on=TERM)


def echo_server(process: Process) -> int:
    port = process.env.get("PORT", "8080")
    if process.resume is None:
        process.print(f"Echo server listening on port {port}.")
    return process.machine.serve(
        process, {"application": "jmalloc", "listen": port, "exit_code": 2}, exit_on=TERM
    )


def hello_app(process: Process) -> int:
    port = process.env.get("PORT", "8080")
    if process.resume is None:
        process.error(f"{go_time(process)} Server listening on port {port}")
    version = process.machine.image.version or "1.0"
    return process.machine.serve(
        process,
        {"application": "hello-app", "listen": port, "version": version, "exit_code": 2},
        exit_on=TERM,
    )


def echoserver(process: Process) -> int:
    version = process.machine.image.version or "1.10"
    if process.resume is None and not version.startswith("1.4"):
        process.print("Generating self-signed cert\nStarting nginx")
    return process.machine.serve(
        process, {"application": "echoserver", "listen": "8080", "version": version}, exit_on=TERM
    )


@program
def node(process: Process) -> int:
    if process.args[:1] in (["-v"], ["--version"]):
        process.print("v" + process.env.get("NODE_VERSION", "20.11.0"))
        return 0
    if not process.args or not process.args[0].endswith("webserver.js"):
        return process.fail("this simulated machine runs no JavaScript other than the image's own server")
    port = process.env.get("PORT", "80")
    if process.resume is None:
        process.print(f"Listening on port {port}.")
    return process.machine.serve(process, {"application": "ealen", "listen": port}, exit_on=TERM)


def pause(process: Process) -> int:
    if process.resume is not None:
        return process.machine.take_woken()
    entry = process.machine.enter(process)
    entry.service = {"application": "unknown", "ports": []}
    entry.exit_on = [2, 15]
    process.machine.wait_for_ever(process)
    return 0


def curl_entrypoint(process: Process) -> int:
    """curlimages/curl: arguments that name no program are curl's."""
    args = process.args
    if args and (
        args[0].startswith("-") or process.machine.which(args[0], process.env.get("PATH", "")) is None
    ):
        args = ["curl", *args]
    return process.become(args or ["curl"])
