"""The paths that kustomize knows without being told: api/internal/konfig/builtinpluginconsts."""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.cli.kustomize.fieldspecs import Config, FieldSpec, Reference
from kubesim.cli.kustomize.identity import Gvk

RBAC = "rbac.authorization.k8s.io"
NETWORKING = "networking.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
TEMPLATES = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job")


def _spec(
    path: str, kind: str = "", group: str = "", version: str = "", *, create: bool = False
) -> FieldSpec:
    return FieldSpec(path, Gvk(group, version, kind), create)


def _in_pods(paths: Iterable[str], *, pod_templates: bool = True) -> list[FieldSpec]:
    """Paths in the spec of a Pod, for all kinds that have one."""
    found = [_spec(f"spec/{path}", "Pod", version="v1") for path in paths]
    if pod_templates:
        found += [_spec(f"template/spec/{path}", "PodTemplate") for path in paths]
    found += [_spec(f"spec/template/spec/{path}", kind) for kind in TEMPLATES for path in paths]
    return found + [_spec(f"spec/jobTemplate/spec/template/spec/{path}", "CronJob") for path in paths]


def _in_owners(path: str) -> list[FieldSpec]:
    """Paths in the spec of a Pod, for the kinds that kustomize lists for accounts, claims and priorities."""
    kinds = ("StatefulSet", "Deployment", "ReplicationController", "Job", "DaemonSet")
    return [
        _spec(f"spec/{path}", "Pod"),
        *(_spec(f"spec/template/spec/{path}", kind) for kind in kinds),
        _spec(f"spec/jobTemplate/spec/template/spec/{path}", "CronJob"),
    ]


def _env(word: str) -> list[str]:
    """Where containers name a ConfigMap (`configMap`) or a Secret (`secret`)."""
    return [
        f"{containers}/{way}"
        for containers in ("containers", "initContainers")
        for way in (f"env/valueFrom/{word}KeyRef/name", f"envFrom/{word}Ref/name")
    ]


def _references() -> tuple[Reference, ...]:
    scaled = (_spec("spec/scaleTargetRef/name", "HorizontalPodAutoscaler"),)
    annotation = "metadata/annotations/"
    rules = [_spec("rules/resourceNames", kind) for kind in ("Role", "ClusterRole")]
    config_maps = [
        *_in_pods(["volumes/configMap/name", *_env("configMap"), "volumes/projected/sources/configMap/name"]),
        _spec("spec/configSource/configMap", "Node"),
        *rules,
        _spec(annotation + r"nginx.ingress.kubernetes.io\/fastcgi-params-configmap", "Ingress"),
    ]
    secrets = [
        *_in_pods(
            [
                "volumes/secret/secretName",
                *_env("secret"),
                "imagePullSecrets/name",
                "volumes/projected/sources/secret/name",
            ]
        ),
        _spec("spec/tls/secretName", "Ingress"),
        *(
            _spec(annotation + name, "Ingress")
            for name in (
                r"ingress.kubernetes.io\/auth-secret",
                r"nginx.ingress.kubernetes.io\/auth-secret",
                r"nginx.ingress.kubernetes.io\/auth-tls-secret",
            )
        ),
        _spec("imagePullSecrets/name", "ServiceAccount"),
        *(
            _spec(f"parameters/{name}", "StorageClass")
            for name in ("secretName", "adminSecretName", "userSecretName", "secretRef")
        ),
        *rules,
        _spec(
            "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
            "Service",
            "serving.knative.dev",
            "v1",
        ),
        _spec("spec/azureFile/secretName", "PersistentVolume"),
    ]
    services = [
        _spec("spec/serviceName", "StatefulSet", "apps"),
        *(
            _spec(path, "Ingress")
            for path in (
                "spec/rules/http/paths/backend/serviceName",
                "spec/backend/serviceName",
                "spec/rules/http/paths/backend/service/name",
                "spec/defaultBackend/service/name",
            )
        ),
        _spec("spec/service/name", "APIService", "apiregistration.k8s.io"),
        _spec("webhooks/clientConfig/service", "ValidatingWebhookConfiguration", ADMISSION),
        _spec("webhooks/clientConfig/service", "MutatingWebhookConfiguration", ADMISSION),
    ]
    accounts = [
        _spec("subjects", "RoleBinding", RBAC),
        _spec("subjects", "ClusterRoleBinding", RBAC),
        *_in_owners("serviceAccountName"),
    ]
    policies = [_spec("spec/policyName", "ValidatingAdmissionPolicyBinding", ADMISSION)]
    classes = [
        _spec("spec/storageClassName", "PersistentVolume"),
        _spec("spec/storageClassName", "PersistentVolumeClaim"),
        _spec("spec/volumeClaimTemplates/spec/storageClassName", "StatefulSet"),
    ]
    volumes = [_spec("spec/volumeName", "PersistentVolumeClaim"), rules[1]]
    bindings = [_spec("roleRef/name", "RoleBinding", RBAC), _spec("roleRef/name", "ClusterRoleBinding", RBAC)]
    found: list[tuple[Gvk, Iterable[FieldSpec]]] = [
        *((Gvk("", "", kind), scaled) for kind in ("Deployment", "ReplicationController", "ReplicaSet")),
        (Gvk("", "", "StatefulSet"), scaled),
        (Gvk("", "v1", "ConfigMap"), config_maps),
        (Gvk("", "v1", "Secret"), secrets),
        (Gvk("", "v1", "Service"), services),
        (Gvk(RBAC, "", "Role"), bindings[:1]),
        (Gvk(RBAC, "", "ClusterRole"), bindings),
        (Gvk("", "v1", "ServiceAccount"), accounts),
        (Gvk("", "v1", "PersistentVolumeClaim"), _in_owners("volumes/persistentVolumeClaim/claimName")),
        (Gvk("", "v1", "PersistentVolume"), volumes),
        (Gvk("storage.k8s.io", "v1", "StorageClass"), classes),
        (Gvk("scheduling.k8s.io", "v1", "PriorityClass"), _in_owners("priorityClassName")),
        # The group is written so in kustomize's own table; nothing is ever of it.
        (Gvk(f"{NETWORKING}/v1", "v1", "IngressClass"), [_spec("spec/ingressClassName", "Ingress")]),
        (Gvk(ADMISSION, "", "ValidatingAdmissionPolicy"), policies),
    ]
    return tuple(Reference(target, tuple(specs)) for target, specs in found)


def _template_maps(word: str, *, claims: bool) -> list[FieldSpec]:
    """Labels or annotations of objects and of the templates in them."""
    grouped = {"StatefulSet": "apps"} if claims else {}
    return [
        _spec(f"metadata/{word}", create=True),
        _spec(f"spec/template/metadata/{word}", "ReplicationController", version="v1", create=True),
        *(
            _spec(f"spec/template/metadata/{word}", kind, grouped.get(kind, ""), create=True)
            for kind in ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")
        ),
        *(
            [_spec(f"spec/volumeClaimTemplates[]/metadata/{word}", "StatefulSet", "apps", create=True)]
            if claims
            else []
        ),
        _spec(f"spec/template/metadata/{word}", "Job", "batch", create=True),
        _spec(f"spec/jobTemplate/metadata/{word}", "CronJob", "batch", create=True),
        _spec(f"spec/jobTemplate/spec/template/metadata/{word}", "CronJob", "batch", create=True),
    ]


def _selectors() -> list[FieldSpec]:
    match = "spec/selector/matchLabels"
    template = "spec/template/spec"
    affinities = [
        f"{template}/affinity/{kind}/{way}/labelSelector/matchLabels"
        for kind in ("podAffinity", "podAntiAffinity")
        for way in (
            "preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm",
            "requiredDuringSchedulingIgnoredDuringExecution",
        )
    ]
    spread = f"{template}/topologySpreadConstraints/labelSelector/matchLabels"
    return [
        _spec("spec/selector", "Service", version="v1", create=True),
        _spec("spec/selector", "ReplicationController", version="v1", create=True),
        *(_spec(match, kind, create=True) for kind in ("Deployment", "ReplicaSet", "DaemonSet")),
        _spec(match, "StatefulSet", "apps", create=True),
        *(
            _spec(path, kind, "apps")
            for kind in ("Deployment", "StatefulSet")
            for path in (*affinities, spread)
        ),
        _spec(match, "Job", "batch"),
        _spec("spec/jobTemplate/spec/selector/matchLabels", "CronJob", "batch"),
        _spec(match, "PodDisruptionBudget", "policy"),
        *(
            _spec(f"spec/{where}podSelector/matchLabels", "NetworkPolicy", NETWORKING)
            for where in ("", "ingress/from/", "egress/to/")
        ),
    ]


def _variables() -> list[FieldSpec]:
    """Where `$(NAME)` is replaced."""
    fields = [
        f"{containers}/{name}"
        for containers in ("containers", "initContainers")
        for name in ("args", "command", "env/value", "volumeMounts/mountPath")
    ]
    return [
        *_in_pods(fields, pod_templates=False),
        _spec("spec/jobTemplate/spec/template/volumes/nfs/server", "CronJob"),
        *(
            _spec("spec/template/spec/volumes/nfs/server", kind)
            for kind in TEMPLATES
            if kind != "StatefulSet"
        ),
        _spec("spec/volumes/nfs/server", "Pod"),
        _spec("spec/template/metadata/annotations", "Deployment"),
        *(_spec(f"spec/{path}", "Ingress") for path in ("rules/host", "tls/hosts", "tls/secretName")),
        _spec("spec/ports/port", "Service"),
        _spec("spec/ports/targetPort", "Service"),
        _spec("spec/volumeClaimTemplates/spec/nfs/server", "StatefulSet"),
        _spec("spec/nfs/server", "PersistentVolume"),
        _spec("metadata/labels"),
        _spec("metadata/annotations"),
    ]


def default_config() -> Config:
    """MakeDefaultConfig."""
    labels = _template_maps("labels", claims=True)
    names = (_spec("metadata/name"),)
    images = [
        _spec(f"{where}{containers}[]/image", create=True)
        for where in ("spec/", "spec/template/spec/")
        for containers in ("containers", "initContainers")
    ]
    scaled = ("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet")
    return Config().merge(
        Config(
            name_prefix=names,
            name_suffix=names,
            namespace=(
                _spec("metadata/name", "Namespace", create=True),
                _spec("spec/service/namespace", "APIService", "apiregistration.k8s.io", create=True),
                _spec(
                    "spec/conversion/webhook/clientConfig/service/namespace",
                    "CustomResourceDefinition",
                    "apiextensions.k8s.io",
                ),
            ),
            common_labels=(*_selectors(), *labels),
            template_labels=tuple(labels),
            common_annotations=tuple(_template_maps("annotations", claims=False)),
            var_reference=tuple(_variables()),
            images=tuple(images),
            replicas=tuple(_spec("spec/replicas", kind, create=True) for kind in scaled),
            name_reference=_references(),
        )
    )
