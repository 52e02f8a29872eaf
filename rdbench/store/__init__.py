"""A store: tables and checkpoints in a folder or behind a URL."""
