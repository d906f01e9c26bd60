"""The atlas of a network: most exciting inputs of its units, layer by layer, also in the course of its training."""
