"""Whether what was read some time ago is still so, for those who keep it from one round of work to the next."""

from __future__ import annotations

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.client.client import Client


class Unchanged:
    """Tells whether no object of some resources has changed since it was last asked; at first, nobody knows.

    It looks into the log and not at events that were handed on: others write to the store too, and may have worked
    on what they wrote.
    """

    def __init__(self, client: Client, *resources: GroupVersionResource) -> None:
        self._client = client
        self._resources = resources
        self._revision: int | None = None

    def __call__(self) -> bool:
        before, self._revision = self._revision, self._client.revision()
        if before is None or before == self._revision:
            return before is not None
        try:
            return not any(self._client.log(before, limit=1, resources=self._resources))
        except StatusError as error:
            if error.code != 410:
                raise
            return False
