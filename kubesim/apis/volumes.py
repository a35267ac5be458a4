"""What volumes and claims show of themselves: pkg/apis/core/helper."""

from __future__ import annotations

from kubesim.apimachinery.meta import annotations_of
from kubesim.util.jsontypes import JSONObject, dig

_SHORT = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def access_modes(modes: list[str]) -> str:
    """`RWO,ROX`, in a fixed order: GetAccessModesAsString."""
    return ",".join(short for mode, short in _SHORT.items() if mode in modes)


def class_of(obj: JSONObject) -> str:
    """The storage class of a volume or claim, the beta annotation first; empty for none."""
    found = annotations_of(obj).get("volume.beta.kubernetes.io/storage-class")
    return found if found is not None else str(dig(obj, "spec", "storageClassName", default=""))
