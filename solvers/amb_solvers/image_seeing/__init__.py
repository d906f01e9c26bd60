"""Solvers that see images: regress responses on features of the images shown, and climb the prediction."""
