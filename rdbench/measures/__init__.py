"""What is measured of a model: bounds, information, exact sums."""
