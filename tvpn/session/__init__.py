"""Floor 3: one peer's control channel, from the first reset to the last message. Sans-IO."""
