"""YAML as kubectl reads and writes it, under one name: see `yamlload` and `yamldump` for the two halves."""

from __future__ import annotations

from kubesim.util.yamldump import dump
from kubesim.util.yamlload import Document, YAMLSyntaxError, load, load_documents

__all__ = ["Document", "YAMLSyntaxError", "dump", "load", "load_documents"]
