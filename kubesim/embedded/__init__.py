"""Clusters for Python programs and their tests: what `from kubesim import Cluster` gives."""
