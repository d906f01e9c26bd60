"""What there is, by name: plug-ins, solvers, generators, targets, suites, problems, reference points."""
