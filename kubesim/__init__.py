"""A whole Kubernetes cluster in one Python process."""

from kubesim import version

__version__ = version.VERSION

__all__ = ["__version__"]
