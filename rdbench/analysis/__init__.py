"""A store, read: frames, figures, reports; no torch except for samples."""
