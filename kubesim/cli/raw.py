"""Requests that a command line spells out itself: `--raw`."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.util.jsontypes import encode


def send_raw(context: Context, method: str, address: str) -> int:
    """Send a request, with the body that `-f` names, and print the answer as it comes."""
    if not address.startswith("/"):
        raise CLIError(f'--raw must be a valid URL path: parse "{address}": invalid URI for request')
    parts = urlsplit(address)
    query = parse_qs(parts.query, keep_blank_values=True)
    body = _body(context)
    response = context.session.client.request(method, parts.path, query=query, body=body)
    if response.events is not None:
        for event in response.events:
            context.out(encode({"type": event.type, "object": event.object}).decode())
            context.streams.stdout.flush()
    elif isinstance(response.body, dict):
        context.streams.stdout.write(encode(response.body).decode() + "\n")
    elif response.body is not None:
        text = response.body
        context.streams.stdout.write(text.decode(errors="replace") if isinstance(text, bytes) else text)
    return 0


def _body(context: Context) -> bytes | None:
    names = context.flags.texts("filename") if context.flags.has("filename") else []
    if not names:
        return None
    if len(names) != 1:
        raise CLIError("--raw can only use a single local file or stdin")
    if names[0] == "-":
        return context.streams.read_stdin()
    try:
        return context.session.path(names[0]).read_bytes()
    except OSError as error:
        raise CLIError(f"open {names[0]}: {(error.strerror or str(error)).lower()}") from None
