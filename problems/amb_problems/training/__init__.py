"""Training of generators and targets: recipes, resumable state and metrics."""
