"""Names of kinds and resources: group, version, kind or resource, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class GroupVersionKind:
    """A kind as an object's apiVersion and kind name it. The core group is the empty string."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """`v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Kind={self.kind}"


@dataclass(frozen=True, slots=True, order=True)
class GroupVersionResource:
    """A resource as a URL names it, with its plural, lower-case name."""

    group: str
    version: str
    resource: str

    @property
    def api_version(self) -> str:
        """`v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`services` or `deployments.apps`: schema.GroupResource.String."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Resource={self.resource}"


def split_api_version(api_version: str) -> tuple[str, str]:
    """Group and version of `v1` or `apps/v1`. Raises ValueError for more than one slash."""
    match api_version.split("/"):
        case [version]:
            return "", version
        case [group, version]:
            return group, version
        case _:
            # k8s.io/apimachinery/pkg/runtime/schema: ParseGroupVersion
            raise ValueError(f"unexpected GroupVersion string: {api_version}")
