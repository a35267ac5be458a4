"""`set image`: other images for containers (pkg/cmd/set/set_image.go)."""

from __future__ import annotations

from collections.abc import Sequence

from kubesim.cli.command import Command, Context
from kubesim.cli.errors import CLIError, raise_all
from kubesim.cli.options import WriteOptions
from kubesim.cli.pairs import split_arguments
from kubesim.cli.setting.changing import (
    LOCAL_AND_SERVER,
    NO_RESOURCES,
    SELECTOR_AND_ALL,
    Setting,
    change_all,
    is_local,
    pod_spec_of,
    setting_flags,
    typed_infos,
)
from kubesim.util.jsontypes import JSONObject

_SETTING = Setting("image updated", "failed to patch image update to pod template: ")


def run(context: Context) -> int:
    """Objects are read before the flags are looked at, as kubectl does."""
    options = WriteOptions.of(context)
    resources, pairs = split_arguments(context.args, "image")
    images = _images(pairs)
    infos = typed_infos(context, resources)
    _validate(context, resources, images, options)
    missing: list[Exception] = []

    def change(obj: JSONObject) -> None:
        spec = pod_spec_of(obj)
        every = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
        for name, image in images.items():
            found = [c for c in every if name in ("*", c.get("name"))]
            if not found:
                missing.append(CLIError(f'error: unable to find container named "{name}"'))
            for container in found:
                container["image"] = image

    errors = change_all(context, infos, options, change, _SETTING)
    raise_all([*missing, *errors])
    return 0


def _images(pairs: Sequence[str]) -> dict[str, str]:
    wrong = [p for p in pairs if "=" not in p]
    if wrong:
        raise CLIError(f"invalid image format: {', '.join(wrong)}")
    return {name: image for name, _, image in (p.partition("=") for p in pairs)}


def _validate(
    context: Context, resources: Sequence[str], images: dict[str, str], options: WriteOptions
) -> None:
    flags = context.flags
    errors: list[Exception] = []
    if flags.is_set("all") and flags.text("selector"):
        errors.append(CLIError(SELECTOR_AND_ALL))
    if not resources and not flags.texts("filename") and not flags.text("kustomize"):
        errors.append(CLIError(NO_RESOURCES))
    if not images:
        errors.append(CLIError("at least one image update is required"))
    elif len(images) > 1 and "*" in images:
        errors.append(
            CLIError(
                "all containers are already specified by *, but saw more than one "
                "container_name=container_image pairs"
            )
        )
    if is_local(context) and options.dry_run == "server":
        errors.append(CLIError(LOCAL_AND_SERVER))
    raise_all(errors)


COMMAND = Command(
    "image",
    "image (-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1 ... CONTAINER_NAME_N=CONTAINER_IMAGE_N",
    "Change the image of a container",
    examples="kubesim set image pod/web nginx=nginx:1.27",
    flags=setting_flags(),
    run=run,
)
