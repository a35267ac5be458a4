"""A kubeconfig file as a value: read, changed, written whole. kubesim's own lies in its home; another one only where
`--kubeconfig` names it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubesim.cli.errors import CLIError
from kubesim.cli.kubeconfigtypes import config_problem
from kubesim.cluster.home import HomeError, replace_file
from kubesim.util.jsontypes import JSONObject, dig
from kubesim.util.yamlfmt import YAMLSyntaxError, dump, load_documents
from kubesim.util.yamlload import CONVERTING

# The sections of a kubeconfig, and under which name an entry holds its content.
ENTRY = {"clusters": "cluster", "contexts": "context", "users": "user"}
SECRETS = ("token", "password", "client-key-data")
DATA = ("certificate-authority-data", "client-certificate-data")


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


def redacted(config: JSONObject) -> JSONObject:
    """A copy without secrets, and without the bulk of certificates."""
    users = [
        {
            "name": name,
            "user": {
                k: "REDACTED" if k in SECRETS else "DATA+OMITTED" if k in DATA else v for k, v in u.items()
            },
        }
        for name, u in entries(config, "users").items()
    ]
    clusters = [
        {"cluster": {k: "DATA+OMITTED" if k in DATA else v for k, v in c.items()}, "name": name}
        for name, c in entries(config, "clusters").items()
    ]
    return config | {"users": users or None, "clusters": clusters or None}


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
        found[section] = [{ENTRY[section]: kept[name], "name": name}] if name in kept else None
    return found
