"""Reports that write tables."""
