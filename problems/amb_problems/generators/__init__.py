"""Generators: networks and analytic maps that turn a latent into an image."""
