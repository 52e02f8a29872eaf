"""What a run is: families, settings, grids of runs; imports no torch."""
