"""Read a store: frames, figures, reports. Only samples need torch."""
