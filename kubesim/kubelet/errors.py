"""What goes wrong between a Pod's spec and its containers, in the kubelet's words."""

from __future__ import annotations


class ConfigError(Exception):
    """A container cannot be configured: CreateContainerConfigError; the text is the kubelet's."""


class MountError(Exception):
    """A volume cannot be mounted; `volume` is its name."""

    def __init__(self, volume: str, text: str) -> None:
        super().__init__(text)
        self.volume = volume
