"""The patches of the API: JSON (RFC 6902), merge (RFC 7386), strategic merge; made and applied as Kubernetes does."""

from __future__ import annotations
