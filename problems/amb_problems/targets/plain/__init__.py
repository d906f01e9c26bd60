"""Target networks that are torch modules in floating point: shipped, ImageNet's, and a user's own."""
