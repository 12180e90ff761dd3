"""Showing and measuring: the demo, and tvpn side by side with OpenVPN and wireguard-go."""
