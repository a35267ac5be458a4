"""The schema of the default version, compiled once for a test run, and kinds that tests speak of often."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from kubesim.apimachinery.gvk import GroupVersionKind
from kubesim.apimachinery.schema import Node, Schema, load_schema

SERVICE = GroupVersionKind("", "v1", "Service")
POD = GroupVersionKind("", "v1", "Pod")
SECRET = GroupVersionKind("", "v1", "Secret")
CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")


@cache
def cache_directory() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="kubesim-schema-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def default_schema() -> Schema:
    return load_schema(cache_dir=cache_directory())


def node_of(gvk: GroupVersionKind) -> Node:
    return default_schema().node(gvk)
