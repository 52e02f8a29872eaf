"""The gate: what must hold of a store's numbers, and whether it does; no torch."""
