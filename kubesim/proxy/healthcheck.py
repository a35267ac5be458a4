"""What a node answers on a Service's healthCheckNodePort: whether it has endpoints. Load balancers ask it.

Source: pkg/proxy/healthcheck/service_health.go.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """The answer for one Service: how many addresses of ready endpoints the node has."""

    namespace: str
    name: str
    local_endpoints: int

    @property
    def status(self) -> int:
        return 200 if self.local_endpoints else 503

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "X-Content-Type-Options": "nosniff",
            "X-Load-Balancing-Endpoint-Weight": str(self.local_endpoints),
        }

    @property
    def body(self) -> bytes:
        found = {
            "service": {"namespace": self.namespace, "name": self.name},
            "localEndpoints": self.local_endpoints,
            "serviceProxyHealthy": True,
        }
        return json.dumps(found, indent="\t").encode()
