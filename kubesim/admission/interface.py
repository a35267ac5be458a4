"""What an admission plugin is, and what it gets to see.

A plugin changes the object in `admit` (the mutating phase, after defaulting) or refuses it in `validate`
(after validation), by raising `StatusError`. It reads the cluster through the `Reader` alone, inside the
write's own transaction, so that what it decides on is what is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from kubesim.apimachinery import errors
from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.rest import ADMIN, UserInfo
from kubesim.apimachinery.scheme import Resource
from kubesim.util.jsontypes import JSONObject

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
CREATE: Final = "CREATE"
UPDATE: Final = "UPDATE"
DELETE: Final = "DELETE"


def _no_warning(text: str) -> None:
    """Say nothing."""


@dataclass(slots=True)
class Attributes:
    """One operation on one object: admission.Attributes. A deletion has no `obj`, a creation no `old`."""

    operation: Operation
    resource: Resource
    namespace: str
    name: str
    obj: JSONObject | None = None
    old: JSONObject | None = None
    subresource: str = ""
    user: UserInfo = ADMIN
    dry_run: bool = False
    warn: Callable[[str], None] = _no_warning

    def forbidden(self, detail: str) -> StatusError:
        """403 as admission.NewForbidden words it."""
        name = self.name or (str((self.obj.get("metadata") or {}).get("name") or "") if self.obj else "")
        return errors.forbidden(self.resource.plural, name, detail, group=self.resource.group)


class Reader(Protocol):
    """Reads the cluster for plugins. What it returns is shared: nobody writes to it."""

    def get(self, resource: GroupVersionResource, name: str, namespace: str = "") -> JSONObject | None: ...

    def list(self, resource: GroupVersionResource, namespace: str = "") -> Sequence[JSONObject]: ...

    def count(self, resource: GroupVersionResource, namespace: str = "") -> int: ...


class Plugin(Protocol):
    """One admission plugin."""

    @property
    def name(self) -> str:
        """The name by which `--enable-admission-plugins` knows it."""
        ...

    @property
    def handles(self) -> Mapping[str, frozenset[Operation]]:
        """The operations it looks at, by resource (`pods`, `deployments.apps`; `*` for all), without
        subresources.

        A subresource is named with a slash: `pods/status`.
        """
        ...

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        """Change the object in place. Raises StatusError to refuse it."""
        ...

    def validate(self, attributes: Attributes, reader: Reader) -> None:
        """Raises StatusError to refuse the object."""
        ...


class BasePlugin:
    """A plugin that does nothing: plugins override the phase they take part in."""

    name = ""
    handles: Mapping[str, frozenset[Operation]] = {}

    def admit(self, attributes: Attributes, reader: Reader) -> None:
        """Change nothing."""

    def validate(self, attributes: Attributes, reader: Reader) -> None:
        """Refuse nothing."""
