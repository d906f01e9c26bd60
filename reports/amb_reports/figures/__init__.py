"""Reports that draw figures."""
