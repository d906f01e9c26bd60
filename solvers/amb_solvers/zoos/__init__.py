"""Optimizers from other packages, by name."""
