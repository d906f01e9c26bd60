"""Training of generators and targets: recipes, sessions that resume, export of checkpoints."""
