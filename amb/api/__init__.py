"""What Python users call beyond the contracts: comparing, reopening, and results that show themselves."""
