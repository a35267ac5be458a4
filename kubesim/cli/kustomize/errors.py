"""How a build fails: kustomize's errors, each wrapped in what was being done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kubesim.cli.errors import CLIError


class BuildError(CLIError):
    """The kustomization cannot be built."""


class MalformedYAML(BuildError):
    """A file that is no YAML: it is not taken for a directory either."""


class DownloadFailed(BuildError):
    """A URL that answered with a failure."""


@contextmanager
def wrapped(prefix: str) -> Iterator[None]:
    """What is raised inside gets a prefix: WrapPrefixf."""
    try:
        yield
    except BuildError as error:
        raise type(error)(f"{prefix}: {error}") from None
