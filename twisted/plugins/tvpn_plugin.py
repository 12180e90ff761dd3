"""Names tvpn to twistd; nothing of ours is imported before ``twistd tvpn`` is asked for."""

from twisted.application.service import ServiceMaker

tvpn = ServiceMaker("tvpn", "tvpn.plugin", "A VPN service, wire-compatible with OpenVPN.", "tvpn")
