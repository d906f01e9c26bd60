"""Names of features that need no network."""

UNTRAINED = ("random", "gabor")
