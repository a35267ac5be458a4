"""`set serviceaccount`: the account that Pods run as (pkg/cmd/set/set_serviceaccount.go)."""

from __future__ import annotations

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError, raise_all
from kubesim.cli.options import WriteOptions
from kubesim.cli.setting.changing import (
    Setting,
    change_all,
    pod_spec_of,
    refuse_server_dry_run,
    setting_flags,
    typed_infos,
)
from kubesim.util.jsontypes import JSONObject

_SETTING = Setting("serviceaccount updated", "failed to patch ServiceAccountName ", keep_empty=True)


def run(context: Context) -> int:
    """The last word is the account, those before it say whose."""
    options = WriteOptions.of(context)
    refuse_server_dry_run(context, options)
    if not context.args:
        raise CLIError("serviceaccount is required")
    *resources, name = context.args
    infos = typed_infos(context, resources, refuse_resources=False)

    def change(obj: JSONObject) -> None:
        pod_spec_of(obj)["serviceAccountName"] = name

    raise_all(change_all(context, infos, options, change, _SETTING))
    return 0


COMMAND = Command(
    "serviceaccount",
    "serviceaccount (-f FILENAME | TYPE NAME) SERVICE_ACCOUNT",
    "Set the service account",
    examples="kubesim set serviceaccount deployment web builder",
    aliases=("sa",),
    flags=setting_flags(selector=False),
    run=run,
)
