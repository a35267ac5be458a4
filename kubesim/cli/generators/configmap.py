"""`create configmap` (pkg/cmd/create/create_configmap.go)."""

from __future__ import annotations

from base64 import b64encode
from itertools import chain

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.names import is_config_map_key
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.cli.generated import metadata
from kubesim.cli.generators.common import Target, generator, require_name
from kubesim.cli.generators.hashing import APPEND_HASH_FLAG, append_hash
from kubesim.cli.generators.sources import (
    SOURCE_FLAGS,
    check_sources,
    from_env_files,
    from_files,
    from_literals,
)
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject


def config_map_manifest(context: Context, name: str) -> JSONObject:
    """A ConfigMap; what is no text in UTF-8 goes to binaryData."""
    require_name(name)
    check_sources(context)
    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}
    files = from_files(context, context.flags.texts("from-file"))
    for key, value in chain(files, from_literals(context), from_env_files(context, "config")):
        _check_key(key, name, data, binary_data)
        try:
            data[key] = value.decode("utf-8")
        except UnicodeDecodeError:
            binary_data[key] = b64encode(value).decode()
    found: JSONObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name)}
    if data:
        found["data"] = data
    if binary_data:
        found["binaryData"] = binary_data
    if context.flags.is_set("append-hash"):
        append_hash(found)
    return found


def _check_key(key: str, name: str, data: dict[str, str], binary_data: dict[str, str]) -> None:
    errors = is_config_map_key(key)
    if errors:
        raise CLIError(f"{quote(key)} is not a valid key name for a ConfigMap: {','.join(errors)}")
    for field, taken in (("Data", data), ("BinaryData", binary_data)):
        if key in taken:
            raise CLIError(
                f"cannot add key {quote(key)}, another key by that name already exists in {field} "
                f"for ConfigMap {quote(name)}"
            )


CONFIG_MAP = generator(
    "configmap",
    config_map_manifest,
    Target(GroupVersionResource("", "v1", "configmaps"), failure="failed to create configmap: "),
    use="NAME [--from-file=[key=]source] [--from-literal=key1=value1] [--dry-run=server|client|none]",
    short="Create a ConfigMap from literals, files or directories",
    long="""\
Create a ConfigMap from literals, files or directories.

A file's key is its name, if none is given, and must be a valid one. Of a directory, each regular file is
taken. An env file has a line key=value for each key.""",
    examples="""\
# A key for each file of a directory
kubesim create configmap my-config --from-file=path/to/bar

# Files under other keys
kubesim create configmap my-config --from-file=key1=/path/to/file1.txt --from-file=key2=/path/to/file2.txt

# Keys and values
kubesim create configmap my-config --from-literal=key1=config1 --from-literal=key2=config2

# The lines of two env files
kubesim create configmap my-config --from-env-file=path/to/foo.env --from-env-file=path/to/bar.env""",
    flags=(*SOURCE_FLAGS, APPEND_HASH_FLAG),
    aliases=("cm",),
)
