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

say 'On a node the Pod answers at its own address, and at that of its Service'
show "kubesim ssh node-1 -- curl -sS \$(kubesim get pod my-pod -o jsonpath='{.status.podIP}') | grep title"
show "kubesim ssh node-1 -- curl -sS \$(kubesim get svc my-pod -o jsonpath='{.spec.clusterIP}') | grep title"

say 'From outside there is no way to either'
show "kubesim curl -sS -m 2 http://\$(kubesim get svc my-pod -o jsonpath='{.spec.clusterIP}') || true"

say 'The Service gets a port on every node, which answers outside too, whichever node has the Pod'
show "KUBE_EDITOR='sed -i s/ClusterIP/NodePort/' kubesim edit svc my-pod"
show 'kubesim get svc my-pod'
show "for node in \$(kubesim get nodes -o jsonpath='{.items[*].status.addresses[0].address}'); do
    kubesim curl -sS http://\$node:\$(kubesim get svc my-pod -o jsonpath='{.spec.ports[0].nodePort}') | grep title
  done"
show 'kubesim logs my-pod --tail=4'

say 'While the cluster is served, that port is open on this computer too: the real curl goes the same way'
show 'kubesim up --port=0 >/dev/null'
if command -v curl >/dev/null; then
  show 'curl -sS $(kubesim service my-pod --url) | grep title'
fi
show 'kubesim ssh node-1 -- iptables-save -t nat | grep default/my-pod'

say 'What a container is told: the Services that existed when it started'
show 'kubesim exec my-pod -- env | sort'
show 'kubesim run late --image=busybox --command -- sleep 3600'
show 'kubesim exec late -- env | grep SERVICE_HOST | sort'
show 'kubesim exec my-pod -- sh -c "hostname; cat /etc/resolv.conf"'

say 'Three Pods behind one Service, one behind another'
show 'kubesim apply -f manifests/walkthrough/'
show 'kubesim get endpoints frontend-svc db-svc'

say 'Names: nginx has no nslookup until it is installed'
show 'kubesim exec my-pod -- nslookup frontend-svc || true'
show 'kubesim exec my-pod -- sh -c "apt update && apt-get -y install dnsutils" > /dev/null 2>&1'
show 'kubesim exec my-pod -- nslookup frontend-svc'
show 'kubesim exec my-pod -- nslookup frontend-svc.default.svc.cluster.local'
show 'kubesim exec my-pod -- nslookup frontend-svc.other || true'

say 'Thirty requests are shared over three Pods: counted as answers, and in their logs'
show 'kubesim exec my-pod -- sh -c "for i in \$(seq 30); do curl -s frontend-svc; done | sort | uniq -c"'
show 'for n in 1 2 3; do echo "frontend-$n: $(kubesim logs frontend-$n | grep -c "GET /")"; done'

say 'A Service that sends to the wrong port: why does the request not arrive?'
show 'kubesim create namespace trial && kubesim apply -n trial -f manifests/mistakes/04-target-port.yaml'
show 'kubesim exec -n trial client -- wget -qO- -T 2 web || true'
show 'kubesim trace -n trial pod/client svc/web:80 || true'
show 'kubesim patch -n trial svc web --type=json -p '"'"'[{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 80}]'"'"
show 'kubesim exec -n trial client -- wget -qO- -T 2 web | grep title'

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
