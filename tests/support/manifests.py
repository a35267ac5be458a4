"""Pods and a Service that several tests ask things of."""

from __future__ import annotations

WEB = """\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
  - {name: web, image: nginx, ports: [{containerPort: 80, name: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 8080, targetPort: http}]}
---
"""
"""nginx, and a Service before it whose port has another number."""
STORE = """\
apiVersion: v1
kind: Pod
metadata: {name: store}
spec:
  containers:
  - {name: redis, image: redis}
---
"""
"""Redis."""
