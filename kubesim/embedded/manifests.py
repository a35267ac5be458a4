"""From what a program has at hand (text, files, dicts) to objects in the cluster: `kubectl apply` and `create` without
their output.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kubesim.apimachinery.errors import StatusError
from kubesim.cli.builder import Builder, Info
from kubesim.cli.errors import AggregateError, CLIError, PrefixedStatusError, flat
from kubesim.cli.options import WriteOptions
from kubesim.client.restmapper import NoMatch
from kubesim.util.jsontypes import JSONObject, encode

if TYPE_CHECKING:
    from kubesim.embedded.commandline import MethodSession

Manifest = str | os.PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]]

STDIN = "-"


def source_of(manifest: Manifest) -> tuple[str, bytes]:
    """The file name that `-f` would get, and what stands on standard input where that is `-`."""
    if isinstance(manifest, str) and ("\n" in manifest or manifest.lstrip().startswith("{")):
        return STDIN, manifest.encode()
    if isinstance(manifest, (str, os.PathLike)):
        return os.fspath(manifest), b""
    if isinstance(manifest, Mapping):
        return STDIN, encode(manifest)
    return STDIN, encode({"apiVersion": "v1", "kind": "List", "items": list(manifest)})


def apply(session: MethodSession, file: str) -> list[JSONObject]:
    """Apply the objects of a file. Raises StatusError, ValueError."""
    from kubesim.cli.applying import apply_object
    from kubesim.cli.commands.apply import CLIENT_SIDE

    context = session.context()
    options = WriteOptions("none", CLIENT_SIDE, "Strict")

    def apply_one(info: Info) -> JSONObject:
        if not info.name:
            raise CLIError("resource name may not be empty")
        return apply_object(context, info, options, overwrite=True, force=False).obj

    return _each(session, file, apply_one)


def create(session: MethodSession, file: str) -> list[JSONObject]:
    """Create the objects of a file. Raises StatusError, ValueError."""
    query = WriteOptions("none", "kubectl-create", "Strict").query

    def create_one(info: Info) -> JSONObject:
        answer = session.client.request("POST", info.collection_path, query=query, body=info.object or {})
        return answer.body if isinstance(answer.body, dict) else {}

    return _each(session, file, create_one)


def _each(session: MethodSession, file: str, write: Callable[[Info], JSONObject]) -> list[JSONObject]:
    """Write every object; one that is refused does not stop the others."""
    builder = Builder(
        session,
        filenames=[file],
        namespace=session.namespace,
        enforce_namespace=session.explicit_namespace,
        validation="Strict",
        require_object=False,
        continue_on_error=True,
        flatten=True,
    )
    infos, errors = builder.infos()
    if not infos and not errors:
        raise CLIError(f"no objects passed to {session.command}")
    written: list[JSONObject] = []
    with session.deferred():
        for info in infos:
            try:
                written.append(write(info))
            except (CLIError, StatusError) as error:
                errors.append(error)
    if errors:
        raise AggregateError(errors)
    return written


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise what commands fail with as a program wants it: the server's own StatusError, or a ValueError."""
    try:
        yield
    except (CLIError, StatusError) as error:
        first, *others = (_plain(e) for e in flat([error]))
        for other in others:
            first.add_note(f"also refused: {other}")
        raise first from None
    except NoMatch as error:
        raise ValueError(str(error)) from None


def _plain(error: Exception) -> Exception:
    """The failure without kubectl's words around it."""
    while isinstance(error, PrefixedStatusError):
        error = error.cause
    return error if isinstance(error, StatusError) else ValueError(str(error).removeprefix("error: "))
