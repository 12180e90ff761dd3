"""tvpn: the OpenVPN protocol as a programmable Python service."""

__version__ = "0.1.0"
