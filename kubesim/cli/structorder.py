"""The order in which Go's structs have the fields of objects: in it kubectl writes the objects it makes.

What kubectl makes from flags, it holds in typed structs: `-o json` and the annotation of `--save-config` show
the fields in the order of the struct (types.go of k8s.io/api), and only maps sorted by key. Objects here are
dicts; `in_struct_order` gives them that order.
"""

from __future__ import annotations

from typing import Any

from kubesim.util.jsontypes import JSONObject, JSONValue


def _ranked(fields: str) -> dict[str, int]:
    return {name: position for position, name in enumerate(fields.split())}


# One order in which the fields of all structs stand as in their own, but for those below: the structs of the
# kinds that kubectl makes, sorted topologically.
_RANK = _ranked(
    "kind apiGroup replicas parallelism completions activeDeadlineSeconds podFailurePolicy successPolicy "
    "backoffLimit backoffLimitPerIndex maxFailedIndexes schedule timeZone startingDeadlineSeconds "
    "concurrencyPolicy manager operation apiVersion metadata spec secrets imagePullSecrets "
    "automountServiceAccountToken immutable data binaryData stringData subjects roleRef name generateName "
    "namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp "
    "deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields image command "
    "args workingDir time fieldsType fieldsV1 subresource phase clientIP loadBalancer ingress ip hostname "
    "ipMode ports envFrom env hard scopes scopeSelector scopeName used medium sizeLimit key server "
    "claimName fieldPath containerName operator value globalDefault description preemptionPolicy values "
    "sources secret downwardAPI configMap serviceAccountToken clusterTrustBundle audience signerName "
    "labelSelector namespaces topologyKey namespaceSelector matchLabelKeys mismatchLabelKeys matchLabels "
    "matchExpressions matchFields driver reference pullPolicy hostPort containerPort protocol appProtocol "
    "hostIP prefix configMapRef secretRef valueFrom limits requests claims request resourceName devicePath "
    "exec httpGet tcpSocket grpc initialDelaySeconds timeoutSeconds periodSeconds successThreshold "
    "failureThreshold terminationGracePeriodSeconds postStart preStop sleep seconds capabilities privileged "
    "seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot readOnlyRootFilesystem "
    "allowPrivilegeEscalation procMount add drop user role supplementalGroups supplementalGroupsPolicy "
    "fsGroup sysctls fsGroupChangePolicy seccompProfile appArmorProfile seLinuxChangePolicy nodeAffinity "
    "podAffinity podAntiAffinity requiredDuringSchedulingIgnoredDuringExecution "
    "preferredDuringSchedulingIgnoredDuringExecution nodeSelectorTerms weight preference podAffinityTerm "
    "effect tolerationSeconds hostnames nameservers searches options conditionType resourceClaimName "
    "resourceClaimTemplateName action onExitCodes onPodConditions succeededIndexes succeededCount "
    "ingressClassName defaultBackend tls rules aggregationRule number hosts secretName items defaultMode "
    "optional paths minAvailable selector clusterIP clusterIPs manualSelector template strategy "
    "minReadySeconds revisionHistoryLimit paused progressDeadlineSeconds ttlSecondsAfterFinished "
    "completionMode suspend podReplacementPolicy managedBy jobTemplate successfulJobsHistoryLimit "
    "failedJobsHistoryLimit maxUnavailable maxSurge unhealthyPodEvictionPolicy verbs apiGroups resources "
    "resizePolicy restartPolicy volumeMounts volumeDevices livenessProbe readinessProbe startupProbe "
    "lifecycle terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin "
    "stdinOnce tty resourceNames nonResourceURLs clusterRoleSelectors audiences expirationSeconds path type "
    "status conditions externalIPs sessionAffinity loadBalancerIP loadBalancerSourceRanges externalName "
    "externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses sessionAffinityConfig ipFamilies "
    "ipFamilyPolicy allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy "
    "trafficDistribution port targetPort nodePort readOnly fsType volumeAttributes nodePublishSecretRef "
    "fieldRef resourceFieldRef mode configMapKeyRef secretKeyRef recursiveReadOnly mountPath subPath "
    "mountPropagation subPathExpr host scheme httpHeaders service resource divisor level localhostProfile "
    "rollingUpdate lastUpdateTime lastTransitionTime reason message http pathType backend boundObjectRef "
    "token expirationTimestamp"
)
_POD_SPEC = _ranked(
    "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds "
    "activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount "
    "automountServiceAccountToken nodeName hostNetwork hostPID hostIPC shareProcessNamespace "
    "securityContext imagePullSecrets hostname subdomain affinity schedulerName tolerations hostAliases "
    "priorityClassName priority dnsConfig readinessGates runtimeClassName enableServiceLinks "
    "preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os hostUsers schedulingGates "
    "resourceClaims resources"
)
# Structs that have fields in another order, by the field under which they stand.
_EXCEPTIONS = {
    "roleRef": _ranked("apiGroup kind name"),
    "ownerReferences": _ranked("apiVersion kind name uid controller blockOwnerDeletion"),
    "secrets": _ranked("kind namespace name uid apiVersion resourceVersion fieldPath"),
    "topologySpreadConstraints": _ranked(
        "maxSkew topologyKey whenUnsatisfiable labelSelector minDomains nodeAffinityPolicy nodeTaintsPolicy "
        "matchLabelKeys"
    ),
    "status": _ranked(
        "phase loadBalancer hard used observedGeneration replicas updatedReplicas readyReplicas "
        "availableReplicas unavailableReplicas disruptedPods disruptionsAllowed currentHealthy "
        "desiredHealthy expectedPods conditions collisionCount token expirationTimestamp"
    ),
}
_MAPS = frozenset(
    (
        "annotations",
        "binaryData",
        "data",
        "disruptedPods",
        "fieldsV1",
        "hard",
        "labels",
        "limits",
        "matchLabels",
        "nodeSelector",
        "overhead",
        "requests",
        "stringData",
        "used",
        "volumeAttributes",
    )
)


def in_struct_order(obj: JSONObject) -> JSONObject:
    """The same object with its keys in the order of Go's structs; those not known come last, by name."""
    return {key: _ordered(key, value) for key, value in _items(obj, _RANK)}


def _ordered(field: str, value: JSONValue) -> Any:
    if isinstance(value, list):
        return [_ordered(field, item) for item in value]
    if not isinstance(value, dict):
        return value
    # A Service's selector is a map, all others are LabelSelectors.
    is_map = field == "selector" and not {"matchLabels", "matchExpressions"} & value.keys()
    if is_map or field in _MAPS:
        return dict(sorted(value.items()))
    rank = _POD_SPEC if "containers" in value else _EXCEPTIONS.get(field, _RANK)
    return {key: _ordered(key, item) for key, item in _items(value, rank)}


def _items(value: JSONObject, rank: dict[str, int]) -> list[tuple[str, Any]]:
    return sorted(value.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0]))
