"""`create secret`: generic ones, registry credentials, TLS key pairs (pkg/cmd/create/create_secret*.go)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from itertools import chain

from kubesim.apimachinery.gvk import GroupVersionResource
from kubesim.apimachinery.names import is_config_map_key
from kubesim.cli.command import Context
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag
from kubesim.cli.generated import metadata
from kubesim.cli.generators.common import Target, generator, group, require_name
from kubesim.cli.generators.hashing import APPEND_HASH_FLAG, append_hash
from kubesim.cli.generators.sources import (
    FROM_FILE_FLAG,
    SOURCE_FLAGS,
    check_sources,
    from_env_files,
    from_files,
    from_literals,
    read_file,
)
from kubesim.util.gotext import quote, to_json
from kubesim.util.jsontypes import JSONObject

# kubectl has no colon here.
_TARGET = Target(GroupVersionResource("", "v1", "secrets"), failure="failed to create secret ")
DOCKER_CONFIG_KEY = ".dockerconfigjson"
DOCKER_HUB = "https://index.docker.io/v1/"


def generic_manifest(context: Context, name: str) -> JSONObject:
    """A Secret of literals, files or env files."""
    require_name(name)
    check_sources(context)
    files = from_files(context, context.flags.texts("from-file"))
    pairs = chain(from_literals(context), files, from_env_files(context, "secret"))
    return _secret(context, name, context.flags.text("type"), _checked(pairs))


def docker_registry_manifest(context: Context, name: str) -> JSONObject:
    """A Secret with a Docker configuration, from a file or from user, password and server."""
    require_name(name)
    flags = context.flags
    user, password, email, server = (
        flags.text(f"docker-{word}") for word in ("username", "password", "email", "server")
    )
    files = [f if "=" in f else f"{DOCKER_CONFIG_KEY}={f}" for f in flags.texts("from-file")]
    if not files and not (user and password and server):
        raise CLIError(
            "either --from-file or the combination of --docker-username, --docker-password and "
            "--docker-server is required"
        )
    if files:
        data = _checked(from_files(context, files))
    else:
        auth = b64encode(f"{user}:{password}".encode()).decode()
        entry = {"username": user, "password": password, "email": email, "auth": auth}
        config = {"auths": {server: {k: v for k, v in entry.items() if v}}}
        data = {DOCKER_CONFIG_KEY: to_json(config, sort_keys=False).encode()}
    return _secret(context, name, "kubernetes.io/dockerconfigjson", data)


def tls_manifest(context: Context, name: str) -> JSONObject:
    """A Secret with a certificate and its key, which must belong together."""
    key_file, certificate_file = context.flags.text("key"), context.flags.text("cert")
    if not key_file or not certificate_file:
        raise CLIError("key and cert must be specified")
    certificate, key = (_read_pem(context, file) for file in (certificate_file, key_file))
    from kubesim.cli.generators.keypair import check_key_pair

    check_key_pair(certificate, key)
    return _secret(context, name, "kubernetes.io/tls", {"tls.crt": certificate, "tls.key": key})


def _read_pem(context: Context, file: str) -> bytes:
    try:
        return read_file(context, file)
    except CLIError as error:
        raise CLIError(f"Cannot read file {file}, {error}") from None


def _checked(pairs: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """The pairs by key. Raises CLIError for a key that is wrong or given twice."""
    data: dict[str, bytes] = {}
    for key, value in pairs:
        errors = is_config_map_key(key)
        if errors:
            raise CLIError(f"{quote(key)} is not valid key name for a Secret {';'.join(errors)}")
        if key in data:
            raise CLIError(f"cannot add key {key}, another key by that name already exists")
        data[key] = value
    return data


def _secret(context: Context, name: str, secret_type: str, data: dict[str, bytes]) -> JSONObject:
    found: JSONObject = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata(name)}
    if data:
        found["data"] = {key: b64encode(value).decode() for key, value in data.items()}
    if secret_type:
        found["type"] = secret_type
    if context.flags.is_set("append-hash"):
        append_hash(found)
    return found


SECRET = group(
    "secret",
    "Create a Secret of one of three sorts",
    (
        generator(
            "docker-registry",
            docker_registry_manifest,
            _TARGET,
            use="NAME --docker-username=user --docker-password=password --docker-email=email "
            "[--docker-server=string] [--from-file=[key=]source] [--dry-run=server|client|none]",
            short="Create a Secret with credentials for a registry",
            long="Create a Secret with credentials for a registry: what `docker login` would keep. A "
            "ServiceAccount that names it in imagePullSecrets pulls images with it.",
            examples="""\
# From user and password
kubesim create secret docker-registry my-secret --docker-server=registry.example \\
  --docker-username=user --docker-password=pass

# From a file that Docker keeps
kubesim create secret docker-registry my-secret --from-file=path/to/.docker/config.json""",
            flags=(
                Flag("docker-username", "The user's name."),
                Flag("docker-password", "The user's password."),
                Flag("docker-email", "The user's mail address."),
                Flag("docker-server", "The registry.", default=DOCKER_HUB),
                FROM_FILE_FLAG,
                APPEND_HASH_FLAG,
            ),
        ),
        generator(
            "tls",
            tls_manifest,
            _TARGET,
            use="NAME --cert=path/to/cert/file --key=path/to/key/file [--dry-run=server|client|none]",
            short="Create a Secret with a TLS key pair",
            long="Create a Secret with a certificate and its private key, both in PEM. They must belong "
            "together.",
            examples="""\
# From two files
kubesim create secret tls tls-secret --cert=path/to/tls.crt --key=path/to/tls.key""",
            flags=(
                Flag("cert", "File with the certificate."),
                Flag("key", "File with the private key."),
                APPEND_HASH_FLAG,
            ),
        ),
        generator(
            "generic",
            generic_manifest,
            _TARGET,
            use="NAME [--type=string] [--from-file=[key=]source] [--from-literal=key1=value1] "
            "[--dry-run=server|client|none]",
            short="Create a Secret from literals, files or directories",
            long="""\
Create a Secret from literals, files or directories.

A file's key is its name, if none is given, and must be a valid one. Of a directory, each regular file is
taken. An env file has a line key=value for each key.""",
            examples="""\
# A key for each file of a directory
kubesim create secret generic my-secret --from-file=path/to/bar

# Files under other keys
kubesim create secret generic my-secret --from-file=private=path/to/id --from-file=public=path/to/id.pub

# Keys and values
kubesim create secret generic my-secret --from-literal=key1=supersecret --from-literal=key2=topsecret

# The lines of two env files
kubesim create secret generic my-secret --from-env-file=path/to/foo.env --from-env-file=path/to/bar.env""",
            flags=(
                *SOURCE_FLAGS,
                Flag("type", "The type of the Secret; without it, Opaque."),
                APPEND_HASH_FLAG,
            ),
        ),
    ),
    long="""\
Create a Secret of one of three sorts.

docker-registry: credentials for a registry. generic: anything. tls: a certificate with its key.""",
)
