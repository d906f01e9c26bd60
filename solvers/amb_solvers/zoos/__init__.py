"""Optimizers of other packages, by name."""
