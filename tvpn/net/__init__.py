"""Floor 5: Twisted shells around the sans-IO floors; owner of every descriptor."""
