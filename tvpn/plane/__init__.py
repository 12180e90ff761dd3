"""Floor 3: the data plane. It moves packets with the keys it is handed, and knows nothing of how they came about."""
