"""The version of kubesim, alone, so that a build can read it without importing anything else."""

VERSION = "0.1.0"
