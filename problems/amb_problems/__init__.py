"""Built-in problems of `amb`: generators, target networks, their data, training and checkpoints."""
