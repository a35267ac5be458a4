"""URLs of objects as client-go builds them: what cannot stand in one is refused before anything is sent."""

from __future__ import annotations

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.cli.errors import CLIError
from kubesim.client import client


def resource_path(
    gvr: GroupVersionResource, namespace: str = "", name: str = "", subresource: str = ""
) -> str:
    """As `client.resource_path`. Raises CLIError for a name or namespace that is no part of a path."""
    for what, text in (("namespace", namespace), ("resource name", name)):
        problems = path_segment_problems(text)
        if problems:
            raise CLIError(f'invalid {what} "{text}": [{" ".join(problems)}]')
    return client.resource_path(gvr, namespace, name, subresource)


def path_segment_problems(name: str) -> list[str]:
    """Why a name cannot be a part of a path: client-go's rest.IsValidPathSegmentName."""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{part}'" for part in "/%" if part in name]
