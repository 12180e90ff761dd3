"""Floor 7: the running service: what is built, started, asked, said and stopped."""
