"""Configuration: the option table, the readers for ini files and for OpenVPN's own, and the frozen settings."""

from tvpn.config.settings import Settings, load

__all__ = ["Settings", "load"]
