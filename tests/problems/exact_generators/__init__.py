"""Exact generators: images, weights and rounding."""
