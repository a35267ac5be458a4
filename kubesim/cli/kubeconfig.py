"""A kubeconfig file as a value: read, changed, written whole. kubesim's own lies in its home; another one only where
`--kubeconfig` names it.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubesim.cli.errors import CLIError
from kubesim.cli.kubeconfigtypes import ALWAYS, ENTRIES, config_problem
from kubesim.cluster.home import HomeError, replace_file
from kubesim.util.jsontypes import JSONObject, dig
from kubesim.util.yamlfmt import YAMLSyntaxError, dump, load_documents
from kubesim.util.yamlload import CONVERTING

# The sections of a kubeconfig, and under which name an entry holds its content.
ENTRY = {"clusters": "cluster", "contexts": "context", "users": "user"}
_DATA = ("certificate-authority-data", "client-certificate-data", "client-key-data")
_SECRETS = ("token", "password")
_FILES = ("certificate-authority", "client-certificate", "client-key")
# The plugin API versions for which an interactive mode is filled in when a file is read.
_OLD_PLUGINS = ("client.authentication.k8s.io/v1beta1", "client.authentication.k8s.io/v1alpha1")


def empty() -> JSONObject:
    """A kubeconfig with nothing in it."""
    return {
        "apiVersion": "v1",
        "clusters": None,
        "contexts": None,
        "current-context": "",
        "kind": "Config",
        "preferences": {},
        "users": None,
    }


def default(server: str) -> JSONObject:
    """The configuration of a home in which nothing was changed yet: one context, for the simulated cluster."""
    config = empty()
    put(config, "clusters", "kubesim", {"server": server})
    put(config, "contexts", "kubesim", {"cluster": "kubesim", "user": "kubesim-admin"})
    put(config, "users", "kubesim-admin", {})
    return config | {"current-context": "kubesim"}


def read(path: Path) -> JSONObject:
    """The file's content, or an empty configuration where there is no file. Raises CLIError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return empty()
    except OSError as error:
        raise CLIError(
            f"error loading config file {quoted(path)}: {(error.strerror or str(error)).lower()}"
        ) from None
    try:
        document = next(iter(load_documents(data)), None)
    except YAMLSyntaxError as error:
        text = str(error).removeprefix(CONVERTING)
        raise CLIError(f"error loading config file {quoted(path)}: {text}") from None
    value: Any = document.value if document else None
    if value is None:
        return empty()
    problem = config_problem(value)
    if problem:
        raise CLIError(f"error loading config file {quoted(path)}: {problem}")
    found: JSONObject = empty() | value
    return found


def write(path: Path, config: JSONObject) -> None:
    """Write the file whole, for the owner alone. Raises CLIError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, dump(config))
    except (HomeError, OSError) as error:
        raise CLIError(str(error)) from None


def quoted(path: Path) -> str:
    return f'"{path}"'


def entries(config: JSONObject, section: str) -> dict[str, JSONObject]:
    """The entries of a section by name."""
    found = config.get(section) or []
    return {e["name"]: e.get(ENTRY[section]) or {} for e in found if isinstance(e, dict) and "name" in e}


def put(config: JSONObject, section: str, name: str, content: JSONObject) -> None:
    """Set an entry, in place; entries stand sorted by name."""
    found = entries(config, section)
    found[name] = content
    config[section] = [{ENTRY[section]: found[n], "name": n} for n in sorted(found)]


def remove(config: JSONObject, section: str, name: str) -> bool:
    """Take an entry out, in place; whether it was there."""
    found = entries(config, section)
    if name not in found:
        return False
    del found[name]
    config[section] = [{ENTRY[section]: found[n], "name": n} for n in sorted(found)] or None
    return True


def current_namespace(path: Path) -> str:
    """The namespace of the current context; empty if there is none."""
    config = read(path)
    context = entries(config, "contexts").get(str(config.get("current-context") or ""), {})
    return str(context.get("namespace") or "")


def canonical(config: JSONObject) -> JSONObject:
    """The configuration as client-go writes it: its own fields in their order, entries by name."""
    found: JSONObject = {
        "kind": "Config",
        "apiVersion": "v1",
        "preferences": {k: v for k, v in (config.get("preferences") or {}).items() if v},
    }
    for section in ("clusters", "users", "contexts"):
        held = entries(config, section)
        found[section] = [
            {"name": name, ENTRY[section]: _canonical_entry(section, held[name])} for name in sorted(held)
        ] or None
    found["current-context"] = config.get("current-context") or ""
    if config.get("extensions"):
        found["extensions"] = config["extensions"]
    return found


def _canonical_entry(section: str, content: JSONObject) -> JSONObject:
    made: JSONObject = {}
    for name, kind in ENTRIES[section].items():
        value = content.get(name)
        if name in ALWAYS[section]:
            made[name] = value or ""
        elif value and kind:
            made[name] = value
        elif value is not None and not kind:
            made[name] = _PARTS[name](value) if name in _PARTS else value
    return made


def _exec(plugin: JSONObject) -> JSONObject:
    made = {
        "command": plugin.get("command") or "",
        "args": plugin.get("args"),
        "env": plugin.get("env"),
        "apiVersion": plugin.get("apiVersion"),
        "installHint": plugin.get("installHint"),
        "provideClusterInfo": bool(plugin.get("provideClusterInfo")),
        "interactiveMode": plugin.get("interactiveMode"),
    }
    kept = ("args", "env")
    return {k: v for k, v in made.items() if v is not None or k in kept}


def with_defaults(config: JSONObject) -> JSONObject:
    """What is filled in when a file is read, in place (SetDefaults_ExecConfig)."""
    for content in entries(config, "users").values():
        plugin = content.get("exec")
        if isinstance(plugin, dict) and plugin.get("apiVersion") in _OLD_PLUGINS:
            plugin.setdefault("interactiveMode", "IfAvailable")
    return config


def _auth_provider(provider: JSONObject) -> JSONObject:
    return {"name": provider.get("name") or "", "config": provider.get("config")}


_PARTS = {"exec": _exec, "auth-provider": _auth_provider}


def with_relative_paths(content: JSONObject, directory: Path) -> JSONObject:
    """An entry in which files below the directory are named from there (RelativizePathWithNoBacksteps)."""
    made = dict(content)
    for name in _FILES:
        path = Path(os.path.normpath(directory / content[name])) if content.get(name) else None
        if path is not None:
            made[name] = str(path.relative_to(directory) if path.is_relative_to(directory) else path)
    return made


def redacted(config: JSONObject) -> JSONObject:
    """A copy without secrets, and without the bulk of certificates."""

    def shown(content: JSONObject) -> JSONObject:
        return {
            k: "REDACTED" if k in _SECRETS else "DATA+OMITTED" if k in _DATA else v
            for k, v in content.items()
        }

    return _mapped(config, shown)


def flattened(config: JSONObject, directory: Path) -> JSONObject:
    """A copy that holds its certificates and keys itself. Raises CLIError for a file that cannot be read."""

    def whole(content: JSONObject) -> JSONObject:
        made = dict(content)
        for name in _FILES:
            path = made.pop(name, None)
            if not path:
                continue
            if made.get(f"{name}-data"):
                raise CLIError("cannot have values for both path and contents")
            made[f"{name}-data"] = encoded_file(directory / path)
        return made

    return _mapped(config, whole)


def encoded_file(path: Path) -> str:
    """What a file holds, in base 64. Raises CLIError."""
    try:
        return b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise CLIError(f"open {path}: {(error.strerror or str(error)).lower()}") from None


def _mapped(config: JSONObject, change: Callable[[JSONObject], JSONObject]) -> JSONObject:
    """A copy whose clusters and users are changed."""
    made = dict(config)
    for section in ("clusters", "users"):
        made[section] = [
            {"name": name, ENTRY[section]: change(content)}
            for name, content in entries(config, section).items()
        ] or None
    return made


def minified(config: JSONObject) -> JSONObject:
    """Only what the current context uses. Raises CLIError."""
    current = str(config.get("current-context") or "")
    if not current:
        raise CLIError("current-context must exist in order to minify")
    context = entries(config, "contexts").get(current)
    if context is None:
        raise CLIError(f"cannot locate context {current}")
    found = dict(config, contexts=[{"context": context, "name": current}])
    for section, key in (("clusters", "cluster"), ("users", "user")):
        name = str(dig(context, key, default=""))
        kept = entries(config, section)
        if name and name not in kept:
            raise CLIError(f"cannot locate {key} {name}")
        found[section] = [{ENTRY[section]: kept[name], "name": name}] if name else None
    return found
