"""A whole Kubernetes cluster in one Python process."""

from kubesim.version import VERSION as __version__

__all__ = ["__version__"]
