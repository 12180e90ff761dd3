"""Floor 6: what tvpn remembers, in one SQLite file: devices, leases, settings."""
