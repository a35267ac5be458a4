"""`config set-context`, `set-cluster`, `set-credentials`: entries of the kubeconfig file, made and changed.

Sources: pkg/cmd/config/set_context.go, set_cluster.go, set_credentials.go.
"""

from __future__ import annotations

import os

from kubesim.cli import kubeconfig
from kubesim.cli.command import Command, Context
from kubesim.cli.configuring.file import CURRENT, load, misused, save, unexpected
from kubesim.cli.errors import CLIError
from kubesim.cli.flags import Flag, boolean
from kubesim.cli.pairs import Change, parse_changes
from kubesim.util.jsontypes import JSONObject

_INTERACTIVE_MODES = ("IfAvailable", "Always", "Never")
_EMBED = boolean("embed-certs", "Keep what the files hold, in place of their names.")


def _set_context(context: Context) -> int:
    flags = context.flags
    if len(context.args) > 1:
        raise unexpected(context, SET_CONTEXT)
    name = context.args[0] if context.args else ""
    if not name and not flags.is_set("current"):
        raise CLIError("you must specify a non-empty context name or --current")
    if name and flags.is_set("current"):
        raise CLIError("you cannot specify both a context name and --current")
    config = load(context)
    if flags.is_set("current"):
        name = str(config.get(CURRENT) or "")
        if not name:
            raise CLIError("no current context is set")
    held = kubeconfig.entries(config, "contexts").get(name)
    entry = dict(held or {})
    for key in ("cluster", "user", "namespace"):
        if flags.changed(key):
            entry[key] = flags.text(key)
    kubeconfig.put(config, "contexts", name, entry)
    save(context, config)
    context.out(f'Context "{name}" {"modified" if held is not None else "created"}.')
    return 0


def _set_cluster(context: Context) -> int:
    if len(context.args) != 1:
        raise unexpected(context, SET_CLUSTER)
    name = context.args[0]
    _check_cluster(context, name)
    config = load(context)
    entry = dict(kubeconfig.entries(config, "clusters").get(name, {}))
    _change_cluster(context, entry)
    kubeconfig.put(config, "clusters", name, entry)
    save(context, config)
    context.out(f'Cluster "{name}" set.')
    return 0


def _check_cluster(context: Context, name: str) -> None:
    flags = context.flags
    authority = flags.text("certificate-authority")
    if not name:
        raise CLIError("you must specify a non-empty cluster name")
    if flags.is_set("insecure-skip-tls-verify") and authority:
        raise CLIError("you cannot specify a certificate authority and insecure mode at the same time")
    if flags.is_set("embed-certs"):
        if not authority:
            raise CLIError("you must specify a --certificate-authority to embed")
        _must_exist(context, "certificate-authority")


def _change_cluster(context: Context, entry: JSONObject) -> None:
    """An address makes the server's name anew; of a file, its content and no check at all, one remains."""
    flags = context.flags
    if flags.changed("server"):
        entry["server"] = flags.text("server")
        entry.pop("tls-server-name", None)
    if flags.changed("tls-server-name"):
        entry["tls-server-name"] = flags.text("tls-server-name")
    if flags.changed("insecure-skip-tls-verify"):
        entry["insecure-skip-tls-verify"] = flags.is_set("insecure-skip-tls-verify")
        if entry["insecure-skip-tls-verify"]:
            entry.pop("certificate-authority", None)
            entry.pop("certificate-authority-data", None)
    if flags.changed("certificate-authority"):
        _change_file(context, entry, "certificate-authority")
        if entry.get("certificate-authority") or flags.is_set("embed-certs"):
            entry.pop("insecure-skip-tls-verify", None)
    if flags.changed("proxy-url"):
        entry["proxy-url"] = flags.text("proxy-url")


def _set_credentials(context: Context) -> int:
    if len(context.args) != 1:
        text = f"unexpected args: [{' '.join(context.args)}]"
        raise misused(context, SET_CREDENTIALS, text)
    name = context.args[0]
    try:
        provider, environment = (
            parse_changes(context.flags.texts(flag), flag) for flag in ("auth-provider-arg", "exec-env")
        )
    except CLIError as error:
        raise misused(context, SET_CREDENTIALS, str(error)) from None
    _check_credentials(context, name)
    config = load(context)
    entry = dict(kubeconfig.entries(config, "users").get(name, {}))
    for key in ("client-certificate", "client-key"):
        if context.flags.changed(key):
            _change_file(context, entry, key)
    _change_login(context, entry)
    _change_provider(context, entry, provider)
    _change_plugin(context, entry, environment)
    kubeconfig.put(config, "users", name, entry)
    save(context, config)
    context.out(f'User "{name}" set.')
    return 0


def _check_credentials(context: Context, name: str) -> None:
    flags = context.flags
    if not name:
        raise CLIError("you must specify a non-empty user name")
    if flags.text("token") and (flags.text("username") or flags.text("password")):
        raise CLIError(
            "you cannot specify more than one authentication method at the same time: "
            "--token, --username/--password"
        )
    if flags.is_set("embed-certs"):
        if not flags.text("client-certificate") and not flags.text("client-key"):
            raise CLIError("you must specify a --client-certificate or --client-key to embed")
        for key in ("client-certificate", "client-key"):
            _must_exist(context, key)
    mode = flags.text("exec-interactive-mode")
    if flags.changed("exec-interactive-mode") and mode not in _INTERACTIVE_MODES:
        raise CLIError("invalid interactive mode type, can be only IfAvailable, Never, Always")


def _must_exist(context: Context, key: str) -> None:
    name = context.flags.text(key)
    if not name:
        return
    try:
        context.session.path(name).stat()
    except OSError as error:
        text = (error.strerror or str(error)).lower()
        raise CLIError(f"could not stat {key} file {name}: stat {name}: {text}") from None


def _change_file(context: Context, entry: JSONObject, key: str) -> None:
    """A file by its name, or what it holds."""
    name = context.flags.text(key)
    path = context.session.path(name)
    if context.flags.is_set("embed-certs"):
        entry[f"{key}-data"] = kubeconfig.encoded_file(path)
        entry.pop(key, None)
    else:
        entry[key] = os.path.normpath(path.absolute())
        entry.pop(f"{key}-data", None)


def _change_login(context: Context, entry: JSONObject) -> None:
    """A token puts an end to a password, and the other way round."""
    flags = context.flags
    for key in ("token", "username", "password"):
        if flags.changed(key):
            entry[key] = flags.text(key)
    if flags.text("token"):
        entry.pop("username", None)
        entry.pop("password", None)
    elif flags.text("username") or flags.text("password"):
        entry.pop("token", None)


def _change_provider(context: Context, entry: JSONObject, change: Change) -> None:
    flags = context.flags
    provider = entry.get("auth-provider")
    if flags.changed("auth-provider"):
        name = flags.text("auth-provider")
        if not provider or provider.get("name") != name:
            provider = {"name": name}
    if provider:
        kept = {k: v for k, v in (provider.get("config") or {}).items() if k not in change.removed}
        entry["auth-provider"] = provider | {"config": kept | change.new}


def _change_plugin(context: Context, entry: JSONObject, change: Change) -> None:
    flags = context.flags
    plugin = dict(entry.get("exec") or {})
    if flags.changed("exec-command"):
        plugin |= {"command": flags.text("exec-command"), "args": None}
    if not plugin:
        return
    for flag, key in (("exec-api-version", "apiVersion"), ("exec-interactive-mode", "interactiveMode")):
        if flags.changed(flag):
            plugin[key] = flags.text(flag)
    if flags.texts("exec-arg"):
        plugin["args"] = list(flags.texts("exec-arg"))
    if flags.changed("exec-provide-cluster-info"):
        plugin["provideClusterInfo"] = flags.is_set("exec-provide-cluster-info")
    if flags.texts("exec-env"):
        held = {v["name"]: v for v in plugin.get("env") or [] if v["name"] not in change.removed}
        held |= {name: {"name": name, "value": value} for name, value in change.new.items()}
        plugin["env"] = list(held.values())
    entry["exec"] = plugin


SET_CONTEXT = Command(
    "set-context",
    "set-context [NAME | --current] [--cluster=cluster_nickname] [--user=user_nickname] [--namespace=namespace]",
    "Make or change a context",
    examples="# Work in another namespace from now on\nkubesim config set-context --current --namespace=team-a",
    flags=(boolean("current", "Change the current context."),),
    run=_set_context,
)
SET_CLUSTER = Command(
    "set-cluster",
    "set-cluster NAME [--server=server] [--certificate-authority=path/to/certificate/authority] "
    "[--insecure-skip-tls-verify=true] [--tls-server-name=example.com]",
    "Make or change a cluster",
    flags=(_EMBED, Flag("proxy-url", "Proxy for requests to the cluster.")),
    run=_set_cluster,
)
SET_CREDENTIALS = Command(
    "set-credentials",
    "set-credentials NAME [--client-certificate=path/to/certfile] [--client-key=path/to/keyfile] "
    "[--token=bearer_token] [--username=basic_user] [--password=basic_password] [--exec-command=exec_command]",
    "Make or change a user",
    flags=(
        Flag("auth-provider", "The authentication provider."),
        Flag("auth-provider-arg", "An argument of the provider, key=value; key- removes one.", kind="slice"),
        _EMBED,
        Flag("exec-api-version", "The API version of the credential plugin."),
        Flag("exec-arg", "An argument of the credential plugin.", kind="slice"),
        Flag("exec-command", "The credential plugin."),
        Flag("exec-env", "A variable for the credential plugin, key=value; key- removes one.", kind="list"),
        Flag("exec-interactive-mode", "Whether the plugin may ask: IfAvailable, Always or Never."),
        boolean("exec-provide-cluster-info", "Tell the plugin of the cluster."),
    ),
    run=_set_credentials,
)
