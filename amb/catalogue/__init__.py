"""The catalogue: plug-ins, solvers, generators, targets, suites, problems and reference points, by name."""
