"""The gate: claims that must hold of a store's numbers, and verdicts on them. It needs no torch."""
