"""The order in which Go's structs have the fields of objects: in it kubectl writes the objects it makes.

What kubectl makes from flags, it holds in typed structs: `-o json` and the annotation of `--save-config` show
the fields in the order of the struct (k8s.io/api, types.go), and only maps sorted by key. Objects here are
dicts; `in_struct_order` gives them that order.
"""

from __future__ import annotations

from typing import Any

from kubesim.util.jsontypes import JSONObject, JSONValue

# One order for all structs: where two structs share fields, they have them in the same order. The lines go
# from ObjectMeta over Service, workloads and Pods to the small kinds.
_FIELDS = (
    "kind apiVersion metadata immutable "
    "name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp "
    "deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields "
    "manager operation time fieldsType fieldsV1 subresource "
    "spec "
    "schedule timeZone startingDeadlineSeconds concurrencyPolicy "
    "replicas parallelism completions activeDeadlineSeconds podFailurePolicy successPolicy backoffLimit "
    "backoffLimitPerIndex maxFailedIndexes "
    "minAvailable ports selector manualSelector template ttlSecondsAfterFinished completionMode suspend "
    "podReplacementPolicy managedBy jobTemplate successfulJobsHistoryLimit failedJobsHistoryLimit "
    "maxUnavailable unhealthyPodEvictionPolicy "
    "matchLabels matchExpressions key operator values "
    "strategy "
    "clusterIP clusterIPs "
    "data stringData binaryData type "
    "externalIPs sessionAffinity loadBalancerIP loadBalancerSourceRanges externalName externalTrafficPolicy "
    "healthCheckNodePort publishNotReadyAddresses sessionAffinityConfig ipFamilies ipFamilyPolicy "
    "allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy trafficDistribution "
    "volumes initContainers containers ephemeralContainers "
    "image command args workingDir "
    "hostPort containerPort protocol appProtocol number port targetPort nodePort hostIP "
    "envFrom env valueFrom resources limits requests claims volumeMounts volumeDevices "
    "livenessProbe readinessProbe readOnly mountPath subPath mountPropagation items mode defaultMode "
    "optional exec httpGet tcpSocket initialDelaySeconds timeoutSeconds periodSeconds successThreshold "
    "failureThreshold startupProbe lifecycle terminationMessagePath terminationMessagePolicy "
    "imagePullPolicy restartPolicy terminationGracePeriodSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount "
    "automountServiceAccountToken nodeName hostNetwork securityContext imagePullSecrets hostname subdomain "
    "affinity schedulerName tolerations "
    "minReadySeconds revisionHistoryLimit paused progressDeadlineSeconds rollingUpdate maxSurge "
    "ingressClassName defaultBackend tls hosts secretName rules host http paths path pathType backend "
    "service resource "
    "hard scopes scopeSelector used "
    "value globalDefault description preemptionPolicy "
    "verbs apiGroups resourceNames nonResourceURLs aggregationRule clusterRoleSelectors subjects roleRef "
    "apiGroup "
    "audiences expirationSeconds boundObjectRef token expirationTimestamp "
    "status phase observedGeneration disruptedPods disruptionsAllowed currentHealthy desiredHealthy "
    "expectedPods loadBalancer conditions controller blockOwnerDeletion"
)


def _ranked(fields: str) -> dict[str, int]:
    return {name: position for position, name in enumerate(fields.split())}


_RANK = _ranked(_FIELDS)
# Structs that have shared fields in another order, by the field under which they stand.
_EXCEPTIONS = {
    "subjects": _ranked("kind apiGroup name namespace"),
    "roleRef": _ranked("apiGroup kind name"),
    "ownerReferences": _ranked("apiVersion kind name uid controller blockOwnerDeletion"),
    "boundObjectRef": _ranked("kind apiVersion name uid"),
    "rules": _ranked("verbs apiGroups resources resourceNames nonResourceURLs host http"),
    "httpGet": _ranked("path port host scheme httpHeaders"),
}
# Maps, whose keys Go sorts. `selector` is one in a Service alone.
_MAPS = frozenset(
    (
        "labels",
        "annotations",
        "matchLabels",
        "nodeSelector",
        "data",
        "binaryData",
        "stringData",
        "hard",
        "used",
        "limits",
        "requests",
        "fieldsV1",
        "disruptedPods",
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
    selects_pods = field == "selector" and not {"matchLabels", "matchExpressions"} & value.keys()
    if field in _MAPS or selects_pods:
        return dict(sorted(value.items()))
    return {key: _ordered(key, item) for key, item in _items(value, _EXCEPTIONS.get(field, _RANK))}


def _items(value: JSONObject, rank: dict[str, int]) -> list[tuple[str, Any]]:
    return sorted(value.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0]))
