"""The roof: the ``tvpn`` command."""
