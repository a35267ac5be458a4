"""The hash that `--append-hash` puts behind the name of a ConfigMap or Secret (pkg/util/hash/hash.go)."""

from __future__ import annotations

from kubesim.cli.flags import Flag, boolean
from kubesim.util.gotext import to_json
from kubesim.util.jsontypes import JSONObject

APPEND_HASH_FLAG: Flag = boolean("append-hash", "Put a hash of the contents behind the name.")
# No vowels, so that no words come out.
_SAFE = str.maketrans("013ae", "ghkmt")


def append_hash(obj: JSONObject) -> None:
    """Put the hash behind the object's name: 40 bits of the SHA-256 of kind, name and contents as JSON."""
    from hashlib import sha256

    contents: JSONObject = {
        "kind": obj["kind"],
        "name": obj["metadata"].get("name", ""),
        "data": obj.get("data", {}),
    }
    if obj["kind"] == "Secret":
        contents["type"] = obj.get("type", "")
    if obj.get("binaryData"):
        contents["binaryData"] = obj["binaryData"]
    digest = sha256(to_json(contents).encode()).hexdigest()[:10]
    obj["metadata"]["name"] = f"{contents['name']}-{digest.translate(_SAFE)}"
