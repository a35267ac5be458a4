"""`set resources`: requests and limits of containers (pkg/cmd/set/set_resources.go)."""

from __future__ import annotations

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError, raise_all
from kubesim.cli.flags import Flag
from kubesim.cli.generators.basic import resource_list
from kubesim.cli.options import WriteOptions
from kubesim.cli.setting.changing import (
    Setting,
    change_all,
    containers_of,
    pod_spec_of,
    refuse_selector_with_all,
    refuse_server_dry_run,
    setting_flags,
    typed_infos,
)
from kubesim.util.jsontypes import JSONObject

_SETTING = Setting("resource requirements updated", "failed to patch resources update to pod template ")


def run(context: Context) -> int:
    """Lay the amounts that the flags give over those that are there."""
    flags = context.flags
    options = WriteOptions.of(context)
    infos = typed_infos(context, context.args)
    refuse_server_dry_run(context, options)
    refuse_selector_with_all(context)
    if not flags.text("limits") and not flags.text("requests"):
        raise CLIError(
            "you must specify an update to requests or limits (in the form of --requests/--limits)"
        )
    wanted = {key: resource_list(flags.text(key)) for key in ("limits", "requests")}
    pattern = flags.text("containers")
    missing: list[Exception] = []

    def change(obj: JSONObject) -> None:
        found = containers_of(pod_spec_of(obj), pattern)
        if not found:
            missing.append(CLIError(f"error: unable to find container named {pattern}"))
        for container in found:
            for key, values in wanted.items():
                if values:
                    resources = container.setdefault("resources", {})
                    resources[key] = {**(resources.get(key) or {}), **values}

    errors = change_all(context, infos, options, change, _SETTING)
    raise_all([*missing, *errors])
    return 0


COMMAND = Command(
    "resources",
    "resources (-f FILENAME | TYPE NAME)  ([--limits=LIMITS & --requests=REQUESTS]",
    "Set requests and limits of containers",
    examples="kubesim set resources deployment web --limits=cpu=200m,memory=512Mi",
    flags=setting_flags(
        Flag("containers", "Names of the containers; * stands for others.", "c", default="*"),
        Flag("limits", "Limits, such as cpu=100m,memory=256Mi."),
        Flag("requests", "Requests, in the same form."),
    ),
    run=run,
)
