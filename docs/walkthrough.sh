#!/usr/bin/env bash
# The Services walkthrough: every command is printed, then run on a cluster of its own that goes at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

KUBESIM_HOME=$(mktemp -d)
export KUBESIM_HOME
trap 'kubesim down >/dev/null; rm -rf "$KUBESIM_HOME"' EXIT

say() { printf '\n# %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; bash -c "$*"; }

say 'A Pod with nginx, and a Service in front of it'
show 'kubesim run my-pod --image=nginx --port=80 --expose=true'
show 'kubesim wait --for=condition=Ready pod/my-pod'
show 'kubesim get po,svc,ep --show-labels'
show 'kubesim get pods -o wide'

say 'The Service gets a port on every node'
show "KUBE_EDITOR='sed -i s/ClusterIP/NodePort/' kubesim edit svc my-pod"
show 'kubesim get svc my-pod'

say 'What a container is told: the Services that existed when it started'
show 'kubesim exec my-pod -- env | sort'
show 'kubesim run late --image=busybox --command -- sleep 3600'
show 'kubesim exec late -- env | grep SERVICE_HOST | sort'
show 'kubesim exec my-pod -- sh -c "hostname; cat /etc/resolv.conf"'

say 'Three Pods behind one Service, one behind another'
show 'kubesim apply -f manifests/walkthrough/'
show 'kubesim get endpoints frontend-svc db-svc'

say 'A Pod goes and another one comes: a new address, and the endpoints follow'
show 'kubesim delete pod frontend-2'
show 'kubesim get endpoints frontend-svc'
show 'kubesim apply -f manifests/walkthrough/'
show 'kubesim get endpoints frontend-svc'

say 'Who does what: without controllers there is a cluster IP, but no node, no Pod that runs, no endpoints'
show 'KUBESIM_RECONCILE=manual kubesim run demo --image=nginx --port=80 --expose'
show 'KUBESIM_RECONCILE=manual kubesim get po,svc,ep demo || true'
show 'KUBESIM_RECONCILE=manual kubesim reconcile'
show 'kubesim get po,svc,ep demo'

say 'In a shell script: exit codes and output are kubectl'"'"'s'
show 'kubesim create service clusterip again --tcp=80 --dry-run=client -o yaml | kubesim apply -f -'
show "kubesim get svc my-pod -o jsonpath='{.spec.clusterIP}:{.spec.ports[0].nodePort}{\"\\n\"}'"
show 'kubesim get pods -l app=frontend -o name | xargs kubesim delete'
show 'kubesim get endpoints frontend-svc'
