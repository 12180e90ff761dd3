"""Floor 2: keys, wrapping, sealing, TLS in memory. Bytes in, bytes out; randomness and time are parameters."""
