"""The sweeps that ship with rdbench, each a TOML file: a key of a run with its value, or with a list of values."""
