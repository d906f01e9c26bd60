"""Random, local and annealed search."""
