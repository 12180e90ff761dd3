"""Floor 6: tvpn's own certificate authority, the files of the state, and the profiles for devices."""
