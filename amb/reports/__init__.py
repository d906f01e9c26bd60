"""The report contract, and writing reports through it."""
