"""The validation of security contexts, of a pod and of its containers, and of what an operating system
allows.

Source: pkg/apis/core/validation.
"""

from __future__ import annotations

import re

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import is_valid_group_id, is_valid_user_id
from kubesim.apis.podtemplate import containers_with_paths
from kubesim.apis.podtemplate_volumes import validate_descending_path
from kubesim.util.jsontypes import JSONObject

PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL_MAX = 253
_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SEGMENT}[\./])*{_SEGMENT}"
_IPC_SYSCTLS = ("fs.mqueue.",)
_NET_SYSCTLS = ("net.",)
_LOCALHOST_MAX = 4095


def validate_security_context(
    context: JSONObject | None, path: Path, *, host_users: bool = True
) -> list[FieldError]:
    """The errors of a container's security context: ValidateSecurityContext."""
    if context is None:
        return []
    errors = _validate_ids(context, path)
    mount = context.get("procMount")
    if mount is not None and mount not in {"Default", "Unmasked"}:
        errors.append(field.not_supported(path.child("procMount"), mount, ("Default", "Unmasked")))
    if mount == "Unmasked" and host_users:
        detail = "`hostUsers` must be false to use `Unmasked`"
        errors.append(field.invalid(path.child("procMount"), mount, detail))
    errors += _validate_seccomp(context.get("seccompProfile"), path.child("seccompProfile"))
    if context.get("allowPrivilegeEscalation") is False:
        errors += _validate_escalation(context, path)
    errors += _validate_windows_options(context.get("windowsOptions"), path.child("windowsOptions"))
    return errors + _validate_app_armor(context.get("appArmorProfile"), path.child("appArmorProfile"))


def _validate_ids(context: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, check in (("runAsUser", is_valid_user_id), ("runAsGroup", is_valid_group_id)):
        value = context.get(name)
        if value is not None:
            errors += [field.invalid(path.child(name), value, e) for e in check(value)]
    return errors


def _validate_escalation(context: JSONObject, path: Path) -> list[FieldError]:
    from kubesim.apis.govalue import pretty

    shown = pretty("core.SecurityContext", context)
    errors = []
    if context.get("privileged"):
        detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        errors.append(field.invalid(path, shown, detail))
    if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
        detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        errors.append(field.invalid(path, shown, detail))
    return errors


def validate_pod_security_context(spec: JSONObject, path: Path) -> list[FieldError]:
    """The errors of a pod's own security context: validatePodSpecSecurityContext."""
    context = spec.get("securityContext")
    if context is None:
        return []
    errors: list[FieldError] = []
    group = context.get("fsGroup")
    if group is not None:
        errors += [field.invalid(path.child("fsGroup"), group, e) for e in is_valid_group_id(group)]
    errors += _validate_ids(context, path)
    for i, gid in enumerate(context.get("supplementalGroups") or ()):
        at = path.child("supplementalGroups").index(i)
        errors += [field.invalid(at, gid, e) for e in is_valid_group_id(gid)]
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(field.invalid(path.child("shareProcessNamespace"), True, detail))  # noqa: FBT003
    errors += _validate_sysctls(context.get("sysctls") or [], spec, path.child("sysctls"))
    for name, supported in (
        ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", ("Merge", "Strict")),
        ("seLinuxChangePolicy", ("Recursive",)),
    ):
        value = context.get(name)
        if value is not None and value not in supported:
            errors.append(field.not_supported(path.child(name), value, supported))
        if name == "fsGroupChangePolicy":
            errors += _validate_profiles(context, path)
    return errors


def _validate_profiles(context: JSONObject, path: Path) -> list[FieldError]:
    errors = _validate_seccomp(context.get("seccompProfile"), path.child("seccompProfile"))
    errors += _validate_windows_options(context.get("windowsOptions"), path.child("windowsOptions"))
    return errors + _validate_app_armor(context.get("appArmorProfile"), path.child("appArmorProfile"))


def _validate_sysctls(sysctls: list[JSONObject], spec: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for i, sysctl in enumerate(sysctls):
        at = path.index(i).child("name")
        name = str(sysctl.get("name") or "")
        if not name:
            errors.append(field.required(at, ""))
        elif len(name) > _SYSCTL_MAX or not re.fullmatch(_SYSCTL, name):
            detail = f"must have at most {_SYSCTL_MAX} characters and match regex ^{_SYSCTL}$"
            errors.append(field.invalid(at, name, detail))
        elif name in names:
            errors.append(field.duplicate(at, name))
        names.add(name)
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith(_NET_SYSCTLS):
            errors.append(field.invalid(at, name, "may not be specified when 'hostNetwork' is true"))
        elif spec.get("hostIPC") and (dotted.startswith(_IPC_SYSCTLS) or _is_ipc(dotted)):
            errors.append(field.invalid(at, name, "may not be specified when 'hostIPC' is true"))
    return errors


def _is_ipc(name: str) -> bool:
    return name.startswith(("kernel.shm", "kernel.msg")) or name == "kernel.sem"


def _validate_seccomp(profile: JSONObject | None, path: Path) -> list[FieldError]:
    if profile is None:
        return []
    kind = profile.get("type") or ""
    local = profile.get("localhostProfile")
    errors: list[FieldError] = []
    if not kind:
        errors.append(field.required(path.child("type"), "type is required when seccompProfile is set"))
    elif kind not in PROFILE_TYPES:
        errors.append(field.not_supported(path.child("type"), kind, PROFILE_TYPES))
    if kind == "Localhost":
        if local is None:
            detail = "must be set when seccomp type is Localhost"
            errors.append(field.required(path.child("localhostProfile"), detail))
        else:
            errors += validate_descending_path(local, path.child("localhostProfile"))
    elif local is not None:
        from kubesim.apis.govalue import pretty

        detail = "can only be set when seccomp type is Localhost"
        shown = pretty("core.SeccompProfile", profile)
        errors.append(field.invalid(path.child("localhostProfile"), shown, detail))
    return errors


def _validate_app_armor(profile: JSONObject | None, path: Path) -> list[FieldError]:
    if profile is None:
        return []
    kind = profile.get("type") or ""
    local = profile.get("localhostProfile")
    at = path.child("localhostProfile")
    if not kind:
        return [field.required(path.child("type"), "type is required when appArmorProfile is set")]
    if kind not in PROFILE_TYPES:
        return [field.not_supported(path.child("type"), kind, PROFILE_TYPES)]
    if kind != "Localhost":
        detail = "can only be set when AppArmor type is Localhost"
        return [] if local is None else [field.invalid(at, local, detail)]
    errors: list[FieldError] = []
    if local is None:
        return [field.required(at, "must be set when AppArmor type is Localhost")]
    if local != local.strip():
        errors.append(field.invalid(at, local, "must not be padded with whitespace"))
    elif not local:
        errors.append(field.required(at, "must be set when AppArmor type is Localhost"))
    if len(local) > _LOCALHOST_MAX:
        errors.append(field.too_long(at, "", _LOCALHOST_MAX))
    return errors


def _validate_windows_options(options: JSONObject | None, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    name = (options or {}).get("gmsaCredentialSpecName")
    if name == "":
        errors.append(
            field.invalid(
                path.child("gmsaCredentialSpecName"), name, "gmsaCredentialSpecName cannot be an empty string"
            )
        )
    spec = (options or {}).get("gmsaCredentialSpec")
    if spec == "":
        errors.append(
            field.invalid(
                path.child("gmsaCredentialSpec"), spec, "gmsaCredentialSpec cannot be an empty string"
            )
        )
    user = (options or {}).get("runAsUserName")
    if user == "":
        errors.append(
            field.invalid(path.child("runAsUserName"), user, "runAsUserName cannot be an empty string")
        )
    return errors


_POD_ONLY_ON_LINUX = (
    ("securityContext", "appArmorProfile"),
    ("securityContext", "seLinuxOptions"),
    ("hostUsers",),
    ("hostPID",),
    ("hostIPC",),
    ("securityContext", "seccompProfile"),
    ("securityContext", "fsGroup"),
    ("securityContext", "fsGroupChangePolicy"),
    ("securityContext", "sysctls"),
    ("shareProcessNamespace",),
    ("securityContext", "runAsUser"),
    ("securityContext", "runAsGroup"),
    ("securityContext", "supplementalGroups"),
    ("securityContext", "supplementalGroupsPolicy"),
    ("securityContext", "seLinuxChangePolicy"),
)
_CONTAINER_ONLY_ON_LINUX = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)
_EMPTY_WHERE_FALSE = {"hostPID", "hostIPC", "sysctls"}


def validate_os(spec: JSONObject, path: Path) -> list[FieldError]:
    """The errors that follow from `spec.os`."""
    if spec.get("os") is None:
        return []
    name = spec["os"].get("name") or ""
    if not name:
        return [field.required(path.child("os", "name"), "cannot be empty")]
    if name not in {"linux", "windows"}:
        return [field.not_supported(path.child("os"), name, ("linux", "windows"))]
    return _only_linux(spec, path) if name == "windows" else _no_windows_options(spec, path)


def _no_windows_options(spec: JSONObject, path: Path) -> list[FieldError]:
    detail = "windows options cannot be set for a linux pod"
    places = [(spec.get("securityContext") or {}, path)]
    places += [(c.get("securityContext") or {}, at) for c, at in containers_with_paths(spec, path)]
    return [
        field.forbidden(at.child("securityContext", "windowsOptions"), detail)
        for context, at in places
        if context.get("windowsOptions") is not None
    ]


def _only_linux(spec: JSONObject, path: Path) -> list[FieldError]:
    detail = "cannot be set for a windows pod"
    errors: list[FieldError] = []
    for steps in _POD_ONLY_ON_LINUX:
        holder = spec if len(steps) == 1 else spec.get("securityContext") or {}
        value = holder.get(steps[-1])
        if value if steps[-1] in _EMPTY_WHERE_FALSE else value is not None:
            errors.append(field.forbidden(path.child(*steps), detail))
    for container, at in containers_with_paths(spec, path):
        context = container.get("securityContext") or {}
        errors += [
            field.forbidden(at.child("securityContext", name), detail)
            for name in _CONTAINER_ONLY_ON_LINUX
            if context.get(name) is not None
        ]
    return errors
