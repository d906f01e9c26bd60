"""Evolution strategies and genetic algorithms."""
