"""Search by a Gaussian process on the latents, within a trust region around the best candidate."""
