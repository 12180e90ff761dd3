"""Floor 4: many peers. Who stands at the door, who is in, which address is whose."""
