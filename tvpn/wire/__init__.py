"""Floor 1: bytes <-> values. Reading and writing of a format stand together, under the picture of its bytes."""
