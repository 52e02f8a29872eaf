"""The discrete toy: all of it finite sums, so that every number is exact."""
