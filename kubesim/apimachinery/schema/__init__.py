"""What every kind of a Kubernetes version looks like: decoding, pruning, patch metadata and explanations.

The published OpenAPI definitions are compiled once into a compact table, kept on disk, and walked; no class
is made for any of them.
"""

from __future__ import annotations

from kubesim.apimachinery.schema.decode import DecodeError
from kubesim.apimachinery.schema.node import Node
from kubesim.apimachinery.schema.schema import DEFAULT_VERSION, Decoded, Schema, load_schema
from kubesim.apimachinery.schema.tables import available_versions

__all__ = ["DEFAULT_VERSION", "DecodeError", "Decoded", "Node", "Schema", "available_versions", "load_schema"]
