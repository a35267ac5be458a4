"""`set subject`: more subjects for a role binding (pkg/cmd/set/set_subject.go)."""

from __future__ import annotations

from collections.abc import Sequence

from kubesim.cli.builder import Info
from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError, raise_all
from kubesim.cli.flags import Flag
from kubesim.cli.options import WriteOptions
from kubesim.cli.setting.changing import (
    Setting,
    change_all,
    refuse_selector_with_all,
    refuse_server_dry_run,
    setting_flags,
    typed_infos,
)
from kubesim.util.jsontypes import JSONObject

_GROUP = "rbac.authorization.k8s.io"
_SETTING = Setting("subjects updated", "failed to patch subjects to rolebinding: ")


def run(context: Context) -> int:
    """Add those of the subjects that are not there."""
    options = WriteOptions.of(context)
    infos = typed_infos(context, context.args)
    refuse_server_dry_run(context, options)
    refuse_selector_with_all(context)
    subjects = _subjects(context, infos)

    def change(obj: JSONObject) -> None:
        if obj.get("kind") not in ("RoleBinding", "ClusterRoleBinding"):
            raise CLIError("setting subjects is only supported for RoleBinding/ClusterRoleBinding")
        held = obj.get("subjects") or []
        more = [s for s in subjects if s not in held]
        if more:
            obj["subjects"] = [*held, *more]

    raise_all(change_all(context, infos, options, change, _SETTING))
    return 0


def _subjects(context: Context, infos: Sequence[Info]) -> list[JSONObject]:
    """The subjects that the flags name: users, groups, accounts, each by name. Raises CLIError."""
    flags = context.flags
    found: list[JSONObject] = []
    for kind, key in (("User", "user"), ("Group", "group")):
        found += [{"apiGroup": _GROUP, "kind": kind, "name": n} for n in sorted(set(flags.texts(key)))]
    accounts = flags.texts("serviceaccount")
    if not found and not accounts:
        raise CLIError("you must specify at least one value of user, group or serviceaccount")
    cluster = any(info.mapping.gvk.kind == "ClusterRoleBinding" for info in infos)
    for word in accounts:
        parts = word.split(":")
        if len(parts) != 2 or not parts[1]:
            raise CLIError("serviceaccount must be <namespace>:<name>")
        if cluster and not parts[0]:
            raise CLIError("serviceaccount must be <namespace>:<name>, namespace must be specified")
    for word in sorted(set(accounts)):
        namespace, _, name = word.partition(":")
        found.append(
            {"kind": "ServiceAccount", "name": name, "namespace": namespace or context.session.namespace}
        )
    return found


COMMAND = Command(
    "subject",
    "subject (-f FILENAME | TYPE NAME) [--user=username] [--group=groupname] "
    "[--serviceaccount=namespace:serviceaccountname]",
    "Add subjects to a role binding",
    examples="kubesim set subject rolebinding admin --user=jane",
    flags=setting_flags(
        Flag("group", "Groups to add.", kind="list"),
        Flag("serviceaccount", "Service accounts to add, namespace:name.", kind="list"),
        Flag("user", "Users to add.", kind="list"),
        recording=False,
    ),
    run=run,
)
